//! The metadata as the rest of the broker sees it: this node's image, and the active controller wherever it is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use rkafka_config::BrokerConfig;
use rkafka_core::controller::{ControllerError, ErrorKind, View, fill_configs};
use rkafka_core::ids::BrokerId;
use rkafka_core::image::Image;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::clock::Clock;
use crate::metadata_store::{
    ControllerReply, ControllerRequest, MetadataStore, PendingReply, QuorumStatus, VoterChange,
};
use crate::quorum::{ChangeVoters, Forwarded, Member, Quorum, QuorumError, Refusal, RefusalKind};

use super::task::{Submission, Task};

/// Requests that may wait for the controller; more wait outside, where their own time limit ends them.
const QUEUE_MAX: usize = 1024;

/// Requests of this node that may be on their way to a controller on another node.
const FORWARDED_MAX: usize = 256;

/// How long a request looks for an active controller that takes it, unless its sender gives up before.
const SEARCH_MAX: Duration = Duration::from_secs(60);

/// How long a stopping controller may take to commit what it has begun.
const ENDING_MAX: Duration = Duration::from_secs(1);

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(25);

/// Image, controller queue and their tasks on one node.
pub struct ControllerStore {
    shared: Arc<Shared>,
    served: watch::Receiver<Arc<Image>>,
    node: BrokerId,
}

/// What a request under way holds.
struct Shared {
    quorum: Arc<Quorum>,
    served: watch::Receiver<Arc<Image>>,
    config: Arc<ArcSwap<BrokerConfig>>,
    queue: mpsc::Sender<Submission>,
    /// Bounds what is on its way to another node.
    forwarding: Semaphore,
}

/// Ends the controller and the quorum under it.
pub struct ControllerHandle {
    quorum: Arc<Quorum>,
    task: JoinHandle<()>,
}

/// The answer of a controller on another node.
#[derive(Serialize, Deserialize)]
pub(crate) struct ForwardedReply {
    /// The asking node's image must have this before its client is answered.
    sequence: u64,
    /// What the controller said.
    pub(crate) result: Result<ControllerReply, ControllerError>,
}

impl ControllerStore {
    /// Starts the controller, which works while this node leads the quorum. `served` is the image that this
    /// node's reconciler has acted on.
    pub fn start(
        quorum: Arc<Quorum>,
        node: BrokerId,
        served: watch::Receiver<Arc<Image>>,
        config: Arc<ArcSwap<BrokerConfig>>,
        session_timeout: Duration,
        clock: Clock,
    ) -> (Arc<ControllerStore>, ControllerHandle) {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        // Not the way in: other nodes' requests must not keep a stopping controller alive.
        quorum.serve_forwarded(Arc::new(FromOthers(queue.downgrade())));
        let task = Task {
            quorum: Arc::clone(&quorum),
            config: Arc::clone(&config),
            clock,
            queue: waiting,
            served: served.clone(),
        };
        let task = tokio::spawn(task.run(session_timeout));
        let shared = Shared {
            quorum: Arc::clone(&quorum),
            served: served.clone(),
            config,
            queue,
            forwarding: Semaphore::new(FORWARDED_MAX),
        };
        (
            Arc::new(ControllerStore { shared: Arc::new(shared), served, node }),
            ControllerHandle { quorum, task },
        )
    }
}

impl ControllerHandle {
    /// The quorum under the controller.
    #[must_use]
    pub fn quorum(&self) -> &Arc<Quorum> {
        &self.quorum
    }

    /// Waits for the controller to end, which it does once every [`ControllerStore`] is dropped, and stops the
    /// quorum.
    ///
    /// # Errors
    /// [`QuorumError::Stopped`] if one of them had died.
    pub async fn shutdown(mut self) -> Result<(), QuorumError> {
        // A leader without its majority commits nothing more.
        let leads_others = self.quorum.is_leader() && !self.quorum.is_alone();
        let in_vain = leads_others && (!self.quorum.was_heard().await || self.quorum.has_no_majority().await);
        let limit = if in_vain { Duration::ZERO } else { ENDING_MAX };
        match tokio::time::timeout(limit, &mut self.task).await {
            Ok(ended) => ended.map_err(|error| QuorumError::Stopped(error.to_string()))?,
            // It waits for a majority that has gone before: what it waits for was acknowledged to nobody.
            Err(_) => self.task.abort(),
        }
        self.quorum.shutdown().await
    }
}

impl Shared {
    /// Finds an active controller that takes the request. One that was deposed meanwhile did not carry it out, or
    /// did: then the next one says so in its own words ("already exists"), as with Kafka.
    async fn submit(self: Arc<Self>, request: ControllerRequest) -> Result<ControllerReply, ControllerError> {
        let until = tokio::time::Instant::now() + SEARCH_MAX;
        loop {
            let result = match self.quorum.is_leader() {
                true => local(&self.queue, request.clone()).await.1,
                false => self.forward(&request).await,
            };
            match result {
                Err(error) if error.kind == ErrorKind::NotController && !self.queue.is_closed() => {
                    if tokio::time::Instant::now() >= until {
                        return Err(ControllerError::new(ErrorKind::RequestTimedOut, error));
                    }
                    tokio::time::sleep(RETRY).await;
                }
                result => return result,
            }
        }
    }

