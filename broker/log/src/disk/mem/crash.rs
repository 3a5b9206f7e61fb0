//! What may be found on a disk after a crash: images built from a [`DiskState`] and the change in flight.
//!
//! | image | what happened | what is found |
//! |---|---|---|
//! | `Kill` | the process died | everything issued; the write in flight cut anywhere |
//! | `PowerCut` | all at once | what was synced; of the rest each 4 KiB block and size, names up to some change |
//! | `Torn` | power cut in the middle of a sector run | the same in steps of 512 bytes |
//! | `ZeroTail` | the size got through, the data did not | zeros for pending data, and some more behind the end |
//! | `Garbage` | the size got through, blocks are recycled ones | old or random bytes instead |
//!
//! Rules: nothing that was synced is ever lost or changed, except that `ZeroTail` and `Garbage` may add bytes
//! behind the end of a file with pending changes. Changes of names are lost from some point on, not one by
//! one: ext4 and XFS keep them in a journal in the order in which they were made. Names and contents know
//! nothing of each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rng::SimRng;
use super::state::{Change, ContentChange, DiskState, File, apply_names};

const BLOCK: usize = 4096;
const SECTOR: usize = 512;

/// Which image to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Kill -9: of a write in flight the first `eighths`/8 arrived.
    Kill {
        /// 0 to 8.
        eighths: u8,
    },
    /// Power cut that lost everything pending.
    PowerCutAll,
    /// Power cut that lost nothing (it came just too late).
    PowerCutNone,
    /// Power cut that kept a random part.
    PowerCut,
    /// Power cut at 512 bytes.
    Torn,
    /// Sizes kept, data zero.
    ZeroTail,
    /// Sizes kept, data replaced by stale bytes.
    Garbage,
}

impl DiskState {
    /// The disk as found after a crash while `in_flight` was being done (`None`: between two calls).
    /// Everything on it is then durable. Same arguments, same image.
    pub fn crashed(&self, crash: Crash, in_flight: Option<&Change>, seed: u64) -> DiskState {
        let mut state = self.clone();
        match (crash, in_flight) {
            (Crash::Kill { eighths }, Some(Change::Write { inode, position, bytes })) => {
                let arrived = bytes.len() * usize::from(eighths.min(8)) / 8;
                let bytes = bytes.get(..arrived).unwrap_or(bytes).into();
                state.apply(&Change::Write { inode: *inode, position: *position, bytes });
            }
            // Anything else is done or not done; a sync in flight has done nothing yet.
            (Crash::Kill { .. }, _) => {}
            (
                _,
                Some(Change::SyncData { .. } | Change::SyncDir { .. } | Change::SyncFailed { .. }) | None,
            ) => {}
            (_, Some(change)) => state.apply(change),
        }
        let mut rng = SimRng::new(seed);
        if !matches!(crash, Crash::Kill { .. }) {
            state.lose_names(crash, &mut rng);
            for file in state.files.values_mut() {
                let untouched = file.pending.is_empty();
                file.current =
                    if untouched { file.durable.clone() } else { Arc::new(found(file, crash, &mut rng)) };
            }
        }
        state.settle();
        state
    }

    fn lose_names(&mut self, crash: Crash, rng: &mut SimRng) {
        let pending = std::mem::take(&mut self.pending_names);
        let kept = match crash {
            Crash::PowerCutAll => 0,
            Crash::PowerCutNone => pending.len(),
            _ => rng.below(pending.len() + 1),
        };
        self.names = self.durable_names.clone();
        for change in pending.iter().take(kept) {
            apply_names(change, &mut self.names);
        }
    }

    /// What is there now is all there is.
    fn settle(&mut self) {
        self.pending_names.clear();
        self.durable_names = self.names.clone();
        let named: BTreeSet<_> = self.names.values().filter_map(|node| node.file()).collect();
        self.files.retain(|inode, _| named.contains(inode));
        for file in self.files.values_mut() {
            file.pending.clear();
            file.durable = file.current.clone();
            file.reserved = 0;
        }
    }
}

/// Contents of a file with pending changes after a power cut.
fn found(file: &File, crash: Crash, rng: &mut SimRng) -> Vec<u8> {
    match crash {
        Crash::PowerCutAll => file.durable.to_vec(),
        Crash::PowerCutNone | Crash::Kill { .. } => with_changes(file, file.pending.len()),
        Crash::PowerCut => mixed(file, BLOCK, rng),
        Crash::Torn => mixed(file, SECTOR, rng),
        Crash::ZeroTail => {
            let mut contents = file.durable.to_vec();
            let len =
                with_changes(file, file.pending.len()).len() + rng.below(2) * (SECTOR + rng.below(2 * BLOCK));
            contents.resize(len.max(contents.len()), 0);
            contents
        }
        Crash::Garbage => stale(file, rng),
    }
}

fn with_changes(file: &File, count: usize) -> Vec<u8> {
    let mut contents = file.durable.to_vec();
    file.pending.iter().take(count).for_each(|change| change.apply(&mut contents));
    contents
}

/// Each run of `grain` bytes as of another moment since the last sync; so is the size.
fn mixed(file: &File, grain: usize, rng: &mut SimRng) -> Vec<u8> {
    let mut versions = vec![file.durable.to_vec()];
    let mut contents = file.durable.to_vec();
    for change in &file.pending {
        change.apply(&mut contents);
        versions.push(contents.clone());
    }
    let pick = |rng: &mut SimRng| match rng.below(4) {
        0 => 0,
        1 => rng.below(versions.len()),
        _ => versions.len() - 1,
    };
    let len = versions.get(pick(rng)).map_or(0, Vec::len);
    let mut found = vec![0; len];
    for (index, place) in found.chunks_mut(grain).enumerate() {
        let version = versions.get(pick(rng)).and_then(|version| version.get(index * grain..));
        for (byte, old) in place.iter_mut().zip(version.unwrap_or_default()) {
            *byte = *old;
        }
    }
    found
}

/// The file at full size, with stale bytes where data was pending and perhaps behind the end.
fn stale(file: &File, rng: &mut SimRng) -> Vec<u8> {
    let mut contents = with_changes(file, file.pending.len());
    for change in &file.pending {
        let ContentChange::Write { position, bytes } = change else { continue };
        if rng.chance(1, 2) {
            // From the start of the write, or of a sector in it: within a sector nothing is torn.
            let start = usize::try_from(*position).unwrap_or(usize::MAX);
            let sectors = (start + bytes.len()) / SECTOR - start / SECTOR;
            let from = ((start / SECTOR + rng.below(sectors + 1)) * SECTOR).max(start);
            if let Some((past, rest)) = contents.split_at_mut_checked(from) {
                let place = rest.get_mut(..(start + bytes.len()).saturating_sub(from));
                fill_stale(place.unwrap_or_default(), past, rng);
            }
        }
    }
    if rng.chance(1, 2) {
        let mut tail = vec![0; rng.below(2 * BLOCK)];
        fill_stale(&mut tail, &contents, rng);
        contents.extend_from_slice(&tail);
    }
    contents
}

/// Whole sectors of what was written to the file before (so perhaps valid batches), or noise.
fn fill_stale(place: &mut [u8], past: &[u8], rng: &mut SimRng) {
    let sector = match rng.below(3) {
        0 => 0,
        1 => rng.below(past.len() / SECTOR + 1),
        _ => past.len(),
    };
    let mut old = past.iter().skip(sector * SECTOR + past.len() % SECTOR).copied();
    for byte in place {
        *byte = old.next().unwrap_or_else(|| rng.byte());
    }
}
