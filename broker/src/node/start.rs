//! Starting a node.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rkafka_config::{BrokerConfig, keys};
use rkafka_core::controller::{ControllerError, ELIGIBLE_LEADER_REPLICAS};
use rkafka_core::ids::{BrokerId, TopicId};
use rkafka_core::image::{BrokerRegistration, Endpoint};
use rkafka_core::replica::lease::Lease;
use rkafka_core::session::FetchSessions;
use rkafka_log::LogError;
use rkafka_log::dirs::{DirIdentity, LogDirs};
use rkafka_log::disk::Disk;
use rkafka_log::disk::real::RealDisk;
use rkafka_wire::WireError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;
use uuid::Uuid;

use super::Node;
use super::limits::raise_open_files;
use super::listeners::{ListenerError, advertised, bind, bind_for_nodes, memory_budget, own_host};
use super::membership::Member;
use super::place::{Door, Place, PlaceError, place};
use super::serving::Serving;
use crate::background::{Background, Moves};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::controller::ControllerStore;
use crate::coordinator::GroupCoordinators;
use crate::metadata::{Reconciler, adopt_logs};
use crate::partition::PartitionTable;
use crate::producer_ids::ProducerIds;
use crate::quorum::{self, Quorum, QuorumError};
use crate::replication::{IsrChanges, Throttles};
use crate::server::Listener;
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
    /// The list of the quorum does not fit this node.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A fault of this build.
    #[error("the table of requests is wrong: {0}")]
    Requests(#[from] WireError),
}

/// Starts a node with these settings; it serves clients when this returns. In a cluster that takes until the
/// quorum has a leader; whom a node waits for, it says.
///
/// # Errors
/// [`StartError`], which names what is wrong and what to do.
pub async fn start(file_config: BrokerConfig) -> Result<Node, StartError> {
    raise_open_files();
    // First of all: a port that is taken is the most frequent fault and must not cost a recovery of all logs.
    let listeners = bind(&file_config)?;
    let pages = HttpPages::start(file_config.get(keys::METRICS_HTTP_ADDRESS))?;
    let endpoints = advertised(&file_config, &listeners);
    let budget = memory_budget(&file_config);
    let clock = Clock::default();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut log_dirs = LogDirs::open(disk.clone(), &file_config.node().log_dirs)?;
    let id = node_id(&file_config, &log_dirs);
    let place = place(&file_config, id)?;
    let for_nodes = bind_for_nodes(&file_config, &place.door)?;
    let mut serving = Serving::new(&file_config, budget);

    let settings = quorum_settings(&file_config, id, &place, &for_nodes, &endpoints, &log_dirs);
    let quorum_dir = file_config.node().metadata_log_dir.join(quorum::DIRECTORY);
    let (quorum, images) = Quorum::open(disk, &quorum_dir, settings).await?;
    let listeners = open_door(&mut serving, &file_config, &place, &quorum, for_nodes, listeners);
    let cluster_id = enter_quorum(&quorum, &place).await?;
    claim(&mut log_dirs, &file_config, &quorum, &cluster_id)?;
    let registration = registration(&file_config, id, endpoints);
    if place.alone {
        adopt_logs(&quorum, &log_dirs, id).await?;
    }
    let log_dirs = Arc::new(log_dirs);

    let partitions = Arc::new(PartitionTable::default());
    let config = Arc::new(ArcSwap::from_pointee(file_config.clone()));
    let reconciler = Reconciler {
        local: id,
        incarnation: registration.incarnation,
        dirs: log_dirs.clone(),
        partitions: partitions.clone(),
        config: config.clone(),
        file_config: Arc::new(file_config.clone()),
        clock,
        deletions: TaskTracker::new(),
    };
    let served = reconciler.start(images).await;
    let session = millis(file_config.get(keys::BROKER_SESSION_TIMEOUT_MS));
    let (metadata, controller) = ControllerStore::start(quorum, id, served, config.clone(), session, clock);
    // Alone in its cluster nobody else could lead.
    let lease =
        Arc::new(if place.alone && place.door == Door::None { Lease::unlimited() } else { Lease::none() });
    let member = Member {
        metadata: metadata.clone(),
        quorum: Arc::clone(controller.quorum()),
        cluster_id: cluster_id.clone(),
        broker: registration,
        previous_epoch: log_dirs.clean_broker_epoch(),
        interval: millis(file_config.get(keys::BROKER_HEARTBEAT_INTERVAL_MS)),
        session,
        lease: lease.clone(),
        clock,
        leaving_max: (place.door != Door::None).then_some(LEAVING_MAX),
    };
    let membership = match file_config.node().roles.broker {
        true => Some(member.join().await.map_err(|source| StartError::Register { id, source })?),
        false => None,
    };
    let slots = file_config.get(keys::MAX_INCREMENTAL_FETCH_SESSION_CACHE_SLOTS);
    let sessions = FetchSessions::new(usize::try_from(slots).unwrap_or(0), FetchSessions::EVICTION_MS);
    let broker = Arc::new(Broker {
        id,
        clock,
        config,
        metadata,
        lease,
        partitions,
        log_dirs: log_dirs.clone(),
        moves: Moves::default(),
        isr_changes: IsrChanges::default(),
        throttles: Throttles::default(),
        fetch_sessions: sessions.into(),
        groups: GroupCoordinators::new(CancellationToken::new()),
        producer_ids: ProducerIds::default(),
        telemetry: pages.telemetry().clone(),
    });
    let background = Background::start(&broker);
    serving.serve_clients(&broker, listeners)?;
    pages.ready(&broker);
    info!(%id, cluster_id, partitions = broker.partitions.len(), "started");
    Ok(Node { broker, cluster_id, serving, background, membership, controller, log_dirs, pages })
}

