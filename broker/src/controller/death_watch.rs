//! Notices at once that a broker's process has ended.
//!
//! A broker that is silent is given its whole session: it may be slow, or cut off and still leading. One whose
//! process is gone leaves traces that need no patience: its connections break, and its machine refuses new ones at
//! its address. Only both together count; a broken connection alone, or no answer at all, is silence.

use std::sync::Arc;

use rkafka_core::ids::BrokerId;
use tokio::sync::mpsc;

use crate::quorum::Quorum;

/// Findings that may wait; each is one broker.
const FINDINGS_MAX: usize = 64;

/// A broker that was found dead, and which life of it that was.
type Finding = (BrokerId, [u8; 16]);

/// The watch of one active controller; it ends with this value.
pub(super) struct DeathWatch {
    quorum: Arc<Quorum>,
    findings: mpsc::Sender<Finding>,
    /// Brokers to look after first: all, since who died before this controller became active left no trace here.
    first: Vec<u64>,
}

impl DeathWatch {
    /// Starts the watch; findings come out of the receiver.
    pub(super) fn start(quorum: &Arc<Quorum>) -> (DeathWatch, mpsc::Receiver<Finding>) {
        let (findings, receiver) = mpsc::channel(FINDINGS_MAX);
        let image = quorum.image();
        let first = image.brokers().alive().filter_map(|broker| u64::try_from(broker.id.0).ok()).collect();
        (DeathWatch { quorum: Arc::clone(quorum), findings, first }, receiver)
    }

    /// Waits for traces and sees to the nodes they are of.
    pub(super) async fn look(&mut self) {
        let lost = match std::mem::take(&mut self.first) {
            none if none.is_empty() => self.quorum.lost_nodes().await,
            first => first,
        };
        let own = self.quorum.member().id;
        for id in lost.into_iter().filter(|id| *id != own) {
            let image = self.quorum.image();
            let broker = i32::try_from(id).ok().and_then(|id| image.brokers().get(BrokerId(id)).cloned());
            let Some(broker) = broker.filter(|broker| !broker.fenced) else { continue };
            let (quorum, findings) = (Arc::clone(&self.quorum), self.findings.clone());
            tokio::spawn(async move {
                if quorum.has_ended(id).await {
                    // A controller that was deposed meanwhile does not want to know.
                    let _ = findings.send((broker.id, broker.incarnation)).await;
                }
            });
        }
    }
}
