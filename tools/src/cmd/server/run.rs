//! Starts the broker, says so, waits for a signal, stops it.
//!
//! Standard output gets the few lines of the start; its last is `rkafka <version> ready: listening on
//! PLAINTEXT://host:port, data in <dir>`, which scripts may wait for. Everything else is logged to standard error.

use std::io::Write;

use rkafka_broker::node;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::daemon;
use super::settings::Settings;
use crate::common::failure::Failure;

/// What is logged unless `RKAFKA_LOG` says otherwise: openraft tells its own state at `info`, too often to be read.
const LOG_DEFAULT: &str = "info,openraft=warn";

/// Runs the broker until a signal.
pub(super) fn run(settings: Settings) -> Result<(), Failure> {
    daemon::detach();
    log_to_stderr();
    for notice in &settings.notices {
        println!("{notice}");
    }
    let _ = std::io::stdout().flush();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("rkafka")
        .build()
        .map_err(|error| Failure::message(format!("cannot start the worker threads: {error}")))?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let dirs: Vec<String> =
        settings.config.node().log_dirs.iter().map(|dir| dir.display().to_string()).collect();
    let node = tokio::select! {
        started = node::start(settings.config) => started.map_err(|error| Failure::message(error.to_string()))?,
        // Nothing was acknowledged yet: what is half started is left as after a crash.
        () = stop.asked() => return Ok(()),
    };
    let listening: Vec<String> =
        node.addresses().iter().map(|(name, address)| format!("{name}://{address}")).collect();
    println!("{}", ready_line(&listening, &dirs));
    if settings.embedded {
        print!("{}", next_steps("localhost:9092"));
    }
    let _ = std::io::stdout().flush();
    stop.asked().await;
    println!("rkafka stops; Ctrl-C again ends it at once");
    tokio::select! {
        () = node.shutdown() => Ok(()),
        () = stop.asked() => Err(Failure::message("ended before the stop was complete; the next start checks the logs")),
    }
}

/// The signals that end a server.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> Result<Stop, Failure> {
        let failed = |error| Failure::message(format!("cannot listen for signals: {error}"));
        Ok(Stop {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Ready with the next signal.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("RKAFKA_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Fails only when logging is set up already.
    let _ = subscriber.with_ansi(ansi).try_init();
}

fn ready_line(addresses: &[String], dirs: &[String]) -> String {
    format!(
        "rkafka {} ready: listening on {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        addresses.join(", "),
        dirs.join(", ")
    )
}

fn next_steps(address: &str) -> String {
    format!(
        "\nTry, in another terminal:\n  \
         rkafka topics --bootstrap-server {address} --create --topic test --partitions 3\n  \
         rkafka topics --bootstrap-server {address} --describe --topic test\n\
         Stock Kafka clients and tools work with {address} as they are. Ctrl-C stops the broker.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_scripts_wait_for() {
        let line = ready_line(&["PLAINTEXT://127.0.0.1:9092".into()], &["data".into()]);
        let expected = concat!(
            "rkafka ",
            env!("CARGO_PKG_VERSION"),
            " ready: listening on PLAINTEXT://127.0.0.1:9092, data in data"
        );
        assert_eq!(line, expected);
    }
}
