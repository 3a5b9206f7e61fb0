//! What drives sinks: takes from the channel, delivers, commits, and chooses among the sinks of a group.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{Sink, SinkCounters, SinkError};
use crate::{
    channel::Channel,
    event::Event,
    plan::{Component, keys::sinks},
};

/// How long a sink that failed rests when there is no other, at first and at most.
const FIRST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(5);

/// One sink with its settings.
pub struct Member {
    name: String,
    sink: Sink,
    batch: usize,
    priority: i64,
    /// Failures in a row, and until when it is passed over.
    failures: u32,
    rests_until: Option<Instant>,
    /// What it has done.
    pub counters: Arc<SinkCounters>,
}

impl Member {
    /// The sink of checked properties.
    ///
    /// # Errors
    /// See [`Sink::new`].
    pub fn new(component: &Component) -> Result<Member, SinkError> {
        Ok(Member {
            name: component.name.clone(),
            sink: Sink::new(component)?,
            batch: super::batch_size(component),
            priority: 0,
            failures: 0,
            rests_until: None,
            counters: Arc::default(),
        })
    }

    /// Delivers a batch to a sink that does so at once.
    fn deliver(&mut self, events: Vec<Event>) -> Result<Vec<Event>, (Vec<Event>, SinkError)> {
        if events.is_empty() {
            return Ok(events);
        }
        self.counters.taken(events.len(), self.batch);
        match &mut self.sink {
            Sink::Logger(logger) => logger.deliver(&events),
            Sink::FileRoll(files) => {
                if let Err(error) = files.deliver(&events) {
                    return Err((events, error));
                }
            }
            Sink::Null | Sink::Kafka(_) => {}
        }
        Ok(events)
    }

    fn rests(&self, now: Instant) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }
}

/// Which member of a group gets the next batch.
enum Processor {
    /// The one with the highest priority that does not rest.
    Failover { longest: Duration },
    /// Each in turn.
    RoundRobin { next: usize, backoff: Option<Duration> },
    /// Any.
    Random { backoff: Option<Duration> },
}

/// Drives the sinks of one channel's group; a sink in no group is a group of its own.
pub struct Runner {
    channel: Arc<Channel>,
    members: Vec<Member>,
    processor: Processor,
}

impl Runner {
    /// One sink alone.
    #[must_use]
    pub fn single(channel: Arc<Channel>, member: Member) -> Runner {
        Runner { channel, members: vec![member], processor: Processor::Failover { longest: LONGEST_REST } }
    }

    /// The sinks of a group.
    #[must_use]
    pub fn group(channel: Arc<Channel>, mut members: Vec<Member>, group: &Component) -> Runner {
        let time = |key| Duration::from_millis(group.integer(key).unwrap_or(30_000).unsigned_abs());
        let backoff = group.flag(&sinks::BACKOFF).then(|| time(&sinks::MAX_TIME_OUT));
        let processor = if group.is(&sinks::PROCESSOR_TYPE, "load_balance") {
            if group.is(&sinks::SELECTOR, "random") {
                Processor::Random { backoff }
            } else {
                Processor::RoundRobin { next: 0, backoff }
            }
        } else {
            for member in &mut members {
                let set = group.open("processor.priority.").find(|(name, ..)| *name == member.name);
                member.priority = set.and_then(|(_, text, _)| text.parse().ok()).unwrap_or(0);
            }
            members.sort_by_key(|member| std::cmp::Reverse(member.priority));
            Processor::Failover { longest: time(&sinks::MAX_PENALTY) }
        };
        Runner { channel, members, processor }
    }

    /// The members' names and counters.
    pub fn counters(&self) -> impl Iterator<Item = (String, Arc<SinkCounters>)> {
        self.members.iter().map(|member| (member.name.clone(), member.counters.clone()))
    }

    /// Delivers until the channel is closed and empty and everything has arrived.
    pub async fn run(mut self) {
        let mut last = None;
        loop {
            let at = self.choose().await;
            // A member that is left alone would not be asked what has arrived.
            if let Some(before) = last.replace(at).filter(|before| *before != at) {
                self.await_arrivals(before).await;
            }
            if !self.turn(at).await {
                break;
            }
        }
        for member in &mut self.members {
            if let Sink::Kafka(kafka) = &mut member.sink {
                kafka.close(Duration::from_secs(1)).await;
            }
        }
    }

