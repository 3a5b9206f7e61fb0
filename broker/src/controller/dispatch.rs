//! One request to one handler of rkafka-core.

use rkafka_core::controller::{
    self, ControllerError, Draws, ELIGIBLE_LEADER_REPLICAS, Outcome, Sessions, SupportedFeature, View,
};
use rkafka_core::ids::TopicId;
use rkafka_core::image::MetadataRecord;
use uuid::Uuid;

use crate::metadata_store::{ControllerReply, ControllerRequest};

/// Features that may be finalized, with the levels this version can run at.
const FEATURES: &[SupportedFeature] =
    &[SupportedFeature { name: ELIGIBLE_LEADER_REPLICAS, lowest: 0, highest: 1 }];

/// Records to commit, and the reply for when they are.
type Generated = Result<(Vec<MetadataRecord>, ControllerReply), ControllerError>;

/// Generates what `request` asks for; only `sessions`, which are not part of the image, change at once.
pub(super) fn generate(
    view: &View<'_>,
    sessions: &mut Sessions,
    request: ControllerRequest,
    mono_ms: u64,
) -> Generated {
    use ControllerReply as Reply;
    use ControllerRequest as Request;
    match request {
        Request::CreateTopics(request) => {
            let mut draws = Draws { topic_id: &mut random_topic_id, seed: random_seed() };
            done(controller::create_topics(view, &request, &mut draws), Reply::CreateTopics)
        }
        Request::DeleteTopics(request) => {
            done(controller::delete_topics(view, &request)?, Reply::DeleteTopics)
        }
        Request::CreatePartitions(request) => {
            done(controller::create_partitions(view, &request, random_seed()), Reply::CreatePartitions)
        }
        Request::AlterConfigs(request) => {
            done(controller::alter_configs(view, &request), Reply::AlterConfigs)
        }
        Request::ElectLeaders(request) => {
            done(controller::elect_leaders(view, &request), Reply::ElectLeaders)
        }
        Request::AlterReassignments(request) => {
            done(controller::alter_reassignments(view, &request), Reply::AlterReassignments)
        }
        Request::AlterPartition(request) => {
            done(controller::alter_partition(view, &request)?, Reply::AlterPartition)
        }
        Request::RegisterBroker(request) => {
            let outcome = controller::register_broker(view, sessions, &request, mono_ms)?;
            done(outcome, Reply::RegisterBroker)
        }
        Request::UnregisterBroker(request) => {
            let outcome = controller::unregister_broker(view, request.broker)?;
            // Nobody is left who could be fenced when it ends.
            sessions.forget(request.broker);
            done(outcome, Reply::UnregisterBroker)
        }
        Request::HandOverLeaderships(request) => {
            let outcome = controller::hand_over_leaderships(view, request.broker);
            done(outcome, Reply::HandOverLeaderships)
        }
        Request::Heartbeat(request) => {
            done(controller::heartbeat(view, sessions, &request, mono_ms)?, Reply::Heartbeat)
        }
        Request::AllocateProducerIds(request) => {
            let outcome = controller::allocate_producer_ids(view, request.broker, request.broker_epoch)?;
            done(outcome, Reply::AllocateProducerIds)
        }
        Request::UpdateFeatures(request) => {
            let only = request.validate_only;
            done(controller::update_features(view, FEATURES, &request.updates, only)?, Reply::UpdateFeatures)
        }
    }
}

fn done<R>(outcome: Outcome<R>, wrap: impl FnOnce(R) -> ControllerReply) -> Generated {
    Ok((outcome.records, wrap(outcome.reply)))
}

/// An id that no topic has had, and that no command line takes for an option (as Kafka draws them).
fn random_topic_id() -> TopicId {
    loop {
        let id = TopicId(*Uuid::new_v4().as_bytes());
        if !id.is_reserved() && !id.to_string().starts_with('-') {
            return id;
        }
    }
}

fn random_seed() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
