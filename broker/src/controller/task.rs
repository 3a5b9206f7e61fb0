//! The controller's loop: everything that waits in the queue is generated against the image and what came
//! before it in the same round, committed as one batch, then answered. One batch is in flight at a time, so a
//! handler always sees all changes before it, and a loaded controller commits many requests with one fsync.
//!
//! Every node has this task; it works while the node leads the quorum and otherwise sends everybody away. What a
//! controller knows besides the image (who was heard when) is its own: a new one gives every broker a fresh
//! session, and looks at once whether those that are counted as alive are there.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rkafka_config::BrokerConfig;
use rkafka_core::controller::{
    ControllerError, ErrorKind, Sessions, View, balance_leaders, elect_unclean, fence_expired,
};
use rkafka_core::image::{Delta, Image, MetadataBatch, MetadataRecord};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, error, info, warn};

use crate::clock::Clock;
use crate::metadata_store::{ControllerReply, ControllerRequest};
use crate::quorum::{LEASE_MS, Quorum, QuorumError};

use super::death_watch::DeathWatch;
use super::dispatch::generate;
use super::elections::{Election, Elections};

/// Requests generated in one round.
const ROUND_MAX: usize = 256;

/// Partitions that get another leader in one batch; the rest follow in the next.
const ELECTIONS_MAX: usize = 1000;

/// Before a deposed controller looks again.
const RETRY: Duration = Duration::from_millis(20);

/// How long to wait if no session can expire.
const IDLE: Duration = Duration::from_secs(3600);

/// A request with the place its answer goes to.
pub(super) struct Submission {
    pub(super) request: ControllerRequest,
    /// The reply, with the sequence of the image that has the change.
    pub(super) answer: Answer,
}

/// Where an answer goes.
pub(super) type Answer = oneshot::Sender<Result<(ControllerReply, u64), ControllerError>>;

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
type Answers = Vec<(Answer, ControllerReply)>;

/// What one round generated.
struct Round {
    delta: Delta,
    records: Vec<MetadataRecord>,
    answers: Answers,
}

fn answer_all(answers: Answers, outcome: Result<u64, &ControllerError>) {
    for (answer, reply) in answers {
        let outcome = outcome.map(|sequence| (reply, sequence)).map_err(Clone::clone);
        // The client may have gone; nobody else wants its answer.
        drop(answer.send(outcome));
    }
}

/// Why the controller does not go on.
enum Ended {
    /// Another node leads, or none.
    Deposed,
    /// Nobody can ask any more.
    Closed,
}

