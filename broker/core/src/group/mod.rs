//! Classic consumer groups and their offsets: the state machine of one partition of `__consumer_offsets`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | settings |
//! | [`error`] | why a request is refused |
//! | [`request`] | requests and replies, free of wire versions |
//! | [`records`] | what is stored, byte for byte as Kafka stores it |

pub mod config;
pub mod error;
pub mod records;
pub mod request;
mod wire;

pub use config::GroupConfig;
pub use error::GroupError;
pub use request::{GroupReply, GroupRequest, ReplyToken};
