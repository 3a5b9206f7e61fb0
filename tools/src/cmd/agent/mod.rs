//! `rkafka agent`: the ingest agent, called as Flume is (`flume-ng agent -n a1 -f conf/spool.conf`).
//!
//! | file | what it does |
//! |---|---|
//! | `settings.rs` | the command line, as Flume takes it, and the agent's file |
//! | `run.rs` | start, reload, signals, stop |
//! | `dry_run.rs` | `--dry-run`: what would be done |
//! | `show.rs` | progress on a terminal |
//! | `logging.rs` | `-Dflume.root.logger` |

mod dry_run;
mod logging;
mod run;
mod settings;
mod show;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::Invocation;
use crate::common::args;
use crate::common::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  rkafka agent -n a1 -f conf/spooldir_kafka.conf
  rkafka agent -n a1 -f conf/spooldir_kafka.conf --dry-run     check the file, show the first lines
  rkafka agent -n a1 -f conf/spooldir_kafka.conf --once        read what is there and end, for cron
  flume-ng agent -c conf -f conf/spooldir_kafka.conf -n a1 -Dflume.root.logger=INFO,console
  rkafka agent -n a1 -f a.conf -Dflume.monitoring.type=http -Dflume.monitoring.port=34545

Signals: SIGTERM or Ctrl-C stops when what is under way has been delivered, a second Ctrl-C at once.";

/// Options that Flume takes with one dash and more than one letter.
const SINGLE_DASH: &[&str] = &["prov"];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// The agent to run: the first word of the file's keys.
    #[arg(short, long, value_name = "name", required = true)]
    name: String,
    /// The agent's file, as Flume has it.
    #[arg(short = 'f', long, value_name = "file", required = true)]
    conf_file: PathBuf,
    /// Flume's directory of settings; nothing in it is needed here.
    #[arg(short, long, value_name = "dir")]
    conf: Option<PathBuf>,
    /// A system property, such as flume.root.logger=INFO,console or flume.monitoring.type=http.
    #[arg(short = 'D', value_name = "key=value", value_parser = args::key_value)]
    properties: Vec<(String, String)>,
    /// Do not read the file again when it changes.
    #[arg(long)]
    no_reload_conf: bool,
    /// How often to look whether the file has changed, in seconds.
    #[arg(short = 'i', long, value_name = "seconds", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    poll_interval: u64,
    /// Read what is there, deliver it, and end: exit code 1 if something of it could not be.
    #[arg(long)]
    once: bool,
    /// Check the file, find the topics, show the first lines; change and send nothing.
    #[arg(short = 'd', long, visible_alias = "validate", alias = "dryrun")]
    dry_run: bool,
    /// Accepted for Flume's sake: there are no classes to load.
    #[arg(short = 'C', long, value_name = "path", hide = true)]
    classpath: Option<String>,
    /// Accepted for Flume's sake: there are no plug-ins.
    #[arg(long, value_name = "dirs", hide = true)]
    plugins_path: Option<String>,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("agent"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options = args::parse(&invocation.command, &without_java_options(&invocation.args))?;
    let loaded = settings::load(&options)?;
    if options.dry_run {
        return dry_run::run(&loaded);
    }
    logging::start(&options)?;
    run::run(options, loaded)
}

/// Options for the JVM (`-Xmx512m`) have nothing to act on.
fn without_java_options(all: &[OsString]) -> Vec<OsString> {
    let is_java =
        |word: &OsString| word.to_str().is_some_and(|word| word.len() > 2 && word.starts_with("-X"));
    args::with_double_dash(all.iter().filter(|word| !is_java(word)).cloned().collect(), SINGLE_DASH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, Failure> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        args::parse(&args::finish_definition(definition()), &without_java_options(&words))
    }

    #[test]
    fn the_tutorials_command_line() {
        let parsed =
            options("-c conf -f conf/spooldir_kafka.conf -n a1 -Dflume.root.logger=INFO,console").unwrap();
        assert_eq!(
            (parsed.name.as_str(), parsed.conf_file),
            ("a1", PathBuf::from("conf/spooldir_kafka.conf"))
        );
        assert_eq!(parsed.properties, [("flume.root.logger".to_owned(), "INFO,console".to_owned())]);
    }

    #[test]
    fn java_options_are_accepted() {
        let parsed =
            options("--name a1 --conf-file f -Xmx512m -XX:+UseG1GC -C x.jar --no-reload-conf").unwrap();
        assert!(parsed.no_reload_conf);
        assert!(options("--conf-file f").is_err(), "an agent must be named");
    }
}
