//! The records of `__consumer_offsets`, byte for byte as Apache Kafka writes them, so that its tools read ours and we
//! read its.
//!
//! A key starts with a version that says what the record is about, a value with the version of its layout:
//! ```text
//! key   0, 1   int16 version | string group | string topic | int32 partition        the offset of a partition
//! key   2      int16 version | string group                                         the metadata of a group
//! ```
//! (KIP-211, KIP-320 and KIP-345 each added fields to the values; version 4 of both is the first flexible one,
//! and KIP-516's topic id is a tagged field of it.) A null value removes the key. Keys of other versions (consumer
//! groups of KIP-848, share and streams groups) belong to newer brokers and are skipped (KIP-915).

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::wire::{Reader, Writer};
use crate::ids::TopicId;

const OFFSET_COMMIT_KEY_VERSION: i16 = 1;
const GROUP_METADATA_KEY_VERSION: i16 = 2;
/// Kafka 4.3 writes offsets at version 4, and at version 1 if they carry their own expiry.
const OFFSET_VALUE_VERSION: i16 = 4;
const OFFSET_VALUE_VERSION_WITH_EXPIRY: i16 = 1;
/// Kafka 4.3 writes group metadata at version 3, the last one that older brokers read.
const GROUP_VALUE_VERSION: i16 = 3;
const LAST_KNOWN_VALUE_VERSION: i16 = 4;
const TOPIC_ID_TAG: u32 = 0;

/// One record of the log of a group coordinator: the only thing that changes what it remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoordinatorRecord {
    /// The committed offset of a partition, or its removal.
    OffsetCommit {
        /// Whose offset.
        key: OffsetKey,
        /// `None` removes it.
        value: Option<OffsetCommitValue>,
    },
    /// The state of a group between rebalances, or its removal.
    GroupMetadata {
        /// The group.
        group_id: Arc<str>,
        /// `None` removes it.
        value: Option<GroupMetadataValue>,
    },
}

/// What an offset is committed for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OffsetKey {
    /// The group.
    pub group_id: Arc<str>,
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's index.
    pub partition: i32,
}

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetCommitValue {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read, -1 for none.
    pub leader_epoch: i32,
    /// The client's text.
    pub metadata: Box<str>,
    /// When it was committed (epoch milliseconds).
    pub commit_timestamp_ms: i64,
    /// When it expires (epoch milliseconds), -1 for the broker's retention; asked for by old clients only.
    pub expire_timestamp_ms: i64,
    /// The topic's id, or zero.
    pub topic_id: TopicId,
}

/// The state of a classic group between rebalances.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupMetadataValue {
    /// The protocol type, empty for none.
    pub protocol_type: String,
    /// The generation.
    pub generation: i32,
    /// The protocol chosen.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: Option<String>,
    /// When the group got into its state (epoch milliseconds), -1 if unknown.
    pub current_state_timestamp_ms: i64,
    /// The members.
    pub members: Vec<MemberMetadata>,
}

/// A member in [`GroupMetadataValue`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberMetadata {
    /// The member's id.
    pub member_id: String,
    /// The id of a static member.
    pub group_instance_id: Option<String>,
    /// The client id.
    pub client_id: String,
    /// The client's address.
    pub client_host: String,
    /// How long a rebalance waits for it; -1 for as long as its session.
    pub rebalance_timeout_ms: i32,
    /// Its session timeout.
    pub session_timeout_ms: i32,
    /// Its metadata for the protocol chosen.
    pub subscription: Bytes,
    /// Its assignment.
    pub assignment: Bytes,
}

/// Why a record cannot be written or read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The bytes end inside a field.
    #[error("a record of the offsets topic ends inside `{field}`")]
    Truncated {
        /// The field.
        field: &'static str,
    },
    /// A field cannot be what it claims.
    #[error("a record of the offsets topic has a bad `{field}`: {reason}")]
    BadField {
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// The value's version is newer than this broker.
    #[error(
        "the {record} value has version {version}, this broker knows 0 to {LAST_KNOWN_VALUE_VERSION}: it was written by a newer broker"
    )]
    UnsupportedValueVersion {
        /// Which record.
        record: &'static str,
        /// The version found.
        version: i16,
    },
    /// A text is too long for its field.
    #[error("`{field}` has {length} bytes, a record of the offsets topic takes 32767")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        length: usize,
    },
}

