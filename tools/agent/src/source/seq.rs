//! The sequence source: events 0, 1, 2 …, for trying things out.

use std::sync::Arc;

use super::{Output, Signal};
use crate::{
    event::Event,
    plan::{Component, keys::streams as keys},
};

/// Makes numbers. Runs on a thread of its own.
pub struct SeqSource {
    total: i64,
    batch: i64,
    output: Output,
    signal: Arc<Signal>,
}

impl SeqSource {
    /// The source of checked properties.
    #[must_use]
    pub fn new(component: &Component, output: Output, signal: Arc<Signal>) -> SeqSource {
        let total = component.integer(&keys::TOTAL_EVENTS).unwrap_or(i64::MAX);
        let batch = component.integer(&keys::SEQ_BATCH_SIZE).unwrap_or(1).max(1);
        SeqSource { total, batch, output, signal }
    }

    /// Makes all of them, unless it is to stop before.
    pub fn run(self) {
        let mut next = 0;
        while next < self.total && !self.signal.stopping() {
            let end = self.total.min(next.saturating_add(self.batch));
            let events = (next..end).map(|number| Event::new(number.to_string())).collect();
            if self.output.put(events).is_err() {
                return;
            }
            next = end;
        }
    }
}