    /// The member for the next batch; waits while all of them rest.
    async fn choose(&mut self) -> usize {
        loop {
            let now = Instant::now();
            let ready: Vec<usize> =
                (0..self.members.len()).filter(|at| !self.members[*at].rests(now)).collect();
            let chosen = match &mut self.processor {
                Processor::Failover { .. } => ready.first().copied(),
                Processor::RoundRobin { next, .. } => {
                    let chosen = ready.iter().find(|at| **at >= *next).or(ready.first()).copied();
                    *next = chosen.map_or(0, |at| (at + 1) % self.members.len());
                    chosen
                }
                Processor::Random { .. } if ready.is_empty() => None,
                Processor::Random { .. } => ready.get(fastrand::usize(..ready.len())).copied(),
            };
            match chosen {
                Some(at) => return at,
                None => {
                    let earliest = self.members.iter().filter_map(|member| member.rests_until).min();
                    tokio::time::sleep_until(earliest.unwrap_or(now + FIRST_REST)).await;
                }
            }
        }
    }

    /// One batch to one member, or the arrival of one; false once the channel is closed and all has arrived.
    async fn turn(&mut self, at: usize) -> bool {
        let member = &mut self.members[at];
        let Sink::Kafka(kafka) = &mut member.sink else {
            let events = self.channel.take(member.batch).await;
            let open = !events.is_empty();
            let delivered = member.deliver(events);
            self.settle(at, delivered);
            return open;
        };
        let counters = member.counters.clone();
        let arrives = !kafka.is_idle();
        let takes = kafka.has_room();
        let event = tokio::select! {
            biased;
            arrived = kafka.arrived(&counters), if arrives => Next::Arrived(arrived),
            taken = self.channel.take(member.batch), if takes => Next::Taken(taken),
        };
        match event {
            Next::Arrived(arrived) => self.settle(at, arrived),
            Next::Taken(events) if events.is_empty() => {
                // An event may come back to the closed channel: only then is there more to take.
                let delivered = self.await_arrivals(at).await;
                return !delivered;
            }
            Next::Taken(events) => {
                counters.taken(events.len(), member.batch);
                if let Err(failure) = kafka.send(events, &counters).await {
                    // What is on its way comes first, so that the order is kept.
                    self.await_arrivals(at).await;
                    self.settle(at, Err(failure));
                }
            }
        }
        true
    }

    /// Waits for everything a member has on its way; false if something came back.
    async fn await_arrivals(&mut self, at: usize) -> bool {
        let mut all = true;
        loop {
            let member = &mut self.members[at];
            let counters = member.counters.clone();
            let Sink::Kafka(kafka) = &mut member.sink else { return all };
            if kafka.is_idle() {
                return all;
            }
            let arrived = kafka.arrived(&counters).await;
            all &= arrived.is_ok();
            self.settle(at, arrived);
        }
    }

    /// Commits what has arrived; gives back what has not, and lets the member rest.
    fn settle(&mut self, at: usize, delivered: Result<Vec<Event>, (Vec<Event>, SinkError)>) {
        let longest = match &self.processor {
            Processor::Failover { longest } => *longest,
            Processor::RoundRobin { backoff, .. } | Processor::Random { backoff } => {
                backoff.unwrap_or(LONGEST_REST)
            }
        };
        let member = &mut self.members[at];
        match delivered {
            Ok(events) => {
                member.failures = 0;
                member.rests_until = None;
                member.counters.delivered.fetch_add(events.len() as u64, Ordering::Relaxed);
                self.channel.commit(&events);
            }
            Err((events, error)) => {
                let rest = (FIRST_REST * 2u32.saturating_pow(member.failures.min(16))).min(longest);
                tracing::warn!("{error}; they will be sent again in {rest:?}");
                member.failures += 1;
                member.rests_until = Some(Instant::now() + rest);
                member.counters.rollbacks.fetch_add(1, Ordering::Relaxed);
                self.channel.roll_back(events);
            }
        }
    }
}

/// What a Kafka sink's turn waits for.
enum Next {
    Arrived(Result<Vec<Event>, (Vec<Event>, SinkError)>),
    Taken(Vec<Event>),
}

#[cfg(test)]
mod tests;
