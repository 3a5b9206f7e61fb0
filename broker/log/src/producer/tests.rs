//! `ProducerStates` against a naive model that keeps the whole history, plus the rules one by one.

use proptest::prelude::*;

use super::*;

fn data(
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    base_offset: i64,
    records: i32,
) -> ProducerBatch {
    ProducerBatch {
        producer_id,
        producer_epoch,
        base_sequence,
        base_offset,
        last_offset: base_offset + i64::from(records) - 1,
        timestamp: base_offset * 10,
        is_transactional: false,
        kind: BatchKind::Data,
    }
}

fn transactional(mut batch: ProducerBatch) -> ProducerBatch {
    batch.is_transactional = true;
    batch
}

fn marker(
    producer_id: i64,
    producer_epoch: i16,
    offset: i64,
    committed: bool,
    coordinator_epoch: i32,
) -> ProducerBatch {
    let kind = BatchKind::EndTransaction(EndTransactionMarker { committed, coordinator_epoch });
    ProducerBatch { kind, ..transactional(data(producer_id, producer_epoch, NO_SEQUENCE, offset, 1)) }
}

fn after(batches: &[ProducerBatch]) -> ProducerStates {
    let mut states = ProducerStates::new(0);
    for batch in batches {
        states.update(batch);
        states.check_invariants();
    }
    states
}

#[test]
fn a_retry_of_one_of_the_last_five_batches_is_a_duplicate() {
    let batches: Vec<_> = (0..7).map(|n| data(1, 0, n * 3, i64::from(n) * 3 + 100, 3)).collect();
    let states = after(&batches);
    for (n, batch) in batches.iter().enumerate() {
        let mut retry = *batch;
        (retry.base_offset, retry.last_offset) = (0, 2);
        let found = states.check(&retry, AppendOrigin::Client);
        if n < 2 {
            assert!(
                matches!(found, Err(ProducerError::OutOfOrderSequence { expected: 21, .. })),
                "{found:?}"
            );
        } else {
            let (base_offset, last_offset, timestamp) =
                (batch.base_offset, batch.last_offset, batch.timestamp);
            assert_eq!(found, Ok(Check::Duplicate { base_offset, last_offset, timestamp }));
        }
    }
    // Same first sequence but another length is no retry.
    assert!(states.check(&data(1, 0, 18, 0, 2), AppendOrigin::Client).is_err());
}

#[test]
fn sequences_wrap_to_zero() {
    let states = after(&[data(1, 0, i32::MAX - 1, 0, 2)]);
    assert_eq!(states.check(&data(1, 0, 0, 2, 1), AppendOrigin::Client), Ok(Check::Accept));
    let across = data(1, 0, i32::MAX, 0, 3);
    assert_eq!(across.last_sequence(), 1);
    let states = after(&[across]);
    assert_eq!(
        states.get(1).and_then(|entry| entry.last_batch()).map(BatchMetadata::first_sequence),
        Some(i32::MAX)
    );
}

#[test]
fn a_new_epoch_begins_at_sequence_zero_and_an_old_one_is_refused() {
    let states = after(&[data(1, 3, 0, 0, 1)]);
    assert_eq!(states.check(&data(1, 4, 0, 1, 1), AppendOrigin::Client), Ok(Check::Accept));
    let found = states.check(&data(1, 4, 1, 1, 1), AppendOrigin::Client);
    assert!(matches!(found, Err(ProducerError::OutOfOrderSequence { expected: 0, found: 1, .. })));
    let found = states.check(&data(1, 2, 0, 1, 1), AppendOrigin::Client);
    assert!(matches!(found, Err(ProducerError::InvalidProducerEpoch { found: 2, current: 3, .. })));
    assert!(states.check(&data(1, 2, -1, 1, 1), AppendOrigin::Coordinator).is_err());
    assert_eq!(states.check(&data(1, 2, 7, 1, 1), AppendOrigin::Replication), Ok(Check::Accept));
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    let states = after(&[]);
    assert_eq!(states.check(&data(9, 5, 700, 0, 1), AppendOrigin::Client), Ok(Check::Accept));
}

#[test]
fn after_a_marker_of_a_new_epoch_the_first_batch_has_sequence_zero() {
    let states = after(&[transactional(data(1, 0, 0, 0, 2)), marker(1, 1, 2, false, 0)]);
    assert!(states.check(&data(1, 1, 2, 3, 1), AppendOrigin::Client).is_err());
    assert_eq!(states.check(&data(1, 1, 0, 3, 1), AppendOrigin::Client), Ok(Check::Accept));
}

