//! The segment log: one partition's records on disk, in Apache Kafka's own formats, crash-safe, synchronous.
//!
//! Start reading at [`Log`] (the writer) and [`LogReader`] (readers, without a lock). There is no thread, no
//! clock and no async here: time is passed in, long work is handed out ([`FlushJob`], [`DeferredDeletion`])
//! to be run elsewhere.
//!
//! | file | what it holds |
//! |---|---|
//! | `log.rs` | state of a log, what it publishes, rolling |
//! | `validate.rs` `append.rs` | checks of a leader; assigning offsets and writing |
//! | `view.rs` `reader.rs` `lookup.rs` | what readers see; reads, look-ups by timestamp, aborted transactions |
//! | `flush.rs` `retention.rs` `truncate.rs` `close.rs` | durability, deleting, cutting, an orderly end |
//! | `recovery.rs` `leftovers.rs` `replay.rs` | opening after an orderly or any other stop |
//! | `segment.rs` `segment_writer.rs` `scan.rs` | one segment: look-ups, appending, walking over batches |
//! | `sparse_index.rs` `index_file.rs` `index.rs` `time_index.rs` | the sparse indexes |
//! | `index_builder.rs` `txn_index.rs` | making them anew; aborted transactions |
//! | `producer/` `snapshots.rs` `epoch.rs` | producers and their snapshot files, leader epochs |
//! | `future/` `dirs/futures.rs` | moving a log to another log directory |
//! | `compaction.rs` `cleaner/` | replacing segments; what compaction keeps |
//! | `files.rs` `place.rs` `partition_name.rs` | names of files and directories |
//! | `checkpoint.rs` | small files replaced whole |
//! | `dirs/` `health.rs` `deletion.rs` | log directories, when they are offline, removing files later |
//! | `disk/` | the door to the disk |
//!
//! **Invariants.** No file operation outside `disk/real.rs`: the crash tests stop at every one. Nothing is
//! published before it is written. What was truncated never comes back. A failed sync is never tried again.

#[macro_use]
mod mutants;

pub mod disk;

pub mod config;
pub mod error;
pub mod health;

pub mod checkpoint;
pub mod deletion;
pub mod files;
pub mod partition_name;

pub mod epoch;
pub mod producer;
mod snapshots;

pub mod index;
mod index_builder;
mod index_file;
mod place;
pub mod scan;
pub mod segment;
pub mod segment_writer;
mod sparse_index;
pub mod time_index;
pub mod txn_index;

pub mod append;
pub mod cleaner;
mod close;
mod compaction;
pub mod flush;
pub mod future;
pub mod log;
pub mod lookup;
pub mod reader;
mod retention;
mod truncate;
pub mod validate;
pub mod view;

pub mod dirs;
mod leftovers;
pub mod recovery;
mod replay;

#[cfg(test)]
mod testing;

pub use append::{AppendContext, AppendOutcome};
pub use config::{CleanupPolicy, LogConfig};
pub use deletion::DeferredDeletion;
pub use dirs::{LogDir, LogDirs};
pub use error::{AppendError, LogError, ReadError, RecordError, RecordProblem, RefusedRecords};
pub use flush::{FlushJob, Flushed};
pub use future::{FutureError, FutureLog};
pub use health::DirHealth;
pub use log::Log;
pub use lookup::{AbortedTransaction, TimestampOffset};
pub use partition_name::TopicPartition;
pub use producer::AppendOrigin;
pub use reader::{FileSlice, LogReader, ReadLimits, ReadSlice};
pub use recovery::{OpenOptions, RecoveryReport};
pub use segment::Segment;
pub use validate::ValidBatch;
pub use view::ReadView;
