//! What all requests of one broker share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rkafka_config::BrokerConfig;
use rkafka_core::controller::{ControllerError, View};
use rkafka_core::ids::{BrokerId, TopicId};
use rkafka_core::image::{Endpoint, Image, Topic};
use rkafka_core::replica::lease::Lease;
use rkafka_core::session::FetchSessions;
use rkafka_log::dirs::LogDirs;

use crate::background::Moves;
use crate::clock::Clock;
use crate::coordinator::GroupCoordinators;
use crate::metadata_store::{ControllerCall, MetadataStore, call};
use crate::partition::PartitionTable;
use crate::producer_ids::ProducerIds;
use crate::replication::{IsrChanges, Throttles};
use crate::telemetry::Telemetry;

/// One broker's shared state: handlers, coordinators and background work all hold it.
///
/// Every field guards itself; none of their locks is held while another is taken.
pub struct Broker {
    /// This broker.
    pub id: BrokerId,
    /// The clock of everything below.
    pub clock: Clock,
    /// Settings, replaced as a whole when a dynamic one changes.
    pub config: Arc<ArcSwap<BrokerConfig>>,
    /// The cluster's metadata.
    pub metadata: Arc<dyn MetadataStore>,
    /// Whether this broker may acknowledge as a leader: not once its session may be over.
    pub lease: Arc<Lease>,
    /// Partitions with a replica here.
    pub partitions: Arc<PartitionTable>,
    /// `log.dirs`.
    pub log_dirs: Arc<LogDirs>,
    /// Moves of replicas between log directories.
    pub moves: Moves,
    /// Changes of ISRs that this broker's leaders want.
    pub isr_changes: IsrChanges,
    /// How fast throttled replicas are copied.
    pub throttles: Throttles,
    /// Fetch sessions (KIP-227).
    pub fetch_sessions: Mutex<FetchSessions>,
    /// Groups and their offsets.
    pub groups: GroupCoordinators,
    /// Producer ids for idempotent producers.
    pub producer_ids: ProducerIds,
    /// What is counted and timed.
    pub telemetry: Arc<Telemetry>,
}

impl Broker {
    /// The newest image.
    pub fn image(&self) -> Arc<Image> {
        self.metadata.image()
    }

    /// Asks the active controller.
    ///
    /// # Errors
    /// Its refusal.
    pub async fn control<C: ControllerCall>(&self, request: C) -> Result<C::Reply, ControllerError> {
        call(self.metadata.as_ref(), request).await
    }

    /// The topic a request names: by id where it gives one, by name otherwise.
    pub(crate) fn topic<'a>(image: &'a Image, name: &str, id: TopicId) -> Option<&'a Arc<Topic>> {
        match id {
            TopicId::ZERO => image.topics().by_name(name),
            id => image.topics().by_id(id),
        }
    }

    /// Where clients of `listener` reach a broker.
    pub(crate) fn endpoint<'a>(image: &'a Image, broker: BrokerId, listener: &str) -> Option<&'a Endpoint> {
        image.brokers().get(broker).filter(|broker| !broker.fenced)?.endpoint(listener)
    }

    /// Runs `decide` on the newest image and this broker's settings.
    pub(crate) fn with_view<R>(&self, decide: impl FnOnce(&View<'_>) -> R) -> R {
        let (image, config) = (self.image(), self.config.load());
        decide(&View { image: &image, config: &config })
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker").field("id", &self.id).finish_non_exhaustive()
    }
}
