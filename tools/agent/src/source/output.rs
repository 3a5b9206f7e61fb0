//! From a source into its channels: interceptors, selector, and patience while a channel is full.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::Signal;
use crate::{
    channel::Channel,
    event::{Event, Text},
    interceptor::Interceptor,
    plan::{Component, keys::sources},
    receipt::Receipt,
};

/// What a source has done, by Flume's names.
#[derive(Debug, Default)]
pub struct SourceCounters {
    /// Events read.
    pub received: AtomicU64,
    /// Events that all their channels took.
    pub accepted: AtomicU64,
    /// Batches read.
    pub batches_received: AtomicU64,
    /// Batches that all their channels took.
    pub batches_accepted: AtomicU64,
    /// Times a channel was full.
    pub channel_full: AtomicU64,
    /// Things that could not be read to their end.
    pub read_failures: AtomicU64,
}

/// Which channels an event goes to.
struct Route {
    /// Its batch has not arrived before these have delivered it.
    required: Vec<Arc<Channel>>,
    /// These may refuse it.
    optional: Vec<Arc<Channel>>,
}

enum Selector {
    Replicating(Route),
    Multiplexing { header: Text, routes: Vec<(Text, Route)>, default: Route },
}

/// A source's way into its channels. Used by one thread.
pub struct Output {
    source: String,
    interceptors: Vec<Interceptor>,
    selector: Selector,
    runtime: tokio::runtime::Handle,
    signal: Arc<Signal>,
    max_backoff: Duration,
    /// What went through.
    pub counters: Arc<SourceCounters>,
}

/// The source is to stop; what was not put will be read again.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped;

impl Output {
    /// The way that a source's `channels`, `selector.…` and `interceptors.…` describe.
    pub fn new(
        source: &Component,
        channels: &[Arc<Channel>],
        runtime: tokio::runtime::Handle,
        signal: Arc<Signal>,
    ) -> Output {
        let max_backoff = source.integer(&sources::MAX_BACKOFF).unwrap_or(4_000).max(1).unsigned_abs();
        Output {
            source: source.name.clone(),
            interceptors: source.interceptors.iter().map(Interceptor::new).collect(),
            selector: Selector::new(source, channels),
            runtime,
            signal,
            max_backoff: Duration::from_millis(max_backoff),
            counters: Arc::default(),
        }
    }

