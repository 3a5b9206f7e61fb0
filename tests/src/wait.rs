//! Waiting for a condition, with a limit that only a broken product reaches.

use std::time::{Duration, Instant};

/// How long a condition may take before the test fails. Generous on purpose: two slow cores with several JVMs
/// on them must not turn a correct run red.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Polls `condition` until it yields a value, or fails with `what` after [`PATIENCE`].
///
/// # Panics
/// When the condition did not come true in time; the message names `what`.
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, condition)
}

/// [`until`] with a patience of its own.
///
/// # Panics
/// When the condition did not come true in time; the message names `what`.
pub fn until_within<T>(patience: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> T {
    within(patience, condition).unwrap_or_else(|| panic!("waited {patience:?} in vain for: {what}"))
}

/// Polls `condition` until it yields a value, or gives up after `patience`.
pub fn within<T>(patience: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if start.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
