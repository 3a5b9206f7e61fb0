//! The rolling-file sink: bodies into files, a new one every so often. A batch is delivered when it is synced.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::SinkError;
use crate::{
    event::Event,
    plan::{Component, keys::sinks},
};

/// Writes bodies into files of one directory.
pub struct FileRollSink {
    name: String,
    directory: PathBuf,
    /// `None`: one file for ever.
    interval: Option<Duration>,
    newline: bool,
    /// Files are called by when the sink began and their number, as in Flume.
    series: u128,
    number: u32,
    current: Option<(File, Instant)>,
}

impl FileRollSink {
    /// The sink of checked properties.
    ///
    /// # Errors
    /// Its directory is not there.
    pub fn new(component: &Component) -> Result<FileRollSink, SinkError> {
        let directory = PathBuf::from(&*component.text(&sinks::DIRECTORY).unwrap_or_default());
        if !directory.is_dir() {
            let reason = format!(
                "sink.directory {} is no directory; make it, or correct the path",
                directory.display()
            );
            return Err(SinkError::Settings { sink: component.name.clone(), reason });
        }
        let seconds = component.integer(&sinks::ROLL_INTERVAL).unwrap_or_default().unsigned_abs();
        Ok(FileRollSink {
            name: component.name.clone(),
            directory,
            interval: (seconds > 0).then(|| Duration::from_secs(seconds)),
            newline: component.flag(&sinks::APPEND_NEWLINE),
            series: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            number: 0,
            current: None,
        })
    }

    /// Appends the bodies and syncs them.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        self.write(events).map_err(|error| SinkError::Delivery {
            sink: self.name.clone(),
            events: events.len(),
            reason: format!("{}: {error}", self.directory.display()),
        })
    }

    fn write(&mut self, events: &[Event]) -> io::Result<()> {
        let due = |since: &Instant| self.interval.is_some_and(|interval| since.elapsed() >= interval);
        if self.current.as_ref().is_none_or(|(_, since)| due(since)) {
            self.number += 1;
            let path = self.directory.join(format!("{}-{}", self.series, self.number));
            self.current = Some((File::options().create_new(true).append(true).open(path)?, Instant::now()));
        }
        let Some((file, _)) = &mut self.current else { return Ok(()) };
        let mut text = Vec::with_capacity(super::bytes(events) + events.len());
        for event in events {
            text.extend_from_slice(&event.body);
            if self.newline {
                text.push(b'\n');
            }
        }
        let before = file.metadata()?.len();
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if written.is_err() {
            // The batch comes again: what is there of it would be there twice.
            file.set_len(before)?;
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::sink;

    #[test]
    fn bodies_are_lines_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            format!("type = file_roll\nchannel = c1\nsink.directory = {}\n", folder.path().display());
        let mut rolling = FileRollSink::new(&sink(&settings)).unwrap();
        rolling.deliver(&[Event::new("中文"), Event::new("b")]).unwrap();
        rolling.deliver(&[Event::new("c")]).unwrap();
        let files: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), "中文\nb\nc\n");
    }

    #[test]
    fn a_missing_directory_is_refused() {
        let error =
            FileRollSink::new(&sink("type = file_roll\nchannel = c1\nsink.directory = /nonexistent/x")).err();
        let expected = "sink k1: sink.directory /nonexistent/x is no directory; make it, or correct the path";
        assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(expected));
    }
}
