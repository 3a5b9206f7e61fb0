//! The exec source: a command runs, and each line it prints is an event.
//!
//! A pipe cannot be read again. What is in a memory channel when the agent is killed is lost with this source, as in
//! Flume; with a file channel only the lines of the batch being gathered are.

use std::{process::Stdio, sync::Arc, time::Duration};

use bytes::Bytes;
use rustix::process::Pid;
use tokio::{
    io::{AsyncRead, BufReader},
    process::{Child, Command},
    time::Instant,
};

use super::{Output, Signal, SourceError};
use crate::{
    event::Event,
    plan::{Component, keys::streams as keys},
    text::{StreamLine, StreamLines},
};

/// How long a command has for its end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs a command. On a thread of its own.
pub struct ExecSource {
    name: String,
    words: Vec<String>,
    /// Pause before it is run again, if it is.
    restart: Option<Duration>,
    log_errors: bool,
    batch: usize,
    timeout: Duration,
    most: usize,
    output: Output,
    signal: Arc<Signal>,
    once: bool,
}

/// What gathering lines came to.
enum Gathered {
    /// A batch, perhaps empty.
    Lines(Vec<Bytes>),
    /// The last batch: the command prints no more, or the source is to stop.
    Last(Vec<Bytes>),
}

impl ExecSource {
    /// The source of checked properties.
    #[must_use]
    pub fn new(component: &Component, output: Output, signal: Arc<Signal>, once: bool) -> ExecSource {
        let time = |key| Duration::from_millis(component.integer(key).unwrap_or_default().unsigned_abs());
        let command = component.text(&keys::COMMAND).unwrap_or_default();
        let words = match component.text(&keys::SHELL) {
            Some(shell) => shell.split_whitespace().chain([&*command]).map(str::to_owned).collect(),
            None => command.split_whitespace().map(str::to_owned).collect(),
        };
        let restart = component.flag(&keys::RESTART) && !once;
        ExecSource {
            name: component.name.clone(),
            words,
            restart: restart.then(|| time(&keys::RESTART_THROTTLE)),
            log_errors: component.flag(&keys::LOG_STD_ERR),
            batch: component.count(&keys::EXEC_BATCH_SIZE).max(1),
            timeout: time(&keys::BATCH_TIMEOUT),
            most: component.count(&keys::MAX_LINE_BYTES),
            output,
            signal,
            once,
        }
    }

    /// Runs the command until the source is to stop.
    ///
    /// # Errors
    /// It cannot be run, and is not to be tried again.
    pub fn run(self) -> Result<(), SourceError> {
        loop {
            let ended = self.run_command();
            if self.signal.stopping() {
                return Ok(());
            }
            match (&ended, self.restart) {
                (Ok(status), _) => tracing::info!(source = self.name, "the command has ended: {status}"),
                (Err(problem), Some(_)) => tracing::error!(source = self.name, "{problem}"),
                (Err(problem), None) => return Err(SourceError::new(&self.name, problem)),
            }
            match self.restart {
                Some(pause) => self.signal_or(pause),
                None if self.once => return Ok(()),
                // As Flume: the agent goes on, with its other sources.
                None => self.signal.wait_for_stop(),
            }
        }
    }

    fn signal_or(&self, pause: Duration) {
        let sleep = async { tokio::time::timeout(pause, self.signal.stopped()).await };
        let _ = self.output.runtime().block_on(sleep);
    }

    /// One run of the command; how it ended.
    fn run_command(&self) -> Result<String, String> {
        let runtime = self.output.runtime();
        let _entered = runtime.enter();
        let (program, arguments) = self.words.split_first().ok_or("command is empty")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        command.stderr(if self.log_errors { Stdio::piped() } else { Stdio::null() });
        // What a shell starts belongs to it and ends with it.
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| format!("cannot run {program:?}: {error}"))?;
        let errors = child.stderr.take().map(|errors| runtime.spawn(log(self.name.clone(), errors)));
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(printed) = child.stdout.take() {
            let lines = StreamLines::new(printed, self.most);
            self.pass_on(&mut Printed { lines, group, ending: None });
        }
        let status = runtime.block_on(self.end(&mut child, group));
        if let Some(errors) = errors {
            errors.abort();
        }
        status.map_err(|error| format!("cannot wait for {program:?}: {error}"))
    }

    fn pass_on<R: AsyncRead + Unpin>(&self, printed: &mut Printed<R>) {
        loop {
            let gathered = self.output.runtime().block_on(self.gather(printed));
            let (lines, last) = match gathered {
                Gathered::Lines(lines) => (lines, false),
                Gathered::Last(lines) => (lines, true),
            };
            let events: Vec<Event> = lines.into_iter().map(Event::new).collect();
            let stopped = !events.is_empty() && self.output.put(events).is_err();
            if last || stopped {
                return;
            }
        }
    }

    /// Lines up to a full batch, or what came until the time was over. When the source is to stop, the command is
    /// ended, and what it had printed is gathered still.
    async fn gather<R: AsyncRead + Unpin>(&self, printed: &mut Printed<R>) -> Gathered {
        let mut batch = Vec::new();
        let mut deadline = None;
        while batch.len() < self.batch {
            tokio::select! {
                biased;
                () = self.signal.stopped(), if printed.ending.is_none() => {
                    end_group(printed.group, rustix::process::Signal::TERM);
                    printed.ending = Some(Instant::now() + PATIENCE);
                }
                line = printed.lines.next() => match line {
                    Ok(Some(StreamLine::Whole(line) | StreamLine::TooLong(line))) => {
                        deadline.get_or_insert(Instant::now() + self.timeout);
                        batch.push(line);
                    }
                    Ok(None) => return Gathered::Last(batch),
                    Err(error) => {
                        tracing::error!(source = self.name, "the command's output cannot be read: {error}");
                        return Gathered::Last(batch);
                    }
                },
                () = passed(printed.ending) => return Gathered::Last(batch),
                () = passed(deadline) => break,
            }
        }
        Gathered::Lines(batch)
    }

    /// Waits for the command; one that is still running when the source is to stop is ended, with all it started.
    async fn end(&self, child: &mut Child, group: Option<Pid>) -> std::io::Result<String> {
        tokio::select! {
            status = child.wait() => return status.map(|status| status.to_string()),
            () = self.signal.stopped() => {}
        }
        end_group(group, rustix::process::Signal::TERM);
        if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
            end_group(group, rustix::process::Signal::KILL);
        }
        child.wait().await.map(|status| status.to_string())
    }
}

