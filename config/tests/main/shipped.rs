//! The shipped property files, and those of stock Kafka that users bring along, start a node.

use rkafka_config::{BrokerConfig, HostPort, Notice, Properties, Quorum, keys, shipped};

fn read(name: &str, text: &str) -> (BrokerConfig, Vec<Notice>) {
    let file = Properties::parse(name, text.as_bytes()).expect("well-formed");
    BrokerConfig::from_properties(&file, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn shipped_files_are_valid_and_say_nothing_odd() {
    for (name, text) in shipped::FILES {
        for notice in read(name, text).1 {
            assert!(matches!(notice, Notice::Ignored(_)), "{name}: {notice}");
        }
    }
}

#[test]
fn every_file_of_the_folder_is_shipped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("properties");
    let entries = std::fs::read_dir(folder).expect("properties/ is there");
    let mut found: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
    let mut shipped: Vec<&str> =
        shipped::FILES.iter().chain(&shipped::CLIENT_FILES).map(|(name, _)| *name).collect();
    found.sort();
    shipped.sort_unstable();
    assert_eq!(found, shipped);
    for (name, text) in shipped::CLIENT_FILES {
        let file = Properties::parse(name, text.as_bytes()).expect("well-formed");
        assert_eq!(file.get("bootstrap.servers"), Some("localhost:9092"), "{name}");
    }
}

#[test]
fn the_server_file_is_one_node_on_the_usual_port() {
    let (broker, _) = read("server.properties", shipped::SERVER_PROPERTIES);
    let node = broker.node();
    assert_eq!((node.id, node.roles.broker, node.roles.controller), (Some(1), true, true));
    let ports: Vec<u16> = node.listeners.bound.iter().map(|endpoint| endpoint.port).collect();
    assert_eq!(ports, [9092, 9093]);
    assert_eq!(broker.get(keys::OFFSETS_TOPIC_REPLICATION_FACTOR), 1);
}

/// What Kafka 2.2.0 ships as `config/server.properties`, without its comments.
const STOCK_2_2: &str = "broker.id=0\nnum.network.threads=3\nnum.io.threads=8\nsocket.send.buffer.bytes=102400\n\
    socket.receive.buffer.bytes=102400\nsocket.request.max.bytes=104857600\nlog.dirs=/tmp/kafka-logs\n\
    num.partitions=1\nnum.recovery.threads.per.data.dir=1\noffsets.topic.replication.factor=1\n\
    transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\nlog.retention.hours=168\n\
    log.segment.bytes=1073741824\nlog.retention.check.interval.ms=300000\nzookeeper.connect=localhost:2181\n\
    zookeeper.connection.timeout.ms=6000\ngroup.initial.rebalance.delay.ms=0\n";

#[test]
fn the_file_of_kafka_2_2_starts_a_quorum_of_one() {
    let (broker, notices) = read("server.properties", STOCK_2_2);
    let address = HostPort { host: "localhost".to_owned(), port: 2181 };
    assert_eq!(broker.node().quorum, Quorum::Addresses(vec![address]));
    assert_eq!(broker.node().id, Some(0));
    let said: Vec<String> = notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        ["ignored: num.io.threads, num.network.threads, transaction.state.log.min.isr, \
             transaction.state.log.replication.factor, zookeeper.connection.timeout.ms"]
    );
}

#[test]
fn the_tutorials_file_is_a_quorum_of_three() {
    let text = "broker.id=2\nlog.dirs=/data\nzookeeper.connect=hadoop01:2181,hadoop02:2181,hadoop03:2181/kafka\n\
                delete.topic.enable=true\n";
    let (broker, notices) = read("server.properties", text);
    let hosts = ["hadoop01", "hadoop02", "hadoop03"];
    let addresses = hosts.map(|host| HostPort { host: host.to_owned(), port: 2181 }).to_vec();
    assert_eq!(broker.node().quorum, Quorum::Addresses(addresses));
    assert_eq!(notices, []);
    let listeners = &broker.node().listeners;
    assert_eq!(listeners.bound[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(listeners.advertised, listeners.bound);
}
