//! The tutorial's three programs on four generations of the Java client.

use rkafka_tests::java;
use rkafka_tests::node::Node;
use rkafka_tests::stock::{Stock, tool};

use crate::orders;

/// One topic of three partitions on a fresh node.
fn node_with_topic() -> Node {
    let node = Node::start(&[]);
    let created = Stock::Kafka43.run(
        tool::topics(Stock::Kafka43),
        &["--bootstrap-server", &node.bootstrap(), "--create", "--topic", "test", "--partitions", "3"],
    );
    assert_eq!(created.success().stdout.trim(), "Created topic test.");
    node
}

/// Produces with every `acks`, consumes with automatic and manual commits, restarts consumers in between.
fn check(clients: Stock) {
    let node = node_with_topic();
    let bootstrap = node.bootstrap();

    let sent = java::run(clients, "OrderProducer", &[&bootstrap, "test", "1000"]).success();
    let sent = orders::parse(&sent.stdout);
    orders::check_complete(&sent, 1000);

    let earliest = "auto.offset.reset=earliest";
    let first =
        java::run(clients, "OrderConsumer", &[&bootstrap, "test", "test", "1000", earliest]).success();
    let mut read = orders::parse(&first.stdout);
    orders::check_complete(&read, 1000);
    read.sort();
    let mut sorted = sent.clone();
    sorted.sort();
    assert_eq!(read, sorted, "consumed where it was acknowledged");

    // A restarted consumer goes on at the committed offset: it sees the ten new records and nothing else.
    let more = java::run(clients, "OrderProducer", &[&bootstrap, "test", "10", "acks=1"]).success();
    let again = java::run(clients, "OrderConsumer", &[&bootstrap, "test", "test", "10", earliest]).success();
    let (mut more, mut again) = (orders::parse(&more.stdout), orders::parse(&again.stdout));
    more.sort();
    again.sort();
    assert_eq!(again, more);

    // acks=0 has no answer: the client makes up offset -1, the records arrive all the same.
    let _ = java::run(clients, "OrderProducer", &[&bootstrap, "test", "10", "acks=0"]).success();
    let unacknowledged =
        java::run(clients, "OrderConsumer", &[&bootstrap, "test", "test", "10", earliest]).success();
    let mut texts: Vec<_> =
        orders::parse(&unacknowledged.stdout).into_iter().map(|order| order.text).collect();
    texts.sort();
    assert_eq!(texts, orders::texts(10).into_iter().collect::<Vec<_>>());

    // Killed between poll and commit, the manual consumer sees those records again.
    let halted = java::run(clients, "MyConsumerByHand", &[&bootstrap, "test", "tedu", "1", "halt"]).success();
    let halted = orders::parse(&halted.stdout);
    assert!(!halted.is_empty());
    for mode in ["sync", "async"] {
        let group = format!("tedu-{mode}");
        let all =
            java::run(clients, "MyConsumerByHand", &[&bootstrap, "test", &group, "1020", mode]).success();
        assert_eq!(orders::parse(&all.stdout).len(), 1020);
    }
    let repeated =
        java::run(clients, "MyConsumerByHand", &[&bootstrap, "test", "tedu", "1020", "sync"]).success();
    let repeated = orders::parse(&repeated.stdout);
    assert!(halted.iter().all(|order| repeated.contains(order)), "uncommitted records come again");
}

#[test]
fn java_clients_2_2() {
    check(Stock::Kafka22);
}

#[test]
fn java_clients_2_8() {
    check(Stock::Clients28);
}

#[test]
fn java_clients_3_9() {
    check(Stock::Clients39);
}

#[test]
fn java_clients_newest() {
    check(Stock::Clients4);
}

/// Every codec of the Java clients, old and new, read back by the other generation.
#[test]
fn codecs_across_generations() {
    let node = node_with_topic();
    let bootstrap = node.bootstrap();
    for (producer, consumer) in [(Stock::Kafka22, Stock::Clients4), (Stock::Clients4, Stock::Kafka22)] {
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let topic = format!("codec-{codec}-{}", producer.name());
            let compression = format!("compression.type={codec}");
            let sent =
                java::run(producer, "OrderProducer", &[&bootstrap, &topic, "200", &compression]).success();
            orders::check_complete(&orders::parse(&sent.stdout), 200);
            let read = java::run(
                consumer,
                "OrderConsumer",
                &[&bootstrap, &topic, &topic, "200", "auto.offset.reset=earliest"],
            )
            .success();
            orders::check_complete(&orders::parse(&read.stdout), 200);
        }
    }
}
