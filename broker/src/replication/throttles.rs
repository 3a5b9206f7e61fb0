//! The rates at which this broker sends and fetches throttled replicas (KIP-73).

use parking_lot::Mutex;
use rkafka_config::{BrokerConfig, keys};
use rkafka_core::throttle::{RateLimit, UNLIMITED};

/// Both limits of a broker. The rates are read from the settings in force each time: they change while a
/// reassignment goes on.
#[derive(Debug, Default)]
pub struct Throttles {
    leader: Mutex<RateLimit>,
    follower: Mutex<RateLimit>,
}

fn rate(configured: i64) -> u64 {
    u64::try_from(configured).unwrap_or(UNLIMITED)
}

impl Throttles {
    /// Whether leaders here shall send nothing more of throttled replicas at `now_ms`.
    pub fn leader_is_spent(&self, config: &BrokerConfig, now_ms: u64) -> bool {
        self.leader.lock().is_spent(rate(config.get(keys::LEADER_REPLICATION_THROTTLED_RATE)), now_ms)
    }

    /// Leaders here sent `bytes` of throttled replicas.
    pub fn leader_sent(&self, config: &BrokerConfig, bytes: u64, now_ms: u64) {
        if bytes > 0 {
            let rate = rate(config.get(keys::LEADER_REPLICATION_THROTTLED_RATE));
            self.leader.lock().record(rate, bytes, now_ms);
        }
    }

    /// Whether followers here shall fetch nothing more of throttled replicas at `now_ms`.
    pub fn follower_is_spent(&self, config: &BrokerConfig, now_ms: u64) -> bool {
        self.follower.lock().is_spent(rate(config.get(keys::FOLLOWER_REPLICATION_THROTTLED_RATE)), now_ms)
    }

    /// Followers here fetched `bytes` of throttled replicas.
    pub fn follower_fetched(&self, config: &BrokerConfig, bytes: u64, now_ms: u64) {
        if bytes > 0 {
            let rate = rate(config.get(keys::FOLLOWER_REPLICATION_THROTTLED_RATE));
            self.follower.lock().record(rate, bytes, now_ms);
        }
    }
}
