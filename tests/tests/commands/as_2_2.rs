//! The tools of Kafka 2.2: every option of theirs is known, and where the output of 4.3 is the same, so is ours. What
//! differs is what 4.x changed; its words count (docs/commands.md has the list).

use std::collections::BTreeSet;

use regex::Regex;
use rkafka_tests::node::{Node, rkafka};

use super::compare::{Row, Sides, same};

const COMMANDS: [&str; 13] = [
    "broker-api-versions",
    "configs",
    "console-consumer",
    "console-producer",
    "consumer-groups",
    "consumer-perf-test",
    "delete-records",
    "dump-log",
    "get-offsets",
    "log-dirs",
    "replica-verification",
    "streams-application-reset",
    "topics",
];

#[test]
fn every_option_is_known() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    let mut sides = Sides::as_2_2(&nodes);
    let option = Regex::new(r"(?m)^(?:\* )?--([a-z][a-z.-]+)").expect("a sound pattern");
    let mut unknown = Vec::new();
    let mut count = 0;
    for command in COMMANDS {
        let help = sides.stock_help(command);
        let options: BTreeSet<&str> =
            option.captures_iter(&help).filter_map(|found| found.get(1)).map(|found| found.as_str()).collect();
        count += options.len();
        for option in options.into_iter().filter(|option| *option != "help") {
            // The option stands alone: whatever else is missing, the option itself must be known.
            let told = rkafka(&[command, &format!("--{option}")]).stderr;
            if told.contains("is not a recognized option") {
                unknown.push(format!("{command} --{option}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:?}");
    assert!(count > 150, "only {count} options were found in the help of 2.2");
}

const TOPICS: &[Row] = &[
    same("--bootstrap-server {broker} --list"),
];

#[test]
fn topics() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    Sides::as_2_2(&nodes).check("topics", TOPICS);
}
