//! Child processes: output captured while they run, a limit on their time, ended by pid and never by name.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// What a finished process left behind.
#[derive(Debug)]
pub struct Outcome {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Outcome {
    /// Passes the outcome on if the exit code was zero.
    ///
    /// # Panics
    /// With both outputs in the message, when it was not.
    #[must_use]
    pub fn success(self) -> Self {
        assert!(
            self.status.success(),
            "{} ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.status,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output followed by standard error: stock tools spread their messages over both.
    #[must_use]
    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Anonymous memory (heap and stacks, no mapped files) of a process in bytes; nothing once it has ended.
#[must_use]
pub fn anonymous_memory(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// A running child whose output is collected as it comes.
#[derive(Debug)]
pub struct Process {
    command: String,
    child: Child,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command` with all three standard streams piped.
    ///
    /// # Panics
    /// When the program cannot be started at all.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let shown = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {shown}: {error}"));
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            collect(child.stdout.take().expect("stdout is piped"), Arc::clone(&stdout)),
            collect(child.stderr.take().expect("stderr is piped"), Arc::clone(&stderr)),
        ];
        Self { command: shown, child, stdout, stderr, readers }
    }

    /// Starts `command`, feeds it `input` and waits for its end.
    ///
    /// # Panics
    /// When it does not end within `limit`.
    #[must_use]
    pub fn run(command: Command, input: &str, limit: Duration) -> Outcome {
        let mut process = Self::start(command);
        process.write(input);
        process.finish(limit)
    }

    /// Writes `input` to the child's standard input; a child that has already ended is not an error here.
    pub fn write(&mut self, input: &str) {
        if let Some(stdin) = self.child.stdin.as_mut() {
            // A broken pipe means that the child is gone: `finish` will tell how.
            let _ = stdin.write_all(input.as_bytes()).and_then(|()| stdin.flush());
        }
    }

    /// The child's process id.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Everything written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout.lock().expect("reader thread is well")).into_owned()
    }

    /// Everything written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr.lock().expect("reader thread is well")).into_owned()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends `signal`; a process that is already gone is not an error.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
        if signal == Signal::STOP {
            crate::wait::until("the process to stand still", || self.stands_still().then_some(()));
        }
    }

    /// Whether every thread is stopped, or the process has ended. SIGSTOP takes effect only once a thread of the process
    /// runs, and on a busy machine it serves a request or two before.
    fn stands_still(&self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.child.id())) else { return true };
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state stands behind the name, which is in parentheses and may hold any character.
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
        })
    }

    /// Closes standard input and waits for the end.
    ///
    /// # Panics
    /// When it does not end within `limit`: it is killed, and the message holds what it printed.
    #[must_use]
    pub fn finish(mut self, limit: Duration) -> Outcome {
        drop(self.child.stdin.take());
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("own child can be waited for") {
                break status;
            }
            if start.elapsed() > limit {
                self.signal(Signal::KILL);
                let _ = self.child.wait();
                panic!(
                    "{} did not end within {limit:?}\n--- stdout\n{}\n--- stderr\n{}",
                    self.command,
                    self.stdout(),
                    self.stderr()
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("reader thread is well");
        }
        Outcome { command: self.command.clone(), status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already reaped children are left alone: their pid may belong to somebody else by now.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn collect(mut stream: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk) {
                Ok(count) if count > 0 => {
                    into.lock().expect("reader thread is well").extend_from_slice(&chunk[..count]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    })
}
