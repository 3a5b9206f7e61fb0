//! How long a broker may acknowledge without hearing from the controller.
//!
//! The controller fences a broker whose heartbeats stop for `broker.session.timeout.ms`, and lets others lead
//! its partitions. A broker that is cut off cannot hear of that, so it must stop by itself, and not later than
//! the controller believes it to have stopped. The session counts from when the controller *received* the
//! last heartbeat; the lease counts from when it was *sent*, which is earlier, so the lease always ends first.
//! Both sides count on their monotonic clocks: a jump of the wall clock changes nothing.

/// A broker's right to act as leader. Owned by the node, renewed by every answered heartbeat, asked before
/// every append and every acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    /// Monotonic milliseconds; 0 for a broker that was never heard.
    valid_until_ms: u64,
}

impl Lease {
    /// A heartbeat sent at `sent_ms` was answered, and the broker is not fenced. Answers may come out of
    /// order: an older one changes nothing.
    pub fn renew(&mut self, sent_ms: u64, session_timeout_ms: u64) {
        self.valid_until_ms = self.valid_until_ms.max(sent_ms.saturating_add(session_timeout_ms));
    }

    /// The controller said that the broker is fenced, or a new registration begins.
    pub fn revoke(&mut self) {
        self.valid_until_ms = 0;
    }

    /// Whether the controller cannot have fenced this broker for silence yet.
    #[must_use]
    pub fn is_valid(&self, now_ms: u64) -> bool {
        mutant!("acknowledge-when-fenced", now_ms < self.valid_until_ms, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_one_session_after_the_last_answered_heartbeat_was_sent() {
        let mut lease = Lease::default();
        assert!(!lease.is_valid(0));
        lease.renew(1_000, 9_000);
        assert!(lease.is_valid(9_999) && !lease.is_valid(10_000));
        lease.renew(500, 9_000);
        assert!(lease.is_valid(9_999), "an older answer does not shorten it");
        lease.revoke();
        assert!(!lease.is_valid(1_000));
    }
}
