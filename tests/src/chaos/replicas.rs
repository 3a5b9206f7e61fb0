//! The logs of all replicas of a partition, which must be equal byte by byte once everything is replicated.

use std::collections::BTreeMap;

/// Length of a record batch's header up to what is read here.
const HEADER: usize = 61;

/// What differs between replicas of a partition, in words; nothing if they are equal.
#[must_use]
pub(crate) fn difference(logs: &BTreeMap<usize, Vec<u8>>) -> Option<String> {
    let (first, log) = logs.first_key_value()?;
    logs.iter().skip(1).find(|(_, other)| *other != log).map(|(node, other)| {
        let (ours, theirs) = (batches(log), batches(other));
        let at = ours.iter().zip(&theirs).take_while(|(one, other)| one == other).count();
        let shown = |batches: &[String]| batches.get(at).cloned().unwrap_or_else(|| "its end".to_owned());
        format!("node {first} has {}, node {node} has {}", shown(&ours), shown(&theirs))
    })
}

/// A line for each batch.
fn batches(mut log: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    while log.len() >= HEADER {
        let field = |at: usize| i32::from_be_bytes([log[at], log[at + 1], log[at + 2], log[at + 3]]);
        let long = |at: usize| (i64::from(field(at)) << 32) | i64::from(field(at + 4).cast_unsigned());
        let last = long(0) + i64::from(field(23));
        lines.push(format!(
            "offsets {}..={last} of epoch {}, producer {} from sequence {}, checksum {:#x}",
            long(0),
            field(12),
            long(43),
            field(53),
            field(17)
        ));
        let length = usize::try_from(field(8)).unwrap_or(0).saturating_add(12);
        log = log.get(length..).unwrap_or_default();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base: i64, epoch: i32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes[..8].copy_from_slice(&base.to_be_bytes());
        bytes[8..12].copy_from_slice(&49_i32.to_be_bytes());
        bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
        bytes[23..27].copy_from_slice(&2_i32.to_be_bytes());
        bytes
    }

    #[test]
    fn the_first_difference_is_named() {
        let good = [batch(0, 1), batch(3, 1)].concat();
        let other = [batch(0, 1), batch(3, 2)].concat();
        assert_eq!(difference(&[(0, good.clone()), (1, good.clone())].into()), None);
        let named = difference(&[(0, good.clone()), (2, other)].into()).unwrap_or_default();
        assert!(named.starts_with("node 0 has offsets 3..=5 of epoch 1,"), "{named}");
        assert!(named.contains("node 2 has offsets 3..=5 of epoch 2,"), "{named}");
        let short = difference(&[(0, batch(0, 1)), (1, good)].into()).unwrap_or_default();
        assert!(short.starts_with("node 0 has its end, node 1 has offsets 3..=5"), "{short}");
    }
}
