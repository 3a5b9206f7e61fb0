//! The Rust producer against rkafka and Apache Kafka 4.3; what it sent is read back by kcat.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rkafka_client::producer::{Acks, Codec, Header, ProduceError, Producer, ProducerConfig, Record};
use rkafka_client::{Admin, ClientConfig, ErrorCode, NewTopic};
use rkafka_tests::foreign;
use rkafka_tests::node::Node;
use rustix::process::Signal;

use crate::orders;

/// How long anything here may take; only a broken product needs it.
const PATIENCE: Duration = Duration::from_secs(90);

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let bounded = async { tokio::time::timeout(PATIENCE, work).await.expect("an end in time") };
    runtime.expect("a runtime").block_on(bounded)
}

fn config(node: &Node) -> ProducerConfig {
    ProducerConfig::new(&node.bootstrap()).expect("an address")
}

async fn create_topic(node: &Node, topic: NewTopic) {
    // Brokers before 2.4 have no default for it (KIP-464).
    let topic = topic.with_replication_factor(1);
    let admin = Admin::connect(ClientConfig::new(&node.bootstrap()).expect("an address")).await;
    for (name, result) in admin.expect("reachable").create_topics(&[topic], false).await.expect("an answer") {
        let _ = result.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

fn kcat(node: &Node, topic: &str, format: &str) -> String {
    let bootstrap = node.bootstrap();
    let args = ["-b", &bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format];
    foreign::kcat(&args, "").success().stdout
}

/// Sends the tutorial's orders and checks that each is where its delivery says, once and in order.
async fn send_orders(node: &Node, producer: &Producer, topic: &str, count: usize) {
    let mut deliveries = Vec::new();
    for number in 0..count {
        let text = format!("订单信息!{number}");
        deliveries.push(producer.send(Record::to(topic).value(&text)).await.expect("room"));
    }
    producer.flush().await;
    let mut sent = Vec::new();
    for (number, delivery) in deliveries.into_iter().enumerate() {
        assert!(delivery.is_done(), "flush waits for everything");
        let stored = delivery.await.expect("stored");
        let (partition, offset) = (stored.partition, stored.offset.expect("an offset"));
        sent.push(orders::Order { partition, offset, text: format!("订单信息!{number}") });
    }
    orders::check_complete(&sent, count);
    let mut read = orders::parse(&kcat(node, topic, "%p %o %s\n"));
    orders::check_complete(&read, count);
    sent.sort();
    read.sort();
    assert_eq!(sent, read);
}

/// What a producer says of itself after `records` records.
fn check_metrics(producer: &Producer, records: f64) {
    let metrics = producer.metrics();
    let value = |name: &str| {
        let found = metrics.iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("no {name} among {metrics:?}")).value
    };
    assert_eq!((value("record-send-total"), value("record-error-total")), (records, 0.0));
    assert_eq!(value("buffer-available-bytes"), value("buffer-total-bytes"), "nothing waits");
    assert_eq!(value("requests-in-flight"), 0.0);
    assert!(value("response-total") >= 1.0 && value("response-total") <= value("request-total"));
    assert!(value("outgoing-byte-total") > value("batch-size-avg"));
    assert!(value("request-latency-max") >= value("request-latency-avg"));
    assert!(value("compression-rate-avg") <= 1.0);
}

pub(crate) fn check_round_trip(node: &Node) {
    block_on(async {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let topic = format!("orders-{codec}");
            create_topic(node, NewTopic::new(&topic).with_partitions(3)).await;
            let producer = Producer::connect(config(node).with_compression(codec)).await.expect("reachable");
            send_orders(node, &producer, &topic, 2000).await;
            check_metrics(&producer, 2000.0);
            assert!(producer.close(PATIENCE).await);
        }
        let producer = Producer::new(config(node)).expect("sound settings");
        let headers =
            [Header { key: b"k", value: Some(b"v") }, Header { key: b"k", value: Some("值".as_bytes()) }];
        let full = Record::to("all").key("ключ").value("value").headers(&headers).timestamp_ms(1234);
        let stored = producer.send(full).await.expect("room").await.expect("stored");
        assert_eq!((&*stored.topic, stored.offset, stored.timestamp_ms), ("all", Some(0), 1234));
        let _ = producer.send(Record::to("all").timestamp_ms(5)).await.expect("room").await.expect("stored");
        assert!(producer.close(PATIENCE).await);
        assert_eq!(
            kcat(node, "all", "%p %o %T %k %s %S %h\n"),
            "0 0 1234 ключ value 5 k=v,k=值\n0 1 5   -1 \n"
        );
    });
}

