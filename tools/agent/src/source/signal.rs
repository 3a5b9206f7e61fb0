//! What wakes a source's thread: an acknowledgement, a change in its directory, the wish that it stops.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

/// Wakes one waiting thread. A raise that nobody waits for is kept for the next wait.
#[derive(Default)]
pub struct Signal {
    raised: Mutex<bool>,
    wake: Condvar,
    stopping: AtomicBool,
}

impl Signal {
    /// Something has happened.
    pub fn raise(&self) {
        *self.raised.lock() = true;
        self.wake.notify_one();
    }

    /// The source is to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.raise();
    }

    /// Whether it is.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Waits until something happens or `deadline` passes.
    pub fn wait(&self, deadline: Instant) {
        let mut raised = self.raised.lock();
        while !*raised {
            if self.wake.wait_until(&mut raised, deadline).timed_out() {
                break;
            }
        }
        *raised = false;
    }
}
