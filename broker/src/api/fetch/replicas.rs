//! Fetches and replicas: whose position counts, who may read at a follower, whom a throttle holds back.

use rkafka_core::ids::BrokerId;
use rkafka_core::image::Image;
use rkafka_core::replica::leader::FollowerFetch;
use rkafka_core::session::PartitionFetch;
use rkafka_wire::messages::FetchRequest;
use rkafka_config::keys;

use super::{Fetch, Outcomes, Reading};
use crate::api::Call;
use crate::partition::{Partition, PartitionError, Role};

/// From here on a consumer says in which rack it is, and can be sent elsewhere (KIP-392).
const RACKS: i16 = 11;

/// The replica selector that sends consumers to their own rack. It is the only one there is: others are classes of
/// somebody's own.
const RACK_AWARE: &str = "RackAwareReplicaSelector";

/// Where a consumer may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Consumer {
    /// It can read at followers.
    reads_followers: bool,
    /// Its rack, if the leader is to send it to the nearest replica.
    rack: Option<String>,
}

impl Consumer {
    pub(super) fn of(call: &Call, request: &FetchRequest) -> Self {
        let reads_followers = call.version() >= RACKS && super::replica_id(call, request) < 0;
        let config = call.broker.config.load();
        let selector = config.get(keys::REPLICA_SELECTOR_CLASS);
        let is_rack_aware = selector.is_some_and(|class| class.rsplit('.').next() == Some(RACK_AWARE));
        let wants = reads_followers && is_rack_aware && !request.rack_id.is_empty();
        Consumer { reads_followers, rack: wants.then(|| request.rack_id.to_string()) }
    }
}

impl Fetch {
    /// What this broker is for the partition, if it may serve this fetch as that.
    pub(super) fn role_for(
        &self,
        partition: &Partition,
        fetch: &PartitionFetch,
    ) -> Result<Role, PartitionError> {
        partition.serving_role(fetch.current_leader_epoch, self.limits.consumer.reads_followers)
    }

    /// The follower that a consumer should read at instead of this leader.
    pub(super) fn preferred_replica(
        &self,
        image: &Image,
        partition: &Partition,
        role: Role,
        fetch_offset: i64,
    ) -> Option<BrokerId> {
        let rack = self.limits.consumer.rack.as_deref()?;
        if !matches!(role, Role::Leader { .. }) {
            return None;
        }
        let preferred = partition.preferred_read_replica(rack, fetch_offset, image.brokers())?;
        (preferred != self.call.broker.id).then_some(preferred)
    }

    /// A follower's position counts for the high watermark and the ISR.
    pub(super) fn count_follower(
        &self,
        partition: &Partition,
        (broker, broker_epoch): (BrokerId, i64),
        fetch: &PartitionFetch,
    ) -> Result<(), PartitionError> {
        let (offset, log_start_offset) = (fetch.fetch_offset, fetch.log_start_offset);
        let counted = FollowerFetch { broker, broker_epoch, offset, log_start_offset };
        let (_, proposal) = partition.fetched_by(&counted, fetch, self.call.broker.clock.now())?;
        if let Some(proposal) = proposal {
            self.call.broker.isr_changes.propose(partition.id(), proposal);
        }
        Ok(())
    }

    /// Whether a follower gets nothing now: its partition is throttled, this second's bytes are spent, and it is not
    /// in sync, so that nobody waits for it (`leader.replication.throttled.*`).
    pub(super) fn must_wait_its_turn(&self, partition: &Partition, follower: BrokerId) -> bool {
        let broker = &self.call.broker;
        partition.throttled().as_leader
            && broker.throttles.leader_is_spent(&broker.config.load(), broker.clock.mono_ms())
            && !partition.is_in_sync(follower)
    }

    /// Counts what goes to followers of throttled partitions.
    pub(super) fn count_throttled(&self, reading: &Reading) {
        if self.limits.follower.is_none() {
            return;
        }
        let bytes = reading.outcomes.iter().map(|outcome| match outcome {
            Outcomes::Read(read) if read.partition.throttled().as_leader => {
                read.slice.slice.as_ref().map_or(0, rkafka_log::FileSlice::len)
            }
            Outcomes::Read(_) | Outcomes::Failed(_) => 0,
        });
        let broker = &self.call.broker;
        broker.throttles.leader_sent(&broker.config.load(), bytes.sum(), broker.clock.mono_ms());
    }
}