#[test]
fn transactions_hold_the_stable_offset_until_the_marker_is_replicated() {
    let mut states = after(&[
        transactional(data(1, 0, 0, 10, 2)),
        transactional(data(2, 0, 0, 12, 1)),
        transactional(data(1, 0, 2, 13, 1)),
    ]);
    assert_eq!(states.first_unstable_offset(), Some(10));
    let ended = states.update(&marker(1, 0, 14, false, 0));
    let expected = CompletedTransaction {
        producer_id: 1,
        first_offset: 10,
        last_offset: 14,
        aborted: true,
        last_stable_offset: 12,
    };
    assert_eq!(ended, Some(expected));
    assert_eq!(states.first_undecided_offset(), Some(12));
    assert_eq!(states.first_unstable_offset(), Some(10));
    states.on_high_watermark(14);
    assert_eq!(states.first_unstable_offset(), Some(10), "the marker itself is not below the high watermark");
    states.on_high_watermark(15);
    assert_eq!(states.first_unstable_offset(), Some(12));
    let ended = states.update(&marker(2, 0, 15, true, 0));
    assert_eq!(ended.map(|t| (t.aborted, t.last_stable_offset)), Some((false, 16)));
    assert_eq!(states.update(&marker(2, 0, 16, true, 0)), None, "nothing was open");
    states.check_invariants();
}

#[test]
fn plain_batches_are_refused_while_a_transaction_is_open() {
    let states = after(&[transactional(data(1, 0, 0, 10, 2))]);
    let found = states.check(&data(1, 0, 2, 12, 1), AppendOrigin::Client);
    assert!(matches!(
        found,
        Err(ProducerError::InvalidTransactionState { transaction_first_offset: 10, .. })
    ));
    assert_eq!(states.check(&transactional(data(1, 0, 2, 12, 1)), AppendOrigin::Client), Ok(Check::Accept));
}

#[test]
fn markers_are_fenced_by_both_epochs() {
    let one = AppendOrigin::TransactionMarker { transaction_version: 1 };
    let two = AppendOrigin::TransactionMarker { transaction_version: 2 };
    let open = after(&[
        transactional(data(1, 4, 0, 0, 1)),
        marker(1, 4, 1, true, 7),
        transactional(data(1, 4, 1, 2, 1)),
    ]);
    assert!(matches!(
        open.check(&marker(1, 3, 3, true, 7), one),
        Err(ProducerError::InvalidProducerEpoch { .. })
    ));
    assert!(matches!(
        open.check(&marker(1, 4, 3, true, 6), one),
        Err(ProducerError::CoordinatorFenced { .. })
    ));
    assert_eq!(open.check(&marker(1, 4, 3, true, 7), one), Ok(Check::Accept));
    assert!(matches!(
        open.check(&marker(1, 4, 3, true, 7), two),
        Err(ProducerError::InvalidProducerEpoch { .. })
    ));
    assert_eq!(open.check(&marker(1, 5, 3, true, 7), two), Ok(Check::Accept));
    let ended = after(&[transactional(data(1, 4, 0, 0, 1)), marker(1, 5, 1, true, 7)]);
    assert_eq!(ended.check(&marker(1, 5, 2, true, 7), two), Ok(Check::Accept), "a retry of the marker");
}

#[test]
fn producers_expire_by_time_unless_a_transaction_is_open() {
    let mut states =
        after(&[data(1, 0, 0, 10, 1), transactional(data(2, 0, 0, 11, 1)), data(3, 0, 0, 20, 1)]);
    assert_eq!(states.expire(199, 100), 0);
    assert_eq!(states.expire(200, 100), 1);
    assert_eq!(states.iter().map(|entry| entry.producer_id).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(states.expire(1_000_000, 100), 1);
    states.check_invariants();
}

#[test]
fn snapshot_bytes_are_kafkas() {
    let states = after(&[transactional(data(0x0102, 3, 4, 0x10, 3))]);
    let file = states.encode_snapshot();
    let body = "00000001 0000000000000102 0003 00000006 0000000000000012 00000002 00000000000000a0 ffffffff \
                0000000000000010";
    let hex: String = file.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(&hex[..4], "0001");
    assert_eq!(&hex[12..], body.replace(' ', ""));
}

#[test]
fn a_damaged_snapshot_is_refused_at_every_byte_and_length() {
    let good = after(&[transactional(data(1, 0, 0, 10, 2)), data(2, 1, 5, 12, 1)]).encode_snapshot();
    assert!(snapshot::decode(&good).is_ok());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert!(snapshot::decode(&bad).is_err(), "byte {at}");
        assert!(snapshot::decode(&good[..at]).is_err(), "cut at {at}");
    }
}

/// One step of a random history over few producers.
#[derive(Debug, Clone, Copy)]
struct Step {
    producer_id: i64,
    epoch_bump: i16,
    sequence_shift: i32,
    records: i32,
    what: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0..3_i64,
        prop_oneof![4 => Just(0_i16), 1 => -1..2_i16],
        prop_oneof![5 => Just(0), 1 => -7..3],
        1..4,
        0..8_u8,
    )
        .prop_map(|(producer_id, epoch_bump, sequence_shift, records, what)| Step {
            producer_id,
            epoch_bump,
            sequence_shift,
            records,
            what,
        });
    prop::collection::vec(step, 0..60)
}

/// The naive model: everything that was ever accepted, searched from scratch each time.
#[derive(Default)]
struct Model {
    accepted: Vec<ProducerBatch>,
}

impl Model {
    fn of(&self, producer_id: i64) -> impl DoubleEndedIterator<Item = &ProducerBatch> {
        self.accepted.iter().filter(move |batch| batch.producer_id == producer_id)
    }

