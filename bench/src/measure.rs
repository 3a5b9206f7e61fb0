//! What a broker process used, as the kernel counted it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Pid;

/// CPU time (user and system) that a process and its threads have used.
pub(crate) fn cpu(pid: Pid) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    // The command name may hold spaces; fields are counted behind its closing parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| -> Result<u64> { Ok(fields.get(index).context("short stat line")?.parse()?) };
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) as f64 / ticks_per_second as f64))
}

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident, anonymous: what the process itself keeps.
    pub(crate) anonymous: u64,
    /// Resident in all, mapped files included.
    pub(crate) resident: u64,
}

/// Memory that a process uses now.
pub(crate) fn memory(pid: Pid) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
    let kilobytes = |key: &str| -> Result<u64> {
        let line = status.lines().find(|line| line.starts_with(key)).context("no such line in status")?;
        Ok(line.split_whitespace().nth(1).context("a number")?.parse::<u64>()? * 1024)
    };
    Ok(Memory { anonymous: kilobytes("RssAnon:")?, resident: kilobytes("VmRSS:")? })
}

/// The middle of some figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
