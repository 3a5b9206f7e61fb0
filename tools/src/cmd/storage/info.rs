//! `info`: what the directories are.

use std::collections::BTreeMap;
use std::path::Path;

use rkafka_config::NodeSettings;
use rkafka_log::dirs::{DirIdentity, META_PROPERTIES};
use rkafka_log::disk::real::RealDisk;

use super::directories;
use crate::common::failure::Failure;
use crate::common::output;

pub(super) fn info(node: &NodeSettings) -> Result<(), Failure> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut first: Option<(DirIdentity, BTreeMap<String, String>)> = None;
    for directory in directories(node) {
        let shown = directory.display().to_string();
        if !directory.is_dir() {
            let what = if directory.exists() { "is not a directory" } else { "does not exist" };
            problems.push(format!("{shown} {what}"));
            continue;
        }
        found.push(shown.clone());
        match DirIdentity::load(&RealDisk, &directory) {
            Ok(None) => problems.push(format!("{shown} is not formatted.")),
            Err(error) => {
                let file = directory.join(META_PROPERTIES);
                problems.push(format!("Error loading {}: {error}", file.display()));
            }
            Ok(Some(identity)) => match &first {
                None => first = Some((identity, lines(&directory)?)),
                Some((known, _)) if known.cluster_id != identity.cluster_id => {
                    problems.push("Mismatched cluster IDs between storage directories.".to_owned());
                }
                Some((known, _)) if known.node_id != identity.node_id => {
                    problems.push("Mismatched node IDs between storage directories.".to_owned());
                }
                Some(_) => {}
            },
        }
    }
    let metadata = first.map(|(_, lines)| lines);
    output::write(&text(&found, metadata.as_ref(), &problems))?;
    if problems.is_empty() { Ok(()) } else { Err(Failure::Said) }
}

/// The pairs of the file, by key.
fn lines(directory: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let file = directory.join(META_PROPERTIES);
    let text = std::fs::read_to_string(&file)
        .map_err(|error| Failure::message(format!("cannot read {}: {error}", file.display())))?;
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
}

fn text(found: &[String], metadata: Option<&BTreeMap<String, String>>, problems: &[String]) -> String {
    let mut text = list("Found log directory:", "Found log directories:", found);
    if let Some(metadata) = metadata {
        let pairs: Vec<String> = metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
        text.push_str(&format!("Found metadata: {{{}}}\n\n", pairs.join(", ")));
    }
    text + &list("Found problem:", "Found problems:", problems)
}

fn list(one: &str, several: &str, items: &[String]) -> String {
    let items: String = items.iter().map(|item| format!("  {item}\n")).collect();
    match items.lines().count() {
        0 => items,
        1 => format!("{one}\n{items}\n"),
        _ => format!("{several}\n{items}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found() {
        let metadata = BTreeMap::from([("node.id".to_owned(), "1".to_owned())]);
        assert_eq!(
            text(&["/a".to_owned()], Some(&metadata), &["/b does not exist".to_owned(), "x".to_owned()]),
            "Found log directory:\n  /a\n\nFound metadata: {node.id=1}\n\nFound problems:\n  /b does not exist\n  x\n\n"
        );
    }
}