/// Key and value as they go into a record batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedRecord {
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl CoordinatorRecord {
    /// Encodes as Kafka 4.3 does.
    ///
    /// # Errors
    /// [`RecordError::TooLong`] for a text of more than 32767 bytes.
    pub fn encode(&self) -> Result<EncodedRecord, RecordError> {
        match self {
            Self::OffsetCommit { key, value } => Ok(EncodedRecord {
                key: key.encode()?,
                value: value.as_ref().map(OffsetCommitValue::encode).transpose()?,
            }),
            Self::GroupMetadata { group_id, value } => {
                let mut key = Writer::with_version(GROUP_METADATA_KEY_VERSION);
                key.string("group", group_id)?;
                let value = value.as_ref().map(GroupMetadataValue::encode).transpose()?;
                Ok(EncodedRecord { key: key.into_bytes(), value })
            }
        }
    }

    /// Decodes a record; `None` if its key is of a kind this broker does not know.
    ///
    /// # Errors
    /// The record is damaged, or its value was written by a newer broker.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let mut key = Reader::new(key);
        match key.i16("key version")? {
            0 | OFFSET_COMMIT_KEY_VERSION => {
                let key = OffsetKey::decode(&mut key)?;
                let value = value.map(OffsetCommitValue::decode).transpose()?;
                Ok(Some(Self::OffsetCommit { key, value }))
            }
            GROUP_METADATA_KEY_VERSION => {
                let group_id = Arc::from(key.string("group")?);
                let value = value.map(GroupMetadataValue::decode).transpose()?;
                Ok(Some(Self::GroupMetadata { group_id, value }))
            }
            _ => Ok(None),
        }
    }
}

impl OffsetKey {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let mut key = Writer::with_version(OFFSET_COMMIT_KEY_VERSION);
        key.string("group", &self.group_id)?;
        key.string("topic", &self.topic)?;
        key.i32(self.partition);
        Ok(key.into_bytes())
    }

    fn decode(key: &mut Reader<'_>) -> Result<Self, RecordError> {
        let group_id = Arc::from(key.string("group")?);
        let topic = Arc::from(key.string("topic")?);
        Ok(Self { group_id, topic, partition: key.i32("partition")? })
    }
}

impl OffsetCommitValue {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        if self.expire_timestamp_ms == -1 {
            self.encode_at(OFFSET_VALUE_VERSION)
        } else {
            self.encode_at(OFFSET_VALUE_VERSION_WITH_EXPIRY)
        }
    }

    fn encode_at(&self, version: i16) -> Result<Vec<u8>, RecordError> {
        let mut value = Writer::with_version(version);
        value.i64(self.offset);
        if version >= 3 {
            value.i32(self.leader_epoch);
        }
        value.string_of(version >= 4, "metadata", &self.metadata)?;
        value.i64(self.commit_timestamp_ms);
        if version == 1 {
            value.i64(self.expire_timestamp_ms);
        }
        if version >= 4 {
            if self.topic_id == TopicId::ZERO {
                value.no_tagged_fields();
            } else {
                value.tagged_field(TOPIC_ID_TAG, &self.topic_id.0);
            }
        }
        Ok(value.into_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut value = Reader::new(bytes);
        let version = known_version("OffsetCommit", value.i16("value version")?)?;
        let offset = value.i64("offset")?;
        let leader_epoch = if version >= 3 { value.i32("leaderEpoch")? } else { -1 };
        let metadata = value.string_of(version >= 4, "metadata")?.into();
        let commit_timestamp_ms = value.i64("commitTimestamp")?;
        let expire_timestamp_ms = if version == 1 { value.i64("expireTimestamp")? } else { -1 };
        let mut topic_id = TopicId::ZERO;
        if version >= 4 {
            value.tagged_fields(|tag, bytes| {
                if tag == TOPIC_ID_TAG {
                    let id = bytes.try_into();
                    topic_id = TopicId(id.map_err(|_| RecordError::BadField {
                        field: "topicId",
                        reason: "it has not 16 bytes",
                    })?);
                }
                Ok(())
            })?;
        }
        Ok(Self { offset, leader_epoch, metadata, commit_timestamp_ms, expire_timestamp_ms, topic_id })
    }
}

