//! Raft's messages as bytes, big-endian:
//! ```text
//! vote              u64 term, u64 node, u8 committed
//! log id            u8 present, u64 term, u64 index
//! vote request      vote, log id last, u8 leadership transfer
//! vote response     vote, log id last, u8 granted
//! append request    vote, log id previous, log id committed, entries (record batches as in the log)
//! append response   u8: 0 success · 1 partly, log id · 2 conflict · 3 higher vote, vote
//! snapshot piece    vote, u64 whole length, u64 position, data
//! transfer          vote, u64 target, log id last
//! ```
//! Nothing here trusts a length: every field is taken from what is there.

use bytes::{BufMut, Bytes};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};
use openraft::vote::{RaftLeaderId, RaftVote};
use rkafka_record::Batches;

use super::super::codec::{QuorumCodecError, decode_entry, encode_entry, get_u8, get_u64};
use super::super::types::{LogId, Metadata, Vote};

type LeaderId = <Metadata as openraft::RaftTypeConfig>::LeaderId;

/// Terms are shown as leader epochs, which are of 32 bits.
const TERM_MAX: u64 = i32::MAX as u64;

pub(super) fn put_vote(out: &mut Vec<u8>, vote: &Vote) {
    out.put_u64(vote.leader_id().term());
    out.put_u64(*vote.leader_id().node_id());
    out.put_u8(u8::from(vote.is_committed()));
}

pub(super) fn get_vote(bytes: &mut &[u8]) -> Result<Vote, QuorumCodecError> {
    let (term, node, committed) = (get_term(bytes)?, get_u64(bytes)?, get_u8(bytes)?);
    Ok(Vote::from_leader_id(LeaderId::new(term, node), committed == 1))
}

fn get_term(bytes: &mut &[u8]) -> Result<u64, QuorumCodecError> {
    Some(get_u64(bytes)?).filter(|term| *term <= TERM_MAX).ok_or(QuorumCodecError::Invalid("term"))
}

pub(super) fn put_log_id(out: &mut Vec<u8>, id: Option<&LogId>) {
    out.put_u8(u8::from(id.is_some()));
    out.put_u64(id.map_or(0, |id| **id.committed_leader_id()));
    out.put_u64(id.map_or(0, |id| id.index));
}

pub(super) fn get_log_id(bytes: &mut &[u8]) -> Result<Option<LogId>, QuorumCodecError> {
    let present = get_u8(bytes)? == 1;
    let id = LogId::new_term_index(get_term(bytes)?, get_u64(bytes)?);
    Ok(present.then_some(id))
}

pub(super) fn vote_request(request: &VoteRequest<Metadata>) -> Bytes {
    let mut out = Vec::with_capacity(64);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.last_log_id.as_ref());
    out.put_u8(u8::from(request.leadership_transfer));
    out.into()
}

pub(super) fn read_vote_request(mut bytes: &[u8]) -> Result<VoteRequest<Metadata>, QuorumCodecError> {
    let bytes = &mut bytes;
    let mut request = VoteRequest::new(get_vote(bytes)?, get_log_id(bytes)?);
    request.leadership_transfer = get_u8(bytes)? == 1;
    Ok(request)
}

pub(super) fn vote_response(response: &VoteResponse<Metadata>) -> Bytes {
    let mut out = Vec::with_capacity(64);
    put_vote(&mut out, &response.vote);
    put_log_id(&mut out, response.last_log_id.as_ref());
    out.put_u8(u8::from(response.vote_granted));
    out.into()
}

pub(super) fn read_vote_response(mut bytes: &[u8]) -> Result<VoteResponse<Metadata>, QuorumCodecError> {
    let bytes = &mut bytes;
    let (vote, last) = (get_vote(bytes)?, get_log_id(bytes)?);
    Ok(VoteResponse::new(vote, last, get_u8(bytes)? == 1))
}