#[test]
fn round_trip() {
    check_round_trip(&Node::start(&[]));
}

pub(crate) fn check_acknowledgements_of_all_kinds(node: &Node) {
    block_on(async {
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            let config = config(node).with_acks(acks).with_linger(Duration::ZERO);
            let producer = Producer::connect(config).await.expect("reachable");
            let stored = producer.send(Record::to("acks").value("x")).await.expect("room").await;
            let offset = stored.expect("stored").offset;
            assert_eq!(offset.is_some(), acks != Acks::None, "{acks:?}");
            assert!(producer.close(PATIENCE).await);
            let refused = producer.send(Record::to("acks").value("x")).await.expect_err("closed");
            assert_eq!(refused, ProduceError::Closed);
        }
    });
    assert_eq!(kcat(node, "acks", "%o "), "0 1 2 ");
}

#[test]
fn acknowledgements_of_all_kinds() {
    check_acknowledgements_of_all_kinds(&Node::start(&[]));
}

/// Batches that turn out to be too large are split; a single record that is, is refused and harms no other.
pub(crate) fn check_too_large_for_the_topic(node: &Node) {
    block_on(async {
        create_topic(
            node,
            NewTopic::new("small").with_partitions(1).with_config("max.message.bytes", "3000"),
        )
        .await;
        for codec in [Codec::None, Codec::Gzip] {
            let config = config(node).with_batch_size(60_000).with_compression(codec);
            let producer = Producer::connect(config).await.expect("reachable");
            let mut deliveries = BTreeMap::new();
            for number in 0..600 {
                // Random, so that it does not compress.
                let size = if number == 300 { 5000 } else { 50 };
                let noise: Vec<u8> =
                    (0..size).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
                let value = [format!("{number} ").as_bytes(), &noise].concat();
                let value = if codec == Codec::None { value } else { scrambled(&value) };
                deliveries
                    .insert(number, producer.send(Record::to("small").value(&value)).await.expect("room"));
            }
            producer.flush().await;
            let mut last = None;
            for (number, delivery) in deliveries {
                match delivery.await {
                    Ok(stored) => {
                        assert!(stored.offset > last, "record {number} in order");
                        last = stored.offset;
                    }
                    Err(error) => {
                        assert_eq!((number, error.code()), (300, Some(ErrorCode::MessageTooLarge)));
                    }
                }
            }
        }
    });
    assert_eq!(kcat(node, "small", "x").len(), 2 * 599);
}

#[test]
fn too_large_for_the_topic() {
    check_too_large_for_the_topic(&Node::start(&[]));
}

/// Bytes that no codec makes smaller, made of what they were.
fn scrambled(value: &[u8]) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64 ^ value.len() as u64;
    let next = |byte: &u8| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte ^ state as u8
    };
    value.iter().map(next).collect()
}

/// The broker is killed and started again while records are being sent: every one is stored, once and in
/// order.
fn check_killed(node: &mut Node) {
    block_on(async {
        create_topic(node, NewTopic::new("orders").with_partitions(3)).await;
        let producer = Producer::connect(config(node)).await.expect("reachable");
        let mut deliveries = Vec::new();
        let count = 12_000;
        for number in 0..count {
            let text = format!("订单信息!{number}");
            deliveries.push(producer.send(Record::to("orders").value(&text)).await.expect("room"));
            if number % 4000 == 2000 {
                // In the middle of it: some are stored, some on their way, some not sent.
                deliveries.pop().expect("just sent").await.expect("stored");
                node.kill();
                for more in 0..500 {
                    let text = format!("while it is down {more}");
                    deliveries.push(producer.send(Record::to("orders").value(&text)).await.expect("room"));
                }
                node.restart();
            }
        }
        producer.flush().await;
        for delivery in deliveries {
            delivery.await.expect("stored");
        }
        let read = kcat(node, "orders", "%p %o %s\n");
        let (down, up): (Vec<_>, Vec<_>) =
            orders::parse(&read).into_iter().partition(|order| order.text.starts_with("while"));
        assert_eq!((down.len(), up.len()), (1500, count), "each once");
        let mut last: BTreeMap<i32, usize> = BTreeMap::new();
        for order in up {
            let number: usize = order.text.trim_start_matches("订单信息!").parse().expect("a number");
            let before = last.insert(order.partition, number);
            assert!(before < Some(number), "partition {} keeps the order", order.partition);
        }
    });
}

