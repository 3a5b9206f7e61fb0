//! How long this broker may act as a leader without hearing from the controller.
//!
//! The controller counts a broker's session from the moment it takes a heartbeat and elects other leaders once
//! the session is over (`broker.session.timeout.ms`). The broker counts from the moment it *sent* the heartbeat,
//! which is earlier: when the controller gives its leaderships away, it has stopped acknowledging, however badly
//! the two are cut off from one another. Clocks need not agree, only run at the same speed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// This broker's permission to acknowledge as a leader. Renewed by the heartbeats, read without a lock by
/// every leader on each append.
#[derive(Debug)]
pub struct Lease {
    /// The last millisecond of the monotonic clock at which it holds; [`u64::MAX`] without limit.
    until_ms: AtomicU64,
}

impl Lease {
    /// The lease of a broker that has not been unfenced yet: it does not hold.
    pub fn none() -> Self {
        Self { until_ms: AtomicU64::new(0) }
    }

    /// The lease of a broker that is alone in its cluster: nobody else could be made leader.
    pub fn unlimited() -> Self {
        Self { until_ms: AtomicU64::new(u64::MAX) }
    }

    /// Whether this broker may acknowledge at `mono_ms`.
    #[must_use]
    pub fn holds(&self, mono_ms: u64) -> bool {
        mono_ms <= self.until_ms.load(Ordering::Acquire)
    }

    /// A heartbeat that was sent at `sent_ms` was answered "not fenced".
    pub fn renew(&self, sent_ms: u64, session: Duration) {
        let session_ms = u64::try_from(session.as_millis()).unwrap_or(u64::MAX);
        self.until_ms.fetch_max(sent_ms.saturating_add(session_ms), Ordering::AcqRel);
    }

    /// The controller says that this broker is fenced.
    pub fn end(&self) {
        self.until_ms.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_for_a_session_after_the_sending() {
        let lease = Lease::none();
        assert!(!lease.holds(1));
        lease.renew(100, Duration::from_millis(50));
        assert!(lease.holds(100) && lease.holds(150) && !lease.holds(151));
        // An answer that was overtaken by a later one takes nothing back.
        lease.renew(90, Duration::from_millis(50));
        assert!(lease.holds(150));
        lease.end();
        assert!(!lease.holds(100));
        assert!(Lease::unlimited().holds(u64::MAX));
    }
}
