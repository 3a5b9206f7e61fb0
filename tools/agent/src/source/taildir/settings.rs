//! What a `TAILDIR` source's properties say.

use std::{path::PathBuf, time::Duration};

use fancy_regex::Regex;

use crate::{
    channel::file::settings::at_home,
    event::{Headers, Text},
    plan::{
        Component,
        keys::{sources, streams as keys},
    },
};

/// The settings of one source.
#[derive(Debug)]
pub struct Settings {
    /// The source's name in the file.
    pub name: String,
    /// Which files.
    pub groups: Vec<Group>,
    /// Flume's file of positions.
    pub position_file: PathBuf,
    /// How events are made.
    pub reading: Reading,
    /// Whether files without a position are read from their end.
    pub skip_to_end: bool,
    /// After how long a file that does not grow is closed.
    pub idle_timeout: Duration,
    /// How often `position_file` is written.
    pub write_interval: Duration,
    /// Batches of a file before the next has its turn.
    pub batches: u64,
    /// By how much the time between looks grows, and its most.
    pub backoff: (Duration, Duration),
}

/// How bytes become events.
#[derive(Debug)]
pub struct Reading {
    /// Events at a time.
    pub batch: usize,
    /// The most bytes of an event.
    pub most: usize,
    /// Whether events have the position of their line.
    pub byte_offset: bool,
    /// The header for the file's path, if it is wanted.
    pub path_header: Option<Text>,
}

/// Files of one directory.
#[derive(Debug)]
pub struct Group {
    /// The directory.
    pub directory: PathBuf,
    /// What a whole name must match.
    pub pattern: Regex,
    /// Headers of all its events.
    pub headers: Headers,
}

impl Settings {
    /// Takes them from checked properties.
    ///
    /// # Errors
    /// A group has no files, or a pattern that is none.
    pub fn new(source: &Component) -> Result<Settings, String> {
        let time = |key| Duration::from_millis(source.integer(key).unwrap_or_default().unsigned_abs());
        let names = source.names(&keys::FILE_GROUPS);
        let groups = names.iter().map(|name| group(source, name)).collect::<Result<_, _>>()?;
        Ok(Settings {
            name: source.name.clone(),
            groups,
            position_file: at_home(&source.text(&keys::POSITION_FILE).unwrap_or_default()),
            reading: Reading {
                batch: source.count(&sources::BATCH_SIZE).max(1),
                most: source.count(&keys::TAIL_MAX_LINE),
                byte_offset: source.flag(&keys::BYTE_OFFSET_HEADER),
                path_header: if source.flag(&sources::FILE_HEADER) {
                    source.text(&sources::FILE_HEADER_KEY)
                } else {
                    None
                },
            },
            skip_to_end: source.flag(&keys::SKIP_TO_END),
            idle_timeout: time(&keys::IDLE_TIMEOUT),
            write_interval: time(&keys::WRITE_POS_INTERVAL),
            batches: source.integer(&keys::MAX_BATCH_COUNT).unwrap_or(i64::MAX).unsigned_abs(),
            backoff: (time(&keys::BACKOFF_SLEEP_INCREMENT), time(&keys::MAX_BACKOFF_SLEEP)),
        })
    }
}

/// `filegroups.<name> = /directory/pattern`: what stands behind the last slash is the pattern, as in Flume.
fn group(source: &Component, name: &str) -> Result<Group, String> {
    let found = source.open("filegroups.").find(|(group, ..)| *group == name);
    let (_, text, line) = found.ok_or_else(|| {
        format!("filegroups.{name} must be set: a directory and a pattern, such as /var/log/app/.*\\.log")
    })?;
    let (directory, pattern) =
        text.rsplit_once('/').filter(|(_, pattern)| !pattern.is_empty()).ok_or_else(|| {
            format!(
                "line {line}: filegroups.{name} = {text:?}: a directory, a slash and a pattern are needed"
            )
        })?;
    let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
        format!("line {line}: filegroups.{name}: {pattern:?} is no regular expression: {error}")
    })?;
    let prefix = format!("headers.{name}.");
    let headers = source.open(&prefix).map(|(header, value, _)| (header, value)).collect();
    let directory = if directory.is_empty() { "/" } else { directory };
    Ok(Group { directory: PathBuf::from(directory), pattern, headers })
}
