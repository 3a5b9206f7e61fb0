//! What ARCHITECTURE.md claims about the tree, checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What each layer must not reach, directly or through others.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("rkafka-config", &["*"]),
    ("rkafka-record", &["kafka-protocol", "tokio", "rkafka-log", "rkafka-core", "rkafka-wire"]),
    ("rkafka-log", &["tokio", "kafka-protocol", "openraft", "rkafka-core", "rkafka-wire"]),
    ("rkafka-core", &["tokio", "kafka-protocol", "openraft", "rkafka-log", "rkafka-wire", "rand", "uuid"]),
    ("rkafka-wire", &["tokio", "openraft", "rkafka-log", "rkafka-core"]),
    ("rkafka-client", &["openraft", "rkafka-broker", "rkafka-log", "rkafka-core"]),
    ("rkafka-agent", &["openraft", "rkafka-broker", "rkafka-core"]),
    ("rkafka-broker", &["rkafka-client", "rkafka"]),
    ("rkafka-checker", &["*"]),
    ("rkafka-sim", &["tokio", "kafka-protocol", "openraft", "rkafka-wire", "rkafka-broker"]),
];

/// Files that may hold unsafe code; each block argues for itself.
const UNSAFE_FILES: &[&str] = &["broker/log/src/disk/map.rs"];

/// Lines of code (tests at the end not counted) that no file may have.
const LINES_MAX: usize = 800;

/// Runs every check and reports all that fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut problems = dependencies(root)?;
    for file in sources(root)? {
        check_file(root, &file, &mut problems)?;
    }
    if problems.is_empty() {
        println!("tidy: nothing to complain about");
        return Ok(());
    }
    problems.iter().for_each(|problem| eprintln!("tidy: {problem}"));
    bail!("{} problems", problems.len())
}

fn check_file(root: &Path, file: &Path, problems: &mut Vec<String>) -> Result<()> {
    let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
    let text = fs::read_to_string(file).with_context(|| name.clone())?;
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().count();
    if lines > LINES_MAX && !name.contains("/tests") {
        problems.push(format!("{name} has {lines} lines; split it, {LINES_MAX} is the limit"));
    }
    let is_unsafe = text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe fn ", "unsafe impl "].iter().any(|form| code.contains(form))
    });
    if is_unsafe && !UNSAFE_FILES.contains(&name.as_str()) && !name.starts_with("tools/xtask") {
        problems.push(format!("{name} holds unsafe code; only {UNSAFE_FILES:?} may"));
    }
    if !text.starts_with("//!") && !text.starts_with("#!") && !name.starts_with("tests/fuzz") {
        problems.push(format!("{name} does not begin with a sentence on what it is and why"));
    }
    Ok(())
}

fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = Command::new("git").current_dir(root).args(["ls-files", "*.rs"]).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    Ok(listed.lines().map(|line| root.join(line)).filter(|path| path.exists()).collect())
}

/// Normal dependencies of our packages, followed through, against the table above.
fn dependencies(root: &Path) -> Result<Vec<String>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let nodes = metadata["resolve"]["nodes"].as_array().context("cargo metadata lists no packages")?;
    let mut names = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if let (Some(id), Some(name)) = (package["id"].as_str(), package["name"].as_str()) {
            names.insert(id, name);
        }
    }
    let mut direct: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in nodes {
        let Some(name) = node["id"].as_str().and_then(|id| names.get(id)) else { continue };
        for dependency in node["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array();
            let normal = kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()));
            if let (true, Some(on)) = (normal, dependency["pkg"].as_str().and_then(|id| names.get(id))) {
                direct.entry(name).or_default().push(on);
            }
        }
    }
    let mut problems = Vec::new();
    for (package, forbidden) in FORBIDDEN {
        let mut reached = Vec::new();
        let mut next = direct.get(package).cloned().unwrap_or_default();
        while let Some(name) = next.pop() {
            if !reached.contains(&name) {
                reached.push(name);
                next.extend(direct.get(name).into_iter().flatten());
            }
        }
        for name in reached {
            if forbidden.contains(&name) || forbidden.contains(&"*") {
                problems.push(format!("{package} must not depend on {name}"));
            }
        }
    }
    Ok(problems)
}
