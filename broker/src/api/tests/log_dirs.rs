//! Replicas that move between log directories (KIP-113).

use std::path::PathBuf;
use std::time::Duration;

use rkafka_core::time::Now;
use rkafka_log::producer::AppendOrigin;
use rkafka_wire::ErrorCode;
use rkafka_wire::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use rkafka_wire::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};
use tempfile::TempDir;

use crate::api::{text, topic_name};
use crate::node::test_kit::{TestBroker, TestClient, batch};
use crate::partition::{AppendRequest, Isolation, Partition};

const STILL: &str = "replica.alter.log.dirs.io.max.bytes.per.second=0\n";

fn dirs(dir: &TempDir) -> [PathBuf; 2] {
    ["a", "b"].map(|name| dir.path().join(name))
}

async fn start_in(dir: TempDir, more: &str) -> TestBroker {
    let [a, b] = dirs(&dir);
    let properties =
        format!("log.dirs={},{}\nlog.segment.delete.delay.ms=0\n{more}", a.display(), b.display());
    TestBroker::start_in(dir, &properties).await
}

async fn start(more: &str) -> TestBroker {
    start_in(TempDir::new().expect("a temporary directory"), more).await
}

fn paths(broker: &TestBroker) -> Vec<String> {
    broker.broker().log_dirs.dirs().iter().map(|dir| dir.path().display().to_string()).collect()
}

fn append(broker: &TestBroker, partition: &std::sync::Arc<Partition>, value: &str) {
    let batch = batch(&[value.as_bytes()]);
    let now: Now = broker.broker().clock.now();
    let request = AppendRequest { batch: &batch, acks: 1, origin: AppendOrigin::Client, now };
    partition.append(request).expect("appends");
}

fn records(partition: &Partition) -> i64 {
    let (mut offset, mut count) = (0, 0);
    while offset < partition.view().log_end_offset {
        let read = partition.read(offset, 1 << 20, true, Isolation::LogEnd).expect("reads");
        let bytes = read.slice.expect("records").bytes().expect("reads");
        for batch in rkafka_record::Batches::new(&bytes) {
            let batch = batch.expect("whole");
            batch.check_crc().expect("sound");
            count += i64::from(batch.last_offset_delta()) + 1;
        }
        offset = read.next_offset;
    }
    count
}

/// Asks for a move; the error code.
async fn alter(client: &mut TestClient, topic: &str, partition: i32, path: &str) -> ErrorCode {
    let topics = vec![
        AlterReplicaLogDirTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]),
    ];
    let dir = AlterReplicaLogDir::default().with_path(text(path)).with_topics(topics);
    let mut codes = Vec::new();
    for version in [1, 2] {
        let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir.clone()]);
        let answer = client.call(version, &request).await;
        assert_eq!(answer.results[0].topic_name.as_str(), topic);
        let result = &answer.results[0].partitions[0];
        assert_eq!(result.partition_index, partition);
        codes.push(ErrorCode::from(result.error_code));
    }
    assert_eq!(codes[0], codes[1]);
    codes[0]
}

