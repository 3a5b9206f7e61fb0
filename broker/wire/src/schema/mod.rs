//! The shape of every request: which fields in which order, of which type, in which versions.
//!
//! The tables follow Kafka 4.3's message definitions (`clients/src/main/resources/common/message/*.json`),
//! one file a family, in a notation of their own that reads from top to bottom like the bytes on the wire:
//!
//! ```text
//! versions(0, 13).flexible(9).fields(&[                   compact lengths and tags from 9 on (KIP-482)
//!     list::<MetadataRequestTopic>("topics").nullable(1).of(&[
//!         uuid("topic_id").since(10),                     there from version 10 on
//!         string("name").nullable(10),                    may be null from version 10 on
//!     ]),
//!     boolean("include_cluster_authorized_operations").since(8).until(10),
//! ])
//! ```
//! A list names the type of `kafka-protocol` its elements become, so that the memory decoding takes is known.
//! Every structure of a flexible version ends with tagged fields: those that are defined are marked with
//! `.tag(number)`, wherever they stand in the list; all others are skipped.

mod cluster;
mod configs;
mod data;
mod groups;
mod metadata;
mod security;
mod share;
mod topics;
mod transactions;

use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::StrBytes;

use crate::versions::Versions;

/// A version no request has.
const NEVER: i16 = i16::MAX;

/// One request.
#[derive(Debug)]
pub(crate) struct Schema {
    /// The versions this crate decodes: Kafka 4.3's, unless the table says why not.
    pub(crate) versions: Versions,
    /// The first version with compact lengths and tagged fields.
    pub(crate) flexible: i16,
    pub(crate) fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Its name in `kafka-protocol`, for error texts.
    pub(crate) name: &'static str,
    pub(crate) since: i16,
    pub(crate) until: i16,
    /// The first version in which it may be null.
    pub(crate) nullable: i16,
    /// Its number if it is a tagged field.
    pub(crate) tag: Option<u32>,
    pub(crate) kind: Kind,
}

