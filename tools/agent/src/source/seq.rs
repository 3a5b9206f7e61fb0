//! The sequence source: events 0, 1, 2 …, for trying things out.

use super::{Output, Signal};
use crate::event::Event;

/// Makes `total` events, `batch` at a time, unless it is to stop before.
pub fn run(total: Option<i64>, batch: Option<i64>, output: &Output, signal: &Signal) {
    let total = total.unwrap_or(i64::MAX);
    let batch = batch.unwrap_or(1).max(1);
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
