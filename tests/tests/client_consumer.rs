//! The Rust consumer against a running broker, alone and beside Java members of its group.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rkafka_client::{
    Admin, AssignorKind, AutoOffsetReset, ClientConfig, Consumer, ConsumerConfig, ConsumerError,
    ConsumerRecord, NewTopic, RebalanceListener, TopicPartition,
};
use rkafka_tests::foreign::kcat;
use rkafka_tests::java;
use rkafka_tests::node::Node;
use rkafka_tests::process::Process;
use rkafka_tests::stock::Stock;
use rkafka_tests::wait::PATIENCE;

use crate::orders::{self, Order};

const POLL: Duration = Duration::from_millis(100);

/// Runs the async part of a test; it waits for several conditions, each with the patience of all tests.
fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(4 * PATIENCE, test).await.expect("in time") })
}

fn config(node: &Node) -> ConsumerConfig {
    let mut config = ConsumerConfig::new(&node.bootstrap()).expect("an address");
    config.auto_offset_reset = AutoOffsetReset::Earliest;
    config.session_timeout = Duration::from_secs(6);
    config.heartbeat_interval = Duration::from_millis(500);
    config
}

async fn create(node: &Node, topic: &str, partitions: i32) {
    let admin =
        Admin::connect(ClientConfig::new(&node.bootstrap()).expect("an address")).await.expect("a broker");
    // Brokers before 2.4 have no default for replicas (KIP-464).
    let topic = NewTopic::new(topic).with_partitions(partitions).with_replication_factor(1);
    let created = admin.create_topics(&[topic], false).await;
    for (_, result) in created.expect("an answer") {
        result.expect("the topic is made");
    }
}

/// Sends `订单信息!<from>` and the next ones, in turn to all partitions.
fn produce(node: &Node, topic: &str, partitions: usize, numbers: std::ops::Range<usize>, codec: &str) {
    for partition in 0..partitions {
        let mine = numbers.clone().filter(|number| number % partitions == partition);
        let lines: String = mine.map(|number| format!("订单信息!{number}\n")).collect();
        let partition = partition.to_string();
        let args = ["-P", "-b", &node.bootstrap(), "-t", topic, "-p", &partition, "-z", codec];
        let _ = kcat(&args, &lines).success();
    }
}

fn order(record: &ConsumerRecord) -> Order {
    let value = record.value.as_ref().expect("a value");
    let text = std::str::from_utf8(value).expect("UTF-8").to_owned();
    Order { partition: record.partition, offset: record.offset, text }
}

async fn poll(consumer: &Consumer) -> Vec<Order> {
    consumer.poll(POLL).await.expect("a poll").iter().map(order).collect()
}

async fn read(consumer: &Consumer, count: usize) -> Vec<Order> {
    let mut orders = Vec::new();
    while orders.len() < count {
        orders.extend(poll(consumer).await);
    }
    orders
}

fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}

pub(crate) fn check_every_record_once_and_in_order(node: &Node) {
    run(async {
        create(node, "orders", 3).await;
        produce(node, "orders", 3, 0..900, "none");
        let consumer = Consumer::connect(config(node).with_group_id("g")).await.expect("a broker");
        consumer.subscribe(["orders"]).expect("a group");
        orders::check_complete(&read(&consumer, 900).await, 900);
        assert_eq!(poll(&consumer).await, [], "nothing twice");
        assert_eq!(consumer.assignment().len(), 3);
        assert_eq!(consumer.current_lag(&tp("orders", 0)), Some(0));
        let metrics = consumer.metrics();
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value);
        assert_eq!(value("records-consumed-total"), Some(900.0));
        assert_eq!((value("records-lag-max"), value("assigned-partitions")), (Some(0.0), Some(3.0)));
        assert_eq!(metrics.iter().filter(|metric| metric.name == "records-lag").count(), 3);
        assert!(value("fetch-total") >= Some(1.0) && value("rebalance-total") >= Some(1.0));
        assert!(value("bytes-consumed-total") > Some(900.0 * 15.0), "{metrics:?}");
        consumer.close(PATIENCE).await.expect("a close");
        // Closing has committed: the next member of the group goes on.
        produce(node, "orders", 3, 900..903, "none");
        let consumer = Consumer::connect(config(node).with_group_id("g")).await.expect("a broker");
        consumer.subscribe(["orders"]).expect("a group");
        let texts: BTreeSet<String> = read(&consumer, 3).await.into_iter().map(|order| order.text).collect();
        assert_eq!(texts, (900..903).map(|number| format!("订单信息!{number}")).collect());
        consumer.close(PATIENCE).await.expect("a close");
    });
}

