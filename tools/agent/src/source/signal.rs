//! What wakes a source's thread: an acknowledgement, a change in its directory, the wish that it stops.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// Wakes one waiting thread. A raise that nobody waits for is kept for the next wait.
#[derive(Default)]
pub struct Signal {
    raised: Mutex<bool>,
    wake: Condvar,
    stopping: AtomicBool,
    stopped: Notify,
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
        self.stopped.notify_waiters();
        self.raise();
    }

    /// Whether it is.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Ready once the source is to stop.
    pub async fn stopped(&self) {
        let stopped = self.stopped.notified();
        tokio::pin!(stopped);
        stopped.as_mut().enable();
        if !self.stopping() {
            stopped.await;
        }
    }

    /// Waits until the source is to stop.
    pub fn wait_for_stop(&self) {
        while !self.stopping() {
            self.wait(Instant::now() + std::time::Duration::from_secs(3_600));
        }
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
