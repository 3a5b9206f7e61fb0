//! Channels: where events wait between sources and sinks.

pub mod memory;

use std::time::Duration;

pub use memory::MemoryChannel;

use crate::event::Event;

/// Why a batch was not taken in. It goes back to the source, which tries again.
#[derive(Debug, thiserror::Error)]
#[error("channel {channel} is full: no room for {} events within {waited:?}", .batch.len())]
pub struct ChannelFull {
    /// The channel.
    pub channel: String,
    /// How long the source waited.
    pub waited: Duration,
    /// The batch.
    pub batch: Vec<Event>,
}

/// What a channel has seen, by Flume's names.
#[derive(Debug, Default)]
pub struct ChannelCounters {
    /// Events sources tried to put.
    pub put_attempts: std::sync::atomic::AtomicU64,
    /// Events put.
    pub puts: std::sync::atomic::AtomicU64,
    /// Events sinks asked for.
    pub take_attempts: std::sync::atomic::AtomicU64,
    /// Events delivered.
    pub takes: std::sync::atomic::AtomicU64,
}
