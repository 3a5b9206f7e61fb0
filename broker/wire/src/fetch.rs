//! Fetch answers, versions 4 to 18, written around records that this code never touches.
//!
//! `kafka-protocol` copies records into its buffer; a broker sends them from the page cache. So the
//! numbers around the records are written here into one buffer, the places where records belong are
//! remembered, and the buffer is cut there:
//!
//! ```text
//! [size, header, topic, partition 0 up to the records' length] [records of 0] [tags of 0, partition 1 ..]
//! ```
//! `snapshot_id` (KIP-630) is never sent: rkafka's quorum does not replicate by Fetch.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::fetch_response::NodeEndpoint;
use kafka_protocol::messages::{ApiKey, TopicName};
use kafka_protocol::protocol::Encodable;
use smallvec::SmallVec;
use uuid::Uuid;

use crate::frame::SIZE_PREFIX_BYTES;
use crate::response::{FilePart, Part, Parts, Response};
use crate::varint::{put_varint, varint_size};
use crate::versions::decodable;
use crate::{ErrorCode, RequestHeader, WireError};

/// The first version with compact lengths and tagged fields (KIP-482).
const FLEXIBLE: i16 = 12;

/// The answer to a Fetch request. Fields that a version lacks are left out of its bytes.
#[derive(Debug, Clone)]
pub struct FetchAnswer<F> {
    /// How long the client shall wait before its next request, in ms.
    pub throttle_time_ms: i32,
    /// An error of the whole request, such as an unknown fetch session (version 7 on).
    pub error: ErrorCode,
    /// The fetch session (KIP-227), or 0 for none (version 7 on).
    pub session_id: i32,
    /// The topics in the order of the answer.
    pub topics: Vec<FetchedTopic<F>>,
    /// Where the leaders named in partitions are reached (KIP-951, version 16 on).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// One topic of a Fetch answer.
#[derive(Debug, Clone)]
pub struct FetchedTopic<F> {
    /// Its name (up to version 12).
    pub name: TopicName,
    /// Its id (version 13 on).
    pub topic_id: Uuid,
    /// Its partitions in the order of the answer.
    pub partitions: Vec<FetchedPartition<F>>,
}

/// One partition of a Fetch answer.
#[derive(Debug, Clone)]
pub struct FetchedPartition<F> {
    /// The partition's index.
    pub index: i32,
    /// Success, or why there are no records.
    pub error: ErrorCode,
    /// The high watermark; -1 if unknown.
    pub high_watermark: i64,
    /// The last stable offset; -1 if unknown.
    pub last_stable_offset: i64,
    /// The log start offset; -1 if unknown (version 5 on).
    pub log_start_offset: i64,
    /// Aborted transactions that overlap the records, by first offset; nothing for read_uncommitted.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica the consumer shall read from instead (KIP-392), or -1 (version 11 on).
    pub preferred_read_replica: i32,
    /// Where a follower's log departs from the leader's (KIP-595, version 12 on).
    pub diverging_epoch: Option<EpochEnd>,
    /// The leader to ask instead (KIP-951, version 12 on).
    pub current_leader: Option<CurrentLeader>,
    /// Whole batches, in order; may be empty.
    pub records: SmallVec<[Part<F>; 1]>,
}

/// An aborted transaction in a Fetch answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer whose transaction it was.
    pub producer_id: i64,
    /// The offset of its first record.
    pub first_offset: i64,
}

/// The end of an epoch in the leader's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The leader epoch.
    pub epoch: i32,
    /// The offset after its last record.
    pub end_offset: i64,
}

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The broker's id.
    pub leader_id: i32,
    /// The leader epoch.
    pub leader_epoch: i32,
}

impl<F> FetchedPartition<F> {
    /// A partition that failed: no offsets, no records.
    pub fn failed(index: i32, error: ErrorCode) -> FetchedPartition<F> {
        FetchedPartition {
            index,
            error,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted_transactions: Some(Vec::new()),
            preferred_read_replica: -1,
            diverging_epoch: None,
            current_leader: None,
            records: SmallVec::new(),
        }
    }
}