/// The request with as many of its entries as fit into about `bytes_max`, at least one; and the id of the last
/// entry in it if some were left out.
pub(super) fn append_request(
    request: &AppendEntriesRequest<Metadata>,
    bytes_max: usize,
) -> Result<(Bytes, Option<LogId>), QuorumCodecError> {
    let mut out = Vec::with_capacity(64);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.prev_log_id.as_ref());
    put_log_id(&mut out, request.leader_commit.as_ref());
    for (count, entry) in request.entries.iter().enumerate() {
        if count > 0 && out.len() >= bytes_max {
            return Ok((out.into(), request.entries.get(count - 1).map(|last| last.log_id)));
        }
        // The follower stamps what it writes itself.
        out.extend_from_slice(&encode_entry(entry, 0)?);
    }
    Ok((out.into(), None))
}

pub(super) fn read_append_request(
    mut bytes: &[u8],
) -> Result<AppendEntriesRequest<Metadata>, QuorumCodecError> {
    let (vote, prev_log_id) = (get_vote(&mut bytes)?, get_log_id(&mut bytes)?);
    let leader_commit = get_log_id(&mut bytes)?;
    let mut entries = Vec::new();
    let mut next = prev_log_id.map_or(0, |id| id.index.saturating_add(1));
    for batch in Batches::new(bytes) {
        let batch = batch?;
        batch.check_crc()?;
        let entry = decode_entry(&batch)?;
        // Raft relies on it, and a gap would end the process.
        if entry.log_id.index != next {
            return Err(QuorumCodecError::Invalid("order of entries"));
        }
        next = next.saturating_add(1);
        entries.push(entry);
    }
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

pub(super) fn append_response(response: &AppendEntriesResponse<Metadata>) -> Bytes {
    let mut out = Vec::with_capacity(32);
    match response {
        AppendEntriesResponse::Success => out.put_u8(0),
        AppendEntriesResponse::PartialSuccess(last) => {
            out.put_u8(1);
            put_log_id(&mut out, last.as_ref());
        }
        AppendEntriesResponse::Conflict => out.put_u8(2),
        AppendEntriesResponse::HigherVote(vote) => {
            out.put_u8(3);
            put_vote(&mut out, vote);
        }
    }
    out.into()
}

pub(super) fn read_append_response(
    mut bytes: &[u8],
) -> Result<AppendEntriesResponse<Metadata>, QuorumCodecError> {
    let bytes = &mut bytes;
    match get_u8(bytes)? {
        0 => Ok(AppendEntriesResponse::Success),
        1 => Ok(AppendEntriesResponse::PartialSuccess(get_log_id(bytes)?)),
        2 => Ok(AppendEntriesResponse::Conflict),
        3 => Ok(AppendEntriesResponse::HigherVote(get_vote(bytes)?)),
        _ => Err(QuorumCodecError::Invalid("append response")),
    }
}

/// One piece of a snapshot.
#[derive(Debug, PartialEq)]
pub(super) struct Piece<'a> {
    pub(super) vote: Vote,
    /// Bytes of the whole snapshot.
    pub(super) length: u64,
    /// Where the piece begins.
    pub(super) position: u64,
    pub(super) data: &'a [u8],
}

pub(super) fn piece(piece: &Piece<'_>) -> Bytes {
    let mut out = Vec::with_capacity(48 + piece.data.len());
    put_vote(&mut out, &piece.vote);
    out.put_u64(piece.length);
    out.put_u64(piece.position);
    out.extend_from_slice(piece.data);
    out.into()
}

pub(super) fn read_piece(mut bytes: &[u8]) -> Result<Piece<'_>, QuorumCodecError> {
    let vote = get_vote(&mut bytes)?;
    let (length, position) = (get_u64(&mut bytes)?, get_u64(&mut bytes)?);
    Ok(Piece { vote, length, position, data: bytes })
}

pub(super) fn transfer(request: &TransferLeaderRequest<Metadata>) -> Bytes {
    let mut out = Vec::with_capacity(48);
    put_vote(&mut out, request.from_leader());
    out.put_u64(*request.to_node_id());
    put_log_id(&mut out, request.last_log_id());
    out.into()
}

