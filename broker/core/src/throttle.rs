//! How fast replicas that are being moved may be copied: `leader.replication.throttled.rate` and its follower's twin
//! (KIP-73).
//!
//! A bucket of one second's bytes. What is sent is known only when it has been read, so the bucket may go into debt;
//! nothing more is due until the debt is paid. Over time the rate is met whatever the sizes of batches are.

/// Bytes a second that stand for "no limit": Kafka's default of the rates.
pub const UNLIMITED: u64 = i64::MAX as u64;

/// One limit. Owned by a broker, one for what its leaders send and one for what its followers fetch; times are
/// monotonic milliseconds.
#[derive(Debug, Clone, Default)]
pub struct RateLimit {
    /// Thousandths of bytes that are spent and not paid for by time yet.
    spent: u128,
    paid_ms: u64,
}

impl RateLimit {
    /// Whether nothing is due now at `rate` bytes a second.
    pub fn is_spent(&mut self, rate: u64, now_ms: u64) -> bool {
        self.pay(rate, now_ms);
        rate < UNLIMITED && self.spent >= u128::from(rate) * 1000
    }

    /// `bytes` were sent or fetched.
    pub fn record(&mut self, rate: u64, bytes: u64, now_ms: u64) {
        self.pay(rate, now_ms);
        if rate < UNLIMITED {
            self.spent = self.spent.saturating_add(u128::from(bytes) * 1000);
        }
    }

    fn pay(&mut self, rate: u64, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.paid_ms);
        self.spent = self.spent.saturating_sub(u128::from(rate) * u128::from(elapsed_ms));
        self.paid_ms = self.paid_ms.max(now_ms);
    }
}

/// The replicas on one broker that a topic's list throttles: `*`, or `partition:broker,…`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ThrottledReplicas {
    /// None.
    #[default]
    None,
    /// All of them.
    All,
    /// Those of these partitions.
    Of(Vec<i32>),
}

impl ThrottledReplicas {
    /// The replicas on `broker` that the entries of a list name. Lists are validated when they are set; an entry that
    /// is none throttles nothing.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>, broker: i32) -> Self {
        let mut partitions = Vec::new();
        for entry in entries.into_iter().map(str::trim) {
            if entry == "*" {
                return ThrottledReplicas::All;
            }
            if let Some((partition, of)) = entry.split_once(':')
                && of.trim().parse() == Ok(broker)
                && let Ok(partition) = partition.trim().parse()
            {
                partitions.push(partition);
            }
        }
        if partitions.is_empty() { ThrottledReplicas::None } else { ThrottledReplicas::Of(partitions) }
    }

    /// Whether the replica of that partition is one of them.
    #[must_use]
    pub fn contains(&self, partition: i32) -> bool {
        match self {
            ThrottledReplicas::None => false,
            ThrottledReplicas::All => true,
            ThrottledReplicas::Of(partitions) => partitions.contains(&partition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_met_over_time() {
        for batch in [10, 999, 5000] {
            let mut limit = RateLimit::default();
            let mut sent = 0;
            for now_ms in 0..60_000 {
                if !limit.is_spent(1000, now_ms) {
                    limit.record(1000, batch, now_ms);
                    sent += batch;
                }
            }
            // A second's bytes at once, then the rate, and at most one batch too many.
            assert!((60_000..=62_000 + batch).contains(&sent), "{sent} of {batch}");
        }
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let mut limit = RateLimit::default();
        limit.record(UNLIMITED, u64::MAX, 1);
        assert!(!limit.is_spent(UNLIMITED, 1) && !limit.is_spent(1, 1));
    }

    #[test]
    fn a_rate_of_nothing_stops_all() {
        assert!(RateLimit::default().is_spent(0, 1_000_000));
    }

    #[test]
    fn replicas_of_lists() {
        let check = |list: &str, expected: [bool; 3]| {
            let replicas = ThrottledReplicas::parse(list.split(','), 2);
            assert_eq!([0, 1, 7].map(|partition| replicas.contains(partition)), expected, "{list:?}");
        };
        check("", [false; 3]);
        check("*", [true; 3]);
        check("0:1,1:2,7:3", [false, true, false]);
        check(" 0:2 , 7:2", [true, false, true]);
        check("0:x,none", [false; 3]);
    }
}