    async fn forward(&self, request: &ControllerRequest) -> Result<ControllerReply, ControllerError> {
        let nobody = |error: String| ControllerError::new(ErrorKind::NotController, error);
        let _permit = self.forwarding.acquire().await.map_err(|error| nobody(error.to_string()))?;
        let body = serde_json::to_vec(request).map_err(|error| unreadable(&error))?;
        let answer = self.quorum.forward(&body).await.map_err(|error| nobody(error.to_string()))?;
        let ForwardedReply { sequence, result } =
            serde_json::from_slice(&answer).map_err(|error| unreadable(&error))?;
        let mut reply = result?;
        let mut served = self.served.clone();
        // An error says that the node is stopping; the change is committed all the same.
        drop(served.wait_for(|image| image.sequence() >= sequence).await);
        if let (ControllerReply::CreateTopics(results), ControllerRequest::CreateTopics(request)) =
            (&mut reply, request)
        {
            let (image, config) = (self.quorum.image(), self.config.load());
            fill_configs(&View { image: &image, config: &config }, request, results);
        }
        Ok(reply)
    }
}

fn unreadable(error: &serde_json::Error) -> ControllerError {
    ControllerError::new(
        ErrorKind::UnknownServerError,
        format!("the controller and this node do not understand one another ({error})"),
    )
}

/// Asks the controller of this node; with the sequence its image had then.
async fn local(
    queue: &mpsc::Sender<Submission>,
    request: ControllerRequest,
) -> (u64, Result<ControllerReply, ControllerError>) {
    let stopping = || ControllerError::new(ErrorKind::NotController, "the controller is stopping");
    let (answer, reply) = oneshot::channel();
    if queue.send(Submission { request, answer }).await.is_err() {
        return (0, Err(stopping()));
    }
    match reply.await {
        Ok(Ok((reply, sequence))) => (sequence, Ok(reply)),
        Ok(Err(error)) => (0, Err(error)),
        Err(_) => (0, Err(stopping())),
    }
}

/// Requests that other nodes hand over.
struct FromOthers(mpsc::WeakSender<Submission>);

impl Forwarded for FromOthers {
    fn take(&self, body: Bytes) -> Pin<Box<dyn Future<Output = Result<Bytes, Refusal>> + Send>> {
        let queue = self.0.upgrade();
        Box::pin(async move {
            let stopping = || Refusal::new(RefusalKind::NotLeader, "the controller is stopping");
            let queue = queue.ok_or_else(stopping)?;
            let request: ControllerRequest =
                serde_json::from_slice(&body).map_err(|error| Refusal::new(RefusalKind::Invalid, error))?;
            let (sequence, result) = local(&queue, request).await;
            let reply = serde_json::to_vec(&ForwardedReply { sequence, result });
            reply.map(Bytes::from).map_err(|error| Refusal::new(RefusalKind::Unavailable, error))
        })
    }
}

impl MetadataStore for ControllerStore {
    fn image(&self) -> Arc<Image> {
        Arc::clone(&self.served.borrow())
    }

    fn images(&self) -> watch::Receiver<Arc<Image>> {
        self.served.clone()
    }

    /// Clients send what is for the controller to the broker named here. Every broker hands it on, so where the
    /// controller is no broker, any live one will do.
    fn controller(&self) -> Option<BrokerId> {
        let image = self.served.borrow();
        let leader = self.shared.quorum.leader_address().and_then(|leader| i32::try_from(leader.id).ok());
        let leader = leader.map(BrokerId);
        let is_alive = |id: &BrokerId| image.brokers().get(*id).is_some_and(|broker| !broker.fenced);
        let alive = || image.brokers().alive().map(|broker| broker.id).find(|id| *id == self.node);
        let any = || image.brokers().alive().map(|broker| broker.id).next();
        leader.filter(is_alive).or_else(alive).or_else(any)
    }

    fn quorum_status(&self) -> Pin<Box<dyn Future<Output = QuorumStatus> + Send>> {
        let quorum = Arc::clone(&self.shared.quorum);
        Box::pin(async move { quorum.status().await.unwrap_or_default() })
    }

    fn change_voters(
        &self,
        change: VoterChange,
    ) -> Pin<Box<dyn Future<Output = Result<(), ControllerError>> + Send>> {
        let quorum = Arc::clone(&self.shared.quorum);
        Box::pin(async move {
            let VoterChange { votes, id, directory } = change;
            let member =
                Member { id: u64::try_from(id).unwrap_or(u64::MAX), directory: Uuid::from_bytes(directory) };
            let change = if votes { ChangeVoters::Add(member) } else { ChangeVoters::Remove(member) };
            quorum.request_voters(change).await.map_err(|refusal| {
                let kind = match refusal.kind {
                    RefusalKind::Invalid => ErrorKind::InvalidRequest,
                    _ => ErrorKind::RequestTimedOut,
                };
                ControllerError::new(kind, refusal)
            })
        })
    }

    fn submit(&self, request: ControllerRequest) -> PendingReply {
        Box::pin(Arc::clone(&self.shared).submit(request))
    }
}
