//! Channels: where events wait between sources and sinks.
//!
//! | module | what it is |
//! |---|---|
//! | [`memory`] | a bounded queue; what is in it is read again by its source after a kill |
//! | [`mod@file`] | a log on disk; what is in it is safe, and its source is told so at once |

pub mod file;
pub mod memory;

use std::{path::PathBuf, sync::atomic::AtomicU64, time::Duration};

pub use file::FileChannel;
pub use memory::MemoryChannel;

use crate::{
    event::Event,
    plan::{Component, keys::channels},
};

/// What a memory channel holds at most where `byteCapacity` is not set: what Flume's default, 80 % of Java's heap,
/// comes to with the 20 MB that `bin/flume-ng` gives. A file has no need of more, it can be read again.
const DEFAULT_BYTES: i64 = 16 * 1024 * 1024;

/// Why a channel cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A directory cannot be used.
    #[error("channel {channel}: {}: {reason}", .directory.display())]
    Directory {
        /// The channel.
        channel: String,
        /// The directory.
        directory: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// Its log cannot be opened.
    #[error("channel {channel}: {error}")]
    Log {
        /// The channel.
        channel: String,
        /// Why.
        error: rkafka_log::LogError,
    },
}

/// A batch was not taken in. It goes back to the source, which tries again.
#[derive(Debug, thiserror::Error)]
#[error("channel {channel} {reason}")]
pub struct Refused {
    /// The channel.
    pub channel: String,
    /// Why: it is full, or cannot write.
    pub reason: String,
    /// The batch.
    pub batch: Vec<Event>,
}

impl Refused {
    /// There was no room in all the time a put may wait.
    fn full(channel: &str, waited: Duration, batch: Vec<Event>) -> Refused {
        let reason = format!("is full: no room for {} events within {waited:?}", batch.len());
        Refused { channel: channel.to_owned(), reason, batch }
    }
}

/// What a channel has seen, by Flume's names.
#[derive(Debug, Default)]
pub struct ChannelCounters {
    /// Events sources tried to put.
    pub put_attempts: AtomicU64,
    /// Events put.
    pub puts: AtomicU64,
    /// Events sinks asked for.
    pub take_attempts: AtomicU64,
    /// Events delivered.
    pub takes: AtomicU64,
    /// Puts and takes that met a failing disk.
    pub errors: AtomicU64,
}

/// A channel of either kind, between any number of sources and sinks.
pub enum Channel {
    /// In memory.
    Memory(MemoryChannel),
    /// On disk.
    File(FileChannel),
}

impl Channel {
    /// The channel that checked properties describe.
    ///
    /// # Errors
    /// Its directories cannot be used.
    pub fn open(component: &Component) -> Result<Channel, ChannelError> {
        match component.definition.name {
            "file" => Ok(Channel::File(FileChannel::open(&file::Settings::new(component))?)),
            _ => Ok(Channel::Memory(MemoryChannel::new(&component.name, limits(component)))),
        }
    }

    /// Its name in the file.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Channel::Memory(channel) => channel.name(),
            Channel::File(channel) => channel.name(),
        }
    }

    /// What it has seen.
    #[must_use]
    pub fn counters(&self) -> &ChannelCounters {
        match self {
            Channel::Memory(channel) => channel.counters(),
            Channel::File(channel) => channel.counters(),
        }
    }

    /// How many events may wait.
    #[must_use]
    pub fn capacity(&self) -> usize {
        match self {
            Channel::Memory(channel) => channel.capacity(),
            Channel::File(channel) => channel.capacity(),
        }
    }

    /// How many events wait; in a file channel also those that sinks have not delivered yet.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Channel::Memory(channel) => channel.len(),
            Channel::File(channel) => channel.len(),
        }
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts a batch in, waiting for room up to the keep-alive time. A file channel has it on disk when this returns.
    ///
    /// # Errors
    /// There is still no room, or it cannot be written; the batch comes back.
    pub async fn put(&self, batch: Vec<Event>) -> Result<(), Refused> {
        match self {
            Channel::Memory(channel) => channel.put(batch).await,
            Channel::File(channel) => channel.put(batch).await,
        }
    }

    /// Takes up to `most` events, waiting for the first; none once the channel is closed and has no more to give.
    pub async fn take(&self, most: usize) -> Vec<Event> {
        match self {
            Channel::Memory(channel) => channel.take(most).await,
            Channel::File(channel) => channel.take(most).await,
        }
    }

    /// What was taken has been delivered.
    pub fn commit(&self, events: &[Event]) {
        match self {
            Channel::Memory(channel) => channel.commit(events),
            Channel::File(channel) => channel.commit(events),
        }
    }

    /// What was taken could not be delivered: it is the next to be taken, above the capacity if need be.
    pub fn roll_back(&self, events: Vec<Event>) {
        match self {
            Channel::Memory(channel) => channel.roll_back(events),
            Channel::File(channel) => channel.roll_back(events),
        }
    }

    /// No more will be put: takers get what there is, then nothing. What a file channel holds is safe there, and
    /// given out only with `drain`.
    pub fn close(&self, drain: bool) {
        match self {
            Channel::Memory(channel) => channel.close(),
            Channel::File(channel) => channel.close(drain),
        }
    }

    /// Lets go of what is open on disk, so that another may open it. To be called when no sink is at work any more.
    pub fn shut(&self) {
        if let Channel::File(channel) = self {
            channel.shut();
        }
    }
}

fn limits(component: &Component) -> memory::Limits {
    let bytes = match component.integer(&channels::BYTE_CAPACITY).unwrap_or(DEFAULT_BYTES) {
        0 => usize::MAX,
        bytes => {
            let headers = component.integer(&channels::BYTE_CAPACITY_BUFFER).unwrap_or(20);
            usize::try_from(bytes.saturating_mul(100 - headers) / 100).unwrap_or(usize::MAX)
        }
    };
    let seconds = component.integer(&channels::KEEP_ALIVE).unwrap_or(3).unsigned_abs();
    memory::Limits {
        events: component.count(&channels::CAPACITY),
        bytes,
        keep_alive: Duration::from_secs(seconds),
    }
}
