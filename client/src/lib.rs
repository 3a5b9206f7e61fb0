//! An async Kafka client for Apache Kafka 2.2 and later and for rkafka.
//!
//! | module | what it is |
//! |---|---|
//! | [`config`] | settings, by the names of the Java client (`client.properties` works) |
//! | [`net`] | connections to brokers: many requests in flight, clear reasons when they fail |
//! | [`metadata`] | brokers, topics and leaders, cached |
//! | [`producer`] | sending records |
//! | [`consumer`] | reads records, alone or sharing them with a group |
//! | [`admin`] | topics, configurations, offsets and the cluster |
//! | [`security`] | TLS and SASL settings: read, not served yet |
//! | [`error`] | what can go wrong, each with the address, topic or setting it is about |
//!
//! ```no_run
//! use rkafka_client::{Admin, ClientConfig, NewTopic};
//!
//! # async fn example() -> Result<(), rkafka_client::ClientError> {
//! let admin = Admin::connect(ClientConfig::new("localhost:9092")?).await?;
//! let created = admin.create_topics(&[NewTopic::new("orders").with_partitions(3)], false).await?;
//! for (topic, result) in created {
//!     println!("{topic}: {result:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Architecture invariant.** The client knows the wire and nothing of the broker: it is tested against any.

#![forbid(unsafe_code)]

pub mod admin;
mod cluster;
pub mod config;
pub mod consumer;
pub mod error;
pub mod metadata;
mod metrics;
pub mod net;
pub mod producer;
pub mod security;
mod topic_id;
mod topic_partition;

pub use admin::{
    Admin, AlterConfigOp, CommittedOffset, ConfigEntry, ConfigResource, ConfigResult, ConfigSource,
    ConfigSynonym, CreatedTopic, ElectionType, GroupDescription, GroupEpochs, GroupListing, GroupMember,
    KnownApi, ListedOffset, LogDirDescription, LogDirReplica, NewPartitions, NewTopic, OffsetSpec,
    PartitionInfo, QuorumEndpoint, QuorumInfo, QuorumReplica, QuotaEntity, QuotaFilter, QuotaMatch, Quotas,
    Reassignment, ResourceKind, ScramAlteration, ScramCredential, ScramMechanism, ServedApi,
    TopicDescription, TopicListing,
};
pub use config::ClientConfig;
pub use consumer::{
    AssignorKind, AutoOffsetReset, Consumer, ConsumerConfig, ConsumerError, ConsumerGroupMetadata,
    ConsumerRecord, ConsumerRecords, IsolationLevel, OffsetAndMetadata, OffsetAndTimestamp, Position,
    RebalanceListener,
};
pub use error::{ApiError, ClientError, ConfigProblem, ConnectionError, ConnectionFault};
pub use metadata::{Broker, Metadata, PartitionMetadata, TopicMetadata};
pub use metrics::Metric;
pub use producer::{ProduceError, Producer, ProducerConfig, Record, RecordMetadata};
pub use rkafka_config::HostPort;
pub use rkafka_wire::ErrorCode;
pub use topic_id::{ParseTopicIdError, TopicId};
pub use topic_partition::TopicPartition;
