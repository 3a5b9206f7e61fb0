//! The bytes of metadata records: what the quorum's log and its snapshots hold.
//!
//! A batch, all numbers big-endian:
//! ```text
//! u8  format of the batch (1)
//! u64 sequence of the image the records follow
//! u32 number of records
//! then each record:
//!   u8  tag    which record
//!   u8  version of that record's body
//!   u32 length of the body in bytes
//!   …   body
//! ```
//! Strings and lists carry a u32 count, optional values a presence byte. A record of unknown tag or version
//! is refused, never skipped: skipping it would let this node's image differ from the others'.

use std::sync::Arc;

use smallvec::SmallVec;
use thiserror::Error;

use crate::ids::{BrokerId, TopicId};

use super::{
    BrokerChange, BrokerList, BrokerRegistration, ConfigResource, Endpoint, MetadataRecord, Partition,
    PartitionChange, ResourceKind, SecurityProtocol,
};

/// The format of a batch written by this version.
const BATCH_FORMAT: u8 = 1;

/// The version of every record's body written by this version; a record that changes gets its own.
const RECORD_VERSION: u8 = 1;

/// Records that become true together, and the image they were made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataBatch {
    /// [`super::Image::sequence`] of the image the records follow.
    pub previous_sequence: u64,
    /// The records, in order.
    pub records: Vec<MetadataRecord>,
}

/// Why bytes are no metadata batch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// The bytes end inside a value, or a length points past the end.
    #[error("metadata of {length} bytes ends inside {what}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// How long the batch, or the record's body, is.
        length: usize,
    },
    /// Bytes are left over where something must end.
    #[error("{left} bytes are left over after {what}")]
    LeftOver {
        /// What ended.
        what: &'static str,
        /// How many bytes follow.
        left: usize,
    },
    /// The batch, or a record in it, was written by a newer version.
    #[error(
        "metadata {what} {number} is unknown to this version; upgrade this node before it joins the cluster"
    )]
    Unknown {
        /// What is unknown.
        what: &'static str,
        /// Its number.
        number: u8,
    },
    /// A value that no version writes.
    #[error("metadata batch holds an invalid {what}")]
    Invalid {
        /// What is invalid.
        what: &'static str,
    },
}

impl MetadataBatch {
    /// The batch as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer(Vec::with_capacity(64 * self.records.len() + 16));
        writer.u8(BATCH_FORMAT);
        writer.0.extend_from_slice(&self.previous_sequence.to_be_bytes());
        writer.count(self.records.len());
        for record in &self.records {
            writer.record(record);
        }
        writer.0
    }

    /// The batch from its bytes; nothing is allocated on the word of a length alone.
    pub fn decode(bytes: &[u8]) -> Result<MetadataBatch, CodecError> {
        let mut reader = Reader { bytes, length: bytes.len() };
        let format = reader.u8("batch format")?;
        if format != BATCH_FORMAT {
            return Err(CodecError::Unknown { what: "batch format", number: format });
        }
        let previous_sequence = u64::from_be_bytes(reader.array("sequence")?);
        let count = reader.count("record count")?;
        let mut records = Vec::with_capacity(count.min(reader.bytes.len() / RECORD_HEADER_BYTES));
        for _ in 0..count {
            records.push(reader.record()?);
        }
        reader.end("metadata batch")?;
        Ok(MetadataBatch { previous_sequence, records })
    }
}

/// Tag, version and length.
const RECORD_HEADER_BYTES: usize = 6;

/// Record tags; never reused.
mod tag {
    use super::MetadataRecord;

    pub(super) const CLUSTER_ID: u8 = 1;
    pub(super) const TOPIC: u8 = 2;
    pub(super) const PARTITION: u8 = 3;
    pub(super) const PARTITION_CHANGE: u8 = 4;
    pub(super) const REMOVE_TOPIC: u8 = 5;
    pub(super) const CONFIG: u8 = 6;
    pub(super) const REGISTER_BROKER: u8 = 7;
    pub(super) const UNREGISTER_BROKER: u8 = 8;
    pub(super) const BROKER_CHANGE: u8 = 9;
    pub(super) const FEATURE: u8 = 10;
    pub(super) const PRODUCER_IDS: u8 = 11;

