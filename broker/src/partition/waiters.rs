//! Long polls: fetches that wait until enough bytes have come.
//!
//! A fetch registers one [`FetchWait`] with each of its partitions, under the partition's lock and only if
//! nothing came since it read: so no wake-up is lost. An append subtracts its bytes and wakes the waits that
//! have enough now, and no others. There is no polling and no list to sweep.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use smallvec::SmallVec;
use tokio::sync::Notify;

/// One waiting fetch; shared by the fetch and all partitions it waits for.
#[derive(Debug)]
pub struct FetchWait {
    bytes_missing: AtomicI64,
    woken: Notify,
}

impl FetchWait {
    /// A wait for that many bytes more, at least one.
    pub fn new(bytes_missing: i64) -> Arc<Self> {
        Arc::new(Self { bytes_missing: AtomicI64::new(bytes_missing.max(1)), woken: Notify::new() })
    }

    /// Ends once enough bytes have come, or something else happened that the fetch must look at.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Wakes the fetch whatever it still misses.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Counts bytes that became readable; whether the fetch is to be woken now.
    fn arrived(&self, bytes: i64) -> bool {
        self.bytes_missing.fetch_sub(bytes, Ordering::Relaxed) <= bytes
    }
}

/// Waits to be woken after the partition's lock is left.
pub(super) type Woken = SmallVec<[Arc<FetchWait>; 4]>;

/// The fetches that wait for one partition. Guarded by the partition's lock.
#[derive(Debug, Default)]
pub(super) struct FetchWaits {
    waits: Vec<Arc<FetchWait>>,
}

impl FetchWaits {
    pub(super) fn register(&mut self, wait: Arc<FetchWait>) {
        self.waits.push(wait);
    }

    pub(super) fn deregister(&mut self, wait: &Arc<FetchWait>) {
        if let Some(at) = self.waits.iter().position(|other| Arc::ptr_eq(other, wait)) {
            self.waits.swap_remove(at);
        }
    }

    /// `bytes` became readable: takes out the waits that have enough.
    pub(super) fn arrived(&mut self, bytes: usize) -> Woken {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut woken = Woken::new();
        self.waits.retain(|wait| {
            let enough = wait.arrived(bytes);
            if enough {
                woken.push(wait.clone());
            }
            !enough
        });
        woken
    }

    /// Leadership or the partition itself changed: everyone must look again.
    pub(super) fn take_all(&mut self) -> Woken {
        self.waits.drain(..).collect()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waits.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waits_that_have_enough_are_woken() {
        let mut waits = FetchWaits::default();
        let (one, hundred) = (FetchWait::new(1), FetchWait::new(100));
        waits.register(one.clone());
        waits.register(hundred.clone());
        let woken = waits.arrived(60);
        assert_eq!(woken.len(), 1);
        assert!(Arc::ptr_eq(&woken[0], &one));
        assert_eq!(waits.arrived(39).len(), 0);
        assert_eq!(waits.arrived(1).len(), 1);
        assert_eq!(waits.len(), 0);
    }

    #[test]
    fn a_wait_that_left_is_not_woken() {
        let mut waits = FetchWaits::default();
        let (gone, here) = (FetchWait::new(1), FetchWait::new(1));
        waits.register(gone.clone());
        waits.register(here);
        waits.deregister(&gone);
        assert_eq!(waits.take_all().len(), 1);
    }
}
