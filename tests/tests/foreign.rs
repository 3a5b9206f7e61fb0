//! Clients that are not Java: librdkafka (kcat, confluent-kafka), franz-go, kafka-python, aiokafka, kafkajs.

use rkafka_tests::foreign;
use rkafka_tests::node::Node;

use crate::orders;

#[test]
fn kcat_round_trip() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let input: String = (0..500).map(|i| format!("订单信息!{i}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("kcat-{codec}");
        let _ = foreign::kcat(&["-b", &bootstrap, "-P", "-t", &topic, "-z", codec], &input).success();
        let read = foreign::kcat(
            &["-b", &bootstrap, "-C", "-t", &topic, "-o", "beginning", "-e", "-q", "-f", "%p %o %s\n"],
            "",
        )
        .success();
        orders::check_complete(&orders::parse(&read.stdout), 500);
    }
    let list = foreign::kcat(&["-b", &bootstrap, "-L"], "").success();
    assert!(list.stdout.contains("topic \"kcat-zstd\" with 1 partitions"), "{}", list.stdout);
}

/// A compressed batch must still be compressed on disk: librdkafka silently sends plain batches to brokers
/// whose ApiVersions it dislikes.
#[test]
fn kcat_compression_is_real() {
    let node = Node::start(&[]);
    let input = format!("{}\n", "a".repeat(100_000));
    let _ = foreign::kcat(&["-b", &node.bootstrap(), "-P", "-t", "packed", "-z", "lz4"], &input).success();
    let log = node.data().join("packed-0/00000000000000000000.log");
    let size = std::fs::metadata(&log).expect("the segment exists").len();
    assert!(size < 5_000, "100 kB of one letter took {size} bytes on disk");
}

#[test]
fn kcat_consumer_group() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let input: String = (0..100).map(|i| format!("订单信息!{i}\n")).collect();
    let _ = foreign::kcat(&["-b", &bootstrap, "-P", "-t", "grouped"], &input).success();
    let args =
        ["-b", &bootstrap, "-G", "kcats", "-e", "-q", "-f", "%p %o %s\n", "-X", "auto.offset.reset=earliest"];
    let first = foreign::kcat(&[&args[..], &["grouped"]].concat(), "").success();
    orders::check_complete(&orders::parse(&first.stdout), 100);
    let second = foreign::kcat(&[&args[..], &["grouped"]].concat(), "").success();
    assert_eq!(orders::parse(&second.stdout), [], "the group goes on where it committed");
}

#[test]
fn franz_go() {
    let node = Node::start(&[]);
    let read = foreign::go(&[&node.bootstrap(), "franz", "franz", "1000"]).success();
    orders::check_complete(&orders::parse(&read.stdout), 1000);
}

fn check_python(client: &str) {
    let node = Node::start(&[]);
    let read =
        foreign::python("round_trip.py", &[client, &node.bootstrap(), client, client, "300"]).success();
    orders::check_complete(&orders::parse(&read.stdout), 300);
}

#[test]
fn confluent_kafka_python() {
    check_python("confluent-kafka");
}

#[test]
fn kafka_python() {
    check_python("kafka-python");
}

#[test]
fn aiokafka() {
    check_python("aiokafka");
}

#[test]
fn kafkajs() {
    let node = Node::start(&[]);
    let read = foreign::node("round_trip.js", &[&node.bootstrap(), "kafkajs", "kafkajs", "300"]).success();
    orders::check_complete(&orders::parse(&read.stdout), 300);
}
