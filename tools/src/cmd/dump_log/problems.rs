//! What was found wrong in files that can be read all the same.

use std::collections::BTreeMap;
use std::fmt;

/// Pairs of numbers that should have fitted, by file.
type Pairs = BTreeMap<String, Vec<(i64, i64)>>;

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Problems {
    /// The offset in an index, and the last one of the batch it leads to.
    pub(super) index_mismatches: Pairs,
    /// The timestamp in a time index, and the largest of the batch it leads to.
    pub(super) time_mismatches: Pairs,
    /// A timestamp in a time index, and the one before it.
    pub(super) times_out_of_order: Pairs,
    /// An offset in a time index, and the one found where it should have been (-1: none).
    pub(super) offsets_not_found: Pairs,
    /// An offset, and the one behind it.
    pub(super) not_consecutive: Pairs,
}

/// Notes one pair.
pub(super) fn note(pairs: &mut Pairs, file: &str, one: i64, other: i64) {
    pairs.entry(file.to_owned()).or_default().push((one, other));
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (file, pairs) in &self.index_mismatches {
            writeln!(f, "Mismatches in :{file}")?;
            // The stock tool lists them from the last to the first.
            for (index, log) in pairs.iter().rev() {
                writeln!(f, "  Index offset: {index}, log offset: {log}")?;
            }
        }
        for (file, pairs) in &self.time_mismatches {
            writeln!(f, "Found timestamp mismatch in :{file}")?;
            for (index, log) in pairs {
                writeln!(f, "  Index timestamp: {index}, log timestamp: {log}")?;
            }
        }
        for (file, pairs) in &self.times_out_of_order {
            writeln!(f, "Found out of order timestamp in :{file}")?;
            for (index, before) in pairs {
                writeln!(f, "  Index timestamp: {index}, Previously indexed timestamp: {before}")?;
            }
        }
        for pairs in self.offsets_not_found.values() {
            writeln!(f, "The following indexed offsets are not found in the log.")?;
            for (index, log) in pairs {
                writeln!(f, "Indexed offset: {index}, found log offset: {log}")?;
            }
        }
        for (file, pairs) in &self.not_consecutive {
            writeln!(f, "Non-consecutive offsets in {file}")?;
            for (one, next) in pairs {
                writeln!(f, "  {one} is followed by {next}")?;
            }
        }
        Ok(())
    }
}