/// Seeks where partitions come, commits where they go, and notes both.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, what: &str, partitions: &[TopicPartition]) {
        let list: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        self.0.lock().expect("a lock").push(format!("{what} {}", list.join(",")));
    }
}

type Done<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl RebalanceListener for Notes {
    fn partitions_revoked<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> Done<'a> {
        Box::pin(async move {
            self.add("gone", partitions);
            consumer.commit().await.expect("still a member");
        })
    }

    fn partitions_assigned<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> Done<'a> {
        Box::pin(async move {
            self.add("came", partitions);
            consumer.seek(&partitions[0], 7).expect("assigned");
        })
    }
}

pub(crate) fn check_listeners(node: &Node) {
    run(async {
        create(node, "listened", 1).await;
        produce(node, "listened", 1, 0..10, "none");
        let config = config(node).with_group_id("listened").with_auto_commit(false);
        let consumer = Consumer::connect(config).await.expect("a broker");
        let notes = Notes::default();
        consumer.subscribe_with(["listened"], notes.clone()).expect("a group");
        let offsets: Vec<i64> = read(&consumer, 3).await.iter().map(|order| order.offset).collect();
        assert_eq!(offsets, [7, 8, 9], "where the listener said");
        consumer.unsubscribe().await.expect("an answer");
        assert_eq!(*notes.0.lock().expect("a lock"), ["came listened-0", "gone listened-0"]);
        let partition = tp("listened", 0);
        let committed = consumer.committed(std::slice::from_ref(&partition)).await.expect("an answer");
        assert_eq!(committed[&partition].as_ref().map(|one| one.offset), Some(10), "before it was given up");
    });
}

#[test]
fn listeners() {
    check_listeners(&Node::start(&[]));
}

#[test]
fn every_record_once_and_in_order() {
    check_every_record_once_and_in_order(&Node::start(&[]));
}

pub(crate) fn check_every_codec(node: &Node) {
    run(async {
        create(node, "codecs", 1).await;
        for (at, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
            produce(node, "codecs", 1, at * 50..(at + 1) * 50, codec);
        }
        let mut config = config(node);
        // Batches larger than the limits are read all the same, one at a time (KIP-74).
        (config.max_partition_fetch_bytes, config.fetch_max_bytes) = (100, 100);
        config.max_poll_records = 7;
        let consumer = Consumer::connect(config).await.expect("a broker");
        consumer.assign([tp("codecs", 0)]).expect("no subscription");
        orders::check_complete(&read(&consumer, 250).await, 250);
    });
}

#[test]
fn every_codec() {
    check_every_codec(&Node::start(&[]));
}

