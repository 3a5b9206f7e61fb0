//! The ingest agent: runs Apache Flume's configuration files and never loses a line.

#![forbid(unsafe_code)]

pub mod event;
pub mod receipt;
pub mod text;
