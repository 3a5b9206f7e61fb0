//! This broker's place in the cluster: registered, unfenced, and heard of again and again (KIP-631).

use std::sync::Arc;
use std::time::Duration;

use rkafka_core::controller::{ControllerError, ErrorKind, Heartbeat, HeartbeatReply, RegisterBroker};
use rkafka_core::ids::BrokerId;
use rkafka_core::image::BrokerRegistration;
use rkafka_core::replica::lease::Lease;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::metadata_store::{MetadataStore, call};
use crate::quorum::Quorum;

/// How soon to try again while the controller does not unfence this broker.
const RETRY: Duration = Duration::from_millis(20);
/// How soon to try again after a heartbeat that failed.
const SOON: Duration = Duration::from_millis(200);
/// How often a broker that is leaving asks whether it may go.
const LEAVING: Duration = Duration::from_millis(20);
/// How long a broker that is leaving asks in vain: longer than another controller needs to take over. Where all
/// nodes are stopped at once, the majority that could elect one is gone.
const NOBODY_ANSWERS: Duration = Duration::from_millis(1500);

/// The heartbeats of a registered broker; they end with [`Membership::leave`].
#[derive(Debug)]
pub(super) struct Membership {
    stop: CancellationToken,
    /// Ends with the epoch of the last registration.
    task: JoinHandle<i64>,
}

/// Who registers.
pub(super) struct Member {
    pub(super) metadata: Arc<dyn MetadataStore>,
    pub(super) quorum: Arc<Quorum>,
    pub(super) cluster_id: String,
    pub(super) broker: BrokerRegistration,
    /// The epoch of the registration before, if that ended with an orderly stop; -1 otherwise (KIP-966).
    pub(super) previous_epoch: i64,
    /// `broker.heartbeat.interval.ms`.
    pub(super) interval: Duration,
    /// `broker.session.timeout.ms`.
    pub(super) session: Duration,
    /// What the heartbeats renew.
    pub(super) lease: Arc<Lease>,
    pub(super) clock: Clock,
    /// Whether there can be brokers to hand leaderships to; then leaving may take this long.
    pub(super) leaving_max: Option<Duration>,
}

impl Member {
    /// Registers, waits until this broker is unfenced, and goes on with heartbeats.
    ///
    /// # Errors
    /// The controller's refusal: another live broker has the id, or the cluster is another one.
    pub(super) async fn join(self) -> Result<Membership, ControllerError> {
        let mut epoch = self.take_id().await?;
        while self.beat(epoch, false).await?.fenced {
            tokio::time::sleep(RETRY).await;
        }
        info!(id = %self.id(), epoch, "registered and unfenced");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut pause = self.interval;
            loop {
                tokio::select! {
                    biased;
                    () = stopped.cancelled() => {
                        self.hand_over(epoch).await;
                        return epoch;
                    }
                    () = tokio::time::sleep(pause) => {}
                }
                // One that does not come back within the session is as good as failed.
                let beat = tokio::time::timeout(self.session, self.beat(epoch, false)).await;
                pause = match beat {
                    Ok(Ok(HeartbeatReply { fenced: false, .. })) => self.interval,
                    Ok(Ok(_)) => SOON,
                    Ok(Err(error)) if error.kind == ErrorKind::StaleBrokerEpoch => {
                        match self.register().await {
                            Ok(new) => epoch = new,
                            Err(error) => warn!(%error, "this broker cannot register again"),
                        }
                        SOON
                    }
                    Ok(Err(error)) => {
                        warn!(%error, "heartbeat failed");
                        SOON
                    }
                    Err(_) => {
                        warn!("the controller has not answered a heartbeat for a whole session");
                        SOON
                    }
                };
            }
        });
        Ok(Membership { stop, task })
    }

    /// Controlled shutdown: the controller gives this broker's leaderships to others and says when all know.
    async fn hand_over(&self, epoch: i64) {
        let Some(limit) = self.leaving_max else { return };
        let left = async {
            loop {
                match tokio::time::timeout(NOBODY_ANSWERS, self.beat(epoch, true)).await {
                    Ok(Ok(HeartbeatReply { shut_down: true, .. })) => return,
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => {
                        warn!(%error, "controlled shutdown: the controller refuses");
                        return;
                    }
                    Err(_) => {
                        warn!("controlled shutdown: there is no controller to hand leaderships over");
                        return;
                    }
                }
                tokio::time::sleep(LEAVING).await;
            }
        };
        tokio::select! {
            biased;
            left = tokio::time::timeout(limit, left) => if left.is_err() {
                warn!("controlled shutdown did not end in time; leaderships that are left move when others notice");
            },
            () = self.quorum.lost_majority() => {
                info!("controlled shutdown: most voters have ended, so there is nobody to hand leaderships over");
            }
        }
    }

    fn id(&self) -> BrokerId {
        self.broker.id
    }

    /// Registers for the first time. The image here may be older than the controller's: what it does not show yet of
    /// this node's former life is met as a refusal, and ended when it shows.
    async fn take_id(&self) -> Result<i64, ControllerError> {
        let deadline = tokio::time::Instant::now() + self.session;
        loop {
            let ended = self.end_former_life().await;
            let outcome = match ended {
                Ok(()) => self.register().await,
                Err(error) => Err(error),
            };
            let passes = |kind| {
                matches!(kind, ErrorKind::DuplicateBrokerRegistration | ErrorKind::StaleBrokerEpoch)
                    && tokio::time::Instant::now() < deadline
            };
            match outcome {
                Err(error) if passes(error.kind) => tokio::time::sleep(RETRY).await,
                other => return other,
            }
        }
    }

    /// A registration of this id that counts as alive is this node's own, from before a restart: the quorum knows
    /// the node by the directory of its log, which this process has locked. Its session need not run out first.
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
            previous_epoch: self.previous_epoch,
        };
        call(self.metadata.as_ref(), request).await
    }

    /// One heartbeat. Answered well, it renews the lease from when it was sent.
    async fn beat(&self, epoch: i64, want_shutdown: bool) -> Result<HeartbeatReply, ControllerError> {
        let sent_ms = self.clock.mono_ms();
        let heartbeat = Heartbeat {
            broker: self.id(),
            epoch,
            sequence: self.metadata.image().sequence(),
            want_fence: false,
            want_shutdown,
        };
        let reply = call(self.metadata.as_ref(), heartbeat).await?;
        match reply.fenced {
            true => self.lease.end(),
            false => self.lease.renew(sent_ms, self.session),
        }
        Ok(reply)
    }
}

impl Membership {
    /// No more heartbeats but those of a controlled shutdown. Alone in its cluster a broker has nobody to hand its
    /// leaderships to; it just goes. Returns the epoch of the registration that ends; -1 if it is not known.
    pub(super) async fn leave(self) -> i64 {
        self.stop.cancel();
        self.task.await.unwrap_or_else(|error| {
            warn!(%error, "the heartbeats had ended before");
            -1
        })
    }
}