#[test]
fn killed_in_mid_stream() {
    check_killed(&mut Node::start(&[]));
}

#[test]
fn what_cannot_be_sent() {
    let node = Node::start(&[("auto.create.topics.enable", "false")]);
    block_on(async {
        create_topic(&node, NewTopic::new("one").with_partitions(1)).await;
        let config = config(&node).with("max.block.ms", "3000").expect("a number");
        let producer = Producer::connect(config).await.expect("reachable");
        let refused = async |record: Record<'_>| producer.send(record).await.expect_err("refused");
        let absent = refused(Record::to("absent").value("x")).await;
        assert_eq!(
            absent.to_string(),
            "Topic absent not present in metadata after 3000 ms. (the last try: This server does not host this \
             topic-partition.)"
        );
        let beyond = refused(Record::to("one").partition(3).value("x")).await;
        let text =
            "Partition 3 of topic one with partition count 1 is not present in metadata after 3000 ms.";
        assert_eq!(beyond.to_string(), text);
        let invalid = refused(Record::to("what?").value("x")).await;
        assert_eq!(invalid.code(), Some(ErrorCode::InvalidTopicException));
        let large = vec![0; 2 << 20];
        let large = refused(Record::to("one").value(&large)).await;
        assert!(matches!(large, ProduceError::TooLarge { setting: "max.request.size", .. }), "{large}");
        let negative = refused(Record::to("one").timestamp_ms(-1)).await;
        assert_eq!(negative, ProduceError::Negative { what: "timestamp", value: -1 });
    });
}

#[test]
fn unreachable_brokers_are_named_within_seconds() {
    let start = Instant::now();
    let config = ProducerConfig::new("127.0.0.1:1").expect("an address");
    let error = block_on(Producer::connect(config)).expect_err("nobody listens");
    assert!(error.to_string().contains("127.0.0.1:1: connection refused"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

/// A broker that stands still fills the buffer: senders wait, then are told; once it goes on, everything
/// arrives.
#[test]
fn back_pressure() {
    let mut node = Node::start(&[]);
    block_on(async {
        create_topic(&node, NewTopic::new("slow").with_partitions(1)).await;
        let config =
            config(&node).with_buffer_memory(64 << 10).with("max.block.ms", "3000").expect("a number");
        let producer = Producer::connect(config).await.expect("reachable");
        producer.send(Record::to("slow").value("first")).await.expect("room").await.expect("stored");
        node.process().signal(Signal::STOP);
        let mut deliveries = Vec::new();
        let full = loop {
            match producer.send(Record::to("slow").value(&[7; 1000])).await {
                Ok(delivery) => deliveries.push(delivery),
                Err(error) => break error,
            }
        };
        assert!(matches!(full, ProduceError::BufferFull { total: 65_536, .. }), "{full}");
        assert!(deliveries.len() < 66, "{} KB are beyond buffer.memory", deliveries.len());
        node.process().signal(Signal::CONT);
        producer.flush().await;
        let count = deliveries.len();
        for delivery in deliveries {
            delivery.await.expect("stored");
        }
        assert_eq!(kcat(&node, "slow", "x").len(), count + 1);
    });
}

#[test]
fn delivery_times_out() {
    let mut node = Node::start(&[]);
    block_on(async {
        let config = config(&node).with("request.timeout.ms", "500").expect("a number");
        let config = config.with_delivery_timeout(Duration::from_millis(1500));
        let producer = Producer::connect(config).await.expect("reachable");
        producer.send(Record::to("lost").value("first")).await.expect("room").await.expect("stored");
        node.process().signal(Signal::STOP);
        let delivery = producer.send(Record::to("lost").value("second")).await.expect("room");
        let error = delivery.await.expect_err("nobody answers").to_string();
        let rest = error.strip_prefix("Expiring 1 record(s) for lost-0:").expect(&error);
        let (waited, _) =
            rest.split_once(" ms has passed since batch creation (the last try: ").expect(&error);
        assert!(waited.parse::<u64>().expect(&error) >= 1500, "{error}");
        // Nobody waits longer than told for what cannot be sent.
        let _unsent = producer.send(Record::to("lost").value("third")).await.expect("room");
        assert!(!producer.close(Duration::from_millis(10)).await, "there was something left");
        node.process().signal(Signal::CONT);
    });
}
