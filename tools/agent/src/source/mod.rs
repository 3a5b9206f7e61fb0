//! Sources: where events come from, and the way from a source through interceptors and selector into channels.
//!
//! | module | what it is |
//! |---|---|
//! | [`spooldir`] | files put into a directory, each once |
//! | [`taildir`] | files that grow, such as logs |
//! | [`exec`], [`netcat`] | what a command prints; lines from connections |
//! | [`kafka`] | records of topics |
//! | [`seq`] | numbers, for trying things out |
//! | [`output`] | interceptors, selector, patience |
//! | [`position`] | how far files have arrived, across restarts |
//! | [`signal`], [`watch`] | what wakes a source |

pub mod exec;
pub mod kafka;
pub mod netcat;
pub mod output;
pub mod position;
pub mod seq;
pub mod signal;
pub mod spooldir;
pub mod taildir;
pub mod watch;

use std::sync::Arc;

pub use output::{Output, SourceCounters};
pub use signal::Signal;

use crate::plan::Component;
use spooldir::{SpoolError, SpoolSource, progress::Progress};

/// Why a source cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A spooling directory.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Any other.
    #[error("source {source_name}: {reason}")]
    Other {
        /// The source.
        source_name: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl SourceError {
    fn new(source: &str, reason: impl std::fmt::Display) -> SourceError {
        SourceError::Other { source_name: source.to_owned(), reason: reason.to_string() }
    }
}

/// What a source's thread does, until it is to stop.
pub type Body = Box<dyn FnOnce() -> Result<(), SourceError> + Send>;

/// Opens a source. With `once` its body ends when it has read what there is and all of that has arrived.
///
/// # Errors
/// What it reads from is not there, or its settings cannot be used.
pub fn open(
    component: &Component,
    output: Output,
    signal: Arc<Signal>,
    progress: Arc<Progress>,
    once: bool,
) -> Result<Body, SourceError> {
    Ok(match component.definition.name {
        "seq" => {
            let source = seq::SeqSource::new(component, output, signal);
            Box::new(move || {
                source.run();
                Ok(())
            })
        }
        "taildir" => {
            let source = taildir::TailSource::open(component, output, signal, once)?;
            Box::new(move || source.run())
        }
        "exec" => {
            let source = exec::ExecSource::new(component, output, signal, once);
            Box::new(move || source.run())
        }
        "netcat" => {
            let source = netcat::NetcatSource::open(component, output, signal, once)?;
            Box::new(move || source.run())
        }
        "spooldir" => {
            let source = SpoolSource::open(component, output, signal, progress, once)?;
            Box::new(move || Ok(source.run()?))
        }
        _ => {
            let source = kafka::KafkaSource::new(component, output, signal, once)?;
            Box::new(move || source.run())
        }
    })
}
