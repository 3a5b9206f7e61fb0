//! The segment log.

pub mod epoch;
pub mod producer;
