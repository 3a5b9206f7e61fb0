//! What happens to a file that is done with: renamed, deleted, marked, or set aside with the reason.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    directory::{ERROR_SUFFIX, REASON_SUFFIX},
    settings::{Finish, Settings},
};

/// Where a source's marks of finished files are.
fn mark(settings: &Settings, path: &Path) -> PathBuf {
    let relative = path.strip_prefix(&settings.directory).unwrap_or(path);
    settings.tracker.join(with_suffix(relative, &settings.choice.suffix))
}

/// Whether a file is marked as finished.
#[must_use]
pub fn is_marked(settings: &Settings, path: &Path) -> bool {
    settings.finish == Finish::Mark && mark(settings, path).exists()
}

/// Does with a finished file what the settings say; gives its new path, if it was renamed.
///
/// # Errors
/// It cannot be done.
pub fn finish(settings: &Settings, path: &Path) -> io::Result<Option<PathBuf>> {
    match settings.finish {
        Finish::Delete => fs::remove_file(path).map(|()| None),
        Finish::Mark => {
            let mark = mark(settings, path);
            if let Some(folder) = mark.parent() {
                fs::create_dir_all(folder)?;
            }
            File::create(mark)?.sync_all().map(|()| None)
        }
        Finish::Rename => {
            let suffix = settings.choice.suffix.clone();
            rename_to_free(path, |number| match number {
                0 => with_suffix(path, &suffix),
                // The suffix stays at the end: it keeps the file from being read again.
                number => with_suffix(path, &format!(".{number}{suffix}")),
            })
            .map(Some)
        }
    }
}

/// Why a file was set aside, for people and programs.
#[derive(Debug, Serialize)]
pub struct Reason<'a> {
    /// The file as it was called.
    pub file: String,
    /// What went wrong.
    pub reason: String,
    /// The policy that applied.
    pub policy: &'a str,
    /// The position in bytes behind the last event that was sent.
    pub sent_up_to: u64,
    /// How many events were sent before.
    pub events_sent: u64,
    /// When, in milliseconds since 1970.
    pub time_ms: u128,
}

/// Sets a file aside as `NAME.ERROR` with `NAME.ERROR.json` beside it; gives where it lies now.
///
/// # Errors
/// It can neither be renamed nor described; then it stays where it is.
pub fn set_aside(path: &Path, reason: &Reason<'_>) -> io::Result<PathBuf> {
    let free = rename_to_free(path, |number| match number {
        0 => with_suffix(path, ERROR_SUFFIX),
        number => with_suffix(path, &format!(".{number}{ERROR_SUFFIX}")),
    })?;
    let name = free.to_string_lossy();
    let described =
        PathBuf::from(format!("{}{REASON_SUFFIX}", name.strip_suffix(ERROR_SUFFIX).unwrap_or(&name)));
    fs::write(described, serde_json::to_vec_pretty(reason)?)?;
    Ok(free)
}

/// Renames to the first of the names that no file has. The name is taken by a link first, so that a file that
/// appears in between is never overwritten; where there are no links, by an exclusive empty file.
fn rename_to_free(path: &Path, name: impl Fn(u32) -> PathBuf) -> io::Result<PathBuf> {
    for number in 0.. {
        let target = name(number);
        match fs::hard_link(path, &target) {
            Ok(()) => return fs::remove_file(path).map(|()| target),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(_) => match OpenOptions::new().write(true).create_new(true).open(&target) {
                Ok(_) => return fs::rename(path, &target).map(|()| target),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            },
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "every name is taken"))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::source;

    fn settings(folder: &Path, more: &str) -> Settings {
        let text = format!("type = spooldir\nchannels = c1\nspoolDir = {}\n{more}", folder.display());
        Settings::new(&source(&text))
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_reused_name_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, path) = (settings(folder.path(), ""), folder.path().join("a.log"));
        for contents in ["1", "2", "3"] {
            fs::write(&path, contents).unwrap();
            finish(&settings, &path).unwrap();
        }
        assert_eq!(names(folder.path()), ["a.log.1.COMPLETED", "a.log.2.COMPLETED", "a.log.COMPLETED"]);
        assert_eq!(fs::read_to_string(folder.path().join("a.log.COMPLETED")).unwrap(), "1");
    }

    #[test]
    fn deleted_and_marked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        fs::write(&path, "1").unwrap();
        let marking = settings(folder.path(), "trackingPolicy = tracker_dir");
        assert!(!is_marked(&marking, &path));
        finish(&marking, &path).unwrap();
        assert!(is_marked(&marking, &path) && path.exists());
        assert_eq!(names(&folder.path().join(".flumespool")), ["a.log.COMPLETED"]);
        finish(&settings(folder.path(), "deletePolicy = immediate"), &path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn set_aside_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let reason = |text: &str| Reason {
            file: path.display().to_string(),
            reason: text.to_owned(),
            policy: "FAIL",
            sent_up_to: 7,
            events_sent: 2,
            time_ms: 1,
        };
        for text in ["first", "second"] {
            fs::write(&path, text).unwrap();
            set_aside(&path, &reason(text)).unwrap();
        }
        assert_eq!(
            names(folder.path()),
            ["a.log.1.ERROR", "a.log.1.ERROR.json", "a.log.ERROR", "a.log.ERROR.json"]
        );
        let json = fs::read_to_string(folder.path().join("a.log.1.ERROR.json")).unwrap();
        assert!(json.contains(r#""reason": "second""#) && json.contains(r#""sent_up_to": 7"#), "{json}");
    }
}
