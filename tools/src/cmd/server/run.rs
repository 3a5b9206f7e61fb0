//! Starts the broker, says so, waits for a signal, stops it.
//!
//! Standard output gets the few lines of the start; its last is `rkafka <version> ready: listening on
//! PLAINTEXT://host:port, data in <dir>`, which scripts may wait for. Everything else is logged to standard error.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use rkafka_broker::node;
use tracing_subscriber::EnvFilter;

use super::daemon;
use super::settings::Settings;
use crate::common::failure::Failure;
use crate::common::signals::{INTERRUPTED, Stop};

/// What is logged unless `RKAFKA_LOG` says otherwise: openraft tells its own state at `info`, too often to be read.
const LOG_DEFAULT: &str = "info,openraft=error";

/// Runs the broker until a signal.
pub(super) fn run(settings: Settings) -> Result<(), Failure> {
    daemon::detach();
    log_to_stderr();
    say(&settings.notices.iter().map(|notice| format!("{notice}\n")).collect::<String>());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("rkafka")
        .build()
        .map_err(|error| Failure::message(format!("cannot start the worker threads: {error}")))?;
    runtime.block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let mut stop = Stop::listen()?;
    let started = tokio::select! {
        started = node::start(settings.config.clone()) => started,
        () = stop.asked() => return Ok(()),
    };
    let node = started.map_err(|error| Failure::message(format!("cannot start: {error}")))?;
    let addresses = addresses(&settings, node.addresses());
    let dirs: Vec<String> =
        settings.config.node().log_dirs.iter().map(|dir| dir.display().to_string()).collect();
    let mut text = ready_line(&addresses, &dirs) + "\n";
    if settings.embedded {
        let address = addresses.first().and_then(|address| address.split_once("://"));
        text.push_str(&next_steps(address.map_or("localhost:9092", |(_, address)| address)));
    }
    say(&text);
    stop.asked().await;
    say("stopping; Ctrl-C again ends at once, without the clean end\n");
    tokio::select! {
        () = node.shutdown() => Ok(()),
        () = stop.interrupted() => std::process::exit(INTERRUPTED),
    }
}

/// Where clients find the listeners: as bound, or as advertised where all interfaces are.
fn addresses(settings: &Settings, bound: &[(Arc<str>, SocketAddr)]) -> Vec<String> {
    let advertised = &settings.config.node().listeners.advertised;
    let shown = |(name, address): &(Arc<str>, SocketAddr)| {
        let endpoint = advertised.iter().find(|endpoint| *endpoint.name == **name);
        match endpoint.and_then(|endpoint| endpoint.host.as_deref()) {
            Some(host) if address.ip().is_unspecified() => format!("{name}://{host}:{}", address.port()),
            _ => format!("{name}://{address}"),
        }
    };
    bound.iter().map(shown).collect()
}

/// Writes to standard output at once; nobody may be there to read it.
fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
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
    fn addresses_that_clients_can_use() {
        let settings = super::super::settings::load(None, &[]).unwrap();
        let bound = |address: &str| vec![(Arc::from("PLAINTEXT"), address.parse().unwrap())];
        assert_eq!(addresses(&settings, &bound("0.0.0.0:9092")), ["PLAINTEXT://localhost:9092"]);
        assert_eq!(addresses(&settings, &bound("[::]:4711")), ["PLAINTEXT://localhost:4711"]);
        assert_eq!(addresses(&settings, &bound("127.0.0.1:4711")), ["PLAINTEXT://127.0.0.1:4711"]);
    }

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
