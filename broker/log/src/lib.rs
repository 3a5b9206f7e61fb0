//! The segment log: Apache Kafka's on-disk formats, crash-safe, synchronous.

pub mod config;
pub mod disk;
pub mod epoch;
pub mod error;
pub mod log;
pub mod producer;
pub mod reader;
pub mod segment;
pub mod view;

pub use config::{CleanupPolicy, LogConfig};
pub use error::{AppendError, LogError, ReadError, RecordError};
pub use log::{AppendContext, AppendOutcome, Log, OpenOptions, RecoveryReport};
pub use producer::AppendOrigin;
pub use reader::{AbortedTransaction, FileSlice, LogReader, ReadLimits, ReadSlice, TimestampOffset};
pub use segment::Segment;
pub use view::ReadView;
