//! The network: who can reach whom, how long it takes, what gets lost.
//!
//! Order is kept within a connection and nowhere else. A sender that gives up opens another connection; what it
//! sent on the old one may still arrive, later than what it sends on the new one. Answers on a connection that
//! was given up reach nobody.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_log::disk::mem::SimRng;

/// Who sends and receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Host {
    /// The node of the active controller, whoever that is.
    Controller,
    /// A broker.
    Broker(i32),
    /// A client.
    Client(u32),
}

/// How likely what is, each of a thousand messages.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// The request gets lost: the connection was reset before it took effect.
    pub(crate) lose_request: usize,
    /// The answer gets lost: the connection was reset after it took effect.
    pub(crate) lose_answer: usize,
    /// It takes up to [`Weather::delay_max_ms`].
    pub(crate) delay: usize,
    /// The longest delay.
    pub(crate) delay_max_ms: u64,
    /// It is stuck for seconds, with everything behind it on its connection.
    pub(crate) stall: usize,
    /// An AlterPartition request arrives twice, the second time late.
    pub(crate) duplicate: usize,
}

/// The network of one world.
#[derive(Debug)]
pub(crate) struct Network {
    rng: SimRng,
    /// What it is like now.
    pub(crate) weather: Weather,
    blocked: BTreeSet<(Host, Host)>,
    /// Messages to or from these take longer by so much.
    pub(crate) slow_ms: BTreeMap<Host, u64>,
    /// When the last message of a connection arrives: later ones do not overtake it.
    last_arrival: BTreeMap<(Host, Host, u64), u64>,
    /// Connections (asker, asked) that lost something: nothing gets through any more.
    broken: BTreeSet<(Host, Host, u64)>,
}

impl Network {
    /// A network in good weather.
    pub(crate) fn new(seed: u64) -> Self {
        Network {
            rng: SimRng::new(seed),
            weather: Weather::default(),
            blocked: BTreeSet::new(),
            slow_ms: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            broken: BTreeSet::new(),
        }
    }

    /// Nothing gets from `from` to `to` any more.
    pub(crate) fn block(&mut self, from: Host, to: Host) {
        self.blocked.insert((from, to));
    }

    /// Messages get from `from` to `to` again.
    pub(crate) fn unblock(&mut self, from: Host, to: Host) {
        self.blocked.remove(&(from, to));
    }

    /// Everybody can reach everybody again.
    pub(crate) fn unblock_all(&mut self) {
        self.blocked.clear();
    }

    /// Whether messages get from `from` to `to`.
    pub(crate) fn reaches(&self, from: Host, to: Host) -> bool {
        !self.blocked.contains(&(from, to))
    }

    /// When a message sent now arrives; `None` if it never does.
    pub(crate) fn arrival(
        &mut self,
        now_ms: u64,
        from: Host,
        to: Host,
        connection: u64,
        is_answer: bool,
    ) -> Option<u64> {
        let lose = if is_answer { self.weather.lose_answer } else { self.weather.lose_request };
        let lost = self.rng.chance(lose, 1000);
        let mut delay_ms = self.rng.next_u64() % 3;
        if self.rng.chance(self.weather.delay, 1000) {
            delay_ms += self.rng.next_u64() % (self.weather.delay_max_ms + 1);
        }
        if self.rng.chance(self.weather.stall, 1000) {
            delay_ms += 500 + self.rng.next_u64() % 4_000;
        }
        delay_ms += [from, to].iter().filter_map(|host| self.slow_ms.get(host)).sum::<u64>();
        let stream = if is_answer { (to, from, connection) } else { (from, to, connection) };
        // Requests to the controller go each over a connection of its own.
        let lasting = from != Host::Controller && to != Host::Controller;
        if lost || !self.reaches(from, to) || (lasting && self.broken.contains(&stream)) {
            self.broken.extend(lasting.then_some(stream));
            return None;
        }
        let last = self.last_arrival.entry((from, to, connection)).or_insert(0);
        *last = (*last).max(now_ms + delay_ms);
        Some(*last)
    }

    /// When the second copy of a message arrives, if there is one.
    pub(crate) fn duplicate(&mut self, now_ms: u64) -> Option<u64> {
        let again = self.rng.chance(self.weather.duplicate, 1000);
        let delay_ms = self.rng.next_u64() % 3_000;
        again.then_some(now_ms + delay_ms)
    }

    /// Forgets connections that have been quiet since long ago.
    pub(crate) fn forget_before(&mut self, now_ms: u64) {
        self.last_arrival.retain(|_, last| *last >= now_ms);
    }
}