impl<F: FilePart> FetchAnswer<F> {
    /// Encodes the answer to the Fetch request that began with `header`. Records are moved, not copied.
    ///
    /// # Errors
    /// [`WireError::Unencodable`] for a version outside 4 to 18, a name longer than 32,767 bytes, or an
    /// answer of more than 2 GiB.
    pub fn encode(self, header: &RequestHeader) -> Result<Response<F>, WireError> {
        let version = header.api_version;
        debug_assert_eq!(header.api_key, ApiKey::Fetch);
        let unencodable = |reason| WireError::Unencodable { key: ApiKey::Fetch, version, reason };
        if !decodable(ApiKey::Fetch).contains(version) {
            return Err(unencodable("no such version".to_owned()));
        }
        let mut writer = Writer::new(version, self.metadata_bytes_max());
        writer.answer(header.correlation_id, self).map_err(unencodable)?;
        writer.finish().map_err(unencodable)
    }

    /// An upper bound of the bytes without records and node endpoints, so that the buffer never moves.
    fn metadata_bytes_max(&self) -> usize {
        let partition = |partition: &FetchedPartition<F>| {
            96 + partition.aborted_transactions.as_ref().map_or(0, |aborted| 17 * aborted.len())
        };
        let topic = |topic: &FetchedTopic<F>| {
            32 + topic.name.len() + topic.partitions.iter().map(partition).sum::<usize>()
        };
        64 + self.topics.iter().map(topic).sum::<usize>()
    }
}

/// Writes an answer's bytes and remembers where records belong between them.
struct Writer<F> {
    buffer: BytesMut,
    version: i16,
    flexible: bool,
    /// Records, each with its place: the length of the buffer when they were due.
    records: Vec<(usize, SmallVec<[Part<F>; 1]>)>,
    record_bytes: usize,
}

impl<F: FilePart> Writer<F> {
    fn new(version: i16, capacity: usize) -> Writer<F> {
        let buffer = BytesMut::with_capacity(capacity);
        Writer { buffer, version, flexible: version >= FLEXIBLE, records: Vec::new(), record_bytes: 0 }
    }

    fn answer(&mut self, correlation_id: i32, answer: FetchAnswer<F>) -> Result<(), String> {
        self.buffer.put_u32(0); // the size, known in `finish`
        self.buffer.put_i32(correlation_id);
        if self.flexible {
            self.buffer.put_u8(0);
        }
        self.buffer.put_i32(answer.throttle_time_ms);
        if self.version >= 7 {
            self.buffer.put_i16(answer.error.code());
            self.buffer.put_i32(answer.session_id);
        }
        self.count(answer.topics.len())?;
        for topic in answer.topics {
            self.topic(topic)?;
        }
        if self.flexible {
            self.node_endpoints(&answer.node_endpoints)?;
        }
        Ok(())
    }

    fn topic(&mut self, topic: FetchedTopic<F>) -> Result<(), String> {
        if self.version >= 13 {
            self.buffer.put_slice(topic.topic_id.as_bytes());
        } else {
            let length = topic.name.len();
            let short = i16::try_from(length).map_err(|_| format!("topic name of {length} bytes"))?;
            if self.flexible {
                self.count(length)?
            } else {
                self.buffer.put_i16(short)
            }
            self.buffer.put_slice(topic.name.as_bytes());
        }
        self.count(topic.partitions.len())?;
        for partition in topic.partitions {
            self.partition(partition)?;
        }
        self.no_tags();
        Ok(())
    }