impl Task {
    /// Runs until the queue is closed and empty. `session_timeout` is `broker.session.timeout.ms`.
    pub(super) async fn run(mut self, session_timeout: Duration) {
        let timeout_ms = u64::try_from(session_timeout.as_millis()).unwrap_or(u64::MAX);
        loop {
            let Some(term) = self.stand_by().await else { return };
            if let Err(error) = self.activate().await {
                debug!(term, %error, "not the active controller after all");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let quorum = Arc::clone(&self.quorum);
            if !quorum.is_alone() {
                info!(term, "active controller");
            }
            tokio::select! {
                biased;
                () = quorum.deposed(term) => info!(term, "not the active controller any more"),
                ended = self.serve(timeout_ms) => match ended {
                    Ended::Closed => return,
                    Ended::Deposed => tokio::time::sleep(RETRY).await,
                },
            }
        }
    }

    /// Sends everybody away until this node leads; its term. Nothing once the queue is closed.
    async fn stand_by(&mut self) -> Option<u64> {
        let quorum = Arc::clone(&self.quorum);
        let leading = quorum.leads();
        tokio::pin!(leading);
        loop {
            tokio::select! {
                biased;
                term = &mut leading => match term {
                    Some(term) => return Some(term),
                    // Raft has stopped; whoever still asks is told so.
                    None => leading.set(quorum.leads()),
                },
                received = self.queue.recv() => {
                    let Submission { answer, .. } = received?;
                    let elsewhere = ControllerError::from(ErrorKind::NotController);
                    drop(answer.send(Err(elsewhere)));
                }
            }
        }
    }

    /// What must be before the first request: this node's image is the newest, and others can find it.
    async fn activate(&self) -> Result<(), QuorumError> {
        self.quorum.barrier().await?;
        if let Err(refusal) = self.quorum.settle().await {
            return Err(QuorumError::Stopped(refusal.to_string()));
        }
        Ok(())
    }

    /// Serves the queue as the active controller.
    async fn serve(&mut self, timeout_ms: u64) -> Ended {
        let mut sessions = {
            let (image, config) = (self.quorum.image(), self.config.load_full());
            // The controller before may have answered heartbeats for as long as its raft lease went on.
            let heard_ms = self.clock.mono_ms().saturating_add(LEASE_MS);
            Sessions::new(&View { image: &image, config: &config }, timeout_ms, heard_ms)
        };
        let (mut watch, mut dead) = DeathWatch::start(&self.quorum);
        let mut waiting = Vec::with_capacity(ROUND_MAX);
        let mut elections = Elections::start(&self.config.load());
        loop {
            let expiry = sessions.next_expiry().map(|mono_ms| self.clock.instant(mono_ms));
            let expiry = expiry.unwrap_or_else(|| tokio::time::Instant::now() + IDLE);
            let mut found_dead = None;
            tokio::select! {
                biased;
                received = self.queue.recv_many(&mut waiting, ROUND_MAX) => {
                    if received == 0 {
                        return Ended::Closed;
                    }
                }
                Some(broker) = dead.recv() => found_dead = Some(broker),
                () = watch.look() => continue,
                () = tokio::time::sleep_until(expiry) => {}
                kind = elections.due() => {
                    let (round, is_all) = self.elections(kind);
                    elections.held(kind, is_all, &self.config.load());
                    if !self.commit(round).await {
                        return Ended::Deposed;
                    }
                    continue;
                }
            }
            if let Some((broker, incarnation)) = found_dead {
                let image = self.quorum.image();
                let same =
                    image.brokers().get(broker).is_some_and(|b| !b.fenced && b.incarnation == incarnation);
                if same {
                    warn!(
                        "broker {broker} has ended: its connections are gone and nobody listens at its address"
                    );
                    sessions.forget(broker);
                }
            }
            let round = self.round(&mut sessions, waiting.drain(..));
            if !self.commit(round).await {
                return Ended::Deposed;
            }
        }
    }

    /// Elections that nobody asked for; whether all that are needed are in it.
    fn elections(&self, kind: Election) -> (Round, bool) {
        let (image, config) = (self.quorum.image(), self.config.load_full());
        let mut round = Round { delta: Delta::new(&image), records: Vec::new(), answers: Vec::new() };
        let view = View { image: &image, config: &config };
        let records = match kind {
            Election::Preferred => balance_leaders(&view, ELECTIONS_MAX),
            Election::Unclean => elect_unclean(&view, ELECTIONS_MAX),
        };
        let count = records.len();
        if count > 0 {
            info!(partitions = count, ?kind, "electing leaders");
        }
        // Records that do not apply are said so, and not committed.
        let is_all = round.take(records).is_err() || count < ELECTIONS_MAX;
        (round, is_all)
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
            warn!("broker {} is fenced: it ended, or was silent for its session", fenced.reply);
            if round.take(fenced.records).is_err() {
                break;
            }
        }
        round
    }

    /// Commits the round's records and answers; without records there is nothing to wait for. Whether this node
    /// may go on.
    async fn commit(&self, round: Round) -> bool {
        let Round { records, answers, .. } = round;
        let previous_sequence = self.quorum.image().sequence();
        if records.is_empty() {
            // A heartbeat's answer prolongs a lease: one that a deposed controller gives would outlive the session
            // that its successor counts.
            if !answers.is_empty() && !self.quorum.leads_for_sure().await {
                answer_all(answers, Err(&ErrorKind::NotController.into()));
                return false;
            }
            answer_all(answers, Ok(previous_sequence));
            return true;
        }
        match self.quorum.propose(MetadataBatch { previous_sequence, records }).await {
            Ok(sequence) => {
                let mut served = self.served.clone();
                // The next round goes on meanwhile.
                tokio::spawn(async move {
                    // An error says that the node is stopping; the change is committed all the same.
                    drop(served.wait_for(|image| image.sequence() >= sequence).await);
                    answer_all(answers, Ok(sequence));
                });
                true
            }
            Err(error) => {
                answer_all(answers, Err(&refusal(error)));
                false
            }
        }
    }
}

impl Round {
    /// Adds one request's records: all of them or none.
    fn take(&mut self, records: Vec<MetadataRecord>) -> Result<(), ControllerError> {
        let mut delta = self.delta.clone();
        delta.replay_all(&records).map_err(|error| {
            error!("a controller handler generated records that do not apply: {error}");
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
        QuorumError::Stopped(_) | QuorumError::Storage(_) | QuorumError::Plan(_) => {
            error!("{error}");
            ControllerError::from(ErrorKind::UnknownServerError)
        }
    }
}
