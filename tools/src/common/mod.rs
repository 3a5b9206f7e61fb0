//! What all commands share.

pub(crate) mod args;
pub(crate) mod connect;
pub(crate) mod consume;
pub(crate) mod coordinator_records;
pub(crate) mod failure;
pub(crate) mod output;
pub(crate) mod partition_file;
pub(crate) mod produce;
pub(crate) mod profile;
pub(crate) mod progress;
pub(crate) mod signals;
pub(crate) mod similar;
pub(crate) mod times;
pub(crate) mod topic_pattern;
