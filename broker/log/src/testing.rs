//! A small log on the simulated disk, for the tests beside the code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchBuilder, BatchOptions, BatchRef, Batches};

use crate::append::{AppendContext, AppendOutcome};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::disk::mem::SimDisk;
use crate::error::AppendError;
use crate::log::Log;
use crate::producer::AppendOrigin;
use crate::reader::ReadLimits;
use crate::recovery::{OpenOptions, RecoveryReport};

pub(crate) const NOW_MS: i64 = 1_700_000_000_000;
pub(crate) const DIR: &str = "/d/t-0";

/// A log and the disk it lies on.
pub(crate) struct TestLog {
    pub(crate) disk: SimDisk,
    pub(crate) log: Log,
    pub(crate) report: RecoveryReport,
}

pub(crate) fn config() -> LogConfig {
    LogConfig { segment_ms: i64::MAX, ..LogConfig::default() }
}

pub(crate) fn options() -> OpenOptions {
    OpenOptions {
        recovery_point: 0,
        cleaned_to: 0,
        log_start_offset: 0,
        clean_shutdown: false,
        now_ms: NOW_MS,
    }
}

pub(crate) fn clean() -> OpenOptions {
    OpenOptions { clean_shutdown: true, ..options() }
}

impl TestLog {
    pub(crate) fn new(config: LogConfig) -> Self {
        let disk = SimDisk::new();
        disk.create_dir(Path::new("/d")).expect("fine");
        disk.sync_dir(Path::new("/")).expect("fine");
        Self::open(disk, config, options())
    }

    pub(crate) fn open(disk: SimDisk, config: LogConfig, options: OpenOptions) -> Self {
        let door: Arc<dyn Disk> = Arc::new(disk.clone());
        let opened = Log::open(door, Path::new(DIR), "t-0", Arc::new(config), options);
        let (log, report) = opened.expect("opens");
        log.check_invariants();
        Self { disk, log, report }
    }

    /// Drops the log as a kill does and opens it again.
    pub(crate) fn reopened(self, options: OpenOptions) -> Self {
        let config = LogConfig::clone(self.log.config());
        drop(self.log);
        Self::open(self.disk, config, options)
    }

    /// An orderly stop and a start.
    pub(crate) fn restarted(self) -> Self {
        let config = LogConfig::clone(self.log.config());
        self.log.close().expect("closes");
        Self::open(self.disk, config, clean())
    }

    pub(crate) fn append(&mut self, batch: &[u8]) -> AppendOutcome {
        self.try_append(batch, AppendOrigin::Client).expect("appends")
    }

    pub(crate) fn try_append(
        &mut self,
        batch: &[u8],
        origin: AppendOrigin,
    ) -> Result<AppendOutcome, AppendError> {
        let context = AppendContext { leader_epoch: 1, origin, now_ms: NOW_MS, sole_replica: true };
        let outcome = self.log.append_leader(batch, &context);
        self.log.check_invariants();
        outcome
    }

    /// Appends plain batches of one record each, a millisecond apart, with values of `value_bytes` bytes.
    pub(crate) fn append_plain(&mut self, count: usize, value_bytes: usize) {
        for _ in 0..count {
            let timestamp = NOW_MS + self.log.log_end_offset();
            self.append(&batch(BatchOptions::default(), &[(timestamp, Some("k"), &"v".repeat(value_bytes))]));
        }
    }

    pub(crate) fn end_transaction(&mut self, producer_id: i64, committed: bool) -> i64 {
        let marker = EndTransactionMarker { committed, coordinator_epoch: 0 };
        let batch = marker.batch(producer_id, 0, NOW_MS).expect("builds");
        let origin = AppendOrigin::TransactionMarker { transaction_version: 1 };
        self.try_append(&batch, origin).expect("appends").base_offset
    }

    /// Base and last offsets of all batches from `offset` up to the log end.
    pub(crate) fn batches_from(&self, mut offset: i64) -> Vec<(i64, i64)> {
        let (reader, mut found) = (self.log.reader(), Vec::new());
        while offset < self.log.log_end_offset() {
            let limits = ReadLimits { max_bytes: 1 << 20, upper_offset: i64::MAX, at_least_one_batch: true };
            let read = reader.read(offset, limits).expect("reads");
            let Some(slice) = read.slice else { break };
            found.extend(offsets(&slice.bytes().expect("reads")));
            offset = read.next_offset;
        }
        found
    }

    pub(crate) fn base_offsets(&self) -> Vec<i64> {
        self.log.segments.iter().map(|segment| segment.base_offset()).collect()
    }

    /// Names of the files in the log's directory, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let listed = self.disk.list(Path::new(DIR)).expect("lists");
        let mut names: Vec<_> = listed.into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        Path::new(DIR).join(name)
    }
}

/// A batch as a client sends it: timestamps, keys, values.
pub(crate) fn batch(options: BatchOptions, records: &[(i64, Option<&str>, &str)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(options);
    for (timestamp, key, value) in records {
        builder.append(*timestamp, key.map(str::as_bytes), Some(value.as_bytes()), &[]).expect("fits");
    }
    builder.build().expect("builds").to_vec()
}

/// What an idempotent producer sends.
pub(crate) fn from_producer(producer_id: i64, base_sequence: i32, transactional: bool) -> BatchOptions {
    BatchOptions { producer_id, producer_epoch: 0, base_sequence, transactional, ..BatchOptions::default() }
}

/// Base and last offsets of the batches in `bytes`, which must be whole.
pub(crate) fn offsets(bytes: &[u8]) -> Vec<(i64, i64)> {
    let span = |batch: BatchRef<'_>| {
        batch.check_crc().expect("sound");
        (batch.base_offset(), batch.last_offset())
    };
    Batches::new(bytes).map(|batch| span(batch.expect("whole batches"))).collect()
}
