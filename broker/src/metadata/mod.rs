//! Making this node's partitions what the image says.
//!
//! | file | what it does |
//! |---|---|
//! | `reconciler.rs` | carries out rkafka-core's actions on logs and partitions, image by image |
//! | `adoption.rs` | first start on a data directory of Apache Kafka: its topics become known |

mod adoption;
mod reconciler;

pub use adoption::adopt_logs;
pub use reconciler::Reconciler;
