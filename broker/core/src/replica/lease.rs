//! How long a broker may act as a leader without hearing from the controller.
//!
//! The controller fences a broker whose heartbeats stop for `broker.session.timeout.ms`, and lets others lead
//! its partitions. A broker that is cut off cannot hear of that, so it must stop by itself, and not later than
//! the controller believes it to have stopped. The session counts from when the controller *received* the
//! last heartbeat; the lease counts from when it was *sent*, which is earlier, so the lease always ends first.
//! Both sides count on their monotonic clocks, which need not agree, only run at the same speed: a jump of the
//! wall clock changes nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A broker's permission to act as a leader. Owned by the node, renewed by every answered heartbeat, read without a
/// lock before every append and every acknowledgement.
#[derive(Debug)]
pub struct Lease {
    /// The last millisecond of the monotonic clock at which it holds; [`u64::MAX`] without limit.
    until_ms: AtomicU64,
}

impl Lease {
    /// The lease of a broker that was never heard: from the clock's second millisecond on it does not hold.
    #[must_use]
    pub fn none() -> Self {
        Self { until_ms: AtomicU64::new(0) }
    }

    /// The lease of a broker that is alone in its cluster: nobody else could be made leader.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { until_ms: AtomicU64::new(u64::MAX) }
    }

    /// Whether the controller cannot have fenced this broker for silence at `mono_ms`.
    #[must_use]
    pub fn holds(&self, mono_ms: u64) -> bool {
        mutant!("acknowledge-when-fenced", mono_ms <= self.until_ms.load(Ordering::Acquire), true)
    }

    /// A heartbeat sent at `sent_ms` was answered, and the broker is not fenced. Answers may come out of order: an
    /// older one changes nothing.
    pub fn renew(&self, sent_ms: u64, session: Duration) {
        let session_ms = u64::try_from(session.as_millis()).unwrap_or(u64::MAX);
        self.until_ms.fetch_max(sent_ms.saturating_add(session_ms), Ordering::AcqRel);
    }

    /// The controller said that the broker is fenced, or its registration has ended.
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
