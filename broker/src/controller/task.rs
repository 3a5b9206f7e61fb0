//! The controller's loop: everything that waits in the queue is generated against the image and what came
//! before it in the same round, committed as one batch, then answered. One batch is in flight at a time, so a
//! handler always sees all changes before it, and a loaded controller commits many requests with one fsync.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rkafka_config::BrokerConfig;
use rkafka_core::controller::{ControllerError, ErrorKind, Sessions, View, fence_expired};
use rkafka_core::image::{Delta, Image, MetadataBatch, MetadataRecord};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::metadata_store::{ControllerReply, ControllerRequest};
use crate::quorum::{Quorum, QuorumError};

use super::dispatch::generate;

/// Requests generated in one round.
const ROUND_MAX: usize = 256;

/// How long to wait if no session can expire.
const IDLE: Duration = Duration::from_secs(3600);

/// A request with the place its answer goes to.
pub(super) struct Submission {
    pub(super) request: ControllerRequest,
    pub(super) answer: oneshot::Sender<Result<ControllerReply, ControllerError>>,
}

/// The controller of this node, while this node leads the quorum.
pub(super) struct Task {
    pub(super) quorum: Arc<Quorum>,
    pub(super) config: Arc<ArcSwap<BrokerConfig>>,
    pub(super) clock: Clock,
    pub(super) queue: mpsc::Receiver<Submission>,
    /// The image this node has acted on: a reply is sent once the change is in it.
    pub(super) served: watch::Receiver<Arc<Image>>,
}

/// Replies that wait for the commit.
type Answers = Vec<(oneshot::Sender<Result<ControllerReply, ControllerError>>, ControllerReply)>;

/// What one round generated.
struct Round {
    delta: Delta,
    records: Vec<MetadataRecord>,
    answers: Answers,
}

fn answer_all(answers: Answers, failure: Option<&ControllerError>) {
    for (answer, reply) in answers {
        // The client may have gone; nobody else wants its answer.
        drop(answer.send(failure.cloned().map_or(Ok(reply), Err)));
    }
}

impl Task {
    /// Runs until the queue is closed and empty. `session_timeout` is `broker.session.timeout.ms`.
    pub(super) async fn run(mut self, session_timeout: Duration) {
        let timeout_ms = u64::try_from(session_timeout.as_millis()).unwrap_or(u64::MAX);
        let mut sessions = {
            let (image, config) = (self.quorum.image(), self.config.load_full());
            Sessions::new(&View { image: &image, config: &config }, timeout_ms, self.clock.mono_ms())
        };
        let mut waiting = Vec::with_capacity(ROUND_MAX);
        loop {
            let expiry = sessions.next_expiry().map(|mono_ms| self.clock.instant(mono_ms));
            let expiry = expiry.unwrap_or_else(|| tokio::time::Instant::now() + IDLE);
            tokio::select! {
                biased;
                received = self.queue.recv_many(&mut waiting, ROUND_MAX) => {
                    if received == 0 {
                        return;
                    }
                }
                () = tokio::time::sleep_until(expiry) => {}
            }
            let round = self.round(&mut sessions, waiting.drain(..));
            self.commit(round).await;
        }
    }

    fn round(&self, sessions: &mut Sessions, waiting: impl Iterator<Item = Submission>) -> Round {
        let (image, config) = (self.quorum.image(), self.config.load_full());
        let mono_ms = self.clock.mono_ms();
        let mut round = Round { delta: Delta::new(&image), records: Vec::new(), answers: Vec::new() };
        for Submission { request, answer } in waiting {
            let view = View { image: round.delta.image(), config: &config };
            let generated = generate(&view, sessions, request, mono_ms);
            match generated.and_then(|(records, reply)| round.take(records).map(|()| reply)) {
                Ok(reply) => round.answers.push((answer, reply)),
                // The client may have gone; nobody else wants its answer.
                Err(refusal) => drop(answer.send(Err(refusal))),
            }
        }
        loop {
            let view = View { image: round.delta.image(), config: &config };
            let Some(fenced) = fence_expired(&view, sessions, mono_ms) else { break };
            tracing::warn!("broker {} was not heard for its session; fenced", fenced.reply);
            if round.take(fenced.records).is_err() {
                break;
            }
        }
        round
    }

    /// Commits the round's records and answers; without records there is nothing to wait for.
    async fn commit(&self, round: Round) {
        let Round { records, answers, .. } = round;
        if records.is_empty() {
            return answer_all(answers, None);
        }
        let batch = MetadataBatch { previous_sequence: self.quorum.image().sequence(), records };
        match self.quorum.propose(batch).await {
            Ok(sequence) => {
                let mut served = self.served.clone();
                // The next round goes on meanwhile.
                tokio::spawn(async move {
                    // An error says that the node is stopping; the change is committed all the same.
                    drop(served.wait_for(|image| image.sequence() >= sequence).await);
                    answer_all(answers, None);
                });
            }
            Err(error) => answer_all(answers, Some(&refusal(error))),
        }
    }
}

impl Round {
    /// Adds one request's records: all of them or none.
    fn take(&mut self, records: Vec<MetadataRecord>) -> Result<(), ControllerError> {
        let mut delta = self.delta.clone();
        delta.replay_all(&records).map_err(|error| {
            tracing::error!("a controller handler generated records that do not apply: {error}");
            ControllerError::from(ErrorKind::UnknownServerError)
        })?;
        self.delta = delta;
        self.records.extend(records);
        Ok(())
    }
}

/// What clients are told when the quorum did not take a batch: all but a dead quorum is worth a retry.
fn refusal(error: QuorumError) -> ControllerError {
    match error {
        QuorumError::NotLeader { .. } | QuorumError::Stale => {
            ControllerError::new(ErrorKind::NotController, error)
        }
        QuorumError::Stopped(_) | QuorumError::Storage(_) => {
            tracing::error!("{error}");
            ControllerError::from(ErrorKind::UnknownServerError)
        }
    }
}
