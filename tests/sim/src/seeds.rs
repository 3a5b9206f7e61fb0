//! Seeds that once failed, in `seeds/`: each file tells the bug's story and is run before all other seeds.
//!
//! ```text
//! # What went wrong, and what was done about it.
//! seed 1234
//! only Kill,CutOneWay
//! ```
//! The second line, if it is there, leaves a seed no other faults than these, so that it keeps its meaning as far as
//! possible when new kinds of faults are added. A bug worth keeping for ever gets a scenario, too.

use std::path::{Path, PathBuf};

use crate::plan::{Fault, Plan};
use crate::{Report, run_plan};

/// A seed with its story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSeed {
    /// The file's name without its ending.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// The only faults it has, if not those that it draws.
    pub only: Option<Vec<Fault>>,
}

impl KnownSeed {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let (mut seed, mut only) = (None, None);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let wrong = || format!("{name}: `{line}` is neither `seed NUMBER` nor `only FAULT,FAULT`");
            match line.split_once(' ') {
                Some(("seed", number)) => seed = Some(number.trim().parse().map_err(|_| wrong())?),
                Some(("only", faults)) => {
                    let named = faults.split(',').map(|fault| Fault::named(fault.trim()).ok_or_else(wrong));
                    only = Some(named.collect::<Result<_, _>>()?);
                }
                _ => return Err(wrong()),
            }
        }
        let seed = seed.ok_or_else(|| format!("{name} names no seed"))?;
        Ok(KnownSeed { name: name.to_owned(), seed, only })
    }

    /// Runs it.
    ///
    /// # Errors
    /// What was wrong.
    pub fn run(&self) -> Result<Report, String> {
        let plan = Plan::of(self.seed);
        let plan = match &self.only {
            Some(faults) => plan.only(faults),
            None => plan,
        };
        run_plan(plan, false).map_err(|what| format!("{}: {what}", self.name))
    }
}

/// All seeds with a story, in the order of their files' names.
///
/// # Errors
/// A file that cannot be read.
pub fn known_seeds() -> Result<Vec<KnownSeed>, String> {
    let texts = texts_in("seeds")?;
    texts.iter().map(|(name, text)| KnownSeed::parse(name, text)).collect()
}

/// The text files of a folder of this package: their names without `.txt`, and what is in them.
pub(crate) fn texts_in(folder: &str) -> Result<Vec<(String, String)>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let at = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let entries = std::fs::read_dir(&folder).map_err(|error| at(&folder, error))?;
    let paths: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| at(&folder, error))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    let text_of = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|error| at(path, error))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, text))
    };
    paths.iter().map(text_of).collect()
}