    /// The runtime that channels and connections run on.
    #[must_use]
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    /// Hands a batch on; comes back when it is in its channels.
    ///
    /// # Errors
    /// The source is to stop.
    pub fn put(&self, events: Vec<Event>) -> Result<(), Stopped> {
        let count = events.len() as u64;
        self.counters.received.fetch_add(count, Ordering::Relaxed);
        self.counters.batches_received.fetch_add(1, Ordering::Relaxed);
        let kept: Vec<Event> = events.into_iter().filter_map(|event| self.intercept(event)).collect();
        for (channel, required, batch) in self.selector.distribute(kept) {
            if required {
                self.put_into(&channel, batch)?;
            } else if self.runtime.block_on(channel.put(batch)).is_err() {
                self.counters.channel_full.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.counters.accepted.fetch_add(count, Ordering::Relaxed);
        self.counters.batches_accepted.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn intercept(&self, mut event: Event) -> Option<Event> {
        for interceptor in &self.interceptors {
            if !interceptor.pass(&mut event) {
                event.receipt.done(1);
                return None;
            }
        }
        Some(event)
    }

    /// As Flume: a full channel is tried again after 250 ms, then twice as long each time.
    fn put_into(&self, channel: &Channel, mut batch: Vec<Event>) -> Result<(), Stopped> {
        let mut backoff = Duration::from_millis(250).min(self.max_backoff);
        loop {
            batch = match self.runtime.block_on(channel.put(batch)) {
                Ok(()) => return Ok(()),
                Err(refused) => {
                    // A source that cannot be asked again gets this one try when it is to stop.
                    if self.signal.stopping() {
                        return Err(Stopped);
                    }
                    tracing::warn!(source = self.source, "{refused}; trying again in {backoff:?}");
                    refused.batch
                }
            };
            self.counters.channel_full.fetch_add(1, Ordering::Relaxed);
            self.signal.wait(Instant::now() + backoff);
            backoff = (backoff * 2).min(self.max_backoff);
        }
    }
}

impl Selector {
    fn new(source: &Component, channels: &[Arc<Channel>]) -> Selector {
        let find = |names: &[String]| -> Vec<Arc<Channel>> {
            channels
                .iter()
                .filter(|channel| names.iter().any(|name| name == channel.name()))
                .cloned()
                .collect()
        };
        let all = source.names(&sources::CHANNELS);
        let optional = source.names(&sources::SELECTOR_OPTIONAL);
        let multiplexing = source
            .text(&sources::SELECTOR_TYPE)
            .is_some_and(|name| name.to_ascii_lowercase().contains("multiplexing"));
        if !multiplexing {
            let required: Vec<String> = all.into_iter().filter(|name| !optional.contains(name)).collect();
            return Selector::Replicating(Route { required: find(&required), optional: find(&optional) });
        }
        let split = |names: &str| -> Vec<String> { names.split_whitespace().map(str::to_owned).collect() };
        let optional_of = |value: &str| {
            source
                .open("selector.optional.")
                .find(|(name, ..)| *name == value)
                .map(|(_, names, _)| find(&split(names)))
        };
        let routes = source.open("selector.mapping.").map(|(value, names, _)| {
            let route =
                Route { required: find(&split(names)), optional: optional_of(value).unwrap_or_default() };
            (Text::from(value), route)
        });
        Selector::Multiplexing {
            header: source.text(&sources::SELECTOR_HEADER).unwrap_or_default(),
            routes: routes.collect(),
            default: Route {
                required: find(&source.names(&sources::SELECTOR_DEFAULT)),
                optional: find(&optional),
            },
        }
    }

    fn route(&self, event: &Event) -> &Route {
        match self {
            Selector::Replicating(route) => route,
            Selector::Multiplexing { header, routes, default } => event
                .headers
                .get(header)
                .and_then(|value| routes.iter().find(|(mapped, _)| mapped == value))
                .map_or(default, |(_, route)| route),
        }
    }

    /// Splits a batch by channel, required ones first, each keeping the order; accounts for copies and drops.
    fn distribute(&self, events: Vec<Event>) -> Vec<(Arc<Channel>, bool, Vec<Event>)> {
        if let Selector::Replicating(Route { required, optional }) = self
            && let ([channel], []) = (required.as_slice(), optional.as_slice())
        {
            return if events.is_empty() { Vec::new() } else { vec![(channel.clone(), true, events)] };
        }
        let mut batches: Vec<(Arc<Channel>, bool, Vec<Event>)> = Vec::new();
        let mut add = |channel: &Arc<Channel>, required: bool, event: Event| {
            let found =
                batches.iter_mut().find(|(other, kind, _)| Arc::ptr_eq(other, channel) && *kind == required);
            match found {
                Some((.., batch)) => batch.push(event),
                None => batches.push((channel.clone(), required, vec![event])),
            }
        };
        for event in events {
            let route = self.route(&event);
            match route.required.len() {
                0 => event.receipt.done(1),
                copies => event.receipt.expect_more(copies - 1),
            }
            for channel in &route.optional {
                add(channel, false, Event { receipt: Receipt::none(), ..event.clone() });
            }
            for channel in &route.required {
                add(channel, true, event.clone());
            }
        }
        batches.sort_by_key(|(_, required, _)| !required);
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{MemoryChannel, memory::Limits},
        event::Headers,
        plan::testing::source,
        receipt::Ledger,
    };

    fn channels(names: &[&str], events: usize) -> Vec<Arc<Channel>> {
        let limits = Limits { events, bytes: usize::MAX, keep_alive: Duration::ZERO };
        names.iter().map(|name| Arc::new(Channel::Memory(MemoryChannel::new(name, limits)))).collect()
    }

    fn event(kind: &'static str, receipt: &Receipt) -> Event {
        Event { headers: Headers::from_iter([("kind", kind)]), receipt: receipt.clone(), ..Event::new(kind) }
    }

    #[track_caller]
    fn check(settings: &str, kinds: &[&'static str], expected: [&[&str]; 3]) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let channels = channels(&["c1", "c2", "c3"], 3);
        let source = source(&format!("type = seq\nchannels = c1 c2 c3\n{settings}"));
        let output = Output::new(&source, &channels, runtime.handle().clone(), Arc::default());
        let ledger = Ledger::new(|| ());
        let receipt = ledger.open(kinds.len());
        output.put(kinds.iter().map(|kind| event(kind, &receipt)).collect()).unwrap();
        let found = channels.iter().map(|channel| {
            channel.close(true);
            let events = runtime.block_on(channel.take(99));
            channel.commit(&events);
            events.iter().map(|event| String::from_utf8(event.body.to_vec()).unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(ledger.completed(), 1, "every copy is accounted for");
    }

    #[test]
    fn replicating_copies_to_all() {
        check("", &["a", "b"], [&["a", "b"], &["a", "b"], &["a", "b"]]);
    }

    #[test]
    fn multiplexing_goes_by_header() {
        let settings = "selector.type = multiplexing\nselector.header = kind\nselector.mapping.a = c1 c2\n\
                        selector.mapping.b = c2\nselector.optional.b = c3\nselector.default = c3\n";
        check(settings, &["a", "b", "x"], [&["a"], &["a", "b"], &["x", "b"]]);
        let without_default =
            "selector.type = multiplexing\nselector.header = kind\nselector.mapping.a = c1\n";
        check(without_default, &["a", "x"], [&["a"], &[], &[]]);
    }

    #[test]
    fn a_full_optional_channel_is_passed_over() {
        let four = ["a", "b", "c", "d"];
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let channels = channels(&["c1", "c2"], 3);
        runtime.block_on(channels[1].put(vec![Event::new("there")])).unwrap();
        let source = source("type = seq\nchannels = c1 c2\nselector.optional = c2\n");
        let output = Output::new(&source, &channels, runtime.handle().clone(), Arc::default());
        output.put(four.iter().map(|body| Event::new(*body)).collect()).unwrap();
        assert_eq!((channels[0].len(), channels[1].len()), (4, 1));
    }

    #[test]
    fn dropped_events_count_as_arrived() {
        let settings = "interceptors = i1\ninterceptors.i1.type = regex_filter\ninterceptors.i1.regex = a\n";
        check(settings, &["a", "b"], [&["a"], &["a"], &["a"]]);
    }
}
