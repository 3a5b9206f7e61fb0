//! Logs that other coordinators left behind: transactions, other kinds of records, damage.

use bytes::Bytes;
use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchBuilder, BatchError, BatchOptions, BatchRef, HEADER_SIZE};

use super::super::{CoordinatorShard, LoadError, ShardState};
use super::rig::Rig;
use crate::group::records::{OffsetCommitValue, OffsetKey, RecordError};
use crate::group::{CoordinatorRecord, GroupConfig, GroupRequest, ReplyToken};
use crate::ids::TopicId;
use crate::time::Now;

/// A log under construction.
#[derive(Default)]
struct Log {
    bytes: Vec<u8>,
    end_offset: i64,
}

impl Log {
    fn push(&mut self, batch: &Bytes) {
        let parsed = BatchRef::parse(batch).unwrap();
        self.bytes.extend(parsed.patched_header(self.end_offset, 0));
        self.bytes.extend(&batch[HEADER_SIZE..]);
        self.end_offset += i64::from(parsed.last_offset_delta()) + 1;
    }

    /// An offset for `t-0` of group `g`, in the transaction of a producer if one is given.
    fn offset(&mut self, offset: i64, producer_id: Option<i64>) {
        let value = OffsetCommitValue {
            offset,
            leader_epoch: -1,
            metadata: "".into(),
            commit_timestamp_ms: 0,
            expire_timestamp_ms: -1,
            topic_id: TopicId::ZERO,
        };
        self.record(Some(value), producer_id);
    }

    fn record(&mut self, value: Option<OffsetCommitValue>, producer_id: Option<i64>) {
        let key = OffsetKey { group_id: "g".into(), topic: "t".into(), partition: 0 };
        let record = CoordinatorRecord::OffsetCommit { key, value }.encode().unwrap();
        self.raw(Some(&record.key), record.value.as_deref(), producer_id);
    }

    fn raw(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, producer_id: Option<i64>) {
        let options = BatchOptions {
            transactional: producer_id.is_some(),
            producer_id: producer_id.unwrap_or(-1),
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(0, key, value, &[]).unwrap();
        self.push(&builder.build().unwrap());
    }

    fn end_transaction(&mut self, producer_id: i64, committed: bool) {
        let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
        self.push(&marker.batch(producer_id, 0, 0).unwrap());
    }

    /// Loads the log and fetches: what is committed, and what is stable.
    fn check(self, committed: &str, stable: &str) {
        let mut rig = Rig::new(GroupConfig::default());
        (rig.log, rig.log_end_offset) = (self.bytes, self.end_offset);
        let told = rig.tell("reload\n fetch committed t-0\n fetch stable t-0 stable=1");
        let answers: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(answers, [format!("committed: t-0={committed}"), format!("stable: t-0={stable}")]);
    }

    fn load(&self) -> (CoordinatorShard, Result<super::super::LoadProgress, LoadError>) {
        let mut shard = CoordinatorShard::new(GroupConfig::default());
        assert!(shard.start_loading().replies.is_empty());
        let loaded = shard.load(&self.bytes, self.end_offset);
        (shard, loaded)
    }
}

#[test]
fn offsets_of_a_transaction_count_once_it_is_committed() {
    let mut log = Log::default();
    log.offset(1, None);
    log.offset(2, Some(7));
    log.check("1", "UnstableOffsetCommit");

    let mut log = Log::default();
    log.offset(1, None);
    log.offset(2, Some(7));
    log.end_transaction(8, true);
    log.end_transaction(7, true);
    log.check("2", "2");

    let mut log = Log::default();
    log.offset(1, None);
    log.offset(2, Some(7));
    log.end_transaction(7, false);
    log.check("1", "1");
}

#[test]
fn a_transaction_that_ends_late_does_not_bring_back_an_older_offset() {
    let mut log = Log::default();
    log.offset(1, Some(7));
    log.offset(2, None);
    log.end_transaction(7, true);
    log.check("2", "2");
}

#[test]
fn a_tombstone_reaches_into_open_transactions() {
    let mut log = Log::default();
    log.offset(1, Some(7));
    log.record(None, None);
    log.end_transaction(7, true);
    log.check("-1", "-1");
}

#[test]
fn two_transactions_end_each_for_itself() {
    let mut log = Log::default();
    log.offset(1, Some(7));
    log.offset(2, Some(8));
    log.end_transaction(7, true);
    log.check("1", "UnstableOffsetCommit");
}

#[test]
fn records_of_other_kinds_are_skipped() {
    let mut log = Log::default();
    log.raw(Some(&[0, 3, 0, 1, b'g']), Some(&[0, 0]), None);
    log.offset(1, None);
    let (_, loaded) = log.load();
    let progress = loaded.unwrap();
    assert_eq!((progress.next_offset, progress.records, progress.skipped), (2, 1, 1));
    log.check("1", "1");
}

#[test]
fn what_lies_above_the_high_watermark_is_shown_later() {
    let mut log = Log::default();
    log.offset(1, None);
    log.offset(2, None);
    let mut shard = CoordinatorShard::new(GroupConfig::default());
    assert!(shard.start_loading().replies.is_empty());
    shard.load(&log.bytes, 1).unwrap();
    assert!(shard.finish_loading(Now::default(), 1).replies.is_empty());
    let fetch = GroupRequest::OffsetFetch(crate::group::request::OffsetFetchRequest {
        group_id: "g".to_owned(),
        topics: None,
        require_stable: false,
    });
    let shown = |shard: &mut CoordinatorShard| {
        let effects = shard.handle(Now::default(), ReplyToken(0), &fetch);
        let [(_, crate::group::GroupReply::OffsetFetch(Ok(topics)))] = &effects.replies[..] else {
            panic!("{effects:?}")
        };
        topics[0].partitions[0].offset
    };
    assert_eq!(shown(&mut shard), 1);
    assert!(shard.on_high_watermark(Now::default(), 2).replies.is_empty());
    assert_eq!(shown(&mut shard), 2);
}

/// Checks that the log is refused and that the shard then is failed until it is loaded again.
fn check_refused(log: &Log, is_expected: impl Fn(&LoadError) -> bool) {
    let (mut shard, loaded) = log.load();
    let error = loaded.unwrap_err();
    assert!(is_expected(&error), "{error:?}");
    assert_eq!(shard.state(), ShardState::Failed);
    assert_eq!(shard.load(&[], 0), Err(LoadError::NotLoading { state: ShardState::Failed }));
    assert!(shard.start_loading().replies.is_empty());
    assert_eq!(shard.state(), ShardState::Loading);
}

#[test]
fn damaged_logs_are_refused() {
    let mut log = Log::default();
    log.offset(1, None);
    log.offset(2, None);
    log.bytes.pop();
    check_refused(&log, |error| {
        matches!(error, LoadError::Batch { offset: 1, source: BatchError::Incomplete { .. } })
    });
    log.bytes.push(0xff);
    check_refused(&log, |error| {
        matches!(error, LoadError::Batch { offset: 1, source: BatchError::Corrupt(_) })
    });

    let mut log = Log::default();
    log.raw(None, Some(b"value"), None);
    check_refused(&log, |error| *error == LoadError::MissingKey { offset: 0 });

    let mut log = Log::default();
    log.raw(Some(&[0, 2, 0, 1, b'g']), Some(&[0, 9]), None);
    check_refused(&log, |error| {
        let source = RecordError::UnsupportedValueVersion { record: "GroupMetadata", version: 9 };
        *error == LoadError::Record { offset: 0, source }
    });
}
