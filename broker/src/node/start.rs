//! Starting a node.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rkafka_config::{BrokerConfig, keys};
use rkafka_core::controller::{ControllerError, ELIGIBLE_LEADER_REPLICAS};
use rkafka_core::ids::{BrokerId, TopicId};
use rkafka_core::image::BrokerRegistration;
use rkafka_core::session::FetchSessions;
use rkafka_log::LogError;
use rkafka_log::dirs::LogDirs;
use rkafka_log::disk::Disk;
use rkafka_log::disk::real::RealDisk;
use rkafka_wire::WireError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;
use uuid::Uuid;

use super::Node;
use super::listeners::{ListenerError, advertised, bind, memory_budget};
use super::membership::Member;
use super::serving::Serving;
use crate::background::Background;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::controller::ControllerStore;
use crate::coordinator::GroupCoordinators;
use crate::metadata::{Lease, Reconciler, adopt_logs};
use crate::partition::PartitionTable;
use crate::producer_ids::ProducerIds;
use crate::quorum::{self, Quorum, QuorumError};
use crate::telemetry::{HttpError, HttpPages};

/// Why a node cannot start. Nothing is left half made: the same command works once the cause is gone.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener cannot be had.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// The pages for metrics and health cannot be had.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The log directories cannot be used.
    #[error("log.dirs: {0}")]
    LogDirs(#[from] LogError),
    /// The metadata quorum cannot be started.
    #[error(transparent)]
    Quorum(#[from] QuorumError),
    /// The cluster does not take this broker.
    #[error("broker {id} cannot register: {source}")]
    Register {
        /// Its id.
        id: BrokerId,
        /// The controller's words.
        source: ControllerError,
    },
    /// A quorum of several nodes.
    #[error("a quorum of {voters} nodes is not served by this version; configure one node, or none")]
    SeveralVoters {
        /// How many are configured.
        voters: usize,
    },
    /// A fault of this build.
    #[error("the table of requests is wrong: {0}")]
    Requests(#[from] WireError),
}

/// Starts a node with these settings; it serves clients when this returns.
///
/// # Errors
/// [`StartError`], which names what is wrong and what to do.
pub async fn start(file_config: BrokerConfig) -> Result<Node, StartError> {
    refuse_several_voters(&file_config)?;
    // First of all: a port that is taken is the most frequent fault and must not cost a recovery of all logs.
    let listeners = bind(&file_config)?;
    let pages = HttpPages::start(file_config.get(keys::METRICS_HTTP_ADDRESS))?;
    let endpoints = advertised(&file_config, &listeners);
    let budget = memory_budget(&file_config);
    let clock = Clock::default();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut log_dirs = LogDirs::open(disk.clone(), &file_config.node().log_dirs)?;
    let id = node_id(&file_config, &log_dirs);
    let quorum_dir = file_config.node().metadata_log_dir.join(quorum::DIRECTORY);
    let (quorum, images) = start_quorum(disk, &quorum_dir, id).await?;
    let cluster_id = form_cluster(&quorum, &log_dirs).await?;
    log_dirs.claim(&cluster_id, id.0, new_id)?;
    adopt_logs(&quorum, &log_dirs, id).await?;
    let log_dirs = Arc::new(log_dirs);

    let partitions = Arc::new(PartitionTable::default());
    let config = Arc::new(ArcSwap::from_pointee(file_config.clone()));
    let reconciler = Reconciler {
        local: id,
        dirs: log_dirs.clone(),
        partitions: partitions.clone(),
        config: config.clone(),
        file_config: Arc::new(file_config.clone()),
        clock,
        deletions: TaskTracker::new(),
    };
    let served = reconciler.start(images).await;
    let session_timeout = millis(file_config.get(keys::BROKER_SESSION_TIMEOUT_MS));
    let (metadata, controller) =
        ControllerStore::start(quorum, id, served, config.clone(), session_timeout, clock);
    let member = Member {
        metadata: metadata.clone(),
        cluster_id: cluster_id.clone(),
        broker: registration(&file_config, id, endpoints),
        interval: millis(file_config.get(keys::BROKER_HEARTBEAT_INTERVAL_MS)),
    };
    let membership = member.join().await.map_err(|source| StartError::Register { id, source })?;
    let slots = file_config.get(keys::MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);
    let sessions = FetchSessions::new(usize::try_from(slots).unwrap_or(0), FetchSessions::EVICTION_MS);
    let broker = Arc::new(Broker {
        id,
        clock,
        config,
        metadata,
        // Alone in its cluster: nobody else could lead.
        lease: Arc::new(Lease::unlimited()),
        partitions,
        log_dirs: log_dirs.clone(),
        fetch_sessions: sessions.into(),
        groups: GroupCoordinators::new(CancellationToken::new()),
        producer_ids: ProducerIds::default(),
        telemetry: pages.telemetry().clone(),
    });
    let background = Background::start(&broker);
    let serving = Serving::start(&broker, listeners, budget)?;
    pages.ready(&broker);
    info!(%id, cluster_id, partitions = broker.partitions.len(), "started");
    Ok(Node { broker, cluster_id, serving, background, membership, controller, log_dirs, pages })
}

/// Only a quorum of one is served so far; a node that was configured for more must not act as if it were
/// alone.
fn refuse_several_voters(config: &BrokerConfig) -> Result<(), StartError> {
    use rkafka_config::Quorum as Configured;
    let voters = match &config.node().quorum {
        Configured::Alone => 1,
        Configured::Addresses(addresses) | Configured::Bootstrap(addresses) => addresses.len(),
        Configured::Voters(voters) => voters.len(),
    };
    if voters > 1 { Err(StartError::SeveralVoters { voters }) } else { Ok(()) }
}

/// The configured id, or the one the log directories remember, or the first that Kafka would make.
fn node_id(config: &BrokerConfig, log_dirs: &LogDirs) -> BrokerId {
    let remembered =
        log_dirs.dirs().iter().find_map(|dir| dir.identity().and_then(|identity| identity.node_id));
    let generated = config.get(keys::RESERVED_BROKER_MAX_ID).saturating_add(1);
    BrokerId(config.node().id.or(remembered).unwrap_or(generated))
}

async fn start_quorum(
    disk: Arc<dyn Disk>,
    dir: &Path,
    id: BrokerId,
) -> Result<(Quorum, crate::quorum::ImageReceiver), StartError> {
    let node = u64::try_from(id.0).unwrap_or(0);
    Ok(Quorum::start_alone(disk, dir, node, wall_ms).await?)
}

/// The cluster's id: the quorum's, or for a new quorum what the log directories say, or a new one.
async fn form_cluster(quorum: &Quorum, log_dirs: &LogDirs) -> Result<String, StartError> {
    let image = quorum.image();
    if let Some(known) = image.cluster_id() {
        return Ok(known.to_owned());
    }
    let remembered = log_dirs.dirs().iter().find_map(|dir| dir.identity()?.cluster_id.clone());
    let cluster_id = remembered.unwrap_or_else(new_id);
    quorum.form_cluster(&cluster_id).await?;
    Ok(cluster_id)
}

/// A random id in Kafka's text form.
fn new_id() -> String {
    loop {
        if let Some(id) = TopicId::from_random(*Uuid::new_v4().as_bytes()) {
            return id.to_string();
        }
    }
}

fn registration(
    config: &BrokerConfig,
    id: BrokerId,
    endpoints: Vec<rkafka_core::image::Endpoint>,
) -> BrokerRegistration {
    BrokerRegistration {
        id,
        epoch: -1,
        incarnation: *Uuid::new_v4().as_bytes(),
        endpoints,
        rack: config.get(keys::BROKER_RACK).map(Arc::from),
        features: vec![(ELIGIBLE_LEADER_REPLICAS.into(), 0, 1)],
        fenced: true,
        in_controlled_shutdown: false,
    }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

fn wall_ms() -> i64 {
    Clock::default().wall_ms()
}