    pub(super) fn of(record: &MetadataRecord) -> u8 {
        match record {
            MetadataRecord::ClusterId { .. } => CLUSTER_ID,
            MetadataRecord::Topic { .. } => TOPIC,
            MetadataRecord::Partition { .. } => PARTITION,
            MetadataRecord::PartitionChange { .. } => PARTITION_CHANGE,
            MetadataRecord::RemoveTopic { .. } => REMOVE_TOPIC,
            MetadataRecord::Config { .. } => CONFIG,
            MetadataRecord::RegisterBroker { .. } => REGISTER_BROKER,
            MetadataRecord::UnregisterBroker { .. } => UNREGISTER_BROKER,
            MetadataRecord::BrokerChange { .. } => BROKER_CHANGE,
            MetadataRecord::Feature { .. } => FEATURE,
            MetadataRecord::ProducerIds { .. } => PRODUCER_IDS,
        }
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn count(&mut self, count: usize) {
        // A batch is bounded far below 4 GiB by the controller's limit on records per request.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&count.to_be_bytes());
    }

    fn string(&mut self, value: &str) {
        self.count(value.len());
        self.0.extend_from_slice(value.as_bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    fn topic(&mut self, id: TopicId) {
        self.0.extend_from_slice(&id.0);
    }

    fn brokers(&mut self, brokers: &[BrokerId]) {
        self.count(brokers.len());
        brokers.iter().for_each(|broker| self.i32(broker.0));
    }

    fn record(&mut self, record: &MetadataRecord) {
        let start = self.0.len();
        self.0.extend_from_slice(&[tag::of(record), RECORD_VERSION, 0, 0, 0, 0]);
        self.body(record);
        let length = u32::try_from(self.0.len() - start - RECORD_HEADER_BYTES).unwrap_or(u32::MAX);
        self.0[start + 2..start + RECORD_HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
    }

    fn body(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::ClusterId { id } => {
                self.string(id);
            }
            MetadataRecord::Topic { name, id } => {
                self.string(name);
                self.topic(*id);
            }
            MetadataRecord::Partition { topic, index, partition } => {
                self.topic(*topic);
                self.i32(*index);
                self.partition(partition);
            }
            MetadataRecord::PartitionChange { topic, index, change } => {
                self.topic(*topic);
                self.i32(*index);
                self.partition_change(change);
            }
            MetadataRecord::RemoveTopic { id } => {
                self.topic(*id);
            }
            MetadataRecord::Config { resource, key, value } => {
                self.u8(resource_number(resource.kind));
                self.string(&resource.name);
                self.string(key);
                self.option(value.as_deref(), Self::string);
            }
            MetadataRecord::RegisterBroker { broker } => {
                self.registration(broker);
            }
            MetadataRecord::UnregisterBroker { id, epoch } => {
                self.i32(id.0);
                self.i64(*epoch);
            }
            MetadataRecord::BrokerChange { id, epoch, change } => {
                self.i32(id.0);
                self.i64(*epoch);
                self.option(change.fenced, Self::flag);
                self.option(change.in_controlled_shutdown, Self::flag);
            }
            MetadataRecord::Feature { name, level } => {
                self.string(name);
                self.i16(*level);
            }
            MetadataRecord::ProducerIds { broker, broker_epoch, next } => {
                self.i32(broker.0);
                self.i64(*broker_epoch);
                self.i64(*next);
            }
        }
    }

    fn partition(&mut self, partition: &Partition) {
        self.brokers(&partition.replicas);
        self.brokers(&partition.isr);
        self.option(partition.leader, |writer, leader| writer.i32(leader.0));
        self.i32(partition.leader_epoch);
        self.i32(partition.partition_epoch);
        self.flag(partition.leader_recovering);
        self.brokers(partition.adding_replicas());
        self.brokers(partition.removing_replicas());
        self.brokers(partition.elr());
        self.brokers(partition.last_known_elr());
    }

    fn partition_change(&mut self, change: &PartitionChange) {
        self.option(change.replicas.as_deref(), Self::brokers);
        self.option(change.isr.as_deref(), Self::brokers);
        self.option(change.leader, |writer, leader| {
            writer.option(leader, |writer, leader| writer.i32(leader.0));
        });
        self.option(change.leader_recovering, Self::flag);
        self.option(change.adding.as_deref(), Self::brokers);
        self.option(change.removing.as_deref(), Self::brokers);
        self.option(change.elr.as_deref(), Self::brokers);
        self.option(change.last_known_elr.as_deref(), Self::brokers);
    }

    fn registration(&mut self, broker: &BrokerRegistration) {
        self.i32(broker.id.0);
        self.i64(broker.epoch);
        self.0.extend_from_slice(&broker.incarnation);
        self.count(broker.endpoints.len());
        for endpoint in &broker.endpoints {
            self.string(&endpoint.listener);
            self.string(&endpoint.host);
            self.0.extend_from_slice(&endpoint.port.to_be_bytes());
            self.u8(endpoint.security as u8);
        }
        self.option(broker.rack.as_deref(), Self::string);
        self.count(broker.features.len());
        for (name, lowest, highest) in &broker.features {
            self.string(name);
            self.i16(*lowest);
            self.i16(*highest);
        }
        self.flag(broker.fenced);
        self.flag(broker.in_controlled_shutdown);
    }
}

fn resource_number(kind: ResourceKind) -> u8 {
    match kind {
        ResourceKind::Topic => 2,
        ResourceKind::Broker => 4,
        ResourceKind::ClientMetrics => 16,
        ResourceKind::Group => 32,
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], CodecError> {
        let (taken, rest) =
            self.bytes.split_at_checked(count).ok_or(CodecError::Truncated { what, length: self.length })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], CodecError> {
        let (taken, rest) =
            self.bytes.split_first_chunk().ok_or(CodecError::Truncated { what, length: self.length })?;
        self.bytes = rest;
        Ok(*taken)
    }

    fn end(&self, what: &'static str) -> Result<(), CodecError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(CodecError::LeftOver { what, left }),
        }
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, CodecError> {
        self.array(what).map(|[byte]| byte)
    }

    fn i16(&mut self, what: &'static str) -> Result<i16, CodecError> {
        self.array(what).map(i16::from_be_bytes)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, CodecError> {
        self.array(what).map(i32::from_be_bytes)
    }

    fn i64(&mut self, what: &'static str) -> Result<i64, CodecError> {
        self.array(what).map(i64::from_be_bytes)
    }

    fn count(&mut self, what: &'static str) -> Result<usize, CodecError> {
        self.array(what).map(|bytes| u32::from_be_bytes(bytes) as usize)
    }

    fn str(&mut self, what: &'static str) -> Result<&'a str, CodecError> {
        let length = self.count(what)?;
        std::str::from_utf8(self.take(length, what)?).map_err(|_| CodecError::Invalid { what })
    }

    fn string(&mut self, what: &'static str) -> Result<String, CodecError> {
        self.str(what).map(str::to_owned)
    }

    fn shared(&mut self, what: &'static str) -> Result<Arc<str>, CodecError> {
        self.str(what).map(Arc::from)
    }

    fn flag(&mut self, what: &'static str) -> Result<bool, CodecError> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::Invalid { what }),
        }
    }

    fn option<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        self.flag(what)?.then(|| read(self)).transpose()
    }

    fn topic(&mut self) -> Result<TopicId, CodecError> {
        self.array("topic id").map(TopicId)
    }

    fn broker(&mut self) -> Result<BrokerId, CodecError> {
        self.i32("broker id").map(BrokerId)
    }

    fn brokers(&mut self) -> Result<BrokerList, CodecError> {
        let count = self.count("broker list")?;
        let mut brokers = SmallVec::new();
        for _ in 0..count {
            brokers.push(self.broker()?);
        }
        Ok(brokers)
    }

    fn record(&mut self) -> Result<MetadataRecord, CodecError> {
        let tag = self.u8("record tag")?;
        let version = self.u8("record version")?;
        let length = self.count("record length")?;
        let bytes = self.take(length, "record body")?;
        if version != RECORD_VERSION {
            return Err(CodecError::Unknown { what: "record version", number: version });
        }
        let mut body = Reader { bytes, length };
        let record = body.body(tag)?;
        body.end("metadata record")?;
        Ok(record)
    }

    fn body(&mut self, tag: u8) -> Result<MetadataRecord, CodecError> {
        Ok(match tag {
            tag::CLUSTER_ID => MetadataRecord::ClusterId { id: self.string("cluster id")? },
            tag::TOPIC => MetadataRecord::Topic { name: self.string("topic name")?, id: self.topic()? },
            tag::PARTITION => MetadataRecord::Partition {
                topic: self.topic()?,
                index: self.i32("partition index")?,
                partition: self.partition()?,
            },
            tag::PARTITION_CHANGE => MetadataRecord::PartitionChange {
                topic: self.topic()?,
                index: self.i32("partition index")?,
                change: self.partition_change()?,
            },
            tag::REMOVE_TOPIC => MetadataRecord::RemoveTopic { id: self.topic()? },
            tag::CONFIG => MetadataRecord::Config {
                resource: ConfigResource { kind: self.resource()?, name: self.string("resource name")? },
                key: self.string("config key")?,
                value: self.option("config value", |reader| reader.string("config value"))?,
            },
            tag::REGISTER_BROKER => MetadataRecord::RegisterBroker { broker: Box::new(self.registration()?) },
            tag::UNREGISTER_BROKER => {
                MetadataRecord::UnregisterBroker { id: self.broker()?, epoch: self.i64("broker epoch")? }
            }
            tag::BROKER_CHANGE => MetadataRecord::BrokerChange {
                id: self.broker()?,
                epoch: self.i64("broker epoch")?,
                change: BrokerChange {
                    fenced: self.option("fenced", |reader| reader.flag("fenced"))?,
                    in_controlled_shutdown: self.option("leaving", |reader| reader.flag("leaving"))?,
                },
            },
            tag::FEATURE => MetadataRecord::Feature {
                name: self.string("feature name")?,
                level: self.i16("feature level")?,
            },
            tag::PRODUCER_IDS => MetadataRecord::ProducerIds {
                broker: self.broker()?,
                broker_epoch: self.i64("broker epoch")?,
                next: self.i64("next producer id")?,
            },
            number => return Err(CodecError::Unknown { what: "record tag", number }),
        })
    }

    fn resource(&mut self) -> Result<ResourceKind, CodecError> {
        match self.u8("resource type")? {
            2 => Ok(ResourceKind::Topic),
            4 => Ok(ResourceKind::Broker),
            16 => Ok(ResourceKind::ClientMetrics),
            32 => Ok(ResourceKind::Group),
            number => Err(CodecError::Unknown { what: "resource type", number }),
        }
    }

    fn partition(&mut self) -> Result<Partition, CodecError> {
        let mut partition = Partition::new(self.brokers()?, self.brokers()?);
        partition.leader = self.option("leader", Self::broker)?;
        partition.leader_epoch = self.i32("leader epoch")?;
        partition.partition_epoch = self.i32("partition epoch")?;
        partition.leader_recovering = self.flag("leader recovering")?;
        partition.set_adding_replicas(self.brokers()?);
        partition.set_removing_replicas(self.brokers()?);
        partition.set_elr(self.brokers()?);
        partition.set_last_known_elr(self.brokers()?);
        Ok(partition)
    }

    fn partition_change(&mut self) -> Result<PartitionChange, CodecError> {
        Ok(PartitionChange {
            replicas: self.option("replicas", Self::brokers)?,
            isr: self.option("isr", Self::brokers)?,
            leader: self.option("leader", |reader| reader.option("leader", Self::broker))?,
            leader_recovering: self.option("recovering", |reader| reader.flag("recovering"))?,
            adding: self.option("adding", Self::brokers)?,
            removing: self.option("removing", Self::brokers)?,
            elr: self.option("elr", Self::brokers)?,
            last_known_elr: self.option("last known elr", Self::brokers)?,
        })
    }

    fn registration(&mut self) -> Result<BrokerRegistration, CodecError> {
        let id = self.broker()?;
        let epoch = self.i64("broker epoch")?;
        let incarnation = self.array("incarnation")?;
        let mut endpoints = Vec::new();
        for _ in 0..self.count("endpoints")? {
            endpoints.push(Endpoint {
                listener: self.shared("listener")?,
                host: self.shared("host")?,
                port: u16::from_be_bytes(self.array("port")?),
                security: self.security()?,
            });
        }
        let rack = self.option("rack", |reader| reader.shared("rack"))?;
        let mut features = Vec::new();
        for _ in 0..self.count("features")? {
            features.push((self.shared("feature")?, self.i16("lowest level")?, self.i16("highest level")?));
        }
        Ok(BrokerRegistration {
            id,
            epoch,
            incarnation,
            endpoints,
            rack,
            features,
            fenced: self.flag("fenced")?,
            in_controlled_shutdown: self.flag("leaving")?,
        })
    }

    fn security(&mut self) -> Result<SecurityProtocol, CodecError> {
        match self.u8("security protocol")? {
            0 => Ok(SecurityProtocol::Plaintext),
            1 => Ok(SecurityProtocol::Ssl),
            2 => Ok(SecurityProtocol::SaslPlaintext),
            3 => Ok(SecurityProtocol::SaslSsl),
            number => Err(CodecError::Unknown { what: "security protocol", number }),
        }
    }
}
