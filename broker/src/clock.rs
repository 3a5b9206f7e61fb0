//! The one real clock. Everything below the shells gets its time from here, as a value.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rkafka_core::time::Now;

/// Reads the machine's clocks. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Where the monotonic count begins.
    started: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock {
    /// This instant on both clocks.
    pub fn now(&self) -> Now {
        Now { mono_ms: self.mono_ms(), wall_ms: self.wall_ms() }
    }

    /// Milliseconds of the monotonic clock.
    pub fn mono_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970; 0 for a wall clock set before that.
    pub fn wall_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    /// The moment of tokio's clock at which the monotonic count reaches `mono_ms`.
    pub fn instant(&self, mono_ms: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started) + std::time::Duration::from_millis(mono_ms)
    }
}
