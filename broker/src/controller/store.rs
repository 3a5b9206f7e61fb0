//! The metadata as the rest of the broker sees it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rkafka_config::BrokerConfig;
use rkafka_core::controller::{ControllerError, ErrorKind};
use rkafka_core::ids::BrokerId;
use rkafka_core::image::Image;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::metadata_store::{ControllerRequest, MetadataStore, PendingReply};
use crate::quorum::{Quorum, QuorumError};

use super::task::{Submission, Task};

/// Requests that may wait for the controller; more are refused, and clients retry.
const QUEUE_MAX: usize = 1024;

/// Image, controller queue and their tasks on one node.
pub struct ControllerStore {
    image: watch::Receiver<Arc<Image>>,
    queue: mpsc::Sender<Submission>,
    node: BrokerId,
}

/// Ends the controller and the quorum under it.
pub struct ControllerHandle {
    quorum: Arc<Quorum>,
    task: JoinHandle<()>,
}

impl ControllerStore {
    /// Starts the controller on a quorum that this node leads alone. `served` is the image that this node's
    /// reconciler has acted on.
    pub fn start(
        quorum: Quorum,
        node: BrokerId,
        served: watch::Receiver<Arc<Image>>,
        config: Arc<ArcSwap<BrokerConfig>>,
        session_timeout: Duration,
        clock: Clock,
    ) -> (Arc<ControllerStore>, ControllerHandle) {
        let quorum = Arc::new(quorum);
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let image = served.clone();
        let task = Task { quorum: Arc::clone(&quorum), config, clock, queue, served };
        let task = tokio::spawn(task.run(session_timeout));
        (Arc::new(ControllerStore { image, queue: sender, node }), ControllerHandle { quorum, task })
    }
}

impl ControllerHandle {
    /// Waits for the controller to end, which it does once every [`ControllerStore`] is dropped, and stops the
    /// quorum.
    ///
    /// # Errors
    /// [`QuorumError::Stopped`] if one of them had died.
    pub async fn shutdown(self) -> Result<(), QuorumError> {
        self.task.await.map_err(|error| QuorumError::Stopped(error.to_string()))?;
        match Arc::into_inner(self.quorum) {
            Some(quorum) => quorum.shutdown().await,
            None => Err(QuorumError::Stopped("the quorum is still in use".to_owned())),
        }
    }
}

impl MetadataStore for ControllerStore {
    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.image.borrow())
    }

    fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.image.clone()
    }

    fn controller(&self) -> Option<BrokerId> {
        Some(self.node)
    }

    fn submit(&self, request: ControllerRequest) -> PendingReply {
        let queue = self.queue.clone();
        Box::pin(async move {
            let (answer, reply) = oneshot::channel();
            let refused = |_| ControllerError::new(ErrorKind::NotController, "the controller is stopping");
            queue.send(Submission { request, answer }).await.map_err(refused)?;
            let lost = |_| ControllerError::new(ErrorKind::NotController, "the controller is stopping");
            reply.await.map_err(lost)?
        })
    }
}
