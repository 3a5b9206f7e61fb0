//! The acknowledgement of a record, to wait for: one shared state a batch, so that a record costs no
//! allocation.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::ProduceError;
use super::record::RecordMetadata;

/// What became of a record: a future of its place in the log, or of why it has none.
///
/// Dropping it does not take the record back.
#[derive(Debug)]
#[must_use = "a record that cannot be stored is reported here only"]
pub struct Delivery {
    completion: Arc<Completion>,
    /// Which record of the batch.
    index: u32,
    timestamp_ms: i64,
    /// Where its waker stands in the batch's list.
    waker_at: Option<usize>,
}

/// What became of a batch. Set once by the sender; read and waited for by any number of [`Delivery`]s.
#[derive(Debug)]
pub(crate) struct Completion {
    topic: Arc<str>,
    partition: i32,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Pending(Vec<Waker>),
    Done(Result<Stored, ProduceError>),
    /// The batch was too large for the broker; each part begins with this record of it.
    Split(Vec<(u32, Arc<Completion>)>),
}

/// Where a batch is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) base_offset: Option<i64>,
    pub(crate) log_append_time_ms: Option<i64>,
}

impl Completion {
    pub(crate) fn new(topic: Arc<str>, partition: i32) -> Arc<Completion> {
        Arc::new(Completion { topic, partition, state: Mutex::new(State::Pending(Vec::new())) })
    }

    /// The delivery of the record with this number in the batch.
    pub(crate) fn delivery(self: &Arc<Completion>, index: u32, timestamp_ms: i64) -> Delivery {
        Delivery { completion: self.clone(), index, timestamp_ms, waker_at: None }
    }

    pub(crate) fn resolve(&self, result: Result<Stored, ProduceError>) {
        self.set(State::Done(result));
    }

    pub(crate) fn split(&self, parts: Vec<(u32, Arc<Completion>)>) {
        self.set(State::Split(parts));
    }

    fn set(&self, state: State) {
        let mut current = self.lock();
        debug_assert!(matches!(*current, State::Pending(_)), "a batch is completed once");
        let before = std::mem::replace(&mut *current, state);
        drop(current);
        if let State::Pending(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    /// The partition that was chosen.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.completion.partition
    }

    /// Whether waiting would end at once.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !matches!(*self.completion.lock(), State::Pending(_))
    }

    fn metadata(&self, stored: Stored) -> RecordMetadata {
        RecordMetadata {
            topic: self.completion.topic.clone(),
            partition: self.completion.partition,
            offset: stored.base_offset.map(|base| base + i64::from(self.index)),
            timestamp_ms: stored.log_append_time_ms.unwrap_or(self.timestamp_ms),
        }
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let completion = self.completion.clone();
            let mut state = completion.lock();
            match &mut *state {
                State::Done(result) => {
                    return Poll::Ready(result.clone().map(|stored| self.metadata(stored)));
                }
                State::Split(parts) => {
                    let index = self.index;
                    let part = parts.iter().rev().find(|(first, _)| *first <= index);
                    let (first, part) = part.unwrap_or(&parts[0]);
                    let (first, part) = (*first, part.clone());
                    drop(state);
                    self.completion = part;
                    self.index -= first;
                    self.waker_at = None;
                }
                State::Pending(wakers) => {
                    match self.waker_at.and_then(|at| wakers.get_mut(at)) {
                        Some(waker) => waker.clone_from(context.waker()),
                        None => {
                            self.waker_at = Some(wakers.len());
                            wakers.push(context.waker().clone());
                        }
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
