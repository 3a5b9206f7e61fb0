//! A running agent: a plan's sources, channels and sinks, wired, started and stopped in order.
//!
//! Sources run on threads of their own (they read files), sinks as tasks. A stop goes with the stream: sources first,
//! which wait for what they have under way; then the channels are closed; sinks end when those are empty.

use std::{
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    channel::{Channel, ChannelError},
    plan::{
        Component, Plan,
        keys::{sinks, sources},
    },
    sink::{Member, Runner, SinkCounters, SinkError},
    source::{self, Body, Output, Signal, SourceCounters, SourceError, spooldir::progress::Progress},
};

/// How long sinks get to deliver what is in the channels when an agent stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A source cannot.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A channel cannot.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// A sink cannot.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The system gives no more threads.
    #[error("no thread for source {source_name}: {error}")]
    Thread {
        /// The source.
        source_name: String,
        /// Why.
        error: std::io::Error,
    },
}

/// A started agent.
pub struct Agent {
    sources: Vec<RunningSource>,
    channels: Vec<Arc<Channel>>,
    sinks: JoinSet<()>,
    sink_counters: Vec<(String, Arc<SinkCounters>)>,
    ended: watch::Receiver<usize>,
}

/// A source on its thread.
pub struct RunningSource {
    /// Its name in the file.
    pub name: String,
    /// What it has handed on.
    pub counters: Arc<SourceCounters>,
    /// The files it reads.
    pub progress: Arc<Progress>,
    signal: Arc<Signal>,
    thread: Option<JoinHandle<Result<(), SourceError>>>,
}

/// What an agent did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Files read to their end.
    pub files: u64,
    /// Files set aside.
    pub failed_files: u64,
    /// Events that sources read.
    pub received: u64,
    /// Events that sinks delivered.
    pub delivered: u64,
    /// Events that no topic takes.
    pub rejected: u64,
    /// Sources that stopped by an error.
    pub failures: Vec<String>,
}

impl Summary {
    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failed_files == 0 && self.rejected == 0 && self.failures.is_empty()
    }
}

impl Agent {
    /// Starts a plan, sinks first. With `once`, sources end when they have read what is there. To be called within a
    /// runtime of several threads.
    ///
    /// # Errors
    /// A directory is not there, a setting of a producer cannot be used: nothing is left running then.
    pub fn start(plan: &Plan, once: bool) -> Result<Agent, AgentError> {
        let channels: Vec<Arc<Channel>> = plan
            .channels
            .iter()
            .map(|channel| Channel::open(channel).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let runners = runners(plan, &channels)?;
        let opened: Vec<_> =
            plan.sources.iter().map(|source| prepare(source, &channels, once)).collect::<Result<_, _>>()?;
        let sink_counters = runners.iter().flat_map(Runner::counters).collect();
        let mut sinks = JoinSet::new();
        for runner in runners {
            sinks.spawn(runner.run());
        }
        let (count, ended) = watch::channel(0);
        let count = Arc::new(count);
        let mut agent = Agent { sources: Vec::new(), channels, sinks, sink_counters, ended };
        for (mut running, body) in opened {
            let (name, count) = (running.name.clone(), count.clone());
            let run = move || {
                let result = body();
                if let Err(error) = &result {
                    tracing::error!("{error}");
                }
                count.send_modify(|count| *count += 1);
                result
            };
            let spawned = std::thread::Builder::new().name(format!("source-{name}")).spawn(run);
            running.thread = Some(spawned.map_err(|error| AgentError::Thread { source_name: name, error })?);
            agent.sources.push(running);
        }
        Ok(agent)
    }

    /// The sources, for showing what they do.
    #[must_use]
    pub fn sources(&self) -> &[RunningSource] {
        &self.sources
    }

    /// The channels.
    #[must_use]
    pub fn channels(&self) -> &[Arc<Channel>] {
        &self.channels
    }

    /// The sinks' names and counters.
    #[must_use]
    pub fn sinks(&self) -> &[(String, Arc<SinkCounters>)] {
        &self.sink_counters
    }

    /// Waits until every source has ended.
    pub async fn sources_ended(&mut self) {
        let all = self.sources.len();
        // The senders live as long as the sources' threads; when all are gone, all have ended.
        let _ = self.ended.wait_for(|ended| *ended >= all).await;
    }

    /// Stops: sources, then channels, then sinks; gives what was done. What a file channel holds stays there.
    pub async fn stop(self) -> Summary {
        self.end(Some(PATIENCE), false).await
    }

    /// Delivers everything that sources which have ended put, and what file channels hold, however long that takes;
    /// gives what was done.
    pub async fn finish(self) -> Summary {
        self.end(None, true).await
    }

    async fn end(mut self, patience: Option<Duration>, drain: bool) -> Summary {
        for source in &self.sources {
            source.signal.stop();
        }
        self.sources_ended().await;
        let mut summary = Summary::default();
        for source in &mut self.sources {
            // The thread has counted itself out: joining takes no time.
            match source.thread.take().map(JoinHandle::join) {
                Some(Ok(Err(error))) => summary.failures.push(error.to_string()),
                Some(Err(_)) => summary.failures.push(format!("source {} has panicked", source.name)),
                Some(Ok(Ok(()))) | None => {}
            }
            let totals = source.progress.totals();
            summary.files += totals.finished;
            summary.failed_files += totals.failed;
            summary.received += source.counters.received.load(Ordering::Relaxed);
        }
        for channel in &self.channels {
            channel.close(drain);
        }
        let drained = async { while self.sinks.join_next().await.is_some() {} };
        match patience {
            None => drained.await,
            Some(patience) if tokio::time::timeout(patience, drained).await.is_err() => {
                let left: usize = self.channels.iter().map(|channel| channel.len()).sum();
                tracing::warn!(
                    "sinks did not deliver everything within {patience:?}; {left} events will be sent again"
                );
                self.sinks.shutdown().await;
            }
            Some(_) => {}
        }
        for channel in &self.channels {
            channel.shut();
        }
        for (_, counters) in &self.sink_counters {
            summary.delivered += counters.delivered.load(Ordering::Relaxed);
            summary.rejected += counters.rejected.load(Ordering::Relaxed);
        }
        summary
    }
}

/// The groups of sinks, and each sink in none as a group of its own.
fn runners(plan: &Plan, channels: &[Arc<Channel>]) -> Result<Vec<Runner>, AgentError> {
    let channel_of = |sink: &Component| {
        let name = sink.text(&sinks::CHANNEL).unwrap_or_default();
        channels.iter().find(|channel| channel.name() == &*name).cloned()
    };
    let mut runners = Vec::new();
    let mut grouped: Vec<String> = Vec::new();
    for group in &plan.groups {
        let names = group.names(&sinks::GROUP_SINKS);
        let members: Vec<&Component> = plan.sinks.iter().filter(|sink| names.contains(&sink.name)).collect();
        let Some(channel) = members.first().and_then(|sink| channel_of(sink)) else { continue };
        let members = members.into_iter().map(Member::new).collect::<Result<_, _>>()?;
        runners.push(Runner::group(channel, members, group));
        grouped.extend(names);
    }
    for sink in plan.sinks.iter().filter(|sink| !grouped.contains(&sink.name)) {
        if let Some(channel) = channel_of(sink) {
            runners.push(Runner::single(channel, Member::new(sink)?));
        }
    }
    Ok(runners)
}

/// Opens a source; the second result is what its thread does.
fn prepare(
    source: &Component,
    channels: &[Arc<Channel>],
    once: bool,
) -> Result<(RunningSource, Body), AgentError> {
    let names = source.names(&sources::CHANNELS);
    let mine: Vec<_> =
        channels.iter().filter(|channel| names.iter().any(|name| name == channel.name())).cloned().collect();
    let signal = Arc::new(Signal::default());
    let progress = Arc::new(Progress::default());
    let output = Output::new(source, &mine, tokio::runtime::Handle::current(), signal.clone());
    let running = RunningSource {
        name: source.name.clone(),
        counters: output.counters.clone(),
        progress: progress.clone(),
        signal: signal.clone(),
        thread: None,
    };
    let body = source::open(source, output, signal, progress, once)?;
    Ok((running, body))
}

#[cfg(test)]
mod tests {
    use rkafka_config::Properties;

