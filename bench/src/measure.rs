//! What a broker process used, as the kernel counted it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::clock_getcpuclockid;
use rustix::process::Pid;

/// How often memory is looked at while something runs.
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// CPU time (user and system) that a process and all its threads have used, to the nanosecond.
pub(crate) fn cpu(pid: Pid) -> Result<Duration> {
    let clock = clock_getcpuclockid(nix::unistd::Pid::from_raw(pid.as_raw_nonzero().get()))?;
    Ok(clock.now()?.into())
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident, anonymous: what the process itself keeps.
    pub(crate) anonymous: u64,
    /// Resident in all, mapped files included.
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// Memory that a process uses now.
pub(crate) fn memory(pid: Pid) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
    let kilobytes = |key: &str| -> Result<u64> { Ok(number_after(&status, key)? * 1024) };
    Ok(Memory {
        anonymous: kilobytes("RssAnon:")?,
        resident: kilobytes("VmRSS:")?,
        peak: kilobytes("VmHWM:")?,
    })
}

/// Bytes that a process made the kernel write to disk so far.
pub(crate) fn written(pid: Pid) -> Result<u64> {
    number_after(&fs::read_to_string(format!("/proc/{}/io", pid.as_raw_nonzero()))?, "write_bytes:")
}

/// Mapped ranges of a process; the kernel's limit is `vm.max_map_count`.
pub(crate) fn maps(pid: Pid) -> Result<usize> {
    Ok(fs::read_to_string(format!("/proc/{}/maps", pid.as_raw_nonzero()))?.lines().count())
}

fn number_after(text: &str, key: &str) -> Result<u64> {
    let line = text.lines().find(|line| line.starts_with(key)).with_context(|| format!("no {key}"))?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse()?)
}

/// Watches a process's anonymous memory from a thread of its own and keeps the largest figure.
pub(crate) struct MemoryPeak {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl MemoryPeak {
    /// Begins to watch.
    pub(crate) fn watch(pid: Pid) -> Self {
        let (stop, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, largest) = (stop.clone(), peak.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok(memory) = memory(pid) else { return };
                let _ = largest.fetch_max(memory.anonymous, Ordering::Relaxed);
                std::thread::sleep(SAMPLE_EVERY);
            }
        });
        Self { stop, peak, thread: Some(thread) }
    }

    /// Ends the watch; the most anonymous bytes seen.
    pub(crate) fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.peak.load(Ordering::Relaxed)
    }
}
