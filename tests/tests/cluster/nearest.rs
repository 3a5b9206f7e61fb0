//! The Rust consumer reads from the replica in its own rack (KIP-392), and from the leader when that one is gone.

use std::time::Duration;

use rkafka_client::{
    Admin, AutoOffsetReset, ClientConfig, Consumer, ConsumerConfig, NewTopic, Producer, ProducerConfig,
    Record, TopicPartition,
};
use rkafka_tests::wait::PATIENCE;

use super::Cluster;

async fn produce(producer: &Producer, count: usize) {
    for number in 0..count {
        let delivery = producer.send(Record::to("near").value(&number.to_string())).await.expect("room");
        if number + 1 == count {
            delivery.await.expect("stored");
        }
    }
    producer.flush().await;
}

async fn read(consumer: &Consumer, count: usize) {
    let mut read = 0;
    while read < count {
        read += consumer.poll(Duration::from_millis(100)).await.expect("a poll").len();
    }
    assert_eq!(read, count, "each once");
}

/// The replica that is read from; -1 for the leader.
fn replica(consumer: &Consumer) -> i32 {
    let metrics = consumer.metrics();
    let found = metrics.iter().find(|metric| metric.name == "preferred-read-replica");
    found.expect("the partition is assigned").value as i32
}

#[test]
fn a_consumer_reads_in_its_own_rack() {
    let mut cluster = Cluster::start_with(|node| {
        let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
        format!("broker.rack=r{node}\nreplica.selector.class={selector}\n")
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let bootstrap = cluster.address(0);
        let admin =
            Admin::connect(ClientConfig::new(&bootstrap).expect("an address")).await.expect("reachable");
        let topic = NewTopic::new("near").with_partitions(1).with_replication_factor(3);
        admin.create_topics(&[topic], false).await.expect("an answer").remove(0).1.expect("made");
        let config = ProducerConfig::new(&bootstrap).expect("an address");
        let producer = Producer::connect(config).await.expect("reachable");
        produce(&producer, 100).await;
        let described =
            admin.describe_topics(&["near".to_owned()], 100).await.expect("an answer").remove(0).1;
        let leader = described.expect("known").partitions[0].leader.expect("a leader");
        // Not the bootstrap node, which has to stay.
        let near = if leader == 1 { 2 } else { 1 };
        let mut config = ConsumerConfig::new(&bootstrap).expect("an address");
        config = config.with("client.rack", &format!("r{near}")).expect("a text");
        config = config.with_auto_offset_reset(AutoOffsetReset::Earliest);
        let consumer = Consumer::connect(config).await.expect("reachable");
        consumer.assign([TopicPartition::new("near", 0)]).expect("no subscription");
        let test = async {
            read(&consumer, 100).await;
            while replica(&consumer) != near {
                read(&consumer, 0).await;
                let _ = consumer.poll(Duration::from_millis(100)).await.expect("a poll");
            }
            produce(&producer, 100).await;
            read(&consumer, 100).await;
            assert_eq!(replica(&consumer), near, "it stays there");
            tokio::task::block_in_place(|| cluster.kill(usize::try_from(near).expect("a node")));
            produce(&producer, 100).await;
            read(&consumer, 100).await;
            assert_ne!(replica(&consumer), near, "it is gone");
        };
        tokio::time::timeout(4 * PATIENCE, test).await.expect("in time");
    });
    cluster.stop_all();
}
