//! The agent's file: read, resolved against environment and `-D`, and checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use rkafka_agent::{Plan, Surroundings};
use rkafka_config::Properties;

use super::Options;
use crate::common::failure::Failure;

/// A file that was read.
pub(super) struct Loaded {
    pub(super) plan: Plan,
    /// When the file was modified, to see when it changes.
    pub(super) modified: Option<SystemTime>,
}

/// Reads and checks the file that the options name.
pub(super) fn load(options: &Options) -> Result<Loaded, Failure> {
    let path = &options.conf_file;
    let bytes = fs::read(path).map_err(|error| {
        Failure::message(format!("cannot read the agent's file {}: {error}", path.display()))
    })?;
    let modified = modified(path);
    let properties = Properties::parse(&path.display().to_string(), &bytes)
        .map_err(|error| Failure::message(error.to_string()))?;
    let around = Around { properties: options.properties.iter().cloned().collect() };
    let plan = Plan::read(&properties, &options.name, &around)
        .map_err(|errors| Failure::message(errors.to_string()))?;
    for warning in &plan.warnings {
        eprintln!("warning: {warning}");
    }
    Ok(Loaded { plan, modified })
}

/// When a file was modified, if it is there.
pub(super) fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|facts| facts.modified()).ok()
}

/// The process's environment and the command line's `-D`.
struct Around {
    properties: BTreeMap<String, String>,
}

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn system_property(&self, name: &str) -> Option<String> {
        self.properties.get(name).cloned().or_else(|| match name {
            "user.dir" => std::env::current_dir().ok().map(|dir: PathBuf| dir.display().to_string()),
            "user.home" => std::env::var("HOME").ok(),
            _ => None,
        })
    }

    fn run(&self, command: &str, key: &str) -> Result<String, String> {
        let mut words = command.split_whitespace();
        let program = words.next().unwrap_or_default();
        let output = Command::new(program).args(words).arg(key).output();
        let output =
            output.map_err(|error| format!("config filter command {command:?} does not run: {error}"))?;
        if !output.status.success() {
            return Err(format!("config filter command {command:?} for {key:?} ends with {}", output.status));
        }
        String::from_utf8(output.stdout)
            .map_err(|_| format!("config filter command {command:?} gives no UTF-8 text"))
    }
}
