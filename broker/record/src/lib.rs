//! Kafka record batches, message format 2 (KIP-98): what producers send, what segments hold, what consumers
//! fetch.
//!
//! A batch is looked at where it lies (a socket buffer, a piece of a segment) and never copied to be understood.
//! The header answers almost every question a broker has; records are decoded only when something really asks
//! for them. Nothing here does I/O, knows the time or keeps state between calls.
//!
//! Files, in reading order:
//!
//! | file | what it holds |
//! |---|---|
//! | `batch.rs` | the 61-byte header, zero-copy views, iteration over batches, patched headers |
//! | `record.rs` | one record and its headers; iteration over a decoded batch |
//! | `stream.rs` | records walked while they are decompressed, through a small window |
//! | `validate.rs` | what a leader checks in a batch that comes from a client |
//! | `builder.rs` | new batches: clients, coordinators, control records, compaction |
//! | `control.rs` | the content of control records: transaction markers, leader changes |
//! | `compression.rs` | gzip, snappy, lz4, zstd; output bounded by the caller |
//! | `crc.rs` | CRC-32C of a batch, also after a header change without reading the records |
//! | `varint.rs` | zig-zag variable length integers with bounds |
//! | `legacy.rs` | recognises message formats 0 and 1, only to name them in an error |
//! | `limits.rs` | every bound in one place |
//! | `error.rs` | what can be wrong with a batch |
#![forbid(unsafe_code)]

pub mod batch;
pub mod builder;
pub mod compression;
pub mod control;
pub mod crc;
pub mod error;
pub mod legacy;
pub mod limits;
pub mod record;
mod stream;
pub mod validate;
pub mod varint;

pub use batch::{BatchHeader, BatchRef, Batches, HEADER_SIZE, TimestampType};
pub use builder::{BatchBuilder, BatchOptions, BuildError};
pub use compression::{Codec, Compression, CompressionError};
pub use error::{BatchError, Damage, ErrorKind};
pub use limits::DecodeLimits;
pub use record::{DecodedBatch, Header, Record, Records};
pub use stream::RecordOutline;
