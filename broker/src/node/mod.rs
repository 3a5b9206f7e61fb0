//! One node: what it is made of, and in which order it starts and stops.
//!
//! ```text
//! listeners.rs  configured listeners, bound; what others are told of them
//! serving.rs    connections of a running broker
//! ```

mod listeners;
mod serving;
#[cfg(test)]
pub(crate) mod test_kit;

pub use listeners::ListenerError;
