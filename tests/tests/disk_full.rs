//! A full disk: writing ends with an error, reading and the node go on, and so does writing once there is room.
//! The data lies on a file system in memory that only the node sees.

use bytes::Bytes;
use rkafka_record::BatchOptions;
use rkafka_tests::node::Node;
use rkafka_tests::wait;
use rkafka_tests::wire::Connection;
use rkafka_wire::messages::DeleteRecordsRequest;
use rkafka_wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};

use crate::differential::fetch::fetch;
use crate::differential::requests::{batch, make_topic, produce, topic};
use crate::differential::session::Session;

/// A batch of half a megabyte whose value tells its number.
fn numbered(number: usize) -> Bytes {
    let value = format!("{number:08} {}", "x".repeat(500_000));
    batch(BatchOptions::default(), &[(None, Some(&value))])
}

/// Writes one batch; its offset, or the error.
fn write(connection: &mut Connection, number: usize) -> Result<i64, i16> {
    let answer = connection.ask(9, &produce("full", 0, -1, numbered(number))).expect("an answer");
    let partition = &answer.responses[0].partition_responses[0];
    if partition.error_code == 0 { Ok(partition.base_offset) } else { Err(partition.error_code) }
}

/// The numbers of all records that are readable, in order.
fn read_all(connection: &mut Connection) -> Vec<usize> {
    let mut numbers = Vec::new();
    loop {
        let answer = connection.ask(11, &fetch("full", 0, numbers.len() as i64)).expect("an answer");
        let partition = &answer.responses[0].partitions[0];
        assert_eq!(partition.error_code, 0, "reading goes on: {partition:?}");
        let records = partition.records.clone().unwrap_or_default();
        for batch in rkafka_record::Batches::new(&records) {
            let batch = batch.expect("whole batches");
            batch.check_crc().expect("an undamaged batch");
            let decoded = batch.decode(rkafka_record::DecodeLimits::default()).expect("not compressed");
            for record in decoded.records() {
                let value = record.expect("a record").value.expect("a value");
                let number = std::str::from_utf8(&value[..8]).expect("digits");
                numbers.push(number.parse().expect("digits"));
            }
        }
        if numbers.len() as i64 == partition.high_watermark {
            return numbers;
        }
    }
}

/// Writes batches from number 0 on until one is refused; how many were not.
fn fill(connection: &mut Connection) -> usize {
    let mut written = 0;
    let error = loop {
        match write(connection, written) {
            Ok(offset) => assert_eq!(offset, written as i64),
            Err(error) => break error,
        }
        written += 1;
        assert!(written < 200, "more was written than there is room for");
    };
    assert_eq!(error, 56, "KAFKA_STORAGE_ERROR");
    assert!(written > 10, "{written} batches only");
    written
}

#[test]
fn deleting_records_makes_room() {
    let settings = [
        ("log.segment.bytes", "8388608"),
        ("log.retention.check.interval.ms", "100"),
        ("log.segment.delete.delay.ms", "100"),
        // The batches are dated: age alone must not make the room.
        ("log.retention.ms", "-1"),
    ];
    let mut node = Node::start_on_small_disk(64, &settings);
    let bootstrap = node.bootstrap();
    make_topic(&mut Session::new(bootstrap.clone()), "full", 1, &[]);
    let mut connection = Connection::open(&bootstrap);
    let written = fill(&mut connection);

    let all = DeleteRecordsPartition::default().with_partition_index(0).with_offset(-1);
    let all = DeleteRecordsTopic::default().with_name(topic("full")).with_partitions(vec![all]);
    let request = DeleteRecordsRequest::default().with_topics(vec![all]).with_timeout_ms(10_000);
    let answer = connection.ask(2, &request).expect("an answer");
    let deleted = &answer.topics[0].partitions[0];
    assert_eq!((deleted.error_code, deleted.low_watermark), (0, written as i64));

    let offset = wait::until("room to be found", || write(&mut connection, written).ok());
    assert_eq!(offset, written as i64);
    for number in written + 1..written + 41 {
        assert_eq!(write(&mut connection, number), Ok(number as i64), "20 MB more");
    }
    assert!(node.process().is_running(), "{}", node.process().stderr());
    let _ = node.stop();
}

#[test]
fn writing_goes_on_once_there_is_room() {
    let mut node = Node::start_on_small_disk(96, &[("log.segment.bytes", "8388608")]);
    let ballast = node.own_files().join("ballast");
    std::fs::write(&ballast, vec![1; 48 << 20]).expect("room for the ballast");
    let bootstrap = node.bootstrap();
    make_topic(&mut Session::new(bootstrap.clone()), "full", 1, &[]);
    let mut connection = Connection::open(&bootstrap);

    let written = fill(&mut connection);
    assert!(node.process().is_running(), "{}", node.process().stderr());
    assert_eq!(read_all(&mut connection), (0..written).collect::<Vec<_>>());
    assert!(write(&mut connection, written).is_err(), "there is still no room");

    std::fs::remove_file(&ballast).expect("the ballast can be removed");
    let offset = wait::until("room to be found", || write(&mut connection, written).ok());
    assert_eq!(offset, written as i64, "what failed left no gap");
    for number in written + 1..written + 11 {
        assert_eq!(write(&mut connection, number), Ok(number as i64));
    }
    assert_eq!(read_all(&mut connection), (0..written + 11).collect::<Vec<_>>());
    assert!(node.process().is_running(), "{}", node.process().stderr());
    let _ = node.stop();
}
