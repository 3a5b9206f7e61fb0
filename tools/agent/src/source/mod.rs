//! Sources: where events come from, and the way from a source through interceptors and selector into channels.

pub mod output;
pub mod seq;
pub mod signal;
pub mod spooldir;

pub use output::{Output, SourceCounters};
pub use signal::Signal;
