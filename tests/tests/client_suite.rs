//! The suite of the Rust client on Apache Kafka 4.3 and 2.2: the checks that run on rkafka, one after the other on one
//! broker; each has topics and groups of its own.

use rkafka_client::AssignorKind;
use rkafka_tests::node::Node;

use crate::{client_consumer as consumer, client_producer as producer};

/// A name to show, and what is checked.
type Check = (&'static str, fn(&Node));

/// What every broker since 2.2 has to give.
const CHECKS: &[Check] = &[
    ("round trip", producer::check_round_trip),
    ("acknowledgements of all kinds", producer::check_acknowledgements_of_all_kinds),
    ("too large for the topic", producer::check_too_large_for_the_topic),
    ("every record once and in order", consumer::check_every_record_once_and_in_order),
    ("every codec", consumer::check_every_codec),
    ("seeks, pauses and offsets", consumer::check_seeks_pauses_and_offsets),
    ("commits", consumer::check_commits),
    ("nowhere to begin", consumer::check_nowhere_to_begin),
    ("topics that match", consumer::check_topics_that_match),
    ("listeners", consumer::check_listeners),
    ("four members", consumer::check_four_members),
    ("range, shared with Java", |node| consumer::check_shared_with_java(node, AssignorKind::Range)),
    ("roundrobin, shared with Java", |node| consumer::check_shared_with_java(node, AssignorKind::RoundRobin)),
    ("sticky, shared with Java", |node| consumer::check_shared_with_java(node, AssignorKind::Sticky)),
    ("cooperative-sticky, shared with Java", |node| {
        consumer::check_shared_with_java(node, AssignorKind::CooperativeSticky);
    }),
];

fn check_all(node: &Node) {
    for (name, check) in CHECKS {
        // Shown where one fails: the last name is the culprit's.
        println!("{name}");
        check(node);
    }
}

#[test]
fn on_apache_kafka_4_3() {
    let node = Node::start_apache(&[]);
    check_all(&node);
    consumer::check_a_static_member_comes_back(&node);
}

/// Static members came with 2.3.
#[test]
fn on_apache_kafka_2_2() {
    check_all(&Node::start_apache_22(&[]));
}
