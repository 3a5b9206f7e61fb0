//! One row on both sides.

use std::collections::BTreeMap;
use std::fmt::Write;

use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::stock::Stock;
use rkafka_tests::stock_shell::{Ran, StockShell};

use super::normal;

/// A command line, and what is to be equal.
pub(super) struct Row {
    line: &'static str,
    lines_in_any_order: bool,
    /// The part that differs, and why.
    differs: Option<(Part, &'static str)>,
}

/// What a row may differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Standard output.
    Out,
    /// The first line of standard error.
    Err,
    /// Both, while the exit code is the same.
    Words,
    /// Everything.
    All,
}

/// A row that is equal in everything.
pub(super) const fn same(line: &'static str) -> Row {
    Row { line, lines_in_any_order: false, differs: None }
}

/// A row whose lines come in any order.
pub(super) const fn sorted(line: &'static str) -> Row {
    Row { line, lines_in_any_order: true, differs: None }
}

/// A row with an intended difference.
pub(super) const fn differs(part: Part, line: &'static str, why: &'static str) -> Row {
    Row { line, lines_in_any_order: true, differs: Some((part, why)) }
}

/// The class of a stock tool, by rkafka's name of the command.
fn stock_class(stock: Stock, command: &str) -> &'static str {
    match (stock, command) {
        (Stock::Kafka22, "broker-api-versions") => "kafka.admin.BrokerApiVersionsCommand",
        (Stock::Kafka22, "configs") => "kafka.admin.ConfigCommand",
        (Stock::Kafka22, "console-consumer") => "kafka.tools.ConsoleConsumer",
        (Stock::Kafka22, "console-producer") => "kafka.tools.ConsoleProducer",
        (Stock::Kafka22, "consumer-groups") => "kafka.admin.ConsumerGroupCommand",
        (Stock::Kafka22, "consumer-perf-test") => "kafka.tools.ConsumerPerformance",
        (Stock::Kafka22, "delete-records") => "kafka.admin.DeleteRecordsCommand",
        (Stock::Kafka22, "dump-log") => "kafka.tools.DumpLogSegments",
        (Stock::Kafka22, "get-offsets") => "kafka.tools.GetOffsetShell",
        (Stock::Kafka22, "log-dirs") => "kafka.admin.LogDirsCommand",
        (Stock::Kafka22, "reassign-partitions") => "kafka.admin.ReassignPartitionsCommand",
        (Stock::Kafka22, "replica-verification") => "kafka.tools.ReplicaVerificationTool",
        (Stock::Kafka22, "streams-application-reset") => "kafka.tools.StreamsResetter",
        (Stock::Kafka22, "topics") => "kafka.admin.TopicCommand",
        _ => newest_class(command),
    }
}

fn newest_class(command: &str) -> &'static str {
    match command {
        "client-metrics" => "org.apache.kafka.tools.ClientMetricsCommand",
        "replica-verification" => "org.apache.kafka.tools.ReplicaVerificationTool",
        "streams-application-reset" => "org.apache.kafka.tools.StreamsResetter",
        "broker-api-versions" => "org.apache.kafka.tools.BrokerApiVersionsCommand",
        "cluster" => "org.apache.kafka.tools.ClusterTool",
        "configs" => "kafka.admin.ConfigCommand",
        "consumer-groups" => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "delete-records" => "org.apache.kafka.tools.DeleteRecordsCommand",
        "dump-log" => "org.apache.kafka.tools.DumpLogSegments",
        "get-offsets" => "org.apache.kafka.tools.GetOffsetShell",
        "groups" => "org.apache.kafka.tools.GroupsCommand",
        "leader-election" => "org.apache.kafka.tools.LeaderElectionCommand",
        "log-dirs" => "org.apache.kafka.tools.LogDirsCommand",
        "reassign-partitions" => "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        "storage" => "kafka.tools.StorageTool",
        "topics" => "org.apache.kafka.tools.TopicCommand",
        other => panic!("no stock tool is known for {other}"),
    }
}