/// What a command prints.
struct Printed<R> {
    lines: StreamLines<R>,
    /// The command with all it started.
    group: Option<Pid>,
    /// It was told to end; so long it is listened to.
    ending: Option<Instant>,
}

/// Signals a command with all it started; that it has ended already is no failure.
fn end_group(group: Option<Pid>, signal: rustix::process::Signal) {
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

/// Ready once a time has passed; never, if there is none.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Logs what the command complains of.
async fn log(source: String, errors: impl AsyncRead + Unpin) {
    let mut lines = StreamLines::new(BufReader::new(errors), 4096);
    while let Ok(Some(StreamLine::Whole(line) | StreamLine::TooLong(line))) = lines.next().await {
        tracing::error!(source, "stderr: {}", String::from_utf8_lossy(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{Channel, MemoryChannel, memory::Limits},
        plan::testing::source,
    };

    struct Running {
        runtime: tokio::runtime::Runtime,
        channel: Arc<Channel>,
        signal: Arc<Signal>,
        thread: std::thread::JoinHandle<Result<(), SourceError>>,
    }

    fn start(settings: &str, once: bool) -> Running {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let limits = Limits { events: 1_000, bytes: usize::MAX, keep_alive: Duration::from_secs(3) };
        let channel = Arc::new(Channel::Memory(MemoryChannel::new("c1", limits)));
        let component = source(&format!("type = exec\nchannels = c1\n{settings}"));
        let signal = Arc::new(Signal::default());
        let handle = runtime.handle().clone();
        let output = Output::new(&component, std::slice::from_ref(&channel), handle, signal.clone());
        let exec = ExecSource::new(&component, output, signal.clone(), once);
        Running { runtime, channel, signal, thread: std::thread::spawn(move || exec.run()) }
    }

    impl Running {
        fn take(&self, count: usize) -> Vec<String> {
            let mut bodies = Vec::new();
            while bodies.len() < count {
                let taken = self.runtime.block_on(self.channel.take(count - bodies.len()));
                bodies.extend(taken.iter().map(|event| String::from_utf8(event.body.to_vec()).unwrap()));
            }
            bodies
        }
    }

    #[test]
    fn each_line_is_an_event() {
        let running = start("command = printf one\\\\ntwo\\\\nlast", true);
        assert_eq!(running.take(3), ["one", "two", "last"]);
        running.thread.join().unwrap().unwrap();
    }

    #[test]
    fn with_a_shell_again_and_again_until_it_is_to_stop() {
        let settings = "shell = /bin/sh -c\ncommand = for i in 1 2; do echo $i; done; echo oops >&2\n\
                        restart = true\nrestartThrottle = 1\nlogStdErr = true\nbatchSize = 1";
        let running = start(settings, false);
        assert_eq!(running.take(5), ["1", "2", "1", "2", "1"]);
        running.signal.stop();
        running.thread.join().unwrap().unwrap();
    }

    #[test]
    fn a_stop_ends_the_command_and_keeps_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (printed, group) = (folder.path().join("printed"), folder.path().join("group"));
        // A full batch never comes, and the time is long: what was gathered is passed on at the stop.
        let settings = format!(
            "shell = /bin/sh -c\ncommand = echo early; echo $$ > {}; sleep 600; touch {}\nbatchTimeout = 600000",
            group.display(),
            printed.display()
        );
        let running = start(&settings, false);
        while std::fs::read_to_string(&group).unwrap_or_default().trim().is_empty() {
            std::thread::yield_now();
        }
        running.signal.stop();
        assert_eq!(running.take(1), ["early"]);
        running.thread.join().unwrap().unwrap();
        let pid = std::fs::read_to_string(&group).unwrap().trim().parse().unwrap();
        let pid = Pid::from_raw(pid).unwrap();
        assert!(rustix::process::test_kill_process(pid).is_err(), "the shell has ended");
        assert!(!printed.exists());
    }

    #[test]
    fn a_command_that_is_not_there_is_named() {
        let error = start("command = /nonexistent/x", false).thread.join().unwrap().unwrap_err().to_string();
        assert!(error.contains("source r1: cannot run \"/nonexistent/x\""), "{error}");
    }
}
