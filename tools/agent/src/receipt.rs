//! Acknowledgements on their way back: a source learns that a batch has arrived, whatever channel it went through.
//!
//! Flume commits a source's position once the batch is in the *channel*, so that a memory channel loses what it
//! holds. Here each batch has a [`Receipt`]; its events carry it, whoever has made an event safe says so, and the
//! source's [`Ledger`] counts how many batches *from the oldest on* have arrived. Only those move a position.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

/// The source's side: its batches in order, and which of them have arrived. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Called after the oldest batch has arrived, outside the lock.
    wake: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    /// The number of the batch at the front of `arrived`.
    first: u64,
    arrived: VecDeque<bool>,
}

impl Ledger {
    /// A ledger without batches. `wake` is called, from any thread, whenever [`Ledger::completed`] has grown.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Ledger {
        Ledger { shared: Arc::new(Shared { state: Mutex::default(), wake: Box::new(wake) }) }
    }

    /// Begins the next batch, of `events` events; of none, it has arrived already.
    #[must_use]
    pub fn open(&self, events: usize) -> Receipt {
        let number = {
            let mut state = self.shared.state.lock();
            state.arrived.push_back(false);
            state.first + state.arrived.len() as u64 - 1
        };
        let batch =
            Batch { ledger: self.shared.clone(), number, outstanding: AtomicUsize::new(events.max(1)) };
        let receipt = Receipt(Some(Arc::new(batch)));
        if events == 0 {
            receipt.done(1);
        }
        receipt
    }

    /// How many batches, counted from the first ever, have arrived with all before them.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.shared.state.lock().first
    }

    /// How many batches are under way, arrived ones behind a missing one included.
    #[must_use]
    pub fn open_batches(&self) -> usize {
        self.shared.state.lock().arrived.len()
    }
}

impl Shared {
    fn arrived(&self, number: u64) {
        let grown = {
            let mut state = self.state.lock();
            let index = (number - state.first) as usize;
            state.arrived[index] = true;
            let before = state.first;
            while state.arrived.front() == Some(&true) {
                state.arrived.pop_front();
                state.first += 1;
            }
            state.first > before
        };
        if grown {
            (self.wake)();
        }
    }
}

/// One batch's claim to be told; carried by each of its events.
#[derive(Clone)]
pub struct Receipt(Option<Arc<Batch>>);

struct Batch {
    ledger: Arc<Shared>,
    number: u64,
    outstanding: AtomicUsize,
}

impl Receipt {
    /// For events whose source keeps no position.
    #[must_use]
    pub fn none() -> Receipt {
        Receipt(None)
    }

    /// `events` more deliveries are wanted before the batch counts as arrived: copies for further channels.
    /// Call it before any of the originals can have arrived.
    pub fn expect_more(&self, events: usize) {
        if let Some(batch) = &self.0 {
            batch.outstanding.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// `events` events of the batch are safe, or were dropped on purpose.
    pub fn done(&self, events: usize) {
        if let Some(batch) = &self.0 {
            let before = batch.outstanding.fetch_sub(events, Ordering::AcqRel);
            debug_assert!(before >= events, "more events arrived than were sent");
            if before == events {
                batch.ledger.arrived(batch.number);
            }
        }
    }

    /// Whether two events are of the same batch.
    #[must_use]
    pub fn same(&self, other: &Receipt) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(batch) => write!(f, "Receipt({})", batch.number),
            None => f.write_str("Receipt(none)"),
        }
    }
}

/// Tells the sources of these events that they are safe.
pub fn acknowledge<'a>(events: impl IntoIterator<Item = &'a crate::event::Event>) {
    let mut run: Option<(&Receipt, usize)> = None;
    for event in events {
        run = match run {
            Some((receipt, count)) if receipt.same(&event.receipt) => Some((receipt, count + 1)),
            before => {
                if let Some((receipt, count)) = before {
                    receipt.done(count);
                }
                Some((&event.receipt, 1))
            }
        };
    }
    if let Some((receipt, count)) = run {
        receipt.done(count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Event;

    #[test]
    fn only_the_unbroken_beginning_counts() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = wakes.clone();
        let ledger = Ledger::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let (first, second, third) = (ledger.open(2), ledger.open(1), ledger.open(0));
        second.done(1);
        assert_eq!((ledger.completed(), wakes.load(Ordering::Relaxed)), (0, 0));
        first.done(1);
        assert_eq!(ledger.completed(), 0, "one of two events is still missing");
        first.done(1);
        assert_eq!((ledger.completed(), wakes.load(Ordering::Relaxed)), (3, 1));
        assert_eq!(ledger.open_batches(), 0);
        drop(third);
    }

    #[test]
    fn copies_for_a_second_channel_are_waited_for() {
        let ledger = Ledger::new(|| ());
        let receipt = ledger.open(3);
        receipt.expect_more(3);
        receipt.done(3);
        assert_eq!(ledger.completed(), 0);
        receipt.done(3);
        assert_eq!(ledger.completed(), 1);
    }

    proptest! {
        #[test]
        fn events_may_arrive_in_any_order_and_grouping(
            sizes in prop::collection::vec(0usize..5, 1..12), seed in any::<u64>(), group in 1usize..7,
        ) {
            let ledger = Ledger::new(|| ());
            let mut events = Vec::new();
            for size in &sizes {
                let receipt = ledger.open(*size);
                events.extend((0..*size).map(|_| Event { receipt: receipt.clone(), ..Event::new("x") }));
            }
            // A cheap shuffle: any order will do.
            let mut state = seed | 1;
            for at in (1..events.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                events.swap(at, (state >> 33) as usize % (at + 1));
            }
            let mut before = 0;
            for some in events.chunks(group) {
                prop_assert!(ledger.completed() < sizes.len() as u64, "something is still on its way");
                acknowledge(some);
                prop_assert!(ledger.completed() >= before);
                before = ledger.completed();
            }
            prop_assert_eq!(ledger.completed(), sizes.len() as u64);
        }
    }
}
