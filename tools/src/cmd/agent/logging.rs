//! What the agent logs, and where: Flume's `-Dflume.root.logger=LEVEL,console|LOGFILE`, `-Dflume.log.dir`,
//! `-Dflume.log.file`. Without them it logs to standard error, as a program in a terminal or under systemd should.

use std::fs::{self, File};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use super::Options;
use crate::common::failure::Failure;

/// Starts logging as the options say; the `RKAFKA_LOG` environment variable wins over the level.
pub(super) fn start(options: &Options) -> Result<(), Failure> {
    let property =
        |name: &str| options.properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
    let root = property("flume.root.logger").map_or("INFO,console", String::as_str);
    let mut words = root.split(',').map(str::trim);
    let level = level(words.next().unwrap_or_default())?;
    let to_file = words.any(|appender| appender.eq_ignore_ascii_case("LOGFILE"));
    let filter = EnvFilter::try_from_env("RKAFKA_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    // Fails only when logging is set up already.
    if to_file {
        let file = open(
            property("flume.log.dir").map_or("./logs", String::as_str),
            property("flume.log.file").map_or("flume.log", String::as_str),
        )?;
        let _ = subscriber.with_ansi(false).with_writer(Mutex::new(file)).try_init();
    } else {
        let _ = subscriber
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(super::show::LogWriter)
            .try_init();
    }
    Ok(())
}

/// Log4j's levels in `tracing`'s words.
fn level(name: &str) -> Result<&'static str, Failure> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "OFF" => "off",
        "FATAL" | "ERROR" => "error",
        "WARN" => "warn",
        "INFO" | "" => "info",
        "DEBUG" => "debug",
        "TRACE" | "ALL" => "trace",
        _ => {
            return Err(Failure::usage(format!(
                "flume.root.logger: {name:?} is no level; there are OFF, ERROR, WARN, INFO, DEBUG and TRACE, as in \
                 -Dflume.root.logger=INFO,console"
            )));
        }
    })
}

fn open(dir: &str, file: &str) -> Result<File, Failure> {
    let path = PathBuf::from(dir).join(file);
    fs::create_dir_all(dir)
        .and_then(|()| File::options().create(true).append(true).open(&path))
        .map_err(|error| Failure::message(format!("cannot log to {}: {error}", path.display())))
}