pub(super) fn read_transfer(mut bytes: &[u8]) -> Result<TransferLeaderRequest<Metadata>, QuorumCodecError> {
    let bytes = &mut bytes;
    Ok(TransferLeaderRequest::new(get_vote(bytes)?, get_u64(bytes)?, get_log_id(bytes)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use rkafka_core::image::{MetadataBatch, MetadataRecord};

    use super::super::super::types::{Entry, Payload, Proposal};
    use super::*;

    fn vote(term: u64, node: u64, committed: bool) -> Vote {
        Vote::from_leader_id(LeaderId::new(term, node), committed)
    }

    fn id(term: u64, index: u64) -> LogId {
        LogId::new_term_index(term, index)
    }

    fn entry(index: u64) -> Entry {
        let records = vec![MetadataRecord::Feature { name: "f".repeat(100), level: 1 }];
        let payload =
            Payload::Normal(Proposal(Arc::new(MetadataBatch { previous_sequence: index, records })));
        Entry { log_id: id(3, index), payload }
    }

    #[test]
    fn votes_there_and_back() {
        let mut request = VoteRequest::new(vote(7, 2, false), Some(id(6, 99)));
        request.leadership_transfer = true;
        assert_eq!(read_vote_request(&vote_request(&request)).unwrap(), request);
        for last in [None, Some(id(1, 0))] {
            let response = VoteResponse::new(vote(7, 2, true), last, true);
            assert_eq!(read_vote_response(&vote_response(&response)).unwrap(), response);
        }
        let request = TransferLeaderRequest::new(vote(1, 2, true), 3, Some(id(1, 5)));
        assert_eq!(read_transfer(&transfer(&request)).unwrap(), request);
        for response in [
            AppendEntriesResponse::Success,
            AppendEntriesResponse::PartialSuccess(Some(id(2, 3))),
            AppendEntriesResponse::Conflict,
            AppendEntriesResponse::HigherVote(vote(9, 1, false)),
        ] {
            assert_eq!(read_append_response(&append_response(&response)).unwrap(), response);
        }
        let sent = Piece { vote: vote(1, 1, true), length: 10, position: 3, data: b"abc" };
        assert_eq!(read_piece(&piece(&sent)).unwrap(), sent);
    }

    #[test]
    fn a_long_append_is_sent_in_part() {
        let request = AppendEntriesRequest {
            vote: vote(3, 1, true),
            prev_log_id: Some(id(2, 4)),
            entries: (5..9).map(entry).collect(),
            leader_commit: None,
        };
        let (whole, rest) = append_request(&request, 1 << 20).unwrap();
        assert_eq!(rest, None);
        let read = read_append_request(&whole).unwrap();
        assert_eq!(
            read.entries.iter().map(|entry| entry.log_id).collect::<Vec<_>>(),
            [5, 6, 7, 8].map(|i| id(3, i))
        );
        assert_eq!(
            (read.vote, read.prev_log_id, read.leader_commit),
            (request.vote, request.prev_log_id, None)
        );
        let (part, rest) = append_request(&request, 400).unwrap();
        let last = read_append_request(&part).unwrap().entries.last().map(|entry| entry.log_id);
        assert_eq!(rest, last);
        assert!(last < Some(id(3, 8)) && last >= Some(id(3, 5)), "{last:?}");
    }

    #[test]
    fn entries_out_of_order_are_refused() {
        let request = AppendEntriesRequest {
            vote: vote(3, 1, true),
            prev_log_id: Some(id(2, 4)),
            entries: vec![entry(5), entry(7)],
            leader_commit: None,
        };
        let (bytes, _) = append_request(&request, 1 << 20).unwrap();
        assert!(matches!(read_append_request(&bytes), Err(QuorumCodecError::Invalid("order of entries"))));
    }

    proptest! {
        /// P11: no byte sequence panics.
        #[test]
        fn anything_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_vote_request(&bytes);
            let _ = read_vote_response(&bytes);
            let _ = read_append_request(&bytes);
            let _ = read_append_response(&bytes);
            let _ = read_piece(&bytes);
            let _ = read_transfer(&bytes);
        }

        /// A damaged append is refused or read as entries in order.
        #[test]
        fn a_damaged_append(position in 0usize..1000, byte: u8) {
            let request = AppendEntriesRequest {
                vote: vote(3, 1, true),
                prev_log_id: Some(id(2, 4)),
                entries: (5..9).map(entry).collect(),
                leader_commit: None,
            };
            let mut bytes = append_request(&request, 1 << 20).unwrap().0.to_vec();
            let position = position % bytes.len();
            bytes[position] = byte;
            let _ = read_append_request(&bytes);
        }
    }
}
