//! The committed reference page is the one the table renders.

use std::path::Path;

use rkafka_config::{Scope, keys, reference_page};

#[test]
fn the_committed_reference_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = reference_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/ is writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page, "{} is stale: UPDATE_DOCS=1 cargo test -p rkafka-config", path.display());
}

#[test]
fn the_reference_page_has_every_key_once() {
    let page = reference_page();
    let headings = page.lines().filter(|line| line.starts_with("### ")).count();
    let keys = [Scope::Broker, Scope::Topic, Scope::Group].map(|scope| keys::of_scope(scope).len());
    assert_eq!(headings, keys.iter().sum::<usize>());
}
