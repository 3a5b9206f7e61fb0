//! What a file channel's properties say.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use crate::plan::{Component, keys::channels as keys};

/// The settings of one file channel.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The channel's name in the file.
    pub name: String,
    /// Where the checkpoint is kept.
    pub checkpoint: PathBuf,
    /// Where a second checkpoint is kept, if one is wanted.
    pub backup: Option<PathBuf>,
    /// Where the log may be kept.
    pub data: Vec<PathBuf>,
    /// The most events in it.
    pub capacity: usize,
    /// The most events of a put or a take.
    pub transaction: usize,
    /// The most bytes of a file of the log.
    pub file_bytes: u64,
    /// Bytes that must be free on the volume, or nothing is put.
    pub free_bytes: u64,
    /// How often the checkpoint is synced and delivered files are deleted.
    pub checkpoint_interval: Duration,
    /// How long a put waits for room.
    pub keep_alive: Duration,
    /// Puts are synced together this often; `None`: each before it returns.
    pub sync_interval: Option<Duration>,
    /// Whether the checkpoint is written when the channel is closed.
    pub checkpoint_on_close: bool,
}

/// As Flume: less free space than this is never accepted.
const LEAST_FREE_BYTES: i64 = 1024 * 1024;

impl Settings {
    /// Takes them from checked properties.
    #[must_use]
    pub fn new(channel: &Component) -> Settings {
        let number = |key| channel.integer(key).unwrap_or_default().unsigned_abs();
        let directory = |key| channel.text(key).map(|text| at_home(&text));
        let data = channel.text(&keys::DATA_DIRS).unwrap_or_default();
        let dual = channel.flag(&keys::USE_DUAL_CHECKPOINTS);
        let each = channel.flag(&keys::FSYNC_PER_TRANSACTION);
        Settings {
            name: channel.name.clone(),
            checkpoint: directory(&keys::CHECKPOINT_DIR).unwrap_or_default(),
            backup: directory(&keys::BACKUP_CHECKPOINT_DIR).filter(|_| dual),
            data: data.split(',').map(str::trim).filter(|text| !text.is_empty()).map(at_home).collect(),
            capacity: channel.count(&keys::FILE_CAPACITY),
            transaction: channel.count(&keys::FILE_TRANSACTION_CAPACITY),
            file_bytes: number(&keys::MAX_FILE_SIZE),
            free_bytes: number(&keys::MINIMUM_REQUIRED_SPACE).max(LEAST_FREE_BYTES.unsigned_abs()),
            checkpoint_interval: Duration::from_millis(number(&keys::CHECKPOINT_INTERVAL).max(1)),
            keep_alive: Duration::from_secs(number(&keys::KEEP_ALIVE)),
            sync_interval: (!each).then(|| Duration::from_secs(number(&keys::FSYNC_INTERVAL).max(1))),
            checkpoint_on_close: channel.flag(&keys::CHECKPOINT_ON_CLOSE),
        }
    }
}

/// `~/x` below the home directory, as Flume's defaults are written.
#[must_use]
pub fn at_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(text),
    }
}
