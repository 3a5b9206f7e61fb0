//! `docs/protocol.md` names files and tests: all of them exist.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Names of all functions in a folder's Rust files that stand right behind a test attribute.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the workspace");
    for path in entries.map(|entry| entry.expect("a readable folder").path()) {
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let with_options =
                text.split("::test(").skip(1).filter_map(|rest| Some(rest.split_once(")]")?.1));
            names.extend(text.split("test]").skip(1).chain(with_options).filter_map(function_at_start));
        }
    }
}

fn function_at_start(text: &str) -> Option<String> {
    let (before, rest) = text.split_once("fn ")?;
    let is_next = before.split_whitespace().all(|word| word == "async" || word.starts_with("#["));
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    is_next.then_some(name)
}

/// Where a path of the page lies.
fn place(path: &str) -> PathBuf {
    let (first, rest) = path.split_once('/').unwrap_or(("", path));
    match first {
        "wire" | "record" | "log" | "core" => workspace().join("broker").join(first).join("src").join(rest),
        "config" => workspace().join("config/src").join(rest),
        _ => workspace().join("broker/src").join(path),
    }
}

#[test]
fn what_the_protocol_page_names_exists() {
    let page = std::fs::read_to_string(workspace().join("docs/protocol.md")).expect("the page");
    let (mut tests, mut asked_of_kafka) = (BTreeSet::new(), BTreeSet::new());
    for folder in ["broker", "config", "tests"] {
        tests_below(&workspace().join(folder), &mut tests);
    }
    tests_below(&workspace().join("tests/tests/differential"), &mut asked_of_kafka);
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| point")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        let [_, files, shown] = cells[..] else { panic!("three cells: {row}") };
        for path in files.split('`').skip(1).step_by(2).filter(|path| path.contains(['/', '.'])) {
            assert!(path.contains('*') || place(path).exists(), "no such file: {path}");
        }
        let words: Vec<&str> = shown.split('`').collect();
        for pair in words.chunks_exact(2) {
            let [before, name] = pair else { continue };
            if before.ends_with("⇄ ") {
                assert!(asked_of_kafka.contains(*name), "no such script: {name}");
            } else {
                assert!(tests.contains(*name), "no such test: {name}");
            }
            named += 1;
        }
    }
    assert!(named > 200, "{named} names were read");
}
