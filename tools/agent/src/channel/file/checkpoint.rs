//! How far a file channel's events have been delivered: the file `checkpoint` of `checkpointDir`.
//!
//! Two slots are written in turn, so that a write that a crash tears leaves the other:
//!
//! ```text
//! at 0 and at 4096:
//!   magic            u32   "rkfc"
//!   CRC-32C          u32   of what follows
//!   sequence         u64   the higher one counts
//!   delivered        i64   every event below this offset has been delivered
//!   recovery point   i64   every event below this offset is on disk
//! ```

use std::{
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};

use rkafka_log::disk::{Disk, DiskFile, OpenMode};
use rkafka_record::crc::crc32c;

/// The file's name.
const NAME: &str = "checkpoint";
const MAGIC: [u8; 4] = *b"rkfc";
/// How far apart the slots are: no disk tears both.
const SLOT_BYTES: u64 = 4096;
/// Bytes of a slot that are used.
const LENGTH: usize = 32;

/// What a checkpoint says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Every event below this offset has been delivered.
    pub delivered: i64,
    /// Every event below this offset is on disk.
    pub recovery_point: i64,
}

/// The open file. Written by the channel, synced from any thread through [`Checkpoint::file`].
#[derive(Debug)]
pub struct Checkpoint {
    file: Arc<dyn DiskFile>,
    sequence: u64,
    found: Option<Progress>,
}

impl Checkpoint {
    /// Opens the file in a directory, which is made if need be.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(disk: &dyn Disk, directory: &Path) -> io::Result<Checkpoint> {
        disk.create_dir(directory)?;
        let file = disk.open(&directory.join(NAME), OpenMode::Create)?;
        disk.sync_dir(directory)?;
        let mut slots = Vec::new();
        for position in [0, SLOT_BYTES] {
            let mut slot = [0; LENGTH];
            if file.pread(&mut slot, position)? == LENGTH {
                slots.extend(decode(&slot));
            }
        }
        let newest = slots.into_iter().max_by_key(|(sequence, _)| *sequence);
        let sequence = newest.map_or(0, |(sequence, _)| sequence);
        Ok(Checkpoint { file, sequence, found: newest.map(|(_, progress)| progress) })
    }

    /// What the file said when it was opened; `None` if it was new or both slots are damaged.
    #[must_use]
    pub fn found(&self) -> Option<Progress> {
        self.found
    }

    /// Writes the next slot. A kill of the process keeps it; a power cut does once the file is synced.
    ///
    /// # Errors
    /// The disk's; the other slot still stands.
    pub fn write(&mut self, progress: Progress) -> io::Result<()> {
        let sequence = self.sequence + 1;
        let position = sequence % 2 * SLOT_BYTES;
        self.file.pwritev(&[IoSlice::new(&encode(sequence, progress))], position)?;
        self.sequence = sequence;
        Ok(())
    }

    /// For syncing it.
    #[must_use]
    pub fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }
}

fn encode(sequence: u64, progress: Progress) -> [u8; LENGTH] {
    let mut slot = [0; LENGTH];
    slot[..4].copy_from_slice(&MAGIC);
    slot[8..16].copy_from_slice(&sequence.to_be_bytes());
    slot[16..24].copy_from_slice(&progress.delivered.to_be_bytes());
    slot[24..].copy_from_slice(&progress.recovery_point.to_be_bytes());
    let checksum = crc32c(&slot[8..]);
    slot[4..8].copy_from_slice(&checksum.to_be_bytes());
    slot
}

fn decode(slot: &[u8; LENGTH]) -> Option<(u64, Progress)> {
    let eight = |from: usize| slot.get(from..from + 8)?.try_into().ok();
    let checksum = u32::from_be_bytes(slot.get(4..8)?.try_into().ok()?);
    if slot[..4] != MAGIC || checksum != crc32c(&slot[8..]) {
        return None;
    }
    let delivered = i64::from_be_bytes(eight(16)?);
    let recovery_point = i64::from_be_bytes(eight(24)?);
    Some((u64::from_be_bytes(eight(8)?), Progress { delivered, recovery_point }))
}

#[cfg(test)]
mod tests {
    use rkafka_log::disk::mem::SimDisk;

    use super::*;

    fn progress(delivered: i64) -> Progress {
        Progress { delivered, recovery_point: delivered + 1 }
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let disk = SimDisk::new();
        let open = || Checkpoint::open(&disk, Path::new("/c")).unwrap();
        let mut checkpoint = open();
        assert_eq!(checkpoint.found(), None);
        for delivered in 1..=5 {
            checkpoint.write(progress(delivered)).unwrap();
        }
        assert_eq!(open().found(), Some(progress(5)));
        // A torn write of the sixth: half of it over the fourth.
        let sixth = encode(6, progress(6));
        open().file().pwritev(&[IoSlice::new(&sixth[..20])], 0).unwrap();
        assert_eq!(open().found(), Some(progress(5)));
        open().file().pwritev(&[IoSlice::new(&sixth[..20])], SLOT_BYTES).unwrap();
        assert_eq!(open().found(), None);
    }
}
