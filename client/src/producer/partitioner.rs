//! Which partition a record goes to, as the Java client decides it: by the key's murmur2 hash, else "sticky"
//! (KIP-480, KIP-794): one partition for about `batch.size` bytes, then another, those with short queues
//! being likelier.

/// The hash of Kafka's Java clients: MurmurHash2 (32 bits) with their seed, byte for byte.
#[must_use]
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let word = word.iter().rev().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        let mixed = word.wrapping_mul(M);
        let mixed = (mixed ^ (mixed >> R)).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ mixed;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)) as i32
}

/// The partition of a key among `partitions` of them, which must not be 0.
#[must_use]
pub fn partition_of_key(key: &[u8], partitions: usize) -> usize {
    debug_assert!(partitions > 0);
    (murmur2(key) & i32::MAX) as usize % partitions.max(1)
}

/// The partition that keyless records of one topic go to at present.
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    current: Option<usize>,
    /// Bytes since it was chosen.
    produced_bytes: usize,
}

impl Sticky {
    /// The partition in use.
    pub(crate) fn chosen(&self) -> Option<usize> {
        self.current
    }

    /// Uses this one from now on.
    pub(crate) fn choose(&mut self, partition: usize) {
        (self.current, self.produced_bytes) = (Some(partition), 0);
    }

    /// Whether the current partition got so much that its next batch may be another's.
    pub(crate) fn has_enough(&self, batch_size: usize) -> bool {
        self.produced_bytes >= batch_size
    }

    /// Notes that a record went to the current partition. Once `batch_size` bytes did, the next record starts
    /// another: at the end of a batch, so that none is cut short, or at twice the size at the latest.
    pub(crate) fn produced(&mut self, bytes: usize, batch_size: usize, is_batch_full: bool) {
        self.produced_bytes += bytes;
        let enough = self.produced_bytes >= batch_size && is_batch_full;
        if enough || self.produced_bytes >= batch_size.saturating_mul(2) {
            self.forget();
        }
    }

    /// Makes the next record choose anew: the current partition is gone, or new ones came.
    pub(crate) fn forget(&mut self) {
        self.current = None;
        self.produced_bytes = 0;
    }
}

/// Chooses among `(partition, batches waiting)`, which must not be empty: a partition is the likelier the
/// fewer batches wait for it.
pub(crate) fn by_load(queues: &[(usize, usize)], random: &mut fastrand::Rng) -> usize {
    let longest = queues.iter().map(|(_, waiting)| *waiting).max().unwrap_or_default();
    let weight = |waiting: usize| longest + 1 - waiting;
    let total: usize = queues.iter().map(|(_, waiting)| weight(*waiting)).sum();
    let mut left = random.usize(..total.max(1));
    for (partition, waiting) in queues {
        match left.checked_sub(weight(*waiting)) {
            Some(rest) => left = rest,
            None => return *partition,
        }
    }
    queues.last().map_or(0, |(partition, _)| *partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line was printed by the Java client's own function.
    #[test]
    fn hashes_of_the_java_client() {
        let vectors = include_str!("../../testdata/murmur2.txt");
        let mut count = 0;
        for line in vectors.lines().filter(|line| line.starts_with('-')) {
            let (key, expected) = line[1..].split_once(' ').unwrap();
            let byte = |at: usize| u8::from_str_radix(&key[at..at + 2], 16).unwrap();
            let key: Vec<u8> = (0..key.len()).step_by(2).map(byte).collect();
            assert_eq!(murmur2(&key), expected.parse::<i32>().unwrap(), "{line}");
            count += 1;
        }
        assert_eq!(count, 33);
        assert_eq!(partition_of_key(b"a", 7), ((-1_563_381_124 & i32::MAX) % 7) as usize);
    }

    #[test]
    fn one_partition_for_about_a_batch() {
        let mut sticky = Sticky::default();
        sticky.choose(4);
        sticky.produced(99, 100, true);
        assert_eq!(sticky.chosen(), Some(4));
        sticky.produced(1, 100, false);
        assert_eq!(sticky.chosen(), Some(4), "the batch is not cut short");
        assert!(sticky.has_enough(100));
        sticky.produced(100, 100, false);
        assert_eq!(sticky.chosen(), None, "twice the size is the end in any case");
        sticky.choose(5);
        sticky.produced(100, 100, true);
        assert_eq!(sticky.chosen(), None);
    }

    #[test]
    fn short_queues_are_likelier() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut counts = [0; 3];
        for _ in 0..6000 {
            // Weights 3, 1 and 2 of 6.
            counts[by_load(&[(0, 0), (1, 2), (2, 1)], &mut random)] += 1;
        }
        for (count, expected) in counts.into_iter().zip([3000_i32, 1000, 2000]) {
            assert!((count - expected).abs() < 200, "{counts:?}");
        }
    }
}