impl GroupMetadataValue {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        self.encode_at(GROUP_VALUE_VERSION)
    }

    fn encode_at(&self, version: i16) -> Result<Vec<u8>, RecordError> {
        let compact = version >= 4;
        let mut value = Writer::with_version(version);
        value.string_of(compact, "protocolType", &self.protocol_type)?;
        value.i32(self.generation);
        value.nullable_string_of(compact, "protocol", self.protocol.as_deref())?;
        value.nullable_string_of(compact, "leader", self.leader.as_deref())?;
        if version >= 2 {
            value.i64(self.current_state_timestamp_ms);
        }
        value.array_length_of(compact, self.members.len());
        for member in &self.members {
            member.encode_at(version, &mut value)?;
        }
        if compact {
            value.no_tagged_fields();
        }
        Ok(value.into_bytes())
    }

    fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut value = Reader::new(bytes);
        let version = known_version("GroupMetadata", value.i16("value version")?)?;
        let compact = version >= 4;
        let protocol_type = value.string_of(compact, "protocolType")?.to_owned();
        let generation = value.i32("generation")?;
        let protocol = value.nullable_string_of(compact, "protocol")?.map(str::to_owned);
        let leader = value.nullable_string_of(compact, "leader")?.map(str::to_owned);
        let current_state_timestamp_ms = if version >= 2 { value.i64("currentStateTimestamp")? } else { -1 };
        let count = value.array_length_of(compact, "members")?;
        // No allocation on the word of the bytes: each member takes its own.
        let mut members = Vec::new();
        for _ in 0..count {
            members.push(MemberMetadata::decode(version, &mut value)?);
        }
        if compact {
            value.tagged_fields(|_, _| Ok(()))?;
        }
        Ok(Self { protocol_type, generation, protocol, leader, current_state_timestamp_ms, members })
    }
}

impl MemberMetadata {
    fn encode_at(&self, version: i16, value: &mut Writer) -> Result<(), RecordError> {
        let compact = version >= 4;
        value.string_of(compact, "memberId", &self.member_id)?;
        if version >= 3 {
            value.nullable_string_of(compact, "groupInstanceId", self.group_instance_id.as_deref())?;
        }
        value.string_of(compact, "clientId", &self.client_id)?;
        value.string_of(compact, "clientHost", &self.client_host)?;
        if version >= 1 {
            value.i32(self.rebalance_timeout_ms);
        }
        value.i32(self.session_timeout_ms);
        value.bytes_of(compact, &self.subscription);
        value.bytes_of(compact, &self.assignment);
        if compact {
            value.no_tagged_fields();
        }
        Ok(())
    }

    fn decode(version: i16, value: &mut Reader<'_>) -> Result<Self, RecordError> {
        let compact = version >= 4;
        let member_id = value.string_of(compact, "memberId")?.to_owned();
        let group_instance_id = if version >= 3 {
            value.nullable_string_of(compact, "groupInstanceId")?.map(str::to_owned)
        } else {
            None
        };
        let client_id = value.string_of(compact, "clientId")?.to_owned();
        let client_host = value.string_of(compact, "clientHost")?.to_owned();
        let rebalance_timeout_ms = if version >= 1 { value.i32("rebalanceTimeout")? } else { -1 };
        let session_timeout_ms = value.i32("sessionTimeout")?;
        // Copies, so that a member does not hold the whole batch it was read from.
        let subscription = Bytes::copy_from_slice(value.bytes_of(compact, "subscription")?);
        let assignment = Bytes::copy_from_slice(value.bytes_of(compact, "assignment")?);
        if compact {
            value.tagged_fields(|_, _| Ok(()))?;
        }
        Ok(Self {
            member_id,
            group_instance_id,
            client_id,
            client_host,
            rebalance_timeout_ms,
            session_timeout_ms,
            subscription,
            assignment,
        })
    }
}

fn known_version(record: &'static str, version: i16) -> Result<i16, RecordError> {
    if (0..=LAST_KNOWN_VALUE_VERSION).contains(&version) {
        Ok(version)
    } else {
        Err(RecordError::UnsupportedValueVersion { record, version })
    }
}

#[cfg(test)]
mod tests;
