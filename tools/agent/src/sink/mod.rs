//! Sinks: what takes events from a channel and makes them safe elsewhere.
//!
//! A [`Runner`] takes batches, hands them to its sink and commits what has arrived. A sink that fails gives the batch
//! back to the channel and rests for a while; in a group the next sink gets it instead.

pub mod file_roll;
pub mod kafka;
pub mod logger;
mod runner;

use std::sync::atomic::{AtomicU64, Ordering};

pub use runner::{Member, Runner};

use crate::{
    event::Event,
    plan::{Component, keys::sinks},
};

/// Why a batch was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The settings of its producer contradict each other, or the like.
    #[error("sink {sink}: {reason}")]
    Settings {
        /// The sink.
        sink: String,
        /// What is wrong.
        reason: String,
    },
    /// It could not be written or sent.
    #[error("sink {sink} cannot deliver {events} events: {reason}")]
    Delivery {
        /// The sink.
        sink: String,
        /// How many events were to go.
        events: usize,
        /// Why not.
        reason: String,
    },
}

/// What a sink has done, by Flume's names.
#[derive(Debug, Default)]
pub struct SinkCounters {
    /// Events taken.
    pub attempts: AtomicU64,
    /// Events delivered.
    pub delivered: AtomicU64,
    /// Full batches.
    pub complete_batches: AtomicU64,
    /// Batches that were not full.
    pub underflow_batches: AtomicU64,
    /// Times a batch went back to its channel.
    pub rollbacks: AtomicU64,
    /// Events that no topic takes, such as too large ones: logged and dropped.
    pub rejected: AtomicU64,
}

impl SinkCounters {
    /// Counts a batch that was taken.
    fn taken(&self, events: usize, full: usize) {
        self.attempts.fetch_add(events as u64, Ordering::Relaxed);
        let kind = if events >= full { &self.complete_batches } else { &self.underflow_batches };
        kind.fetch_add(1, Ordering::Relaxed);
    }
}

/// One sink, ready to run.
pub enum Sink {
    /// Kafka.
    Kafka(Box<kafka::KafkaSink>),
    /// The agent's log.
    Logger(logger::LoggerSink),
    /// Files.
    FileRoll(file_roll::FileRollSink),
    /// Nowhere.
    Null,
}

impl Sink {
    /// The sink that checked properties describe.
    ///
    /// # Errors
    /// Its producer's settings, or its directory, cannot be used.
    pub fn new(component: &Component) -> Result<Sink, SinkError> {
        Ok(match component.definition.name {
            "logger" => Sink::Logger(logger::LoggerSink::new(component)),
            "file_roll" => Sink::FileRoll(file_roll::FileRollSink::new(component)?),
            "null" => Sink::Null,
            _ => Sink::Kafka(Box::new(kafka::KafkaSink::new(component)?)),
        })
    }
}

/// How many events a sink takes at a time.
#[must_use]
pub fn batch_size(component: &Component) -> usize {
    let by_default = sinks::FLUME_BATCH_SIZE.default.and_then(|text| text.parse().ok()).unwrap_or(100);
    component.batch_size().map_or(by_default, |(_, size)| usize::try_from(size).unwrap_or(by_default)).max(1)
}

/// The bytes of a batch's bodies.
fn bytes(events: &[Event]) -> usize {
    events.iter().map(Event::size).sum()
}
