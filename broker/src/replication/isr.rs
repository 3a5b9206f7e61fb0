//! What leaders here want their ISRs to be, brought to the controller (AlterPartition).
//!
//! One request is under way at a time, with everything that was proposed meanwhile in the next. Without an answer
//! a leader is told so and asks again: it must treat the change as one that may have been made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rkafka_config::keys;
use rkafka_core::controller::{AlterPartition, ErrorKind, NewIsr};
use rkafka_core::ids::PartitionId;
use rkafka_core::replica::leader::{IsrProposal, ProposalAnswer};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::broker::Broker;

/// How long the controller may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How soon a proposal without an answer is sent again.
const RETRY: Duration = Duration::from_millis(100);

/// Proposals that wait to be sent: at most one a partition, the newest.
#[derive(Debug, Default)]
pub struct IsrChanges {
    waiting: Mutex<BTreeMap<PartitionId, IsrProposal>>,
    woken: Notify,
}

impl IsrChanges {
    /// Has a proposal sent with the next request.
    pub fn propose(&self, partition: PartitionId, proposal: IsrProposal) {
        self.waiting.lock().insert(partition, proposal);
        self.woken.notify_one();
    }
}

/// Sends proposals, and looks for followers that have fallen behind.
pub(super) async fn run(broker: Arc<Broker>, stop: CancellationToken) {
    loop {
        let lag_ms = u64::try_from(broker.config.load().get(keys::REPLICA_LAG_TIME_MAX_MS)).unwrap_or(1);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = broker.isr_changes.woken.notified() => {}
            () = tokio::time::sleep(Duration::from_millis((lag_ms / 2).max(1))) => {
                for partition in broker.partitions.all() {
                    if let Some(proposal) = partition.check_isr(broker.clock.now()) {
                        broker.isr_changes.propose(partition.id(), proposal);
                    }
                }
            }
        }
        let proposals = std::mem::take(&mut *broker.isr_changes.waiting.lock());
        if !proposals.is_empty() {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = send(&broker, proposals) => {}
            }
        }
    }
}

async fn send(broker: &Broker, proposals: BTreeMap<PartitionId, IsrProposal>) {
    let image = broker.image();
    let broker_epoch = image.brokers().get(broker.id).map_or(-1, |known| known.epoch);
    let partitions = proposals.iter().map(|(id, proposal)| NewIsr {
        partition: *id,
        leader_epoch: proposal.leader_epoch,
        partition_epoch: proposal.partition_epoch,
        isr: proposal.isr.clone(),
        leader_recovering: false,
    });
    let request = AlterPartition { broker: broker.id, broker_epoch, partitions: partitions.collect() };
    let answers = match tokio::time::timeout(ANSWER_MAX, broker.control(request)).await {
        Ok(Ok(answers)) => answers,
        Ok(Err(error)) => {
            warn!(%error, "the controller does not take ISR changes; they are sent again");
            Vec::new()
        }
        Err(_) => {
            warn!("the controller has not answered an ISR change; it is sent again");
            Vec::new()
        }
    };
    let mut answers: BTreeMap<_, _> =
        answers.into_iter().map(|answer| (answer.partition, answer.result)).collect();
    let mut retry = false;
    for (id, proposal) in proposals {
        let answer = match answers.remove(&id) {
            Some(Ok(state)) => ProposalAnswer::Committed(state),
            Some(Err(error)) => {
                debug!(partition = %id, %error, "ISR change refused");
                match error.kind {
                    ErrorKind::IneligibleReplica => ProposalAnswer::Ineligible,
                    ErrorKind::NotController => ProposalAnswer::Unknown,
                    _ => ProposalAnswer::Stale,
                }
            }
            None => ProposalAnswer::Unknown,
        };
        retry |= answer == ProposalAnswer::Unknown;
        let partition = broker.partitions.get(id);
        let again = partition.and_then(|known| known.on_isr_answer(&proposal, &answer, broker.clock.now()));
        if let Some(again) = again {
            broker.isr_changes.propose(id, again);
        }
    }
    if retry {
        tokio::time::sleep(RETRY).await;
    }
}
