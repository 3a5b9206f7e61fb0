//! The budget for request bytes that are in memory at one time, shared by all connections.
//!
//! A connection reads small requests into its own small buffer and asks nobody. A request that does not fit
//! there is paid for here, whole, before its buffer grows: so ten thousand clients that each announce
//! 100 MiB cost nothing but their waiting. Kafka's `queued.max.request.bytes` is this budget; without it the
//! default below holds, because a server without a bound is a server that can be killed from outside.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Bytes of requests in flight at most when `queued.max.request.bytes` sets nothing: two of the largest
/// requests, and never less than 256 MiB.
pub fn default_budget(request_bytes_max: usize) -> usize {
    request_bytes_max.saturating_mul(2).max(256 << 20)
}

/// The shared budget. Cheap to clone; first come, first served, so that large requests do not starve.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    bytes_free: Arc<Semaphore>,
    bytes_total: usize,
}

/// Bytes taken from the budget; they return when this is dropped.
#[derive(Debug)]
pub struct MemoryGrant {
    _permit: OwnedSemaphorePermit,
}

/// A grant that is being waited for.
pub(crate) struct PendingGrant {
    wait: Pin<Box<dyn Future<Output = Result<OwnedSemaphorePermit, AcquireError>> + Send>>,
}

impl MemoryBudget {
    /// A budget of `bytes_total` bytes, at least one and at most 4 GiB.
    pub fn new(bytes_total: usize) -> Self {
        let bytes_total = bytes_total.clamp(1, u32::MAX as usize);
        Self { bytes_free: Arc::new(Semaphore::new(bytes_total)), bytes_total }
    }

    /// Takes `bytes` at once, or nothing when they are not free or others wait before us.
    /// A request larger than the whole budget is granted when nobody else holds anything.
    pub fn try_take(&self, bytes: usize) -> Option<MemoryGrant> {
        let permit = self.bytes_free.clone().try_acquire_many_owned(self.clamp(bytes)).ok()?;
        Some(MemoryGrant { _permit: permit })
    }

    /// Waits for `bytes`, behind everyone who waits already. `None` only if the budget was closed.
    pub async fn take(&self, bytes: usize) -> Option<MemoryGrant> {
        let mut pending = self.take_later(bytes);
        std::future::poll_fn(|cx| pending.poll(cx)).await
    }

    /// Starts waiting for `bytes`, behind everyone who waits already.
    pub(crate) fn take_later(&self, bytes: usize) -> PendingGrant {
        PendingGrant { wait: Box::pin(self.bytes_free.clone().acquire_many_owned(self.clamp(bytes))) }
    }

    /// Bytes that nobody holds at this moment.
    pub fn bytes_free(&self) -> usize {
        self.bytes_free.available_permits()
    }

    /// Whether less than a quarter is free: what is kept only for speed should go back.
    pub(crate) fn is_scarce(&self) -> bool {
        self.bytes_free() < self.bytes_total / 4
    }

    /// Bytes in all.
    pub fn bytes_total(&self) -> usize {
        self.bytes_total
    }

    fn clamp(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes_total)).unwrap_or(u32::MAX)
    }
}

impl PendingGrant {
    /// Ready with the grant, or with nothing when the budget was closed (never while the server runs).
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<MemoryGrant>> {
        self.wait.as_mut().poll(cx).map(|granted| granted.ok().map(|permit| MemoryGrant { _permit: permit }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_return_when_dropped_and_the_largest_request_still_fits() {
        let budget = MemoryBudget::new(1000);
        let first = budget.try_take(600).expect("600 of 1000 are free");
        assert!(budget.try_take(600).is_none());
        assert_eq!(budget.bytes_free(), 400);
        drop(first);
        let whole = budget.try_take(5000).expect("alone, even a request above the budget passes");
        assert_eq!(budget.bytes_free(), 0);
        drop(whole);
        assert_eq!(budget.bytes_free(), budget.bytes_total());
    }

    #[tokio::test]
    async fn a_waiter_is_not_overtaken() {
        let budget = MemoryBudget::new(10);
        let held = budget.try_take(8).expect("free");
        let mut waiting = budget.take_later(5);
        assert!(std::future::poll_fn(|cx| Poll::Ready(waiting.poll(cx).is_pending())).await);
        assert!(budget.try_take(2).is_none(), "2 are free, but another waits before us");
        drop(held);
        let granted = std::future::poll_fn(|cx| waiting.poll(cx)).await;
        assert!(granted.is_some());
        assert_eq!(budget.bytes_free(), 5);
    }
}
