//! Requests: one API key, one file.
//!
//! Each file opens with what it serves and where it differs from Kafka, names its `VERSIONS`, and has one
//! `handle`: stage 1 of the request, run in arrival order; what has to wait is returned as a future. The
//! table below is all that says which requests this broker serves: dispatch and the ApiVersions answer
//! follow from it.
//!
//! Not served, and therefore absent from ApiVersions: transactions, share and `consumer` groups, quotas, SASL and delegation tokens, telemetry.

#![allow(
    clippy::needless_pass_by_value,
    reason = "one signature for all handlers; those that wait need call and request for themselves"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rkafka_core::controller::{ControllerError, ErrorKind};
use rkafka_core::ids::TopicId;
use rkafka_wire::messages::{ApiKey, BrokerId, TopicName};
use rkafka_wire::request::{Limits, Request, check};
use rkafka_wire::response::{ResponseBody, unsupported_api_versions};
use rkafka_wire::{Checked, ErrorCode, RequestHeader, Response, ServedApis, StrBytes, Support, WireError};
use tracing::error;
use uuid::Uuid;

use crate::broker::Broker;
use crate::errors::ToErrorCode;
use crate::metadata_store::ControllerCall;
use crate::partition::Isolation;
use crate::server::{
    CloseReason, ConnectionInfo, FileRange, MemoryBudget, MemoryGrant, Outcome, Reply, Service, Stage,
};

mod authorized_operations;
mod config_resource;

/// The table: API key → file.
macro_rules! served {
    ($($key:ident => $module:ident,)*) => {
        $(mod $module;)*

        /// The requests a client listener serves.
        ///
        /// # Errors
        /// Never in a build whose tests pass: every range is one that `rkafka-wire` can decode.
        pub fn served_apis() -> Result<ServedApis, WireError> {
            ServedApis::new([$((ApiKey::$key, $module::VERSIONS),)*])
        }

        /// Stage 1 of a decoded request.
        fn dispatch(call: Call, request: Request) -> Stage {
            match request {
                $(Request::$key(request) => $module::handle(call, request),)*
                _ => Stage::Done(Outcome::Close(CloseReason::BadRequest("not served".to_owned()))),
            }
        }
    };
}

served! {
    Produce => produce,
    Fetch => fetch,
    ListOffsets => list_offsets,
    Metadata => metadata,
    OffsetCommit => offset_commit,
    OffsetFetch => offset_fetch,
    FindCoordinator => find_coordinator,
    JoinGroup => join_group,
    Heartbeat => heartbeat,
    LeaveGroup => leave_group,
    SyncGroup => sync_group,
    DescribeGroups => describe_groups,
    ListGroups => list_groups,
    ApiVersions => api_versions,
    CreateTopics => create_topics,
    DeleteTopics => delete_topics,
    DeleteRecords => delete_records,
    InitProducerId => init_producer_id,
    OffsetForLeaderEpoch => offset_for_leader_epoch,
    DescribeAcls => describe_acls,
    CreateAcls => create_acls,
    DeleteAcls => delete_acls,
    DescribeConfigs => describe_configs,
    AlterConfigs => alter_configs,
    AlterReplicaLogDirs => alter_replica_log_dirs,
    DescribeLogDirs => describe_log_dirs,
    CreatePartitions => create_partitions,
    DeleteGroups => delete_groups,
    ElectLeaders => elect_leaders,
    IncrementalAlterConfigs => incremental_alter_configs,
    AlterPartitionReassignments => alter_partition_reassignments,
    ListPartitionReassignments => list_partition_reassignments,
    OffsetDelete => offset_delete,
    DescribeQuorum => describe_quorum,
    UpdateFeatures => update_features,
    UnregisterBroker => unregister_broker,
    DescribeCluster => describe_cluster,
    DescribeProducers => describe_producers,
    ListConfigResources => list_config_resources,
    DescribeTopicPartitions => describe_topic_partitions,
    AddRaftVoter => add_raft_voter,
    RemoveRaftVoter => remove_raft_voter,
}

/// What all connections of a listener share to serve requests.
#[derive(Debug, Clone)]
pub struct Dispatcher {
    broker: Arc<Broker>,
    served: Arc<ServedApis>,
    budget: MemoryBudget,
    limits: Limits,
}

/// Decoded requests that take no more than this are not drawn from the memory budget.
const FREE_DECODED_BYTES: usize = 256 << 10;

impl Dispatcher {
    /// Serves the requests of `served` with `broker`; large decoded requests are paid from `budget`.
    pub fn new(broker: Arc<Broker>, served: Arc<ServedApis>, budget: MemoryBudget) -> Self {
        Self { broker, served, budget, limits: Limits::default() }
    }

    fn stage(&self, connection: &Arc<ConnectionInfo>, mut frame: Bytes) -> Result<Stage, WireError> {
        let header = RequestHeader::parse(&mut frame)?;
        match self.served.support(&header) {
            Support::Served => {}
            Support::ApiVersionsFallback => {
                let response = unsupported_api_versions(&header, &self.served)?;
                return Ok(Stage::Done(Outcome::reply(response.into())));
            }
            Support::Refused(error) => return Err(error),
        }
        let checked = check(&header, frame, &self.limits)?;
        let call = Call {
            broker: self.broker.clone(),
            connection: connection.clone(),
            served: self.served.clone(),
            header,
        };
        let bytes = checked.memory_estimate();
        let telemetry = &self.broker.telemetry;
        let timed = |call: Call, request| telemetry.timed(call.header.api_key, || dispatch(call, request));
        if bytes <= FREE_DECODED_BYTES {
            return Ok(timed(call, checked.decode()?));
        }
        match self.budget.try_take(bytes) {
            Some(grant) => Ok(holding(grant, timed(call, checked.decode()?))),
            None => Ok(Stage::Waiting(Box::pin(decode_later(self.budget.clone(), call, checked)))),
        }
    }
}

