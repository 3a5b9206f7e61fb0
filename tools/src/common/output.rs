//! What goes to standard output: lines as the stock tools print them, a table, or JSON.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, ContentArrangement, Table};
use serde_json::Value;

use super::failure::Failure;
use super::progress;

/// The form of a command's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// The lines of the stock tool.
    #[default]
    Plain,
    /// A table for people.
    Table,
    /// One JSON document for programs.
    Json,
}

/// `--output`, which every command with a result has.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct OutputOptions {
    /// The form of the result: `plain` is the stock tool's.
    #[arg(long, value_name = "plain|table|json", hide_possible_values = true, default_value = "plain")]
    pub(crate) output: Format,
}

/// A result in rows, shown as table or as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rows {
    headings: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Rows {
    pub(crate) fn new(headings: &'static [&'static str]) -> Rows {
        Rows { headings, rows: Vec::new() }
    }

    /// Adds a row with a value for each heading.
    pub(crate) fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.headings.len());
        self.rows.push(row.into());
    }

    /// The table, with bold headings if `coloured`.
    pub(crate) fn table(&self, coloured: bool) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        if !coloured {
            table.force_no_tty();
        }
        table.set_header(self.headings.iter().map(|heading| {
            let cell = Cell::new(heading.to_uppercase().replace('_', " "));
            if coloured { cell.add_attribute(Attribute::Bold) } else { cell }
        }));
        for row in &self.rows {
            table.add_row(row.iter().map(cell));
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
        lines.collect()
    }

    /// An array of objects.
    pub(crate) fn json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            self.headings.iter().zip(row).map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
        };
        Value::Array(self.rows.iter().map(object).map(Value::Object).collect())
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", cell(value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

/// Prints a result: `plain` makes the stock tool's text.
pub(crate) fn print(format: Format, rows: &Rows, plain: impl FnOnce() -> String) -> Result<(), Failure> {
    write(&match format {
        Format::Plain => plain(),
        Format::Table => rows.table(colours()),
        Format::Json => format!("{:#}\n", rows.json()),
    })
}

/// Writes to standard output; a reader that went away ends the command quietly.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let written = progress::beside(|| {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    });
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Said),
        Err(error) => Err(Failure::message(format!("cannot write to standard output: {error}"))),
    }
}

/// Whether standard output shows colours: a terminal, and nobody asked for none (<https://no-color.org>).
pub(crate) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn rows() -> Rows {
        let mut rows = Rows::new(&["topic", "replica_ids", "configs", "leader"]);
        rows.push([json!("订单"), json!([1, 2]), json!({"flush.messages": "1"}), json!(3)]);
        rows.push([json!("test"), json!([]), json!({}), Value::Null]);
        rows
    }

    #[test]
    fn table() {
        expect![[r#"
            ─────────────────────────────────────────────────
             TOPIC   REPLICA IDS   CONFIGS            LEADER
            ═════════════════════════════════════════════════
             订单    1,2           flush.messages=1   3
            ─────────────────────────────────────────────────
             test
            ─────────────────────────────────────────────────
        "#]]
        .assert_eq(&rows().table(false));
    }

    #[test]
    fn json() {
        assert_eq!(
            rows().json(),
            json!([
                {"topic": "订单", "replica_ids": [1, 2], "configs": {"flush.messages": "1"}, "leader": 3},
                {"topic": "test", "replica_ids": [], "configs": {}, "leader": null},
            ])
        );
    }
}