/// The type of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// That many bytes.
    Fixed(usize),
    /// A 16-bit length, or an unsigned varint of length + 1 if flexible.
    String,
    /// A 32-bit length, or an unsigned varint of length + 1 if flexible. Records are such bytes too.
    Bytes,
    /// A 32-bit count, or an unsigned varint of count + 1 if flexible.
    Array(Element),
    /// Its fields without a frame around them; if nullable, one byte (-1 or 1) goes before.
    Structure(&'static [Field]),
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Element {
    Fixed(usize),
    String,
    Structure {
        fields: &'static [Field],
        /// Bytes of one decoded element, without what it points to.
        decoded_bytes: usize,
    },
}

impl Element {
    /// Bytes one decoded element takes, without what it points to.
    pub(crate) const fn decoded_bytes(self) -> usize {
        match self {
            Element::Fixed(bytes) => bytes,
            Element::String => size_of::<StrBytes>(),
            Element::Structure { decoded_bytes, .. } => decoded_bytes,
        }
    }
}

const INT8: Element = Element::Fixed(1);
const INT32: Element = Element::Fixed(4);
const INT64: Element = Element::Fixed(8);
const UUID: Element = Element::Fixed(16);
const STRING: Element = Element::String;

/// The schema of the request `key` in the versions this crate decodes; nothing for the other keys.
pub(crate) fn of(key: ApiKey) -> Option<&'static Schema> {
    let schema = match key {
        ApiKey::Produce => &data::PRODUCE,
        ApiKey::Fetch => &data::FETCH,
        ApiKey::ListOffsets => &data::LIST_OFFSETS,
        ApiKey::Metadata => &metadata::METADATA,
        ApiKey::OffsetCommit => &groups::OFFSET_COMMIT,
        ApiKey::OffsetFetch => &groups::OFFSET_FETCH,
        ApiKey::FindCoordinator => &groups::FIND_COORDINATOR,
        ApiKey::JoinGroup => &groups::JOIN_GROUP,
        ApiKey::Heartbeat => &groups::HEARTBEAT,
        ApiKey::LeaveGroup => &groups::LEAVE_GROUP,
        ApiKey::SyncGroup => &groups::SYNC_GROUP,
        ApiKey::DescribeGroups => &groups::DESCRIBE_GROUPS,
        ApiKey::ListGroups => &groups::LIST_GROUPS,
        ApiKey::SaslHandshake => &security::SASL_HANDSHAKE,
        ApiKey::ApiVersions => &metadata::API_VERSIONS,
        ApiKey::CreateTopics => &topics::CREATE_TOPICS,
        ApiKey::DeleteTopics => &topics::DELETE_TOPICS,
        ApiKey::DeleteRecords => &data::DELETE_RECORDS,
        ApiKey::InitProducerId => &transactions::INIT_PRODUCER_ID,
        ApiKey::OffsetForLeaderEpoch => &data::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::AddPartitionsToTxn => &transactions::ADD_PARTITIONS_TO_TXN,
        ApiKey::AddOffsetsToTxn => &transactions::ADD_OFFSETS_TO_TXN,
        ApiKey::EndTxn => &transactions::END_TXN,
        ApiKey::WriteTxnMarkers => &transactions::WRITE_TXN_MARKERS,
        ApiKey::TxnOffsetCommit => &transactions::TXN_OFFSET_COMMIT,
        ApiKey::DescribeAcls => &security::DESCRIBE_ACLS,
        ApiKey::CreateAcls => &security::CREATE_ACLS,
        ApiKey::DeleteAcls => &security::DELETE_ACLS,
        ApiKey::DescribeConfigs => &configs::DESCRIBE_CONFIGS,
        ApiKey::AlterConfigs => &configs::ALTER_CONFIGS,
        ApiKey::AlterReplicaLogDirs => &cluster::ALTER_REPLICA_LOG_DIRS,
        ApiKey::DescribeLogDirs => &cluster::DESCRIBE_LOG_DIRS,
        ApiKey::SaslAuthenticate => &security::SASL_AUTHENTICATE,
        ApiKey::CreatePartitions => &topics::CREATE_PARTITIONS,
        ApiKey::CreateDelegationToken => &security::CREATE_DELEGATION_TOKEN,
        ApiKey::RenewDelegationToken => &security::RENEW_DELEGATION_TOKEN,
        ApiKey::ExpireDelegationToken => &security::EXPIRE_DELEGATION_TOKEN,
        ApiKey::DescribeDelegationToken => &security::DESCRIBE_DELEGATION_TOKEN,
        ApiKey::DeleteGroups => &groups::DELETE_GROUPS,
        ApiKey::ElectLeaders => &topics::ELECT_LEADERS,
        ApiKey::IncrementalAlterConfigs => &configs::INCREMENTAL_ALTER_CONFIGS,
        ApiKey::AlterPartitionReassignments => &topics::ALTER_PARTITION_REASSIGNMENTS,
        ApiKey::ListPartitionReassignments => &topics::LIST_PARTITION_REASSIGNMENTS,
        ApiKey::OffsetDelete => &groups::OFFSET_DELETE,
        ApiKey::DescribeClientQuotas => &configs::DESCRIBE_CLIENT_QUOTAS,
        ApiKey::AlterClientQuotas => &configs::ALTER_CLIENT_QUOTAS,
        ApiKey::DescribeUserScramCredentials => &security::DESCRIBE_USER_SCRAM_CREDENTIALS,
        ApiKey::AlterUserScramCredentials => &security::ALTER_USER_SCRAM_CREDENTIALS,
        ApiKey::DescribeQuorum => &cluster::DESCRIBE_QUORUM,
        ApiKey::AlterPartition => &cluster::ALTER_PARTITION,
        ApiKey::UpdateFeatures => &cluster::UPDATE_FEATURES,
        ApiKey::DescribeCluster => &metadata::DESCRIBE_CLUSTER,
        ApiKey::DescribeProducers => &transactions::DESCRIBE_PRODUCERS,
        ApiKey::BrokerRegistration => &cluster::BROKER_REGISTRATION,
        ApiKey::BrokerHeartbeat => &cluster::BROKER_HEARTBEAT,
        ApiKey::UnregisterBroker => &cluster::UNREGISTER_BROKER,
        ApiKey::DescribeTransactions => &transactions::DESCRIBE_TRANSACTIONS,
        ApiKey::ListTransactions => &transactions::LIST_TRANSACTIONS,
        ApiKey::AllocateProducerIds => &transactions::ALLOCATE_PRODUCER_IDS,
        ApiKey::ConsumerGroupHeartbeat => &groups::CONSUMER_GROUP_HEARTBEAT,
        ApiKey::ConsumerGroupDescribe => &groups::CONSUMER_GROUP_DESCRIBE,
        ApiKey::GetTelemetrySubscriptions => &configs::GET_TELEMETRY_SUBSCRIPTIONS,
        ApiKey::PushTelemetry => &configs::PUSH_TELEMETRY,
        ApiKey::ListConfigResources => &configs::LIST_CONFIG_RESOURCES,
        ApiKey::DescribeTopicPartitions => &metadata::DESCRIBE_TOPIC_PARTITIONS,
        ApiKey::ShareGroupHeartbeat => &share::SHARE_GROUP_HEARTBEAT,
        ApiKey::ShareGroupDescribe => &share::SHARE_GROUP_DESCRIBE,
        ApiKey::ShareFetch => &share::SHARE_FETCH,
        ApiKey::ShareAcknowledge => &share::SHARE_ACKNOWLEDGE,
        ApiKey::AddRaftVoter => &cluster::ADD_RAFT_VOTER,
        ApiKey::RemoveRaftVoter => &cluster::REMOVE_RAFT_VOTER,
        ApiKey::UpdateRaftVoter => &cluster::UPDATE_RAFT_VOTER,
        ApiKey::DescribeShareGroupOffsets => &share::DESCRIBE_SHARE_GROUP_OFFSETS,
        ApiKey::AlterShareGroupOffsets => &share::ALTER_SHARE_GROUP_OFFSETS,
        ApiKey::DeleteShareGroupOffsets => &share::DELETE_SHARE_GROUP_OFFSETS,
        _ => return None,
    };
    Some(schema)
}