pub(crate) fn check_seeks_pauses_and_offsets(node: &Node) {
    run(async {
        create(node, "seeks", 2).await;
        produce(node, "seeks", 2, 0..200, "none");
        let (one, two) = (tp("seeks", 0), tp("seeks", 1));
        let both = [one.clone(), two.clone()];
        let consumer = Consumer::connect(config(node)).await.expect("a broker");
        assert_eq!(consumer.poll(POLL).await, Err(ConsumerError::NotSubscribed));
        consumer.assign(both.clone()).expect("no subscription");
        assert_eq!(consumer.position(&one).await, Ok(0));
        consumer.pause(std::slice::from_ref(&two)).expect("assigned");
        let read_one = read(&consumer, 100).await;
        assert!(read_one.iter().all(|order| order.partition == 0), "the other is paused");
        consumer.seek(&one, 97).expect("assigned");
        let offsets: Vec<i64> = read(&consumer, 3).await.iter().map(|order| order.offset).collect();
        assert_eq!(offsets, [97, 98, 99]);
        consumer.resume(std::slice::from_ref(&two)).expect("assigned");
        assert_eq!(read(&consumer, 100).await.len(), 100);
        consumer.seek_to_beginning(std::slice::from_ref(&two)).expect("assigned");
        assert_eq!(consumer.position(&two).await, Ok(0));
        consumer.seek_to_end(&[]).expect("assigned");
        assert_eq!((consumer.position(&one).await, consumer.position(&two).await), (Ok(100), Ok(100)));

        let ends = consumer.end_offsets(&both).await.expect("offsets");
        assert_eq!(ends, [(one.clone(), 100), (two.clone(), 100)].into());
        let starts = consumer.beginning_offsets(&both).await.expect("offsets");
        assert_eq!(starts, [(one.clone(), 0), (two.clone(), 0)].into());
        let times = [(one.clone(), 0), (two.clone(), i64::MAX / 2)].into();
        let found = consumer.offsets_for_times(&times).await.expect("offsets");
        assert_eq!(found[&one].map(|found| found.offset), Some(0));
        assert_eq!(found[&two], None, "no record is that young");
        assert_eq!(consumer.commit().await, Err(ConsumerError::NoGroup));
        let strange = tp("seeks", 9);
        assert_eq!(consumer.seek(&strange, 0), Err(ConsumerError::NotAssigned(strange)));
    });
}

#[test]
fn seeks_pauses_and_offsets() {
    check_seeks_pauses_and_offsets(&Node::start(&[]));
}

pub(crate) fn check_commits(node: &Node) {
    run(async {
        create(node, "commits", 1).await;
        produce(node, "commits", 1, 0..10, "none");
        let partition = tp("commits", 0);
        let config = config(node).with_group_id("by-hand").with_auto_commit(false);
        let consumer = Consumer::connect(config.clone()).await.expect("a broker");
        consumer.assign([partition.clone()]).expect("no subscription");
        assert_eq!(
            consumer.committed(std::slice::from_ref(&partition)).await.expect("an answer")[&partition],
            None
        );
        read(&consumer, 10).await;
        consumer.commit_offsets(&[(partition.clone(), 4.into())].into()).await.expect("a commit");
        let committed = consumer.committed(std::slice::from_ref(&partition)).await.expect("an answer");
        assert_eq!(committed[&partition].as_ref().map(|one| one.offset), Some(4));
        drop(consumer);
        let consumer = Consumer::connect(config.clone()).await.expect("a broker");
        consumer.assign([partition.clone()]).expect("no subscription");
        assert_eq!(read(&consumer, 6).await[0].offset, 4);
        consumer.commit_async().expect("a group");
        consumer.close(PATIENCE).await.expect("a close");
        let consumer = Consumer::connect(config).await.expect("a broker");
        consumer.assign([partition.clone()]).expect("no subscription");
        assert_eq!(consumer.position(&partition).await, Ok(10), "closing waits for commits under way");
    });
}

#[test]
fn commits() {
    check_commits(&Node::start(&[]));
}