    fn partition(&mut self, partition: FetchedPartition<F>) -> Result<(), String> {
        self.buffer.put_i32(partition.index);
        self.buffer.put_i16(partition.error.code());
        self.buffer.put_i64(partition.high_watermark);
        self.buffer.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.buffer.put_i64(partition.log_start_offset);
        }
        self.aborted_transactions(partition.aborted_transactions.as_deref())?;
        if self.version >= 11 {
            self.buffer.put_i32(partition.preferred_read_replica);
        }
        self.records(partition.records)?;
        if self.flexible {
            self.partition_tags(partition.diverging_epoch, partition.current_leader);
        }
        Ok(())
    }

    fn aborted_transactions(&mut self, aborted: Option<&[AbortedTransaction]>) -> Result<(), String> {
        let Some(aborted) = aborted else {
            if self.flexible {
                self.buffer.put_u8(0)
            } else {
                self.buffer.put_i32(-1)
            }
            return Ok(());
        };
        self.count(aborted.len())?;
        for transaction in aborted {
            self.buffer.put_i64(transaction.producer_id);
            self.buffer.put_i64(transaction.first_offset);
            self.no_tags();
        }
        Ok(())
    }

    fn records(&mut self, records: SmallVec<[Part<F>; 1]>) -> Result<(), String> {
        let size = records.iter().map(Part::size).sum::<usize>();
        self.count(size)?;
        self.record_bytes += size;
        if size > 0 {
            self.records.push((self.buffer.len(), records));
        }
        Ok(())
    }

    fn partition_tags(&mut self, diverging_epoch: Option<EpochEnd>, current_leader: Option<CurrentLeader>) {
        self.buffer.put_u8(u8::from(diverging_epoch.is_some()) + u8::from(current_leader.is_some()));
        if let Some(end) = diverging_epoch {
            self.buffer.put_slice(&[0, 13]); // tag, then the size of both numbers and no tags
            self.buffer.put_i32(end.epoch);
            self.buffer.put_i64(end.end_offset);
            self.buffer.put_u8(0);
        }
        if let Some(leader) = current_leader {
            self.buffer.put_slice(&[1, 9]);
            self.buffer.put_i32(leader.leader_id);
            self.buffer.put_i32(leader.leader_epoch);
            self.buffer.put_u8(0);
        }
    }

    fn node_endpoints(&mut self, endpoints: &[NodeEndpoint]) -> Result<(), String> {
        if self.version < 16 || endpoints.is_empty() {
            self.no_tags();
            return Ok(());
        }
        let count = u32::try_from(endpoints.len() + 1).map_err(|error| error.to_string())?;
        let mut size = varint_size(count);
        for endpoint in endpoints {
            size += endpoint.compute_size(self.version).map_err(|error| error.to_string())?;
        }
        self.buffer.put_slice(&[1, 0]); // one tagged field, the one with number 0
        put_varint(&mut self.buffer, u32::try_from(size).map_err(|error| error.to_string())?);
        put_varint(&mut self.buffer, count);
        for endpoint in endpoints {
            endpoint.encode(&mut self.buffer, self.version).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// A count of elements or bytes; compact (plus one) in flexible versions.
    fn count(&mut self, count: usize) -> Result<(), String> {
        let number = i32::try_from(count).map_err(|_| format!("{count} elements or bytes"))?;
        if self.flexible {
            put_varint(&mut self.buffer, number as u32 + 1);
        } else {
            self.buffer.put_i32(number);
        }
        Ok(())
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.buffer.put_u8(0);
        }
    }

    /// Fills in the size and cuts the buffer where records belong.
    fn finish(mut self) -> Result<Response<F>, String> {
        let size = self.buffer.len() + self.record_bytes;
        let prefix = i32::try_from(size - SIZE_PREFIX_BYTES).map_err(|_| format!("{size} bytes"))?;
        self.buffer[..SIZE_PREFIX_BYTES].copy_from_slice(&prefix.to_be_bytes());
        let mut rest = self.buffer.freeze();
        let mut parts = Parts::new();
        let mut cut = 0;
        for (place, records) in self.records {
            parts.push(Part::Bytes(rest.split_to(place - cut)));
            parts.extend(records);
            cut = place;
        }
        if !rest.is_empty() {
            parts.push(Part::Bytes(rest));
        }
        Ok(Response::from_parts(parts, size))
    }
}
