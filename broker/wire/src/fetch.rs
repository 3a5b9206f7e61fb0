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
use crate::response::{FilePart, Part, Parts, Response, words};
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
                self.count(length)?;
            } else {
                self.buffer.put_i16(short);
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
                self.buffer.put_u8(0);
            } else {
                self.buffer.put_i32(-1);
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
        let count = u32::try_from(endpoints.len() + 1).map_err(words)?;
        let mut size = varint_size(count);
        for endpoint in endpoints {
            size += endpoint.compute_size(self.version).map_err(words)?;
        }
        self.buffer.put_slice(&[1, 0]); // one tagged field, the one with number 0
        put_varint(&mut self.buffer, u32::try_from(size).map_err(words)?);
        put_varint(&mut self.buffer, count);
        for endpoint in endpoints {
            endpoint.encode(&mut self.buffer, self.version).map_err(words)?;
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::fetch_response::{
        self, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
    };
    use kafka_protocol::messages::{BrokerId, FetchResponse};

    use super::*;
    use crate::StrBytes;
    use crate::testing::{BytesAsFile, Random, contents, header};

    type Answer = FetchAnswer<BytesAsFile>;

    fn random_partition(random: &mut Random, version: i16) -> FetchedPartition<BytesAsFile> {
        let file_parts = random.below(3);
        let aborted = random.below(3);
        let end = EpochEnd { epoch: random.below(9) as i32, end_offset: random.next() as i64 };
        let leader = CurrentLeader { leader_id: random.below(9) as i32, leader_epoch: 3 };
        FetchedPartition {
            index: random.next() as i32,
            error: ErrorCode::ALL[random.below(ErrorCode::ALL.len())],
            high_watermark: random.next() as i64,
            last_stable_offset: random.next() as i64,
            log_start_offset: random.next() as i64,
            aborted_transactions: (!random.one_in(3)).then(|| {
                let transaction = |_| AbortedTransaction {
                    producer_id: random.next() as i64,
                    first_offset: random.next() as i64,
                };
                (0..aborted).map(transaction).collect()
            }),
            preferred_read_replica: if version >= 11 { random.below(9) as i32 } else { -1 },
            diverging_epoch: random.one_in(3).then_some(end),
            current_leader: random.one_in(3).then_some(leader),
            records: (0..file_parts)
                .map(|_| {
                    let length = random.below(300);
                    let bytes = Bytes::from(random.bytes(length));
                    if random.one_in(2) { Part::Bytes(bytes) } else { Part::File(BytesAsFile(bytes)) }
                })
                .collect(),
        }
    }

    fn random_answer(random: &mut Random, version: i16) -> Answer {
        let topics = (0..random.below(4)).map(|number| FetchedTopic {
            name: StrBytes::from_string(format!("topic-{number}")).into(),
            topic_id: Uuid::from_u128(u128::from(random.next())),
            partitions: (0..random.below(4)).map(|_| random_partition(random, version)).collect(),
        });
        let topics = topics.collect();
        let endpoint = |number: usize| {
            let host = StrBytes::from_string(format!("host-{number}"));
            NodeEndpoint::default().with_node_id(BrokerId(number as i32)).with_host(host).with_port(9092)
        };
        FetchAnswer {
            throttle_time_ms: random.next() as i32,
            error: ErrorCode::ALL[random.below(ErrorCode::ALL.len())],
            session_id: if version >= 7 { random.next() as i32 } else { 0 },
            topics,
            node_endpoints: (0..random.below(3)).map(endpoint).collect(),
        }
    }

    /// The same answer as `kafka-protocol` has it, records copied.
    fn theirs(answer: &Answer, version: i16) -> FetchResponse {
        let aborted = |transaction: &AbortedTransaction| {
            fetch_response::AbortedTransaction::default()
                .with_producer_id(transaction.producer_id.into())
                .with_first_offset(transaction.first_offset)
        };
        let partition = |partition: &FetchedPartition<BytesAsFile>| {
            let bytes = partition.records.iter().flat_map(|part| match part {
                Part::Bytes(bytes) | Part::File(BytesAsFile(bytes)) => bytes.to_vec(),
            });
            let mut data = PartitionData::default()
                .with_partition_index(partition.index)
                .with_error_code(partition.error.code())
                .with_high_watermark(partition.high_watermark)
                .with_last_stable_offset(partition.last_stable_offset)
                .with_log_start_offset(partition.log_start_offset)
                .with_preferred_read_replica(partition.preferred_read_replica.into())
                .with_aborted_transactions(
                    partition.aborted_transactions.as_ref().map(|list| list.iter().map(aborted).collect()),
                )
                .with_records(Some(bytes.collect()));
            if let Some(end) = partition.diverging_epoch {
                data.diverging_epoch =
                    EpochEndOffset::default().with_epoch(end.epoch).with_end_offset(end.end_offset);
            }
            if let Some(leader) = partition.current_leader {
                data.current_leader = LeaderIdAndEpoch::default()
                    .with_leader_id(leader.leader_id.into())
                    .with_leader_epoch(leader.leader_epoch);
            }
            data
        };
        let topic = |topic: &FetchedTopic<BytesAsFile>| {
            FetchableTopicResponse::default()
                .with_topic(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(topic.partitions.iter().map(partition).collect())
        };
        FetchResponse::default()
            .with_throttle_time_ms(answer.throttle_time_ms)
            .with_error_code(answer.error.code())
            .with_session_id(answer.session_id)
            .with_responses(answer.topics.iter().map(topic).collect())
            .with_node_endpoints(if version >= 16 { answer.node_endpoints.clone() } else { Vec::new() })
    }

    #[test]
    fn bytes_are_those_of_kafka_protocol() {
        for version in 4..=18 {
            for seed in 0..100 {
                let answer = random_answer(&mut Random(seed), version);
                let header = header(ApiKey::Fetch, version);
                let expected = Response::<BytesAsFile>::new(&header, &theirs(&answer, version)).unwrap();
                let got = answer.encode(&header).unwrap();
                assert_eq!(got.size(), expected.size(), "version {version} seed {seed}");
                assert_eq!(contents(got), contents(expected), "version {version} seed {seed}");
            }
        }
    }

    #[test]
    fn records_keep_their_place_in_memory() {
        let records = Bytes::from(vec![7; 1000]);
        let mut partition = FetchedPartition::<BytesAsFile>::failed(0, ErrorCode::None);
        partition.records.push(Part::Bytes(records.clone()));
        let topic =
            FetchedTopic { name: TopicName::default(), topic_id: Uuid::nil(), partitions: vec![partition] };
        let answer = FetchAnswer {
            throttle_time_ms: 0,
            error: ErrorCode::None,
            session_id: 0,
            topics: vec![topic],
            node_endpoints: Vec::new(),
        };
        let parts = answer.encode(&header(ApiKey::Fetch, 18)).unwrap().into_parts();
        assert_eq!(parts.len(), 3, "numbers, records, tags");
        assert!(matches!(&parts[1], Part::Bytes(bytes) if bytes.as_ptr() == records.as_ptr()));
    }

    #[test]
    fn versions_outside_the_range_are_refused() {
        let answer = || random_answer(&mut Random(1), 18);
        for version in [-1, 3, 19] {
            let error = answer().encode(&header(ApiKey::Fetch, version)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("Fetch version {version} cannot be written: no such version")
            );
        }
    }
}