pub(crate) fn check_nowhere_to_begin(node: &Node) {
    run(async {
        create(node, "nowhere", 1).await;
        let partition = tp("nowhere", 0);
        let config = config(node).with_auto_offset_reset(AutoOffsetReset::None);
        let consumer = Consumer::connect(config).await.expect("a broker");
        consumer.assign([partition.clone()]).expect("no subscription");
        let failed = loop {
            if let Err(error) = consumer.poll(POLL).await {
                break error;
            }
        };
        assert_eq!(failed, ConsumerError::NoOffset(vec![partition.clone()]));
        consumer.seek(&partition, 5).expect("assigned");
        let failed = loop {
            match consumer.poll(POLL).await {
                Err(ConsumerError::NoOffset(_)) | Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(failed, ConsumerError::OffsetOutOfRange { partition: partition.clone(), offset: 5 });
        consumer.seek(&partition, 0).expect("assigned");
        produce(node, "nowhere", 1, 0..1, "none");
        loop {
            if consumer.poll(POLL).await.is_ok_and(|records| records.len() == 1) {
                break;
            }
        }
    });
}

#[test]
fn nowhere_to_begin() {
    check_nowhere_to_begin(&Node::start(&[]));
}

pub(crate) fn check_topics_that_match(node: &Node) {
    run(async {
        create(node, "match-1", 1).await;
        create(node, "other-match-1", 1).await;
        let mut config = config(node).with_group_id("pattern");
        config.client.metadata_max_age = Duration::from_millis(200);
        let consumer = Consumer::connect(config).await.expect("a broker");
        let pattern = regex::Regex::new("match-.*").expect("a pattern");
        consumer.subscribe_pattern(pattern).expect("a group");
        while consumer.assignment() != [tp("match-1", 0)].into() {
            poll(&consumer).await;
        }
        create(node, "match-2", 2).await;
        while consumer.assignment().len() != 3 {
            poll(&consumer).await;
        }
        consumer.close(PATIENCE).await.expect("a close");
    });
}

#[test]
fn topics_that_match() {
    check_topics_that_match(&Node::start(&[]));
}

/// kill -9 and a restart: the consumer goes on where it was, with nothing lost and nothing twice.
#[test]
fn the_broker_is_killed() {
    let mut node = Node::start(&[]);
    let consumer_config = config(&node).with_group_id("killed");
    run(async {
        create(&node, "killed", 2).await;
        produce(&node, "killed", 2, 0..100, "none");
        let consumer = Consumer::connect(consumer_config).await.expect("a broker");
        consumer.subscribe(["killed"]).expect("a group");
        let mut orders = read(&consumer, 100).await;
        consumer.commit().await.expect("a commit");
        tokio::task::block_in_place(|| {
            node.kill();
            node.restart();
            produce(&node, "killed", 2, 100..200, "none");
        });
        orders.extend(read(&consumer, 100).await);
        orders.sort();
        orders::check_complete(&orders, 200);
        consumer.close(PATIENCE).await.expect("a close");
    });
}

/// A running `SharingConsumer`.
struct JavaMember(Process);

impl JavaMember {
    fn start(node: &Node, topic: &str, kind: AssignorKind) -> JavaMember {
        let strategy = format!("partition.assignment.strategy={}", kind.java_class());
        let args = [node.bootstrap(), topic.to_owned(), topic.to_owned(), strategy];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        JavaMember(Process::start(java::command(Stock::Clients4, "SharingConsumer", &args)))
    }

    fn owned(&self) -> BTreeSet<i32> {
        let stdout = self.0.stdout();
        let line = stdout.lines().rev().find_map(|line| line.strip_prefix("owns ["));
        let numbers = line.unwrap_or_default().trim_end_matches(']').split(", ");
        numbers.filter_map(|number| number.parse().ok()).collect()
    }
}

fn numbers(consumer: &Consumer) -> BTreeSet<i32> {
    consumer.assignment().iter().map(|partition| partition.partition).collect()
}

/// Rust first (so it leads), then Java, then Rust leaves and comes back to a group that Java leads.
pub(crate) fn check_shared_with_java(node: &Node, kind: AssignorKind) {
    run(async {
        let topic = &format!("shared-{}", kind.name());
        create(node, topic, 4).await;
        let config = config(node).with_group_id(topic).with_assignors([kind]).with_auto_commit(false);
        let rust = Consumer::connect(config.clone()).await.expect("a broker");
        rust.subscribe([topic]).expect("a group");
        while numbers(&rust).len() != 4 {
            poll(&rust).await;
        }
        let mut java = JavaMember::start(node, topic, kind);
        let share = async |rust: &Consumer, java: &JavaMember| {
            let mut orders = Vec::new();
            while numbers(rust).len() != 2
                || java.owned().len() != 2
                || !numbers(rust).is_disjoint(&java.owned())
            {
                orders.extend(poll(rust).await);
            }
            orders
        };
        let mut orders = share(&rust, &java).await;
        produce(node, topic, 4, 0..40, "lz4");
        while orders.len() < 20 {
            orders.extend(poll(&rust).await);
        }
        rust.commit().await.expect("a commit");
        rust.close(PATIENCE).await.expect("a close");

        let rust = Consumer::connect(config).await.expect("a broker");
        rust.subscribe([topic]).expect("a group");
        orders.extend(share(&rust, &java).await);
        produce(node, topic, 4, 40..80, "none");
        let mut all: Vec<Order> = Vec::new();
        while all.len() < 80 {
            orders.extend(poll(&rust).await);
            rust.commit().await.expect("a commit");
            all = orders.iter().cloned().chain(orders::parse(&java.0.stdout())).collect();
            all.sort();
            all.dedup();
        }
        orders::check_complete(&all, 80);
        java.0.write("\n");
        while numbers(&rust).len() != 4 {
            poll(&rust).await;
        }
        let _ = java.0.finish(PATIENCE).success();
        rust.close(PATIENCE).await.expect("a close");
    });
}

#[test]
fn shares_with_java_range() {
    check_shared_with_java(&Node::start(&[]), AssignorKind::Range);
}

#[test]
fn shares_with_java_round_robin() {
    check_shared_with_java(&Node::start(&[]), AssignorKind::RoundRobin);
}

#[test]
fn shares_with_java_sticky() {
    check_shared_with_java(&Node::start(&[]), AssignorKind::Sticky);
}

#[test]
fn shares_with_java_cooperative_sticky() {
    check_shared_with_java(&Node::start(&[]), AssignorKind::CooperativeSticky);
}

/// A static member (KIP-345) that comes back within its session timeout has its partitions without a
/// rebalance.
pub(crate) fn check_a_static_member_comes_back(node: &Node) {
    run(async {
        create(node, "static", 2).await;
        produce(node, "static", 2, 0..2, "none");
        let mut config = config(node).with_group_id("static");
        config.session_timeout = Duration::from_secs(30);
        let connect = async |instance: &str| {
            let consumer = Consumer::connect(config.clone().with_group_instance_id(instance)).await;
            let consumer = consumer.expect("a broker");
            consumer.subscribe(["static"]).expect("a group");
            consumer
        };
        let (one, two) = (connect("one").await, connect("two").await);
        let both = [&one, &two];
        while both.iter().any(|consumer| consumer.assignment().len() != 1) {
            for consumer in both {
                poll(consumer).await;
            }
        }
        let generation = one.group_metadata().map(|group| group.generation);
        let owned = two.assignment();
        two.close(PATIENCE).await.expect("a close");
        let two = connect("two").await;
        while two.assignment() != owned {
            poll(&two).await;
        }
        assert_eq!(two.group_metadata().map(|group| group.generation), generation, "no rebalance");
        assert_eq!(one.assignment().len(), 1);
    });
}

#[test]
fn a_static_member_comes_back() {
    check_a_static_member_comes_back(&Node::start(&[]));
}

/// Four members share eight partitions evenly, whatever order they come in.
pub(crate) fn check_four_members(node: &Node) {
    run(async {
        create(node, "many", 8).await;
        let mut members = Vec::new();
        for _ in 0..4 {
            let config = config(node).with_group_id("many").with_assignors([AssignorKind::CooperativeSticky]);
            let consumer = Consumer::connect(config).await.expect("a broker");
            consumer.subscribe(["many"]).expect("a group");
            members.push(consumer);
        }
        let mut owners: BTreeMap<TopicPartition, usize> = BTreeMap::new();
        while owners.len() != 8 || members.iter().any(|member| member.assignment().len() != 2) {
            owners.clear();
            for (at, member) in members.iter().enumerate() {
                poll(member).await;
                owners.extend(member.assignment().into_iter().map(|partition| (partition, at)));
            }
        }
        for member in members {
            member.close(PATIENCE).await.expect("a close");
        }
    });
}

#[test]
fn four_members() {
    check_four_members(&Node::start(&[]));
}
