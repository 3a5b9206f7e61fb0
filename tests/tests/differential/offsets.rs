//! ListOffsets, OffsetForLeaderEpoch, DeleteRecords and DescribeLogDirs.

use rkafka_record::BatchOptions;
use rkafka_wire::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use rkafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use rkafka_wire::messages::describe_log_dirs_request::DescribableLogDirTopic;
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use rkafka_wire::messages::{
    AlterReplicaLogDirsRequest, BrokerId, DeleteRecordsRequest, DescribeLogDirsRequest, ListOffsetsRequest,
    OffsetForLeaderEpochRequest,
};

use super::check;
use super::fetch::{fetch, read_all};
use super::requests::{THEN_MS, batch_at, fill, make_topic, produce, text, topic};
use super::session::Session;

fn list(name: &str, timestamps: &[(i32, i64)]) -> ListOffsetsRequest {
    let partition = |(index, timestamp): &(i32, i64)| {
        ListOffsetsPartition::default().with_partition_index(*index).with_timestamp(*timestamp)
    };
    let partitions = timestamps.iter().map(partition).collect();
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_topics(vec![ListOffsetsTopic::default().with_name(topic(name)).with_partitions(partitions)])
}

/// Six batches of two records, ten milliseconds apart, the third one older than the second.
fn timed(session: &mut Session, name: &str) {
    for (index, time) in [0, 10, 5, 30, 40, 40].into_iter().enumerate() {
        let value = format!("batch {index}");
        let records = [(Some("a"), Some(value.as_str())), (Some("b"), Some(value.as_str()))];
        let records = batch_at(BatchOptions::default(), THEN_MS + time, &records);
        let answer = session.arrange(9, &produce(name, 0, -1, records));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0, "{answer:?}");
    }
}

#[test]
fn list_offsets() {
    check("list_offsets", |session| {
        make_topic(session, "list-offsets", 2, &[]);
        timed(session, "list-offsets");
        for version in 1..=10 {
            for special in [-1, -2, -3, -4, -5, -6, -7, i64::MIN] {
                session.ask(&format!("special {special}"), version, &list("list-offsets", &[(0, special)]));
                session.ask(
                    &format!("special {special}, empty"),
                    version,
                    &list("list-offsets", &[(1, special)]),
                );
            }
            for after in [-1000, 0, 1, 2, 5, 6, 10, 11, 12, 30, 31, 39, 40, 41, 42, 100] {
                let request = list("list-offsets", &[(0, THEN_MS + after)]);
                session.ask(&format!("{after} ms after"), version, &request);
            }
            session.ask("time 0", version, &list("list-offsets", &[(0, 0)]));
            session.ask("by time, empty", version, &list("list-offsets", &[(1, THEN_MS)]));
            session.ask("an absent partition", version, &list("list-offsets", &[(9, -1)]));
            session.ask("an absent topic", version, &list("list-offsets-absent", &[(0, -1)]));
            session.ask("a bad name", version, &list("a b", &[(0, -1)]));
            session.ask("one twice", version, &list("list-offsets", &[(0, -1), (0, -2)]));
            session.ask("good and bad ones", version, &list("list-offsets", &[(0, -1), (7, -1), (1, -2)]));
        }
        for version in 2..=10 {
            for isolation in [1, 5] {
                let request = list("list-offsets", &[(0, -1)]).with_isolation_level(isolation);
                session.ask(&format!("isolation {isolation}"), version, &request);
            }
        }
        for version in 4..=10 {
            for epoch in [-1, 0, 1, 8] {
                let mut request = list("list-offsets", &[(0, -1)]);
                request.topics[0].partitions[0].current_leader_epoch = epoch;
                session.ask(&format!("leader epoch {epoch}"), version, &request);
            }
        }
        let replica = list("list-offsets", &[(0, -1)]).with_replica_id(BrokerId(2));
        session.ask("as a replica", 5, &replica);
        let debug = list("list-offsets", &[(0, -1)]).with_replica_id(BrokerId(-2));
        session.ask("as a debugger", 5, &debug);
    });
}

#[test]
fn offset_for_leader_epoch() {
    check("offset_for_leader_epoch", |session| {
        make_topic(session, "leader-epoch", 2, &[]);
        fill(session, "leader-epoch", 0, &["one", "two"]);
        let request = |name: &str, index, current, epoch| {
            let partition = OffsetForLeaderPartition::default()
                .with_partition(index)
                .with_current_leader_epoch(current)
                .with_leader_epoch(epoch);
            let topic =
                OffsetForLeaderTopic::default().with_topic(topic(name)).with_partitions(vec![partition]);
            OffsetForLeaderEpochRequest::default().with_topics(vec![topic]).with_replica_id(BrokerId(-1))
        };
        for version in 2..=4 {
            for epoch in [-1, 0, 1, 9, -5] {
                let label = format!("epoch {epoch}");
                session.ask(&label, version, &request("leader-epoch", 0, -1, epoch));
                session.ask(&format!("{label}, empty"), version, &request("leader-epoch", 1, -1, epoch));
            }
            for current in [0, 1, 9] {
                session.ask(&format!("current {current}"), version, &request("leader-epoch", 0, current, 0));
            }
            session.ask("an absent partition", version, &request("leader-epoch", 9, -1, 0));
            session.ask("an absent topic", version, &request("leader-epoch-absent", 0, -1, 0));
        }
    });
}

