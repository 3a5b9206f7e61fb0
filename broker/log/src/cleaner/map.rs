//! Key → offset of its latest record, in a fixed amount of memory (Kafka's `SkimpyOffsetMap`).
//!
//! Keys are not kept, only a hash of 128 bits, so that an entry has 24 bytes whatever the keys are. Two keys
//! that share a hash would lose a record: with a keyed hash of that size that does not happen by chance, and
//! nobody who does not know the seed can make it happen.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// Bytes of one slot.
const SLOT_BYTES: usize = size_of::<Slot>();
/// Probes at distances that depend on the key, before neighbours are tried one after the other.
const SCATTERED_PROBES: u64 = 16;

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: [u64; 2],
    /// Offset + 1, so that zeroed memory is an empty slot.
    offset_plus_one: u64,
}

/// Latest offset of each key of the dirty part of a log. One per cleaner thread, used for one log after the
/// other.
#[derive(Debug)]
pub struct OffsetMap {
    slots: Vec<Slot>,
    slots_max: usize,
    load_factor: f64,
    seed: [u64; 2],
    len: usize,
    latest_offset: i64,
}

impl OffsetMap {
    /// A map that never takes more than `memory_bytes` (`log.cleaner.dedupe.buffer.size` divided by the
    /// number of cleaner threads), filled up to `load_factor` (`log.cleaner.io.buffer.load.factor`) of its
    /// slots. `seed` should be unknown to clients.
    pub fn new(memory_bytes: usize, load_factor: f64, seed: [u64; 2]) -> Self {
        let slots_max = (memory_bytes / SLOT_BYTES).max(2);
        Self { slots: Vec::new(), slots_max, load_factor, seed, len: 0, latest_offset: -1 }
    }

    /// Forgets everything and takes memory for at most `keys` keys, or as many as are allowed.
    pub fn reset(&mut self, keys: u64) {
        let wanted = (keys as f64 / self.load_factor.clamp(0.01, 1.0)) as usize;
        let count = wanted.saturating_add(1).clamp(2, self.slots_max);
        // Fresh zeroed memory: pages are taken only as they are touched.
        self.slots = vec![Slot::default(); count];
        (self.len, self.latest_offset) = (0, -1);
    }

    /// Gives the memory back.
    pub fn release(&mut self) {
        self.slots = Vec::new();
        (self.len, self.latest_offset) = (0, -1);
    }

    /// Keys that fit; at least one, or cleaning would never get on.
    pub fn capacity(&self) -> usize {
        let filled = (self.slots.len() as f64 * self.load_factor) as usize;
        filled.clamp(1, self.slots.len().saturating_sub(1).max(1))
    }

    /// Keys in the map.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every record up to this offset has been taken in; -1 if none.
    pub fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Says that everything up to `offset` has been taken in (records without key, gaps).
    pub fn advance_latest_offset(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
    }

    /// Notes a record; offsets must come in rising order. Returns `false`, changing nothing, if the map is
    /// full.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = self.hash(key);
        let is_full = self.len >= self.capacity();
        let Some(slot) = self.find(hash).and_then(|index| self.slots.get_mut(index)) else { return false };
        if slot.offset_plus_one == 0 {
            if is_full {
                return false;
            }
            self.len += 1;
        }
        *slot = Slot { hash, offset_plus_one: (offset as u64).wrapping_add(1) };
        self.latest_offset = offset;
        true
    }

    /// Offset of the latest record with this key.
    pub fn get(&self, key: &[u8]) -> Option<i64> {
        let slot = self.slots.get(self.find(self.hash(key))?)?;
        slot.offset_plus_one.checked_sub(1).map(|offset| offset as i64)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        let mut hasher = SipHasher13::new_with_keys(self.seed[0], self.seed[1]);
        hasher.write(key);
        let hash = hasher.finish128();
        [hash.h1, hash.h2]
    }

    /// The slot of `hash`, or the empty one where it would be put. At least one slot is always empty.
    fn find(&self, hash: [u64; 2]) -> Option<usize> {
        let count = self.slots.len() as u64;
        if count == 0 {
            return None;
        }
        let [first, step] = hash;
        for probe in 0..count + SCATTERED_PROBES {
            let scattered = first.wrapping_add(probe.min(SCATTERED_PROBES).wrapping_mul(step));
            let index = (scattered % count + probe.saturating_sub(SCATTERED_PROBES)) % count;
            let index = usize::try_from(index).ok()?;
            let slot = self.slots.get(index)?;
            if slot.offset_plus_one == 0 || slot.hash == hash {
                return Some(index);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn map(slots: usize, keys: u64) -> OffsetMap {
        let mut map = OffsetMap::new(slots * SLOT_BYTES, 0.9, [1, 2]);
        map.reset(keys);
        map
    }

    #[test]
    fn memory_is_bounded_by_the_buffer_and_by_the_keys_there_can_be() {
        assert_eq!(map(1000, u64::MAX).capacity(), 900);
        assert!(map(1_000_000, 10).slots.len() < 20);
        let mut none = map(0, 0);
        assert_eq!(none.capacity(), 1);
        assert!(none.put(b"a", 5) && !none.put(b"b", 6) && none.put(b"a", 7));
        assert_eq!((none.get(b"a"), none.get(b"b"), none.latest_offset()), (Some(7), None, 7));
    }

    #[test]
    fn offset_zero_is_an_offset() {
        let mut map = map(10, 10);
        assert_eq!(map.get(b"a"), None);
        assert!(map.put(b"a", 0));
        assert_eq!(map.get(b"a"), Some(0));
        map.reset(10);
        assert_eq!((map.get(b"a"), map.latest_offset()), (None, -1));
    }

    proptest! {
        #[test]
        fn agrees_with_a_hash_map(keys in prop::collection::vec(0_u16..300, 0..600), slots in 2_usize..400) {
            let (mut map, mut model) = (map(slots, u64::MAX), HashMap::new());
            for (offset, key) in (0_i64..).zip(keys) {
                let fits = model.contains_key(&key) || model.len() < map.capacity();
                prop_assert_eq!(map.put(&key.to_be_bytes(), offset), fits);
                if fits {
                    model.insert(key, offset);
                    prop_assert_eq!(map.latest_offset(), offset);
                }
                prop_assert_eq!(map.len(), model.len());
            }
            for key in 0..300_u16 {
                prop_assert_eq!(map.get(&key.to_be_bytes()), model.get(&key).copied());
            }
        }
    }
}
