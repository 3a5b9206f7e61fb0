//! The signals that end what runs until it is told to stop: SIGTERM, and Ctrl-C, which a second time means at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::common::failure::Failure;

/// The exit code of a process that a second Ctrl-C ended (128 + SIGINT), as shells have it.
pub(crate) const INTERRUPTED: i32 = 130;

/// Listens for both signals from the moment it is made.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// To be called within a runtime.
    pub(crate) fn listen() -> Result<Stop, Failure> {
        let failed = |error| Failure::message(format!("cannot listen for signals: {error}"));
        Ok(Stop {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Ready with the next signal.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Ready with the next Ctrl-C.
    pub(crate) async fn interrupted(&mut self) {
        let _ = self.interrupt.recv().await;
    }
}
