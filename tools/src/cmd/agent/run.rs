//! Runs the agent until a signal, an end of `--once`, or a changed file that starts it anew.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rkafka_agent::{Agent, Monitor, Summary};
use tokio::task::JoinHandle;

use super::settings::{Loaded, load, modified};
use super::{Options, show};
use crate::common::failure::Failure;
use crate::common::signals::{INTERRUPTED, Stop};

/// Flume's port for counters.
const MONITORING_PORT: u16 = 41_414;
/// Each thread of the runtime keeps freed memory to itself.
const MOST_WORKERS: usize = 4;

pub(super) fn run(options: Options, loaded: Loaded) -> Result<(), Failure> {
    // Sources have threads of their own; what is left, sinks and connections, is no more work than this.
    let workers =
        std::thread::available_parallelism().map_or(MOST_WORKERS, |cores| cores.get().min(MOST_WORKERS));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(workers)
        .thread_name("agent")
        .build()
        .map_err(|error| Failure::message(format!("cannot start the worker threads: {error}")))?;
    runtime.block_on(serve(options, loaded))
}

/// Why a running agent is left.
enum Leave {
    Signal,
    Ended,
    Changed(Loaded),
}

async fn serve(options: Options, mut loaded: Loaded) -> Result<(), Failure> {
    let mut signals = Stop::listen()?;
    let mut total = Summary::default();
    loop {
        let mut agent =
            Agent::start(&loaded.plan, options.once).map_err(|error| Failure::message(error.to_string()))?;
        tracing::info!("agent {} runs", loaded.plan.agent);
        let monitoring = monitor(&options, &agent).await?;
        let progress = agent.sources().iter().map(|source| source.progress.clone()).collect();
        let leave = tokio::select! {
            never = show::draw(progress) => match never {},
            () = signals.asked() => Leave::Signal,
            () = agent.sources_ended() => Leave::Ended,
            changed = changed(&options, &loaded) => Leave::Changed(changed),
        };
        let ended = matches!(leave, Leave::Ended);
        let ending = async { if ended { agent.finish().await } else { agent.stop().await } };
        let impatient = async { if ended { signals.asked().await } else { signals.interrupted().await } };
        let stopped = tokio::select! {
            summary = ending => summary,
            () = impatient => std::process::exit(INTERRUPTED),
        };
        if let Some(task) = monitoring {
            task.abort();
        }
        add(&mut total, stopped);
        match leave {
            Leave::Changed(next) => loaded = next,
            Leave::Signal | Leave::Ended => break,
        }
    }
    eprintln!("{}", told(&total));
    // A signal is a wish, not a failure; what --once was to read and could not is one.
    let failed = !total.failures.is_empty() || (options.once && !total.is_clean());
    if failed { Err(Failure::Said) } else { Ok(()) }
}

fn add(total: &mut Summary, part: Summary) {
    total.files += part.files;
    total.failed_files += part.failed_files;
    total.received += part.received;
    total.delivered += part.delivered;
    total.rejected += part.rejected;
    total.failures.extend(part.failures);
}

fn told(summary: &Summary) -> String {
    let mut text = format!(
        "{} files finished, {} events read, {} delivered",
        summary.files, summary.received, summary.delivered
    );
    if summary.failed_files > 0 {
        text.push_str(&format!(
            ", {} files set aside (see NAME.ERROR.json beside them)",
            summary.failed_files
        ));
    }
    if summary.rejected > 0 {
        text.push_str(&format!(", {} events refused by the cluster", summary.rejected));
    }
    text
}

/// Ready with the new plan once the file has changed to one that can be run.
async fn changed(options: &Options, loaded: &Loaded) -> Loaded {
    let mut known = loaded.modified;
    loop {
        if options.no_reload_conf {
            return std::future::pending().await;
        }
        tokio::time::sleep(Duration::from_secs(options.poll_interval)).await;
        let now = modified(&options.conf_file);
        if now == known || now.is_none() {
            continue;
        }
        known = now;
        match load(options) {
            Ok(next) => {
                tracing::info!("{} has changed: starting anew", options.conf_file.display());
                return next;
            }
            Err(Failure::Message(problem)) => {
                tracing::error!(
                    "the changed file cannot be run, the agent goes on with the old one:\n{problem}"
                );
            }
            Err(_) => tracing::error!("the changed file cannot be run, the agent goes on with the old one"),
        }
    }
}

/// Serves the counters if `-Dflume.monitoring.type=http` asks for it: on this host only, unless
/// `-Dflume.monitoring.host` names an address.
async fn monitor(options: &Options, agent: &Agent) -> Result<Option<JoinHandle<()>>, Failure> {
    let property =
        |name: &str| options.properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
    match property("flume.monitoring.type").map(|kind| kind.to_ascii_lowercase()) {
        None => return Ok(None),
        Some(kind) if kind == "http" => {}
        Some(kind) => {
            return Err(Failure::usage(format!(
                "flume.monitoring.type={kind} is not served; http is, also for Prometheus"
            )));
        }
    }
    let wrong = |key: &str, value: &str| Failure::usage(format!("{key}={value}: no such address or port"));
    let port = property("flume.monitoring.port")
        .map_or(Ok(MONITORING_PORT), |text| text.parse().map_err(|_| wrong("flume.monitoring.port", text)))?;
    let host = property("flume.monitoring.host").map_or(Ok(Ipv4Addr::LOCALHOST.into()), |text| {
        text.parse().map_err(|_| wrong("flume.monitoring.host", text))
    })?;
    let address = SocketAddr::new(host, port);
    let monitor = Arc::new(Monitor::new(agent.sources(), agent.channels(), agent.sinks()));
    let (bound, task) = monitor
        .serve(address)
        .await
        .map_err(|error| Failure::message(format!("cannot serve counters on {address}: {error}")))?;
    tracing::info!("counters on http://{bound}/metrics");
    Ok(Some(task))
}
