//! Answers in the order of the requests, whatever order they become ready in.
//!
//! Kafka's own broker takes one request of a connection at a time. Here stage 1 of each request runs at once,
//! in arrival order (so appends happen in order); what a request then waits for (replication, a long poll,
//! the disk) overlaps with the next ones, and only the answers queue up here.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::memory::MemoryGrant;
use super::response::Reply;

/// What becomes of a request in the end.
pub enum Outcome {
    /// An answer goes out, now; afterwards nothing is read from this client for `throttle` (KIP-219).
    Reply {
        /// The answer.
        reply: Reply,
        /// How long the connection is muted after it.
        throttle: Duration,
    },
    /// No answer: a produce request with acks=0 that went well.
    Silence,
    /// The connection ends here, without an answer to this request but with those of all earlier ones.
    Close(CloseReason),
}

impl Outcome {
    /// An answer without throttling.
    pub fn reply(reply: Reply) -> Self {
        Outcome::Reply { reply, throttle: Duration::ZERO }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Outcome::Reply { reply, .. } => reply.memory_bytes(),
            Outcome::Silence | Outcome::Close(_) => 0,
        }
    }
}

/// The rest of a request after its stage 1.
pub type Pending = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What stage 1 of a request returns.
pub enum Stage {
    /// Done within stage 1.
    Done(Outcome),
    /// Stage 2: polled whenever the connection wakes up, next to the requests behind it.
    Waiting(Pending),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The client closed it.
    #[error("closed by the client")]
    EndOfStream,
    /// Not Kafka's protocol, or a version or size this broker does not take.
    #[error("bad request: {0}")]
    BadRequest(String),
    /// A produce request with acks=0 failed: closing makes the client look for the right leader.
    #[error("a produce request with acks=0 failed: {0}")]
    UnacknowledgedFailure(String),
    /// The socket failed.
    #[error("{0}")]
    Socket(String),
    /// Longer silent than `connections.max.idle.ms`.
    #[error("idle for longer than connections.max.idle.ms")]
    Idle,
    /// Announced a large request and did not send it.
    #[error("part of a request arrived and then nothing more")]
    Stalled,
    /// The broker stops.
    #[error("the broker is shutting down")]
    Shutdown,
}

enum Slot {
    Done(Outcome),
    /// The grant keeps the request's bytes paid for while stage 2 may still look at them.
    Waiting {
        pending: Pending,
        _grant: Option<Arc<MemoryGrant>>,
    },
}

/// The requests of one connection that are not answered yet.
#[derive(Default)]
pub(crate) struct Pipeline {
    slots: VecDeque<Slot>,
    /// Bytes of answers that are ready but wait for an earlier one.
    memory_bytes: usize,
}

impl Pipeline {
    pub(crate) fn push(&mut self, stage: Stage, grant: Option<Arc<MemoryGrant>>) {
        match stage {
            Stage::Done(Outcome::Silence) => {}
            Stage::Done(outcome) => {
                self.memory_bytes += outcome.memory_bytes();
                self.slots.push_back(Slot::Done(outcome));
            }
            Stage::Waiting(pending) => self.slots.push_back(Slot::Waiting { pending, _grant: grant }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Bytes of answers held back behind an earlier request.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Lets every waiting request go on.
    pub(crate) fn poll_waiting(&mut self, cx: &mut Context<'_>) {
        for slot in &mut self.slots {
            if let Slot::Waiting { pending, .. } = slot
                && let Poll::Ready(outcome) = pending.as_mut().poll(cx)
            {
                self.memory_bytes += outcome.memory_bytes();
                *slot = Slot::Done(outcome);
            }
        }
    }

    /// Gives up the first request that still waits, and all behind it.
    pub(crate) fn drop_waiting(&mut self) {
        let done = self.slots.iter().take_while(|slot| matches!(slot, Slot::Done(_))).count();
        for slot in self.slots.drain(done..) {
            if let Slot::Done(outcome) = slot {
                self.memory_bytes -= outcome.memory_bytes();
            }
        }
    }

    /// The next outcome whose turn it is, if it is ready.
    pub(crate) fn pop_done(&mut self) -> Option<Outcome> {
        if !matches!(self.slots.front(), Some(Slot::Done(_))) {
            return None;
        }
        match self.slots.pop_front() {
            Some(Slot::Done(outcome)) => {
                self.memory_bytes -= outcome.memory_bytes();
                Some(outcome)
            }
            _ => None,
        }
    }
}
