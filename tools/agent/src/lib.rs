//! The ingest agent: runs Apache Flume's configuration files and never loses a line.

#![forbid(unsafe_code)]

pub mod agent;
pub mod channel;
pub mod event;
pub mod interceptor;
pub mod plan;
pub mod receipt;
pub mod sink;
pub mod source;
pub mod text;