#[test]
fn delete_records() {
    check("delete_records", |session| {
        make_topic(session, "delete-records", 2, &[]);
        make_topic(session, "delete-compacted", 1, &[("cleanup.policy", "compact")]);
        make_topic(session, "delete-both", 1, &[("cleanup.policy", "compact,delete")]);
        let request = |name: &str, index, offset| {
            let partition = DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
            let topic = DeleteRecordsTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
            DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000)
        };
        timed(session, "delete-records");
        fill(session, "delete-compacted", 0, &["one"]);
        fill(session, "delete-both", 0, &["one"]);
        for version in 0..=2 {
            let at = 3 + 2 * i64::from(version);
            session.ask("a middle", version, &request("delete-records", 0, at));
            session.ask("before that", version, &request("delete-records", 0, 1));
            session.ask("beyond the end", version, &request("delete-records", 0, 100));
            session.ask("a negative one", version, &request("delete-records", 0, -2));
            session.ask("an empty partition", version, &request("delete-records", 1, 0));
            session.ask("an absent partition", version, &request("delete-records", 9, 0));
            session.ask("an absent topic", version, &request("delete-absent", 0, 0));
            session.ask("of a compacted topic", version, &request("delete-compacted", 0, 1));
            session.ask("compacted and deleted", version, &request("delete-both", 0, 1));
            session.ask("of an internal topic", version, &request("__consumer_offsets", 0, 0));
            for (offset, special) in [(0, -2), (at, -1)] {
                session.ask("the start", 7, &list("delete-records", &[(0, special)]));
                session.ask("read before and at", 11, &fetch("delete-records", 0, offset));
            }
        }
        session.ask("all", 2, &request("delete-records", 0, -1));
        session.ask("the start", 7, &list("delete-records", &[(0, -2)]));
        session.ask("by time", 7, &list("delete-records", &[(0, THEN_MS)]));
        session.ask("the newest", 7, &list("delete-records", &[(0, -3)]));
        read_all(session, "delete-both", 1);
    });
}

#[test]
fn describe_log_dirs() {
    check("describe_log_dirs", |session| {
        make_topic(session, "log-dirs", 2, &[]);
        fill(session, "log-dirs", 0, &["one", "two"]);
        let request = |name: &str, partitions| {
            let topic = DescribableLogDirTopic::default().with_topic(topic(name)).with_partitions(partitions);
            DescribeLogDirsRequest::default().with_topics(Some(vec![topic]))
        };
        for version in 1..=4 {
            session.ask("two", version, &request("log-dirs", vec![0, 1]));
            session.ask("an absent partition", version, &request("log-dirs", vec![5]));
            session.ask("an absent topic", version, &request("log-dirs-absent", vec![0]));
            session.ask("none", version, &DescribeLogDirsRequest::default().with_topics(Some(vec![])));
            let mut all = session.arrange(version, &DescribeLogDirsRequest::default().with_topics(None));
            for directory in &mut all.results {
                directory.topics.retain(|topic| topic.name.0.as_str() == "log-dirs");
            }
            session.note(&format!("all, version {version}"), all);
        }
    });
}

/// Where a replica can be moved on a broker with one directory, and where not.
#[test]
fn alter_replica_log_dirs() {
    check("alter_replica_log_dirs", |session| {
        make_topic(session, "moved", 2, &[]);
        let described = session.arrange(4, &DescribeLogDirsRequest::default().with_topics(None));
        let own = described.results[0].log_dir.to_string();
        let dir = |path: &str, name: &str, partitions: &[i32]| {
            let topic = AlterReplicaLogDirTopic::default()
                .with_name(topic(name))
                .with_partitions(partitions.to_vec());
            AlterReplicaLogDir::default().with_path(text(path)).with_topics(vec![topic])
        };
        let request = |dirs| AlterReplicaLogDirsRequest::default().with_dirs(dirs);
        let long = "n".repeat(230);
        // The paths of the brokers differ, and so would the requests in the transcripts.
        let asked = [
            ("nothing", vec![]),
            ("no topics", vec![AlterReplicaLogDir::default().with_path(text(&own))]),
            ("where it is", vec![dir(&own, "moved", &[0])]),
            ("an absent directory", vec![dir("/no/such/directory", "moved", &[1])]),
            ("an absent partition", vec![dir(&own, "moved", &[7])]),
            ("an absent topic", vec![dir(&own, "moved-absent", &[0])]),
            ("a long name", vec![dir(&own, &long, &[0])]),
            ("a long name elsewhere", vec![dir("/no/such/directory", &long, &[0])]),
            ("twice", vec![dir("/no/such/directory", "moved", &[0]), dir(&own, "moved", &[0])]),
        ];
        for version in 1..=2 {
            for (label, dirs) in &asked {
                let answer = session.arrange(version, &request(dirs.clone()));
                session.note(&format!("{label}, version {version}"), answer);
            }
        }
    });
}
