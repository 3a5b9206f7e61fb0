//! Building state from the batches that stand in a log: producers behind a snapshot, leader epochs without
//! their file.

use std::sync::Arc;

use crate::epoch::LeaderEpochs;
use crate::error::ReadError;
use crate::producer::{ProducerBatch, ProducerStates};
use crate::segment::Segment;

/// Takes the batches from the states' end offset up to `up_to` into the states. A damaged batch ends the
/// segment it is in: what cannot be read has no producer.
pub(crate) fn replay_producers(
    segments: &[Arc<Segment>],
    states: &mut ProducerStates,
    up_to: i64,
) -> Result<(), ReadError> {
    let first =
        segments.partition_point(|segment| segment.base_offset() <= states.end_offset()).saturating_sub(1);
    for segment in segments.iter().skip(first).take_while(|segment| segment.base_offset() < up_to) {
        states.advance_end_offset(segment.base_offset());
        match replay_segment(segment, states, up_to) {
            Err(ReadError::Batch(error)) => {
                let base_offset = segment.base_offset();
                tracing::warn!(base_offset, %error, "producer state left out: unreadable batch");
            }
            other => other?,
        }
    }
    states.advance_end_offset(up_to);
    Ok(())
}

fn replay_segment(segment: &Segment, states: &mut ProducerStates, up_to: i64) -> Result<(), ReadError> {
    let Some(first) = segment.locate(states.end_offset(), segment.size())? else { return Ok(()) };
    let mut batches = segment.batches(first.position, segment.size())?;
    while let Some((_, batch)) = batches.next()? {
        if batch.base_offset() >= up_to {
            break;
        }
        if batch.has_producer_id() {
            states.update(&ProducerBatch::new(&batch, batch.base_offset()));
        }
    }
    Ok(())
}

/// The leader epochs that the batches tell of.
pub(crate) fn rebuild_epochs(segments: &[Arc<Segment>]) -> Result<LeaderEpochs, ReadError> {
    let mut epochs = LeaderEpochs::new();
    for segment in segments {
        let mut headers = segment.headers(0, segment.size())?;
        // Damage ends the segment for readers too.
        while let Ok(Some(place)) = headers.next() {
            if place.leader_epoch >= 0
                && epochs.latest_epoch().is_none_or(|latest| latest < place.leader_epoch)
            {
                epochs.assign(place.leader_epoch, place.base_offset);
            }
        }
    }
    Ok(epochs)
}