/// Both sides.
pub(super) struct Sides {
    stock: Stock,
    shell: StockShell,
    /// The words that stand in braces in the rows, on the stock side and on ours.
    words: [BTreeMap<&'static str, String>; 2],
}

impl Sides {
    /// Sides without brokers, with these words.
    pub(super) fn new(words: [BTreeMap<&'static str, String>; 2]) -> Self {
        Self::with_tools(Stock::Kafka43, words)
    }

    /// Sides with the tools of this Kafka.
    pub(super) fn with_tools(stock: Stock, words: [BTreeMap<&'static str, String>; 2]) -> Self {
        Self { stock, shell: StockShell::start(stock), words }
    }

    /// What the stock tool says of itself without options, or with `--help`.
    pub(super) fn stock_help(&mut self, command: &str) -> String {
        let ran = self.shell.run(stock_class(self.stock, command), &["--help"]);
        ran.stdout + &ran.stderr
    }

    /// A broker for each side, known as `{broker}`, with its data in `{data}`; `{files}` is where `prepare` left
    /// its files.
    pub(super) fn with_nodes(nodes: &[Node; 2]) -> Self {
        Self::new([words(&nodes[0]), words(&nodes[1])])
    }

    /// The same with the tools of Kafka 2.2.
    pub(super) fn as_2_2(nodes: &[Node; 2]) -> Self {
        Self::with_tools(Stock::Kafka22, [words(&nodes[0]), words(&nodes[1])])
    }

    /// Runs all rows and fails with every difference.
    pub(super) fn check(&mut self, command: &str, rows: &[Row]) {
        let mut problems = String::new();
        for row in rows {
            if let Err(problem) = self.check_row(command, row) {
                let _ = writeln!(problems, "{command} {}\n{problem}", row.line);
            }
        }
        assert!(problems.is_empty(), "\n{problems}");
    }

    fn check_row(&mut self, command: &str, row: &Row) -> Result<(), String> {
        let [stock_args, our_args] = [0, 1].map(|side| arguments(row.line, &self.words[side]));
        let refs: Vec<&str> = stock_args.iter().map(String::as_str).collect();
        let stock = self.shell.run(stock_class(self.stock, command), &refs);
        let refs: Vec<&str> = std::iter::once(command).chain(our_args.iter().map(String::as_str)).collect();
        let ours = rkafka(&refs);
        let ours = Ran { code: ours.status.code().unwrap_or(-1), stdout: ours.stdout, stderr: ours.stderr };
        let [stock, ours] = [(stock, 0), (ours, 1)].map(|(ran, side)| {
            let normal = |text: &str| normal::text(text, &self.words[side], row.lines_in_any_order);
            Ran {
                code: ran.code,
                stdout: normal(&ran.stdout),
                stderr: normal::first_line(&normal(&ran.stderr)),
            }
        });
        let differing: Vec<&str> = [
            ("exit code", stock.code != ours.code),
            ("output", stock.stdout != ours.stdout),
            ("errors", stock.stderr != ours.stderr),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(what, _)| what)
        .collect();
        let allowed: &[&str] = match row.differs.map(|(part, _)| part) {
            None => &[],
            Some(Part::Out) => &["output"],
            Some(Part::Err) => &["errors"],
            Some(Part::Words) => &["output", "errors"],
            Some(Part::All) => &["exit code", "output", "errors"],
        };
        match row.differs {
            Some((_, why)) if differing.is_empty() => {
                Err(format!("  is equal now, so this is no reason any more: {why}\n"))
            }
            _ if differing.iter().all(|what| allowed.contains(what)) => Ok(()),
            _ => Err(format!("  differs in {}\n{}", differing.join(", "), both(&stock, &ours))),
        }
    }
}

fn words(node: &Node) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("broker", node.bootstrap()),
        ("data", node.data().display().to_string()),
        ("files", node.dir().display().to_string()),
    ])
}

fn both(stock: &Ran, ours: &Ran) -> String {
    let side = |name: &str, ran: &Ran| {
        format!("  {name}: {}\n  1> {}\n  2> {}\n", ran.code, ran.stdout.replace('\n', "\n     "), ran.stderr)
    };
    side("stock", stock) + &side("rkafka", ours)
}

/// The words of a line, with what stands for those in braces. `~` is a blank inside a word.
fn arguments(line: &str, words: &BTreeMap<&'static str, String>) -> Vec<String> {
    let fill = |word: &str| {
        words
            .iter()
            .fold(word.replace('~', " "), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    };
    line.split_whitespace().map(fill).collect()
}
