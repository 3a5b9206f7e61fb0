//! The commands of rkafka: one binary that answers to `rkafka <command>`, to `rkafka-<command>`, and to the names
//! of the stock scripts (`kafka-<command>.sh`).
//!
//! | folder | what it is |
//! |---|---|
//! | `cmd/` | one file or folder a command, and the table of them |
//! | `common/` | what all commands share: arguments, connection options, output, mistakes and exit codes |
//!
//! Commands print what the stock tools print and end with their exit codes; where rkafka says more, it says it on
//! standard error.

mod cmd;
mod common;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that the arguments name: by the name of the program (`rkafka-topics`, `kafka-topics.sh`), else
/// by the first argument; without any the broker starts on its embedded settings.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    cmd::dispatch(&program, args.collect())
}

/// Runs the ingest agent, as `rkafka-agent` or, by the name of the program, as Flume's `flume-ng`.
pub fn run_agent(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    cmd::run_agent(&program, args.collect())
}

/// Runs `command` whatever the program is called.
pub fn run_as(command: &str, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    cmd::run_named(command, args.into_iter().skip(1).collect())
}