    use super::*;
    use crate::plan::Surroundings;

    struct Nowhere;

    impl Surroundings for Nowhere {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn system_property(&self, _: &str) -> Option<String> {
            None
        }

        fn run(&self, _: &str, _: &str) -> Result<String, String> {
            Err("nothing runs here".to_owned())
        }
    }

    fn plan(file: &str) -> Plan {
        Plan::read(&Properties::parse("f", file.as_bytes()).unwrap(), "a", &Nowhere).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn files_go_from_one_directory_to_another() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(from.path().join("a.log"), "1\n2\n3\n").unwrap();
        let file = format!(
            "a.sources = r\na.channels = c\na.sinks = k\na.sources.r.type = spooldir\na.sources.r.channels = c\n\
             a.sources.r.spoolDir = {}\na.channels.c.type = memory\na.sinks.k.type = file_roll\na.sinks.k.channel = c\n\
             a.sinks.k.sink.directory = {}\n",
            from.path().display(),
            to.path().display()
        );
        let mut agent = Agent::start(&plan(&file), true).unwrap();
        agent.sources_ended().await;
        let summary = agent.stop().await;
        let expected = Summary { files: 1, received: 3, delivered: 3, ..Summary::default() };
        assert_eq!(summary, expected);
        assert!(from.path().join("a.log.COMPLETED").exists());
        let written = std::fs::read_dir(to.path()).unwrap().next().unwrap().unwrap().path();
        assert_eq!(std::fs::read_to_string(written).unwrap(), "1\n2\n3\n");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stop_delivers_what_is_under_way() {
        let file = "a.sources = r\na.channels = c\na.sinks = k\na.sources.r.type = seq\na.sources.r.channels = c\n\
                    a.channels.c.type = memory\na.sinks.k.type = null\na.sinks.k.channel = c\n";
        let agent = Agent::start(&plan(file), false).unwrap();
        while agent.sinks()[0].1.delivered.load(Ordering::Relaxed) < 1_000 {
            tokio::task::yield_now().await;
        }
        let summary = agent.stop().await;
        assert!(summary.is_clean() && summary.delivered >= 1_000);
        assert!(
            summary.received - summary.delivered <= 1,
            "a batch that met the stop, and no more: {summary:?}"
        );
    }
}
