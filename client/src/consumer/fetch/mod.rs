//! Fetching ahead of the program: pure, time passed in.
//!
//! | file | what it does |
//! |---|---|
//! | `session.rs` | what a broker remembers of the last request, so that requests stay small (KIP-227) |
//! | `ahead.rs` | what to ask which broker next, and what its answers mean; bounded memory |
//! | `chunk.rs` | fetched bytes of one partition, made into records as the program takes them |

mod ahead;
mod chunk;
mod session;

pub(crate) use ahead::{Ahead, Fetched, FetchedPartition, Finding, Leader, Plan};
pub(crate) use session::Asked;
