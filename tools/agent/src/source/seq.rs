//! The sequence source: events 0, 1, 2 …, for trying things out.

use super::{Output, Signal};
use crate::{
    event::Event,
    plan::{Component, keys::sources},
};

/// Makes events until it has made `totalEvents` or is to stop.
pub fn run(source: &Component, output: &Output, signal: &Signal) {
    let total = source.integer(&sources::TOTAL_EVENTS).unwrap_or(i64::MAX);
    let batch = source.integer(&sources::SEQ_BATCH_SIZE).unwrap_or(1).max(1);
    let mut next = 0;
    while next < total && !signal.stopping() {
        let end = total.min(next.saturating_add(batch));
        let events = (next..end).map(|number| Event::new(number.to_string())).collect();
        if output.put(events).is_err() {
            return;
        }
        next = end;
    }
}
