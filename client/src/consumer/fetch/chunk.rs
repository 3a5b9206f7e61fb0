//! Fetched bytes of one partition, made into records as the program takes them.
//!
//! Keys and values are slices of the fetched frame, or of the decompressed batch: nothing is copied. Of a
//! batch that begins before the position the first records are left out; so are control batches and, for
//! read_committed, those of aborted transactions (KIP-98).

use std::collections::BTreeSet;
use std::vec;

use bytes::Bytes;
use rkafka_record::control::ControlType;
use rkafka_record::{BatchError, BatchHeader, BatchRef, Codec, DecodeLimits, Record, compression};

use crate::consumer::offsets::Position;
use crate::consumer::record::{ConsumerRecord, Header};
use crate::topic_partition::TopicPartition;

/// How batches are to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) check_crcs: bool,
    pub(crate) committed_only: bool,
}

/// The records of one answer for one partition.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Bytes,
    /// Where the next batch begins in `bytes`.
    at: usize,
    /// The next offset that is wanted.
    next: Position,
    /// Producers and where their aborted transactions begin, by that offset.
    aborted: vec::IntoIter<(i64, i64)>,
    /// Producers whose transaction at this place was aborted.
    void_producers: BTreeSet<i64>,
    pending: vec::IntoIter<ConsumerRecord>,
    /// Where the batch of `pending` ends.
    pending_end: Position,
}

/// Where complete batches end in `bytes`, as offset and leader epoch; nothing if there is no complete batch.
pub(crate) fn end_of(bytes: &[u8]) -> Option<Position> {
    let (mut at, mut end) = (0, None);
    while let Some(batch) = bytes.get(at..).and_then(|rest| BatchRef::parse(rest).ok()) {
        let header = batch.header();
        end = Some(Position { offset: header.next_offset(), leader_epoch: epoch(&header) });
        at += header.size();
    }
    end
}

fn epoch(header: &BatchHeader<'_>) -> Option<i32> {
    Some(header.partition_leader_epoch()).filter(|epoch| *epoch >= 0)
}

impl Chunk {
    /// The bytes that were fetched from `from` on.
    pub(crate) fn new(bytes: Bytes, from: Position, mut aborted: Vec<(i64, i64)>) -> Chunk {
        aborted.sort_by_key(|(_, first_offset)| *first_offset);
        Chunk {
            bytes,
            at: 0,
            next: from,
            aborted: aborted.into_iter(),
            void_producers: BTreeSet::new(),
            pending: Vec::new().into_iter(),
            pending_end: from,
        }
    }

    /// Bytes that are held.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Moves at most `limit` records to `out` and returns the position behind them; also whether the chunk
    /// has ended.
    ///
    /// # Errors
    /// A batch that cannot be read; the position is that of the batch, and asking again fails again.
    pub(crate) fn take(
        &mut self,
        partition: &TopicPartition,
        reading: Reading,
        limit: usize,
        out: &mut Vec<ConsumerRecord>,
    ) -> Result<(Position, bool), (Position, BatchError)> {
        let full = out.len() + limit;
        loop {
            while out.len() < full {
                let Some(record) = self.pending.next() else { break };
                self.next = Position { offset: record.offset + 1, leader_epoch: record.leader_epoch };
                out.push(record);
            }
            if self.pending.len() > 0 {
                return Ok((self.next, false));
            }
            if self.pending_end.offset > self.next.offset {
                self.next = self.pending_end;
            }
            if out.len() >= full {
                return Ok((self.next, self.at >= self.bytes.len()));
            }
            match self.read_batch(partition, reading) {
                Ok(true) => {}
                Ok(false) => return Ok((self.next, true)),
                // What was read before it is handed out first.
                Err(_) if out.len() + limit > full => return Ok((self.next, false)),
                Err(error) => return Err((self.next, error)),
            }
        }
    }

    /// Makes the next batch pending; false at the end, where the last batch may be cut.
    fn read_batch(&mut self, partition: &TopicPartition, reading: Reading) -> Result<bool, BatchError> {
        let rest = self.bytes.slice(self.at.min(self.bytes.len())..);
        let batch = match BatchRef::parse(&rest) {
            Ok(batch) => batch,
            Err(BatchError::Incomplete { .. }) => {
                self.at = self.bytes.len();
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let header = batch.header();
        if header.last_offset() < self.next.offset {
            self.at += header.size();
            return Ok(true);
        }
        if reading.check_crcs {
            batch.check_crc()?;
        }
        let mut records = Vec::new();
        if !self.is_left_out(&batch, reading)? {
            let uncompressed = uncompressed(&batch, &rest)?;
            records.reserve(header.record_count().max(0) as usize);
            for record in header.records(&uncompressed) {
                let record = record?;
                if record.offset >= self.next.offset {
                    records.push(owned(&record, &uncompressed, &header, partition));
                }
            }
        }
        self.pending = records.into_iter();
        self.pending_end = Position { offset: header.next_offset(), leader_epoch: epoch(&header) };
        self.at += header.size();
        Ok(true)
    }

    /// Whether the program does not see the batch; notes where aborted transactions begin and end.
    fn is_left_out(&mut self, batch: &BatchRef<'_>, reading: Reading) -> Result<bool, BatchError> {
        let header = batch.header();
        if !reading.committed_only || !header.has_producer_id() {
            return Ok(header.is_control());
        }
        while let Some((producer, _)) =
            self.aborted.as_slice().first().filter(|(_, first_offset)| *first_offset <= header.last_offset())
        {
            self.void_producers.insert(*producer);
            self.aborted.next();
        }
        if header.is_control() {
            let decoded = batch.decode(DecodeLimits::default())?;
            let marker = decoded.records().next().transpose()?;
            if marker.and_then(|marker| ControlType::from_key(marker.key?)) == Some(ControlType::Abort) {
                self.void_producers.remove(&header.producer_id());
            }
            return Ok(true);
        }
        Ok(header.is_transactional() && self.void_producers.contains(&header.producer_id()))
    }
}

/// The records of a batch as bytes that outlive it.
fn uncompressed(batch: &BatchRef<'_>, frame: &Bytes) -> Result<Bytes, BatchError> {
    match batch.header().codec() {
        Codec::None => Ok(frame.slice_ref(batch.record_bytes())),
        codec => {
            let limit = DecodeLimits::default().max_decompressed_bytes;
            Ok(compression::decompress(codec, batch.record_bytes(), limit)?.into())
        }
    }
}

fn owned(
    record: &Record<'_>,
    bytes: &Bytes,
    header: &BatchHeader<'_>,
    partition: &TopicPartition,
) -> ConsumerRecord {
    let slice = |slice: &[u8]| bytes.slice_ref(slice);
    let headers = record.headers();
    let headers = headers.map(|one| Header { key: slice(one.key), value: one.value.map(slice) });
    ConsumerRecord {
        topic: partition.topic.clone(),
        partition: partition.partition,
        offset: record.offset,
        timestamp: record.timestamp,
        timestamp_type: header.timestamp_type(),
        leader_epoch: epoch(header),
        key: record.key.map(slice),
        value: record.value.map(slice),
        headers: if record.header_count() == 0 { Vec::new() } else { headers.collect() },
    }
}

#[cfg(test)]
mod tests;
