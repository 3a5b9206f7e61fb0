//! What a start-up says about its properties although it goes on.

use std::fmt;

use crate::error::Origin;

/// One remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Keys that stock Kafka knows and that have no effect here.
    Ignored(Vec<&'static str>),
    /// A key that nobody knows.
    Unknown {
        /// Where it stands.
        origin: Origin,
        /// The key.
        key: String,
        /// The known key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// An entry that a later one of the same key replaces.
    Duplicate {
        /// Where the entry without effect stands.
        origin: Origin,
        /// The key.
        key: String,
    },
    /// Anything else worth a line.
    Advice(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::Ignored(names) => write!(f, "ignored: {}", names.join(", ")),
            Notice::Unknown { origin, key, nearest: Some(nearest) } => {
                write!(f, "{origin}: unknown key {key} (did you mean {nearest}?)")
            }
            Notice::Unknown { origin, key, nearest: None } => write!(f, "{origin}: unknown key {key}"),
            Notice::Duplicate { origin, key } => {
                write!(f, "{origin}: {key} is set again further down, which counts")
            }
            Notice::Advice(text) => f.write_str(text),
        }
    }
}

/// All remarks of one start, in the order of the file.
pub type Notices = Vec<Notice>;