    fn epoch(&self, producer_id: i64) -> i16 {
        self.of(producer_id).next_back().map_or(NO_PRODUCER_EPOCH, |batch| batch.producer_epoch)
    }

    /// Data batches since the epoch last changed.
    fn current(&self, producer_id: i64) -> Vec<ProducerBatch> {
        let epoch = self.epoch(producer_id);
        let run = self.of(producer_id).rev().take_while(|batch| batch.producer_epoch == epoch);
        run.filter(|batch| batch.kind == BatchKind::Data).copied().collect()
    }

    fn open_since(&self, producer_id: i64) -> Option<i64> {
        let is_data = |batch: &&ProducerBatch| batch.kind == BatchKind::Data;
        let open: Vec<_> =
            self.of(producer_id).rev().take_while(is_data).filter(|b| b.is_transactional).collect();
        open.last().map(|batch| batch.base_offset)
    }

    fn accepts(&self, batch: &ProducerBatch) -> Result<Option<i64>, ()> {
        let (known, epoch) = (self.current(batch.producer_id), self.epoch(batch.producer_id));
        let repeats = |old: &&ProducerBatch| {
            old.base_sequence == batch.base_sequence && old.last_sequence() == batch.last_sequence()
        };
        if epoch == batch.producer_epoch
            && let Some(copy) = known.iter().take(WINDOW).find(repeats)
        {
            return Ok(Some(copy.base_offset));
        }
        let expected = match known.first() {
            Some(last) if epoch == batch.producer_epoch => last.last_sequence().wrapping_add(1),
            _ => 0,
        };
        let fresh = epoch == NO_PRODUCER_EPOCH;
        let in_sequence = fresh || batch.base_sequence == expected;
        let in_transaction = batch.is_transactional || self.open_since(batch.producer_id).is_none();
        if batch.producer_epoch >= epoch && in_sequence && in_transaction { Ok(None) } else { Err(()) }
    }
}

fn batch_of(step: Step, model: &Model, offset: i64) -> ProducerBatch {
    let id = step.producer_id;
    let epoch = (model.epoch(id).max(0) + step.epoch_bump).max(0);
    if step.what == 0 {
        return marker(id, epoch.max(model.epoch(id)), offset, step.records == 1, 0);
    }
    let next = match model.current(id).first() {
        Some(last) if step.epoch_bump == 0 => last.last_sequence() + 1,
        _ => 0,
    };
    let batch = data(id, epoch, (next + step.sequence_shift).max(0), offset, step.records);
    if step.what < 4 { transactional(batch) } else { batch }
}

proptest! {
    #[test]
    fn agrees_with_a_model_that_keeps_everything(steps in steps()) {
        let (mut states, mut model, mut offset) = (ProducerStates::new(0), Model::default(), 0);
        for step in steps {
            let batch = batch_of(step, &model, offset);
            if batch.kind == BatchKind::Data {
                let expected = model.accepts(&batch);
                let found = states.check(&batch, AppendOrigin::Client);
                match (expected, found) {
                    (Ok(None), Ok(Check::Accept)) => {}
                    (Ok(Some(at)), Ok(Check::Duplicate { base_offset, .. })) if at == base_offset => continue,
                    (Err(()), Err(_)) => continue,
                    (expected, found) => prop_assert!(false, "{batch:?}: model {expected:?}, found {found:?}"),
                }
            }
            let open = model.open_since(batch.producer_id);
            let ended = states.update(&batch);
            prop_assert_eq!(ended.map(|t| t.first_offset), open.filter(|_| batch.kind != BatchKind::Data));
            model.accepted.push(batch);
            offset = batch.last_offset + 1;
            states.check_invariants();
            prop_assert_eq!(states.first_undecided_offset(), (0..3).filter_map(|id| model.open_since(id)).min());
        }
        // A snapshot and the rest of the log give the same state, but for older batches of the windows, and
        // for the time of a last batch that a marker followed (the format has one timestamp for both).
        let entries = snapshot::decode(&states.encode_snapshot()).expect("own snapshot");
        let mut loaded = ProducerStates::from_snapshot(entries, states.end_offset(), 0, i64::MAX);
        loaded.check_invariants();
        prop_assert_eq!(loaded.encode_snapshot(), states.encode_snapshot());
        let half = model.accepted.len() / 2;
        let entries = snapshot::decode(&after(&model.accepted[..half]).encode_snapshot()).expect("own snapshot");
        loaded = ProducerStates::from_snapshot(entries, 0, 0, i64::MAX);
        model.accepted[half..].iter().for_each(|batch| { loaded.update(batch); });
        prop_assert_eq!(loaded.encode_snapshot(), states.encode_snapshot());
        for (a, b) in loaded.iter().zip(states.iter()) {
            let places = |entry: &ProducerEntry| -> Vec<_> {
                entry.batches().iter().map(|batch| (batch.first_sequence(), batch.last_offset)).collect()
            };
            prop_assert!(places(b).ends_with(&places(a)), "{a:?} is no tail of {b:?}");
        }
    }

    #[test]
    fn snapshot_decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = snapshot::decode(&bytes);
    }
}