impl Service for Dispatcher {
    fn call(&mut self, connection: &Arc<ConnectionInfo>, frame: Bytes) -> Stage {
        self.stage(connection, frame).unwrap_or_else(|error| close(&error))
    }
}

fn close(error: &WireError) -> Stage {
    Stage::Done(Outcome::Close(CloseReason::BadRequest(error.to_string())))
}

/// Keeps a grant until the request is through.
fn holding(grant: MemoryGrant, stage: Stage) -> Stage {
    match stage {
        Stage::Done(outcome) => Stage::Done(outcome),
        Stage::Waiting(pending) => Stage::Waiting(Box::pin(async move {
            let _grant = grant;
            pending.await
        })),
    }
}

/// A request whose decoded form must wait for memory: a list of many thousand topics, never a produce request
/// (its records stay where they are), so the order of appends is not touched.
async fn decode_later(budget: MemoryBudget, call: Call, checked: Checked) -> Outcome {
    let _grant = budget.take(checked.memory_estimate()).await;
    match checked.decode() {
        Ok(request) => match dispatch(call, request) {
            Stage::Done(outcome) => outcome,
            Stage::Waiting(pending) => pending.await,
        },
        Err(error) => Outcome::Close(CloseReason::BadRequest(error.to_string())),
    }
}

/// One request under way: what its handler needs, and the way to its answer.
struct Call {
    broker: Arc<Broker>,
    connection: Arc<ConnectionInfo>,
    served: Arc<ServedApis>,
    header: RequestHeader,
}

impl Call {
    fn version(&self) -> i16 {
        self.header.api_version
    }

    fn client_id(&self) -> &str {
        self.header.client_id.as_deref().unwrap_or("")
    }

    /// The answer with this body.
    fn outcome<B: ResponseBody>(&self, body: &B) -> Outcome {
        encoded(&self.header, Response::new(&self.header, body))
    }

    /// Answers within stage 1.
    fn answer<B: ResponseBody>(&self, body: &B) -> Stage {
        Stage::Done(self.outcome(body))
    }

    /// Answers when the future is ready. What the future returns is the body.
    fn later<B: ResponseBody>(mut self, body: impl Future<Output = B> + Send + 'static) -> Stage {
        self.release_frame();
        Stage::Waiting(Box::pin(async move {
            let body = body.await;
            self.outcome(&body)
        }))
    }

    /// The client id is a slice of the frame; a request that waits must not keep a whole read buffer alive.
    fn release_frame(&mut self) {
        self.header.client_id = None;
    }
}

/// What cannot be encoded is a fault of ours: the client is cut off rather than left waiting.
fn encoded(header: &RequestHeader, response: Result<Response<Box<dyn FileRange>>, WireError>) -> Outcome {
    match response {
        Ok(response) => Outcome::reply(Reply::from(response)),
        Err(cause) => {
            error!(api = ?header.api_key, version = header.api_version, %cause, "answer cannot be encoded");
            Outcome::Close(CloseReason::BadRequest(cause.to_string()))
        }
    }
}

/// Asks the controller, for at most the request's time; none or a negative one means 30 s.
async fn controlled<C: ControllerCall>(
    broker: &Broker,
    request: C,
    timeout_ms: i32,
) -> Result<C::Reply, ControllerError> {
    let timeout_ms = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0).unwrap_or(30_000);
    match tokio::time::timeout(Duration::from_millis(timeout_ms), broker.control(request)).await {
        Ok(reply) => reply,
        Err(_) => Err(ControllerError::from(ErrorKind::RequestTimedOut)),
    }
}

/// What a reader may see. Kafka fails with UNKNOWN_SERVER_ERROR where the level is neither 0 nor 1.
fn isolation(level: i8) -> Result<Isolation, ErrorCode> {
    match level {
        0 => Ok(Isolation::HighWatermark),
        1 => Ok(Isolation::LastStable),
        _ => Err(ErrorCode::InvalidRequest),
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn topic_id(id: Uuid) -> TopicId {
    TopicId(id.into_bytes())
}

fn uuid(id: TopicId) -> Uuid {
    Uuid::from_bytes(id.0)
}

fn brokers(ids: &[rkafka_core::ids::BrokerId]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(id.0)).collect()
}

/// The code of a coordinator's refusal, or success.
fn group_code(error: Option<rkafka_core::group::GroupError>) -> i16 {
    error.map_or(0, |error| error.error_code().code())
}

/// Error code and message of a refusal, or success.
fn code_and_message<T>(result: &Result<T, ControllerError>) -> (i16, Option<StrBytes>) {
    match result {
        Ok(_) => (0, None),
        Err(error) => (error.error_code().code(), Some(text(&error.message))),
    }
}

#[cfg(test)]
mod tests;
