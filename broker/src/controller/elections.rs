//! When the controller elects leaders by itself: preferred ones now and then (`auto.leader.rebalance.enable`), and
//! unclean ones where nobody else could lead and the topic allows it.

use std::time::Duration;

use rkafka_config::{BrokerConfig, keys};
use tokio::time::Instant;

/// What is elected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// The first replica of each partition, where it is in sync and another one leads.
    Preferred,
    /// Any live replica, where none in sync is left and the topic allows it.
    Unclean,
}

/// The timers of one active controller.
#[derive(Debug)]
pub(super) struct Elections {
    /// Nothing while `auto.leader.rebalance.enable` is off.
    preferred: Option<Instant>,
    unclean: Instant,
}

impl Elections {
    /// A new controller waits for a whole interval: brokers may be about to come back.
    pub(super) fn start(config: &BrokerConfig) -> Self {
        let now = Instant::now();
        let preferred = config.get(keys::AUTO_LEADER_REBALANCE_ENABLE);
        Elections {
            preferred: preferred.then(|| now + interval(config, Election::Preferred)),
            unclean: now + interval(config, Election::Unclean),
        }
    }

    /// Ends when an election is to be held.
    pub(super) async fn due(&self) -> Election {
        match self.preferred {
            Some(at) if at <= self.unclean => {
                tokio::time::sleep_until(at).await;
                Election::Preferred
            }
            _ => {
                tokio::time::sleep_until(self.unclean).await;
                Election::Unclean
            }
        }
    }

    /// One was held; if not for all partitions that need it, the rest comes at once.
    pub(super) fn held(&mut self, kind: Election, is_all: bool, config: &BrokerConfig) {
        let next = Instant::now() + if is_all { interval(config, kind) } else { Duration::ZERO };
        match kind {
            Election::Preferred => self.preferred = Some(next),
            Election::Unclean => self.unclean = next,
        }
    }
}

/// No interval is longer: a clock does not reach the largest number that the key takes.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

fn interval(config: &BrokerConfig, kind: Election) -> Duration {
    let wanted = match kind {
        Election::Preferred => {
            let seconds = config.get(keys::LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS);
            Duration::from_secs(u64::try_from(seconds).unwrap_or(1))
        }
        Election::Unclean => {
            let ms = config.get(keys::UNCLEAN_LEADER_ELECTION_INTERVAL_MS);
            Duration::from_millis(u64::try_from(ms).unwrap_or(1).max(1))
        }
    };
    wanted.min(LONGEST)
}

#[cfg(test)]
mod tests {
    use rkafka_config::Properties;

    use super::*;

    fn config(text: &str) -> BrokerConfig {
        let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
        BrokerConfig::from_properties(&file, &[]).expect("valid").0
    }

    #[tokio::test(start_paused = true)]
    async fn each_kind_has_its_own_interval() {
        let config =
            config("leader.imbalance.check.interval.seconds=7\nunclean.leader.election.interval.ms=10000\n");
        let mut elections = Elections::start(&config);
        let started = Instant::now();
        let mut held = Vec::new();
        for is_all in [true, true, false, true] {
            let kind = elections.due().await;
            held.push((kind, started.elapsed().as_secs()));
            elections.held(kind, is_all, &config);
        }
        use Election::{Preferred, Unclean};
        assert_eq!(held, [(Preferred, 7), (Unclean, 10), (Preferred, 14), (Preferred, 14)]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_interval_without_end_is_a_year() {
        let most = format!("leader.imbalance.check.interval.seconds={}\n", i64::MAX);
        let config = config(&most);
        assert_eq!(interval(&config, Election::Preferred), LONGEST);
        assert_eq!(Elections::start(&config).due().await, Election::Unclean);
    }

    #[tokio::test(start_paused = true)]
    async fn preferred_leaders_can_be_left_alone() {
        let elections = Elections::start(&config("auto.leader.rebalance.enable=false\n"));
        assert_eq!(elections.due().await, Election::Unclean);
    }
}