/// Path, whether it is a future one, and lag of each replica of a topic.
async fn described(client: &mut TestClient, topic: &str) -> Vec<(String, bool, i64)> {
    let answer = client.call(4, &DescribeLogDirsRequest::default().with_topics(None)).await;
    let mut found = Vec::new();
    for dir in &answer.results {
        for of in dir.topics.iter().filter(|of| of.name.as_str() == topic) {
            let replicas = of.partitions.iter();
            found.extend(replicas.map(|one| (dir.log_dir.to_string(), one.is_future_key, one.offset_lag)));
        }
    }
    found.sort_by_key(|(_, is_future, _)| *is_future);
    found
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_moves_while_it_is_written() {
    let broker = start("log.segment.bytes=1048576\n").await;
    broker.create_topic("t", 1, &[]).await;
    let (partition, paths) = (broker.partition("t", 0), paths(&broker));
    let value = "v".repeat(10_000);
    for _ in 0..500 {
        append(&broker, &partition, &value);
    }
    let before = partition.dir();
    let from = usize::from(before.starts_with(&paths[1]));
    let mut client = broker.connect().await;
    assert_eq!(alter(&mut client, "t", 0, &paths[1 - from]).await, ErrorCode::None);
    let mut written = 500;
    until("the log to move", || {
        append(&broker, &partition, &value);
        written += 1;
        partition.dir() != before
    })
    .await;
    assert_eq!(partition.dir().parent(), Some(PathBuf::from(&paths[1 - from]).as_path()));
    assert_eq!(described(&mut client, "t").await, [(paths[1 - from].clone(), false, 0)]);
    append(&broker, &partition, &value);
    assert_eq!(records(&partition), written + 1);
    until("what was the log to go", || {
        let left = std::fs::read_dir(&paths[from]).expect("there");
        let names = left.map(|entry| entry.expect("readable").file_name().into_string().expect("a name"));
        !names.into_iter().any(|name| name.starts_with("t-0"))
    })
    .await;
    // And back, after a restart.
    let broker = start_in(broker.stop().await, "").await;
    let partition = broker.partition("t", 0);
    assert_eq!(records(&partition), written + 1);
    let mut client = broker.connect().await;
    assert_eq!(alter(&mut client, "t", 0, &paths[from]).await, ErrorCode::None);
    until("the log to move back", || partition.dir().starts_with(&paths[from])).await;
    assert_eq!(records(&partition), written + 1);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_shown_cancelled_and_resumed() {
    let broker = start(STILL).await;
    broker.create_topic("t", 1, &[]).await;
    let (partition, paths) = (broker.partition("t", 0), paths(&broker));
    (0..10).for_each(|_| append(&broker, &partition, "value"));
    let from = usize::from(partition.dir().starts_with(&paths[1]));
    let mut client = broker.connect().await;
    let (here, there) = (paths[from].clone(), paths[1 - from].clone());
    assert_eq!(alter(&mut client, "t", 0, &there).await, ErrorCode::None);
    let moving = [(here.clone(), false, 0), (there.clone(), true, 10)];
    assert_eq!(described(&mut client, "t").await, moving);
    assert_eq!(alter(&mut client, "t", 0, &here).await, ErrorCode::None);
    assert_eq!(described(&mut client, "t").await, [(here.clone(), false, 0)]);
    let left: Vec<_> = std::fs::read_dir(&there)
        .expect("there")
        .filter(|entry| entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().contains("t-0")))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(alter(&mut client, "t", 0, &there).await, ErrorCode::None);

    // It goes on after a restart, once it may.
    let broker = start_in(broker.stop().await, STILL).await;
    let mut client = broker.connect().await;
    assert_eq!(described(&mut client, "t").await, moving);
    let broker = start_in(broker.stop().await, "").await;
    let partition = broker.partition("t", 0);
    until("the log to move", || partition.dir().starts_with(&there)).await;
    assert_eq!(records(&partition), 10);
    let mut client = broker.connect().await;
    assert_eq!(described(&mut client, "t").await, [(there, false, 0)]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_that_cannot_be_are_refused() {
    let broker = start(STILL).await;
    broker.create_topic("t", 1, &[]).await;
    let paths = paths(&broker);
    let mut client = broker.connect().await;
    assert_eq!(alter(&mut client, "t", 0, "/no/such/directory").await, ErrorCode::LogDirNotFound);
    assert_eq!(alter(&mut client, "t", 7, &paths[0]).await, ErrorCode::UnknownTopicOrPartition);
    let long = "n".repeat(240);
    assert_eq!(alter(&mut client, &long, 0, &paths[0]).await, ErrorCode::InvalidTopicException);
    // Remembered for when they come.
    for (path, name) in paths.iter().zip(["one", "two"]) {
        for index in 0..4 {
            assert_eq!(alter(&mut client, name, index, path).await, ErrorCode::UnknownTopicOrPartition);
        }
        broker.create_topic(name, 4, &[]).await;
        assert!((0..4).all(|index| broker.partition(name, index).dir().starts_with(path)), "{name}");
    }
    // With a copy under way the topic goes, and so does the copy.
    let partition = broker.partition("t", 0);
    let from = usize::from(partition.dir().starts_with(&paths[1]));
    assert_eq!(alter(&mut client, "t", 0, &paths[1 - from]).await, ErrorCode::None);
    let delete = rkafka_wire::messages::DeleteTopicsRequest::default()
        .with_topic_names(vec![topic_name("t")])
        .with_timeout_ms(10_000);
    assert_eq!(client.call(5, &delete).await.responses[0].error_code, 0);
    until("the copy to go", || {
        paths.iter().all(|path| {
            let names = std::fs::read_dir(path).expect("there");
            !names.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("t-0"))
        })
    })
    .await;
    broker.broker().log_dirs.dirs()[1].health().take_offline("the test says so");
    assert_eq!(alter(&mut client, "one", 0, &paths[1]).await, ErrorCode::KafkaStorageError);
    broker.stop().await;
}