const fn versions(min: i16, max: i16) -> Schema {
    Schema { versions: Versions::new(min, max), flexible: NEVER, fields: &[] }
}

impl Schema {
    const fn flexible(self, flexible: i16) -> Schema {
        Schema { flexible, ..self }
    }

    const fn fields(self, fields: &'static [Field]) -> Schema {
        Schema { fields, ..self }
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, since: 0, until: NEVER, nullable: NEVER, tag: None, kind }
}

const fn boolean(name: &'static str) -> Field {
    field(name, Kind::Fixed(1))
}

const fn int8(name: &'static str) -> Field {
    field(name, Kind::Fixed(1))
}

const fn int16(name: &'static str) -> Field {
    field(name, Kind::Fixed(2))
}

const fn int32(name: &'static str) -> Field {
    field(name, Kind::Fixed(4))
}

const fn int64(name: &'static str) -> Field {
    field(name, Kind::Fixed(8))
}

const fn float64(name: &'static str) -> Field {
    field(name, Kind::Fixed(8))
}

const fn uuid(name: &'static str) -> Field {
    field(name, Kind::Fixed(16))
}

const fn string(name: &'static str) -> Field {
    field(name, Kind::String)
}

const fn bytes(name: &'static str) -> Field {
    field(name, Kind::Bytes)
}

const fn array(name: &'static str, element: Element) -> Field {
    field(name, Kind::Array(element))
}

/// An array of structures, each of which becomes a `Decoded`; its fields follow in [`Field::of`].
const fn list<Decoded>(name: &'static str) -> Field {
    array(name, Element::Structure { fields: &[], decoded_bytes: size_of::<Decoded>() })
}

/// A single structure within another; its fields follow in [`Field::of`].
const fn nested(name: &'static str) -> Field {
    field(name, Kind::Structure(&[]))
}

impl Field {
    /// There from version `since` on.
    const fn since(self, since: i16) -> Field {
        Field { since, ..self }
    }

    /// There up to and including version `until`.
    const fn until(self, until: i16) -> Field {
        Field { until, ..self }
    }

    /// May be null from version `nullable` on.
    const fn nullable(self, nullable: i16) -> Field {
        Field { nullable, ..self }
    }

    /// A tagged field with this number.
    const fn tag(self, tag: u32) -> Field {
        Field { tag: Some(tag), ..self }
    }

    /// The fields of a [`list`]'s elements or of a [`nested`] structure.
    const fn of(self, fields: &'static [Field]) -> Field {
        let kind = match self.kind {
            Kind::Array(Element::Structure { decoded_bytes, .. }) => {
                Kind::Array(Element::Structure { fields, decoded_bytes })
            }
            Kind::Structure(_) => Kind::Structure(fields),
            _ => panic!("only structures have fields"),
        };
        Field { kind, ..self }
    }

    /// Whether requests of `version` have it.
    pub(crate) const fn exists_in(&self, version: i16) -> bool {
        self.since <= version && version <= self.until
    }
}
