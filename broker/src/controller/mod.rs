//! The active controller: the one place where the cluster's metadata is changed.
//!
//! | file | what it does |
//! |---|---|
//! | `death_watch.rs` | notices at once that a broker's process has ended |
//! | `elections.rs` | when leaders are elected without being asked |
//! | `dispatch.rs` | request → records and reply, by rkafka-core's handlers |
//! | `task.rs` | drains the queue, commits what it generated as one batch, then answers |
//! | `store.rs` | the [`crate::metadata_store::MetadataStore`] that everyone else sees |

mod death_watch;
mod dispatch;
mod elections;
mod store;
mod task;

pub(crate) use store::ForwardedReply;
pub use store::{ControllerHandle, ControllerStore};
