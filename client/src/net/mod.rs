//! Connections to brokers.
//!
//! | file | what it does |
//! |---|---|
//! | `connection.rs` | one connection: handshake, requests in flight, answers by correlation id |
//! | `pieces.rs` | bytes in pieces, written together |
//! | `pool.rs` | the way into the cluster by the bootstrap list, then one connection a broker |

mod connection;
mod pieces;
mod pool;

pub use connection::{Answer, Connection, ConnectionOptions};
pub use pool::Pool;
