//! Brokers older than the commands: Apache Kafka 2.2.0 behind the tools of 4.3 and behind ours. What the broker lacks
//! is told in rkafka's own words, which name the broker: `the broker at … is too old for …`.

use rkafka_tests::node::Node;

use super::compare::{Part, Row, Sides, differs, same};

/// Why words differ where the broker is too old.
const OWN_WORDS: &str = "rkafka names the broker and what it is too old for";

const TOPICS: &[Row] = &[
    same("--bootstrap-server {broker} --create --topic a --partitions 2 --replication-factor 1"),
    same("--bootstrap-server {broker} --create --topic a --partitions 2 --replication-factor 1"),
    differs(Part::Words, "--bootstrap-server {broker} --create --topic b", OWN_WORDS),
    same("--bootstrap-server {broker} --create --topic b --partitions 1 --replication-factor 3"),
    same(
        "--bootstrap-server {broker} --create --topic b --replica-assignment 1,1 --config retention.ms=5000",
    ),
    same("--bootstrap-server {broker} --list"),
    same("--bootstrap-server {broker} --list --exclude-internal"),
    same("--bootstrap-server {broker} --describe --topic a"),
    same("--bootstrap-server {broker} --describe --topic b"),
    same("--bootstrap-server {broker} --describe --topic nope"),
    same("--bootstrap-server {broker} --describe --unavailable-partitions"),
    same("--bootstrap-server {broker} --alter --topic a --partitions 3"),
    same("--bootstrap-server {broker} --alter --topic a --partitions 1"),
    same("--bootstrap-server {broker} --delete --topic a"),
    same("--bootstrap-server {broker} --delete --topic nope"),
];

#[test]
fn commands_tell_what_an_older_broker_lacks() {
    let nodes = [(); 2].map(|()| Node::start_apache_22(&[]));
    Sides::with_nodes(&nodes).check("topics", TOPICS);
}
