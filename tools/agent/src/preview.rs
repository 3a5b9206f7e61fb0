//! What an agent would do, without doing it: the next file of each spooling directory and its first lines.

use std::{fs::File, io, path::PathBuf, time::SystemTime};

use crate::{
    plan::Component,
    source::spooldir::{
        directory, finish,
        reading::{SpoolFile, Step},
        settings::Settings,
    },
    text::LineError,
};

/// What is waiting in a spooling directory.
#[derive(Debug)]
pub struct Preview {
    /// How many files are waiting.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// The next one.
    pub next: Option<PathBuf>,
    /// The bodies of its first events, as text.
    pub bodies: Vec<String>,
    /// Why there are no more of them.
    pub problem: Option<LineError>,
}

/// Looks into the directory of a `spooldir` source. Nothing is changed in it.
///
/// # Errors
/// The directory or the file cannot be read.
pub fn preview(source: &Component, most: usize) -> io::Result<Preview> {
    let settings = Settings::new(source);
    let found =
        directory::list(&settings.directory, &settings.choice, |path| finish::is_marked(&settings, path))?;
    let mut preview = Preview {
        files: found.len(),
        bytes: found.iter().map(|file| file.size).sum(),
        next: found.first().map(|file| file.path.clone()),
        bodies: Vec::new(),
        problem: None,
    };
    let Some(next) = &preview.next else { return Ok(preview) };
    let mut file = SpoolFile::open(next, File::open(next)?, None, &settings)?;
    while preview.bodies.len() < most {
        match file.step(SystemTime::now()) {
            Ok(Step::Events(events, _)) => {
                let bodies = events.iter().map(|event| String::from_utf8_lossy(&event.body).into_owned());
                preview.bodies.extend(bodies.take(most - preview.bodies.len()));
            }
            Ok(Step::End | Step::Unended(_)) => break,
            Err(error) => {
                preview.problem = Some(error);
                break;
            }
        }
    }
    Ok(preview)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::source;

    #[test]
    fn the_first_lines_are_shown_and_nothing_is_changed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), b"\xD6\xD0\n\xCE\xC4\n\xB0\n").unwrap();
        let settings = format!(
            "type = spooldir\nchannels = c1\ninputCharset = GBK\nspoolDir = {}",
            folder.path().display()
        );
        let shown = preview(&source(&settings), 5).unwrap();
        assert_eq!((shown.files, shown.bytes, shown.bodies), (1, 8, vec!["中".to_owned(), "文".to_owned()]));
        assert!(shown.problem.unwrap().to_string().contains("line 3"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