/// How long a controlled shutdown may wait for others to take over.
const LEAVING_MAX: Duration = Duration::from_secs(10);

/// What the quorum is told about this node: above all where others reach it.
fn quorum_settings(
    config: &BrokerConfig,
    id: BrokerId,
    place: &Place,
    for_nodes: &[Listener],
    endpoints: &[Endpoint],
    log_dirs: &LogDirs,
) -> quorum::Settings {
    let bound_port = for_nodes.first().map_or(0, |listener| listener.address().port());
    let inter_broker =
        endpoints.iter().find(|endpoint| *endpoint.listener == *config.node().listeners.inter_broker_name);
    let controller = config.node().listeners.controller().next();
    let (host, port) = match (place.plan.own.and_then(|own| place.plan.listed.get(own)), &place.door) {
        (Some(listed), _) => (listed.host.clone(), listed.port),
        (None, Door::None) => (String::new(), 0),
        (None, Door::InterBroker) => {
            inter_broker.map_or_else(Default::default, |endpoint| (endpoint.host.to_string(), endpoint.port))
        }
        (None, Door::Controller | Door::Own { .. }) => {
            let host = controller.and_then(|endpoint| endpoint.host.clone());
            (host.unwrap_or_else(|| own_host().to_string()), bound_port)
        }
    };
    let remembered = log_dirs.dirs().iter().find_map(|dir| dir.identity()?.cluster_id.clone());
    quorum::Settings {
        node_id: u64::try_from(id.0).unwrap_or(0),
        host,
        port,
        alone: place.alone,
        remembered_cluster: remembered,
        clock: wall_ms,
    }
}

/// Lets other nodes in; returns the listeners that are left for clients alone.
fn open_door(
    serving: &mut Serving,
    config: &BrokerConfig,
    place: &Place,
    quorum: &Arc<Quorum>,
    for_nodes: Vec<Listener>,
    listeners: Vec<Listener>,
) -> Vec<Listener> {
    let inter_broker: Arc<str> = config.node().listeners.inter_broker_name.as_str().into();
    match place.door {
        // `--zookeeper` of old commands leads here: such clients are told what brokers' clients are.
        Door::None | Door::Controller | Door::Own { .. } => {
            serving.serve_nodes(for_nodes, quorum, Some(&inter_broker));
            listeners
        }
        Door::InterBroker => {
            let (nodes, clients) =
                listeners.into_iter().partition(|listener| *listener.name() == inter_broker);
            serving.serve_nodes(nodes, quorum, None);
            clients
        }
    }
}

/// Becomes part of the quorum; returns the cluster's id once this node's image has all that is committed.
async fn enter_quorum(quorum: &Quorum, place: &Place) -> Result<String, StartError> {
    if place.alone {
        quorum.lead_alone().await?;
    } else {
        quorum.form_or_join(&place.plan).await?;
    }
    let cluster_id = quorum.await_cluster_id(new_id).await?;
    quorum.catch_up().await?;
    Ok(cluster_id)
}

/// Marks the log directories as this node's. That of the metadata gets the id by which the quorum knows it as a voter's
/// (KIP-853): `meta.properties` is where tools look it up.
fn claim(
    log_dirs: &mut LogDirs,
    config: &BrokerConfig,
    quorum: &Quorum,
    cluster_id: &str,
) -> Result<(), LogError> {
    let (member, metadata_dir) = (quorum.member(), &config.node().metadata_log_dir);
    let node_id = i32::try_from(member.id).unwrap_or(i32::MAX);
    let directory_id = TopicId(*member.directory.as_bytes()).to_string();
    if !log_dirs.set_directory_id(metadata_dir, &directory_id)? {
        let identity = DirIdentity {
            cluster_id: Some(cluster_id.to_owned()),
            node_id: Some(node_id),
            directory_id: Some(directory_id),
        };
        if DirIdentity::load(&**log_dirs.disk(), metadata_dir)? != Some(identity.clone()) {
            identity.save(&**log_dirs.disk(), metadata_dir)?;
        }
    }
    log_dirs.claim(cluster_id, node_id, new_id)
}

/// The configured id, or the one the log directories remember, or the first that Kafka would make.
fn node_id(config: &BrokerConfig, log_dirs: &LogDirs) -> BrokerId {
    let remembered =
        log_dirs.dirs().iter().find_map(|dir| dir.identity().and_then(|identity| identity.node_id));
    let generated = config.get(keys::RESERVED_BROKER_MAX_ID).saturating_add(1);
    BrokerId(config.node().id.or(remembered).unwrap_or(generated))
}

/// A random id in Kafka's text form.
fn new_id() -> String {
    loop {
        if let Some(id) = TopicId::from_random(*Uuid::new_v4().as_bytes()) {
            return id.to_string();
        }
    }
}

fn registration(config: &BrokerConfig, id: BrokerId, endpoints: Vec<Endpoint>) -> BrokerRegistration {
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
