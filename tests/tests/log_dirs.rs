//! Replicas that move between the log directories of a broker: with the stock tool, while records are written, through
//! kill -9.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rkafka_record::BatchOptions;
use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::Outcome;
use rkafka_tests::stock::Stock;
use rkafka_tests::wait;
use rkafka_tests::wire::Connection;
use rkafka_wire::messages::AlterReplicaLogDirsRequest;
use rkafka_wire::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};

use crate::differential::fetch::fetch;
use crate::differential::requests::{batch, make_topic, produce, text, topic};
use crate::differential::session::Session;

const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
const TOPIC: &str = "moves";

/// A broker with two log directories and one partition, and how many records it has acknowledged.
struct Moving {
    node: Node,
    dirs: [PathBuf; 2],
    acknowledged: usize,
}

impl Moving {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let dirs = ["a", "b"].map(|name| dir.path().join(name));
        let log_dirs = format!("{},{}", dirs[0].display(), dirs[1].display());
        let node = Node::start_in(
            dir,
            &[
                ("log.dirs", &log_dirs),
                ("log.segment.bytes", "1048576"),
                ("log.segment.delete.delay.ms", "100"),
            ],
        );
        make_topic(&mut Session::new(node.bootstrap()), TOPIC, 1, &[]);
        Self { node, dirs, acknowledged: 0 }
    }

    fn connect(&self) -> Connection {
        Connection::open(&self.node.bootstrap())
    }

    /// Writes batches of 50 kB whose values tell their numbers.
    fn write(&mut self, count: usize) {
        let mut connection = self.connect();
        for _ in 0..count {
            let value = format!("{:08} {}", self.acknowledged, "x".repeat(50_000));
            let batch: Bytes = batch(BatchOptions::default(), &[(None, Some(&value))]);
            let answer = connection.ask(9, &produce(TOPIC, 0, -1, batch)).expect("an answer");
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!((partition.error_code, partition.base_offset), (0, self.acknowledged as i64));
            self.acknowledged += 1;
        }
    }

    /// Every acknowledged record is there, once and in order.
    fn check_records(&self) {
        let mut connection = self.connect();
        let mut next = 0;
        while next < self.acknowledged {
            let answer = connection.ask(11, &fetch(TOPIC, 0, next as i64)).expect("an answer");
            let partition = &answer.responses[0].partitions[0];
            assert_eq!(partition.error_code, 0, "{partition:?}");
            let records = partition.records.clone().unwrap_or_default();
            for batch in rkafka_record::Batches::new(&records) {
                let batch = batch.expect("whole batches");
                batch.check_crc().expect("an undamaged batch");
                let decoded = batch.decode(rkafka_record::DecodeLimits::default()).expect("not compressed");
                for record in decoded.records() {
                    let value = record.expect("a record").value.expect("a value");
                    assert_eq!(value[..8], *format!("{next:08}").as_bytes());
                    next += 1;
                }
            }
        }
        assert_eq!(next, self.acknowledged);
    }

    /// Names in a log directory that belong to the partition.
    fn names(&self, dir: usize) -> Vec<String> {
        let entries = std::fs::read_dir(&self.dirs[dir]).expect("there").flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.filter(|name| name.starts_with(&format!("{TOPIC}-0"))).collect()
    }

    /// The directory of the log, if there is one log and nothing else.
    fn place(&self) -> Option<usize> {
        let log = format!("{TOPIC}-0");
        match [self.names(0), self.names(1)] {
            [a, b] if a == [log.clone()] && b.is_empty() => Some(0),
            [a, b] if a.is_empty() && b == [log] => Some(1),
            _ => None,
        }
    }

    /// How much has been copied into a directory.
    fn copied(&self, dir: usize) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let copies = self.names(dir).into_iter().filter(|name| name.ends_with("-future"));
        let files = copies.filter_map(|name| std::fs::read_dir(self.dirs[dir].join(name)).ok()).flatten();
        let logs = files.flatten().map(|file| file.path());
        logs.filter(|path| path.extension().is_some_and(|kind| kind == "log")).map(|path| size(&path)).sum()
    }

    fn ask_for(&self, dir: usize) -> i16 {
        let topics =
            vec![AlterReplicaLogDirTopic::default().with_name(topic(TOPIC)).with_partitions(vec![0])];
        let path = text(&self.dirs[dir].display().to_string());
        let request = AlterReplicaLogDirsRequest::default()
            .with_dirs(vec![AlterReplicaLogDir::default().with_path(path).with_topics(topics)]);
        let answer = self.connect().ask(2, &request).expect("an answer");
        answer.results[0].partitions[0].error_code
    }

    /// A plan file that puts the replica into a directory.
    fn plan(&self, dir: usize) -> String {
        let file = self.node.dir().join(format!("plan-{dir}.json"));
        let text = format!(
            "{{\"version\":1,\"partitions\":[{{\"topic\":\"{TOPIC}\",\"partition\":0,\"replicas\":[1],\
             \"log_dirs\":[\"{}\"]}}]}}",
            self.dirs[dir].display()
        );
        std::fs::write(&file, text).expect("a writable directory");
        file.display().to_string()
    }

    fn own(&self, args: &[&str]) -> Outcome {
        rkafka(&[&["reassign-partitions", "--bootstrap-server", &self.node.bootstrap()], args].concat())
    }

    fn stock(&self, args: &[&str]) -> Outcome {
        Stock::Kafka43.run(REASSIGN, &[&["--bootstrap-server", &self.node.bootstrap()], args].concat())
    }
}

