//! This broker's place in the cluster: registered, unfenced, and heard of again and again (KIP-631).

use std::sync::Arc;
use std::time::Duration;

use rkafka_core::controller::{ControllerError, ErrorKind, Heartbeat, RegisterBroker};
use rkafka_core::ids::BrokerId;
use rkafka_core::image::BrokerRegistration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::metadata_store::{MetadataStore, call};

/// How soon to try again while the controller does not unfence this broker.
const RETRY: Duration = Duration::from_millis(20);

/// The heartbeats of a registered broker; they end with [`Membership::leave`].
#[derive(Debug)]
pub(super) struct Membership {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Who registers.
pub(super) struct Member {
    pub(super) metadata: Arc<dyn MetadataStore>,
    pub(super) cluster_id: String,
    pub(super) broker: BrokerRegistration,
    /// `broker.heartbeat.interval.ms`.
    pub(super) interval: Duration,
}

impl Member {
    /// Registers, waits until this broker is unfenced, and goes on with heartbeats.
    ///
    /// # Errors
    /// The controller's refusal: another live broker has the id, or the cluster is another one.
    pub(super) async fn join(self) -> Result<Membership, ControllerError> {
        self.end_former_life().await?;
        let mut epoch = self.register().await?;
        while !self.beat(epoch).await? {
            tokio::time::sleep(RETRY).await;
        }
        info!(id = %self.id(), epoch, "registered and unfenced");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = stopped.cancelled() => return,
                    () = tokio::time::sleep(self.interval) => {}
                }
                match self.beat(epoch).await {
                    Ok(_) => {}
                    Err(error) if error.kind == ErrorKind::StaleBrokerEpoch => match self.register().await {
                        Ok(new) => epoch = new,
                        Err(error) => warn!(%error, "this broker cannot register again"),
                    },
                    Err(error) => warn!(%error, "heartbeat failed"),
                }
            }
        });
        Ok(Membership { stop, task })
    }

    fn id(&self) -> BrokerId {
        self.broker.id
    }

    /// A registration of this id that counts as alive is this node's own, from before a restart: the log
    /// directories are locked and the controller is this very process. Its session need not run out first.
    async fn end_former_life(&self) -> Result<(), ControllerError> {
        let image = self.metadata.image();
        let Some(former) = image.brokers().get(self.id()).filter(|former| !former.fenced) else {
            return Ok(());
        };
        let fence = Heartbeat {
            broker: self.id(),
            epoch: former.epoch,
            sequence: image.sequence(),
            want_fence: true,
            want_shutdown: false,
        };
        call(self.metadata.as_ref(), fence).await.map(drop)
    }

    async fn register(&self) -> Result<i64, ControllerError> {
        let request = RegisterBroker {
            cluster_id: self.cluster_id.clone(),
            broker: self.broker.clone(),
            previous_epoch: -1,
        };
        call(self.metadata.as_ref(), request).await
    }

    /// One heartbeat; whether this broker is unfenced.
    async fn beat(&self, epoch: i64) -> Result<bool, ControllerError> {
        let heartbeat = Heartbeat {
            broker: self.id(),
            epoch,
            sequence: self.metadata.image().sequence(),
            want_fence: false,
            want_shutdown: false,
        };
        Ok(!call(self.metadata.as_ref(), heartbeat).await?.fenced)
    }
}

impl Membership {
    /// No more heartbeats. Alone in its cluster a broker has nobody to hand its leaderships to; it just goes.
    pub(super) async fn leave(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            warn!(%error, "the heartbeats had ended before");
        }
    }
}
