//! The spooling directory: which files are to be read, and which is next.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::settings::{Choice, Order};

/// What a file that could not be read to its end is called.
pub const ERROR_SUFFIX: &str = ".ERROR";
/// What the file with the reason is called.
pub const REASON_SUFFIX: &str = ".ERROR.json";

/// A file to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// When it was modified.
    pub modified: SystemTime,
    /// Its length in bytes.
    pub size: u64,
}

/// Lists the files to be read, next one first. `marked` says whether a file is marked as finished.
///
/// # Errors
/// The directory itself cannot be read. Directories below that cannot are passed over with a warning.
pub fn list(directory: &Path, choice: &Choice, marked: impl Fn(&Path) -> bool) -> io::Result<Vec<Candidate>> {
    let mut found = Vec::new();
    let mut below = Vec::new();
    scan(directory, choice, &marked, &mut found, &mut below)?;
    while let Some(next) = below.pop() {
        if let Err(error) = scan(&next, choice, &marked, &mut found, &mut below) {
            tracing::warn!("cannot read directory {}, its files are left out: {error}", next.display());
        }
    }
    sort(&mut found, choice.order);
    Ok(found)
}

fn scan(
    directory: &Path,
    choice: &Choice,
    marked: &impl Fn(&Path) -> bool,
    found: &mut Vec<Candidate>,
    below: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        // A file that vanishes between the listing and here is none of ours.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            // As Flume: the ignore pattern also keeps whole directories out; dotted ones are never entered.
            if choice.recursive && !name.starts_with('.') && !matches(choice.ignore.as_ref(), &name) {
                below.push(path);
            }
        } else if is_wanted(&name, choice)
            && let Ok(facts) = fs::metadata(&path)
            && facts.is_file()
            && !marked(&path)
        {
            let modified = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(Candidate { path, modified, size: facts.len() });
        }
    }
    Ok(())
}

fn is_wanted(name: &str, choice: &Choice) -> bool {
    !name.starts_with('.')
        && !name.ends_with(&*choice.suffix)
        && !name.ends_with(ERROR_SUFFIX)
        && !name.ends_with(REASON_SUFFIX)
        && choice.include.as_ref().is_none_or(|include| include.is_match(name).unwrap_or(false))
        && !matches(choice.ignore.as_ref(), name)
}

fn matches(pattern: Option<&fancy_regex::Regex>, name: &str) -> bool {
    pattern.is_some_and(|pattern| pattern.is_match(name).unwrap_or(false))
}

fn sort(found: &mut [Candidate], order: Order) {
    match order {
        // Flume compares milliseconds, and names without their directories where those are equal.
        Order::Oldest => found.sort_by_cached_key(|file| (milliseconds(file.modified), basename(file))),
        Order::Youngest => {
            found.sort_by_cached_key(|file| (std::cmp::Reverse(milliseconds(file.modified)), basename(file)));
        }
        Order::Random => {}
    }
}

fn milliseconds(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn basename(file: &Candidate) -> std::ffi::OsString {
    file.path.file_name().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{plan::testing::source, source::spooldir::settings::Settings};

    /// Makes files, oldest first, each a second younger; gives the names listed with these settings.
    #[track_caller]
    fn check(settings: &str, files: &[&str], expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        for (age, file) in files.iter().enumerate() {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = fs::File::create(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + age as u64)).unwrap();
        }
        let settings =
            format!("type = spooldir\nchannels = c1\nspoolDir = {}\n{settings}", folder.path().display());
        let settings = Settings::new(&source(&settings));
        let found = list(folder.path(), &settings.choice, |path| path.ends_with("marked")).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|file| file.path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn finished_hidden_marked_and_set_aside_files_are_left_alone() {
        let files = ["b", "a", ".hidden", "x.COMPLETED", "y.ERROR", "y.ERROR.json", "marked", "d/below"];
        check("", &files, &["b", "a"]);
        check("fileSuffix = .done", &["x.COMPLETED", "x.done"], &["x.COMPLETED"]);
    }

    #[test]
    fn orders() {
        check("consumeOrder = youngest", &["a", "b", "c"], &["c", "b", "a"]);
        check("consumeOrder = oldest", &["c", "b", "a"], &["c", "b", "a"]);
    }

    #[test]
    fn patterns_are_for_whole_names() {
        let files = ["x.tmp", "xtmp", "a.log", "b.txt", "数据.log"];
        check(r"ignorePattern = ^(.)*\\.tmp$", &files, &["xtmp", "a.log", "b.txt", "数据.log"]);
        check(r"ignorePattern = ^(.)*\.tmp$", &files, &["a.log", "b.txt", "数据.log"]);
        check(r"includePattern = .*\\.log", &files, &["a.log", "数据.log"]);
        check("includePattern = .*log\nignorePattern = a.log", &files, &["数据.log"]);
        check("includePattern = log", &files, &[]);
        check("includePattern = (?!x).*", &files, &["a.log", "b.txt", "数据.log"]);
    }

    #[test]
    fn directories_below() {
        let files = ["d/b", "d.tmp/c", ".dot/e", "a", "d/deep/f"];
        check("recursiveDirectorySearch = true\nignorePattern = .*tmp", &files, &["d/b", "a", "d/deep/f"]);
        check("", &files, &["a"]);
    }
}
