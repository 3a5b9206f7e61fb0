//! What rkafka answers otherwise than Apache Kafka 4.3, on purpose. Everything that is not listed here must
//! be equal. An entry that explains no difference any more fails the test of its script.

/// One difference that is meant to be.
pub(crate) struct Intended {
    /// The script.
    pub(crate) script: &'static str,
    /// How the label of its step begins; empty for all steps.
    pub(crate) label: &'static str,
    /// What a differing line contains, on either side.
    pub(crate) line: &'static str,
    /// Why rkafka differs.
    pub(crate) reason: &'static str,
}

/// All of them.
pub(crate) const INTENDED: &[Intended] = &[];
