//! The reference page `docs/ingest-reference.md`, rendered from the table.

use std::fmt::Write;

use super::keys::{KeyDef, Kind, Takes, sinks, sources};

const HEAD: &str = "\
# Ingest agent: reference

<!-- Rendered from the key table in `tools/agent/src/plan/keys`; do not edit. `UPDATE_DOCS=1 cargo test -p rkafka-agent` \
writes it anew. -->

Component types and their properties, as an agent's file has them: `<agent>.<kind>.<name>.<property> = <value>`. How the \
agent relates to Apache Flume stands in [ingest.md](ingest.md).
";

/// The whole page.
#[must_use]
pub fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    for (kind, title) in [
        (Kind::Source, "Sources"),
        (Kind::Interceptor, "Interceptors"),
        (Kind::Channel, "Channels"),
        (Kind::Sink, "Sinks"),
        (Kind::SinkGroup, "Sink groups"),
    ] {
        let _ = write!(page, "\n## {title}\n");
        let (common, open): (&[&KeyDef], &[(&str, &str)]) = match kind {
            Kind::Source => (sources::COMMON, sources::COMMON_OPEN),
            Kind::Sink => (sinks::COMMON, &[]),
            _ => (&[], &[]),
        };
        if !common.is_empty() {
            let _ = write!(page, "\nEvery {} has:\n", kind.noun());
            table(&mut page, common, open);
        }
        for definition in kind.types() {
            if kind != Kind::SinkGroup {
                let names: Vec<String> = definition.names.iter().map(|name| format!("`{name}`")).collect();
                let _ = write!(page, "\n### {}\n\ntype = {}\n", definition.name, names.join(" or "));
            }
            let _ = write!(page, "\n{}\n", definition.doc);
            table(&mut page, definition.keys, definition.open);
        }
    }
    page
}

fn table(page: &mut String, keys: &[&KeyDef], open: &[(&str, &str)]) {
    if keys.is_empty() && open.is_empty() {
        return;
    }
    page.push_str("\n| property | takes | default | |\n|---|---|---|---|\n");
    for key in keys {
        let default = match (key.default, key.required) {
            (Some(""), _) | (None, false) => String::new(),
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "**required**".to_owned(),
        };
        let _ = writeln!(page, "| `{}` | {} | {default} | {} |", key.name, takes(key.takes), key.doc);
    }
    for (prefix, doc) in open {
        let _ = writeln!(page, "| `{prefix}…` | text | | {doc} |");
    }
}

fn takes(takes: Takes) -> String {
    match takes {
        Takes::Text => "text".to_owned(),
        Takes::Integer(from, to) if to >= i64::from(i32::MAX) => format!("{from} or more"),
        Takes::Integer(from, to) => format!("{from} to {to}"),
        Takes::Flag => "`true`, `false`".to_owned(),
        Takes::Word(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Takes::Names => "names".to_owned(),
        Takes::Pattern => "a Java regular expression".to_owned(),
        Takes::Charset => "a character set".to_owned(),
        Takes::Unserved(_) => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_in_docs_is_this_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ingest-reference.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, reference_page()).unwrap();
        }
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(page == reference_page(), "write it anew: UPDATE_DOCS=1 cargo test -p rkafka-agent");
    }
}