/// The stock tool begins a move that is so slow that a kill meets it in the middle; it goes on afterwards, faster.
#[test]
fn the_stock_tool_moves_a_replica_through_a_kill_9() {
    let mut moving = Moving::start();
    moving.write(400);
    let from = moving.place().expect("one log");
    let to = 1 - from;
    let plan = moving.plan(to);
    let file = ["--reassignment-json-file", plan.as_str()];
    let slowly = ["--replica-alter-log-dirs-throttle", "50000"];
    let begun = moving.stock(&[&["--execute"], &file[..], &slowly].concat()).success().stdout;
    assert!(begun.contains("The replica-alter-dir throttle limit was set to 50000 B/s"), "{begun}");
    let started = format!("Successfully started moving log directory to {}", moving.dirs[to].display());
    assert!(begun.contains(&started), "{begun}");
    wait::until("the first records to be copied", || (moving.copied(to) > 0).then_some(()));
    let described = ["log-dirs", "--bootstrap-server", &moving.node.bootstrap(), "--describe"];
    let described = rkafka(&described).success().stdout;
    assert!(described.contains("\"isFuture\":true"), "{described}");
    let verify = [&["--verify"], &file[..]].concat();
    let still = format!("Reassignment of replica {TOPIC}-0-1 is still in progress.");
    let told = moving.stock(&verify).success().stdout;
    assert!(told.contains(&still), "{told}");
    moving.write(20);

    moving.node.kill();
    assert_eq!(moving.names(from), [format!("{TOPIC}-0")]);
    moving.node.restart();
    moving.check_records();
    moving.write(20);
    let told = moving.own(&verify).success().stdout;
    assert!(told.contains(&still), "{told}");
    let fast = ["--replica-alter-log-dirs-throttle", "1000000000"];
    let _ = moving.own(&[&["--execute"], &file[..], &fast].concat()).success();
    wait::until("the move to end", || {
        moving.write(1);
        (moving.place() == Some(to)).then_some(())
    });
    let told = moving.stock(&verify).success().stdout;
    assert!(told.contains(&format!("Reassignment of replica {TOPIC}-0-1 completed successfully.")), "{told}");
    moving.check_records();
    moving.node.kill();
    moving.node.restart();
    moving.check_records();
    assert_eq!(moving.place(), Some(to));
    let _ = moving.node.stop();
}

/// A move that was begun is taken back.
#[test]
fn a_move_is_cancelled() {
    let mut moving = Moving::start();
    moving.write(20);
    let from = moving.place().expect("one log");
    let plan = moving.plan(1 - from);
    let file = ["--reassignment-json-file", plan.as_str()];
    let still = ["--replica-alter-log-dirs-throttle", "0"];
    let _ = moving.own(&[&["--execute"], &file[..], &still].concat()).success();
    assert!(moving.place().is_none(), "a copy is there");
    let _ = moving.stock(&[&["--cancel"], &file[..]].concat()).success();
    wait::until("the copy to go", || (moving.place() == Some(from)).then_some(()));
    let verify = [&["--verify"], &file[..]].concat();
    let (own, stock) = (moving.own(&verify), moving.stock(&verify));
    assert_eq!(own.stdout, stock.stdout);
    assert!(own.stdout.contains("is not being moved from log dir"), "{}", own.stdout);
    moving.check_records();
    let _ = moving.node.stop();
}

#[test]
fn kill_9_at_any_moment_of_a_move_loses_nothing() {
    let mut moving = Moving::start();
    moving.write(100);
    for round in 0..8 {
        let to = 1 - usize::from(moving.names(1).contains(&format!("{TOPIC}-0")));
        assert_eq!(moving.ask_for(to), 0);
        // Later and later.
        moving.write(round * 3);
        moving.node.kill();
        moving.node.restart();
        moving.check_records();
        wait::until("the move to end", || (moving.place() == Some(to)).then_some(()));
        moving.check_records();
    }
    let _ = moving.node.stop();
}
