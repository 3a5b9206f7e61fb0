//! Requests that wait for a partition: long polls for bytes, produces with acks=-1 for the high watermark.
//!
//! Who may go on is decided by the pure machines of `rkafka_core::replica::purgatory`; here their tokens
//! become wake-ups. Everything is registered under the partition's lock, in the step that looked at its
//! bounds, so no wake-up is lost; wake-ups themselves happen after the lock is left ([`Woken::wake`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rkafka_core::replica::purgatory::{Bound, FetchWaits, ProduceWaits, Token};
use rkafka_log::ReadView;
use smallvec::SmallVec;
use tokio::sync::{Notify, oneshot};

use super::PartitionError;

/// One waiting fetch; registered with each of its partitions.
#[derive(Debug)]
pub struct FetchWait {
    token: Token,
    woken: Notify,
}

impl FetchWait {
    /// A wait that no partition knows yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { token: next_token(), woken: Notify::new() })
    }

    /// Ends when one of the partitions has what the fetch misses there, or has changed hands.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }
}

/// A fetch's place in one partition, to leave it again.
#[derive(Debug, Clone, Copy)]
pub struct FetchPlace(rkafka_core::replica::purgatory::FetchWait, Token);

/// How a produce with acks=-1 ended: committed on enough replicas, or not.
pub(super) type Committed = Result<(), PartitionError>;

/// Tokens are unique within the process: one fetch waits under the same token in several partitions.
fn next_token() -> Token {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    Token(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Requests to be told something once the partition's lock is left.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Woken {
    fetches: SmallVec<[Arc<FetchWait>; 4]>,
    commits: SmallVec<[(oneshot::Sender<Committed>, Committed); 4]>,
}

impl Woken {
    pub(super) fn wake(self) {
        for fetch in self.fetches {
            fetch.woken.notify_one();
        }
        for (waiter, outcome) in self.commits {
            // A request that timed out meanwhile is not interested any more.
            let _ = waiter.send(outcome);
        }
    }
}

/// All that wait for one partition. Guarded by its lock.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    fetches: FetchWaits,
    fetch_of: HashMap<Token, Arc<FetchWait>>,
    commits: ProduceWaits,
    commit_of: HashMap<Token, oneshot::Sender<Committed>>,
}

impl Waiters {
    /// The fetch waits until `bytes` more are below `bound`.
    pub(super) fn wait_for_bytes(&mut self, wait: &Arc<FetchWait>, bound: Bound, bytes: u64) -> FetchPlace {
        self.fetch_of.insert(wait.token, wait.clone());
        FetchPlace(self.fetches.wait(bound, bytes, wait.token), wait.token)
    }

    pub(super) fn leave(&mut self, place: FetchPlace) {
        self.fetches.cancel(place.0);
        self.fetch_of.remove(&place.1);
    }

    /// A produce waits until the high watermark reaches `required_offset`.
    pub(super) fn wait_for_commit(&mut self, required_offset: i64) -> (Token, oneshot::Receiver<Committed>) {
        let (sender, receiver) = oneshot::channel();
        let token = next_token();
        self.commits.wait(required_offset, token);
        self.commit_of.insert(token, sender);
        (token, receiver)
    }

    pub(super) fn give_up_commit(&mut self, required_offset: i64, token: Token) {
        self.commits.cancel(required_offset, token);
        self.commit_of.remove(&token);
    }

    /// An append of `bytes` made the log as `view` shows it.
    pub(super) fn appended(&mut self, view: &ReadView, bytes: usize, woken: &mut Woken) {
        let tokens = self.fetches.append(view.log_end_offset, bytes as u64);
        self.wake_fetches(tokens, woken);
    }

    /// The bounds are now as `view` has them; `committed` says how produces that the high watermark has
    /// passed end.
    pub(super) fn advanced(&mut self, view: &ReadView, committed: impl Fn() -> Committed, woken: &mut Woken) {
        let high = self.fetches.advance(Bound::HighWatermark, view.high_watermark);
        self.wake_fetches(high, woken);
        let stable = self.fetches.advance(Bound::LastStableOffset, view.last_stable_offset);
        self.wake_fetches(stable, woken);
        for token in self.commits.complete(view.high_watermark) {
            if let Some(waiter) = self.commit_of.remove(&token) {
                woken.commits.push((waiter, committed()));
            }
        }
    }

    /// The partition changed hands or is gone: fetches look again, produces fail.
    pub(super) fn release_all(&mut self, woken: &mut Woken) {
        let fetches = self.fetches.clear();
        self.wake_fetches(fetches, woken);
        for token in self.commits.clear() {
            if let Some(waiter) = self.commit_of.remove(&token) {
                woken.commits.push((waiter, Err(PartitionError::NotLeader)));
            }
        }
    }

    fn wake_fetches(&mut self, tokens: Vec<Token>, woken: &mut Woken) {
        woken.fetches.extend(tokens.into_iter().filter_map(|token| self.fetch_of.remove(&token)));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        debug_assert_eq!(self.fetches.len(), self.fetch_of.len());
        debug_assert_eq!(self.commits.len(), self.commit_of.len());
        self.fetch_of.len() + self.commit_of.len()
    }
}
