//! The bytes of quorum log entries, memberships and snapshots' headers.
//!
//! An entry is one record batch whose offset is the entry's index and whose leader epoch is its term, so that
//! the log's own recovery, CRC and dump tool serve the quorum as well. The record's value:
//! ```text
//! u8  format (1)
//! u64 term            big-endian, as everything here
//! u8  kind            0 blank, 1 metadata batch, 2 membership
//! …   metadata batch as rkafka_core encodes it, or the membership:
//!       u16 number of configs, each: u16 number of voters, u64 id …
//!       u16 number of nodes, each: u64 id, 16 bytes directory id, u16 host length, host, u16 port
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use openraft::Membership as RaftMembership;
use rkafka_core::image::{CodecError, MetadataBatch};
use rkafka_record::{BatchBuilder, BatchError, BatchOptions, BatchRef, BuildError, DecodeLimits};
use thiserror::Error;
use uuid::Uuid;

use super::types::{Entry, LogId, Payload, Proposal, Voter};

const FORMAT: u8 = 1;
const BLANK: u8 = 0;
const BATCH: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Largest decoded entry that is believed; one request makes at most 10,000 records.
const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Bytes of the quorum's files that no version wrote.
#[derive(Debug, Error)]
pub(crate) enum QuorumCodecError {
    /// The record batch around an entry is damaged.
    #[error("quorum log entry: {0}")]
    Batch(#[from] BatchError),
    /// The metadata batch in an entry is damaged, or of a newer version.
    #[error("quorum log entry: {0}")]
    Metadata(#[from] CodecError),
    /// A value ends early, or is none of those written.
    #[error("quorum log entry holds an invalid {0}")]
    Invalid(&'static str),
    /// An entry is too large to be written.
    #[error("quorum log entry: {0}")]
    Build(#[from] BuildError),
}

/// An entry as one record batch.
pub(crate) fn encode_entry(entry: &Entry, now_ms: i64) -> Result<Bytes, QuorumCodecError> {
    let term = **entry.log_id.committed_leader_id();
    let mut value = vec![FORMAT];
    value.put_u64(term);
    match &entry.payload {
        Payload::Blank => value.put_u8(BLANK),
        Payload::Normal(proposal) => {
            value.put_u8(BATCH);
            value.extend_from_slice(&proposal.0.encode());
        }
        Payload::Membership(membership) => {
            value.put_u8(MEMBERSHIP);
            put_membership(&mut value, membership)?;
        }
    }
    let options = BatchOptions {
        base_offset: i64::try_from(entry.log_id.index).map_err(|_| QuorumCodecError::Invalid("index"))?,
        partition_leader_epoch: i32::try_from(term).map_err(|_| QuorumCodecError::Invalid("term"))?,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::new(options);
    builder.append(now_ms, None, Some(&value), &[])?;
    Ok(builder.build()?)
}

/// The entry in a record batch.
pub(crate) fn decode_entry(batch: &BatchRef<'_>) -> Result<Entry, QuorumCodecError> {
    let limits = DecodeLimits::bytes(ENTRY_BYTES_MAX);
    let decoded = batch.decode(limits)?;
    let record = decoded.records().next().ok_or(QuorumCodecError::Invalid("batch without records"))??;
    let mut value = record.value.ok_or(QuorumCodecError::Invalid("record without value"))?;
    if get_u8(&mut value)? != FORMAT {
        return Err(QuorumCodecError::Invalid("entry format (written by a newer version?)"));
    }
    let term = get_u64(&mut value)?;
    let index = u64::try_from(batch.base_offset()).map_err(|_| QuorumCodecError::Invalid("offset"))?;
    let payload = match get_u8(&mut value)? {
        BLANK => Payload::Blank,
        BATCH => Payload::Normal(Proposal(Arc::new(MetadataBatch::decode(value)?))),
        MEMBERSHIP => Payload::Membership(get_membership(&mut value)?),
        _ => return Err(QuorumCodecError::Invalid("entry kind (written by a newer version?)")),
    };
    Ok(Entry { log_id: LogId::new_term_index(term, index), payload })
}

/// Appends a membership's bytes.
pub(crate) fn put_membership(
    out: &mut Vec<u8>,
    membership: &RaftMembership<u64, Voter>,
) -> Result<(), QuorumCodecError> {
    put_count(out, membership.get_joint_config().len())?;
    for config in membership.get_joint_config() {
        put_count(out, config.len())?;
        config.iter().for_each(|id| out.put_u64(*id));
    }
    put_count(out, membership.nodes().count())?;
    for (id, voter) in membership.nodes() {
        out.put_u64(*id);
        out.extend_from_slice(voter.directory.as_bytes());
        put_count(out, voter.host.len())?;
        out.extend_from_slice(voter.host.as_bytes());
        out.put_u16(voter.port);
    }
    Ok(())
}

/// Takes a membership off the front of `bytes`.
pub(crate) fn get_membership(bytes: &mut &[u8]) -> Result<RaftMembership<u64, Voter>, QuorumCodecError> {
    let mut configs = Vec::new();
    for _ in 0..get_u16(bytes)? {
        let voters = get_u16(bytes)?;
        configs.push((0..voters).map(|_| get_u64(bytes)).collect::<Result<BTreeSet<_>, _>>()?);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..get_u16(bytes)? {
        let id = get_u64(bytes)?;
        let directory = bytes.split_off(..16).ok_or(QuorumCodecError::Invalid("directory id"))?;
        let directory = Uuid::from_slice(directory).map_err(|_| QuorumCodecError::Invalid("directory id"))?;
        let length = usize::from(get_u16(bytes)?);
        let host = bytes.get(..length).ok_or(QuorumCodecError::Invalid("host"))?;
        let host = std::str::from_utf8(host).map_err(|_| QuorumCodecError::Invalid("host"))?.to_owned();
        bytes.advance(length);
        nodes.insert(id, Voter { directory, host, port: get_u16(bytes)? });
    }
    RaftMembership::new(configs, nodes).map_err(|_| QuorumCodecError::Invalid("membership"))
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Result<(), QuorumCodecError> {
    out.put_u16(u16::try_from(count).map_err(|_| QuorumCodecError::Invalid("membership size"))?);
    Ok(())
}

/// Takes a byte off the front of `bytes`.
pub(crate) fn get_u8(bytes: &mut &[u8]) -> Result<u8, QuorumCodecError> {
    bytes.try_get_u8().map_err(|_| QuorumCodecError::Invalid("length"))
}

fn get_u16(bytes: &mut &[u8]) -> Result<u16, QuorumCodecError> {
    bytes.try_get_u16().map_err(|_| QuorumCodecError::Invalid("length"))
}

/// Takes a number off the front of `bytes`.
pub(crate) fn get_u64(bytes: &mut &[u8]) -> Result<u64, QuorumCodecError> {
    bytes.try_get_u64().map_err(|_| QuorumCodecError::Invalid("length"))
}
