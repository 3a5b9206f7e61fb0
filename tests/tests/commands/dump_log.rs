//! `dump-log`, on files that a broker wrote, on files made by hand for what no single node writes yet, and on damaged
//! ones. Both sides read the same files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rkafka_log::txn_index::AbortedEntry;
use rkafka_record::control::EndTransactionMarker;
use rkafka_record::{BatchBuilder, BatchOptions};
use rkafka_tests::foreign::kcat;
use rkafka_tests::node::{Node, rkafka};

use super::compare::{Part, Row, Sides, differs, same};

const ROWS: &[Row] = &[
    same("--files {log}"),
    same("--files {log} --print-data-log"),
    same("--files {log} --print-data-log --skip-record-metadata"),
    same("--files {log} --deep-iteration --max-bytes 3000"),
    same("--files {log} --key-decoder-class --max-bytes 3000"),
    same("--files {log},{index},{timeindex}"),
    same("--files {index},{timeindex} --index-sanity-check"),
    same("--files {index},{timeindex} --verify-index-only"),
    same("--files {snapshot}"),
    same("--files {offsets} --offsets-decoder"),
    same("--files {offsets} --offsets-decoder --skip-record-metadata"),
    same("--files {offsets} --print-data-log"),
    same("--files {transactions} --transaction-log-decoder"),
    same("--files {markers} --print-data-log"),
    same("--files {markers} --deep-iteration --skip-record-metadata"),
    same("--files {aborted}"),
    same("--files {partition}/leader-epoch-checkpoint"),
    same("--files {shifted} --deep-iteration"),
    same("--files {cut}"),
    same("--files {wrong}.index,{wrong}.timeindex"),
    same("--files {wrong}.log --deep-iteration"),
    same(""),
    same("--files"),
    same("--foo"),
    same("--print-data-log"),
    differs(Part::Err, "--files {partition}/00000000000000000099.log", "the reason is told, too"),
    differs(Part::Err, "--files {partition}/x.log", "the file is named"),
    differs(
        Part::All,
        "--files {log} --cluster-metadata-decoder",
        "Kafka's own metadata is not for rkafka to read",
    ),
];

/// The first segment's file of a partition.
fn segment(partition: &Path, suffix: &str) -> PathBuf {
    partition.join(format!("00000000000000000000.{suffix}"))
}

/// A node that has written records in several batches, producers, offsets of groups; it is stopped.
fn written() -> Node {
    let mut node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let create = ["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", "orders"];
    let _ = rkafka(&[&create[..], &["--config", "index.interval.bytes=200"]].concat()).success();
    let input: String = (0..600).map(|number| format!("key{number}:订单信息!{number}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let args = ["-P", "-b", &bootstrap, "-t", "orders", "-K:", "-z", codec, "-H", "one=1", "-H", "two=2"];
        let tuning = ["-X", "batch.num.messages=40", "-X", "enable.idempotence=true"];
        let _ = kcat(&[&args[..], &tuning].concat(), &input).success();
    }
    let _ = kcat(&["-P", "-b", &bootstrap, "-t", "orders", "-Z", "-K:"], "tombstone:\n").success();
    let read = ["-C", "-b", &bootstrap, "-G", "readers", "orders", "-c", "3000", "-o", "beginning", "-e"];
    let _ = kcat(&read, "").success();
    let groups = ["consumer-groups", "--bootstrap-server", &bootstrap];
    let reset =
        ["--reset-offsets", "--group", "readers", "--topic", "orders", "--to-offset", "7", "--execute"];
    let _ = rkafka(&[&groups[..], &reset].concat()).success();
    let _ = rkafka(&[&groups[..], &["--delete", "--group", "readers"]].concat()).success();
    let _ = node.stop();
    node
}

/// The largest file of that name in the partitions of the offsets topic.
fn offsets_log(data: &Path) -> PathBuf {
    let partitions = (0..50).map(|index| segment(&data.join(format!("__consumer_offsets-{index}")), "log"));
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    partitions.max_by_key(size).expect("fifty partitions")
}

/// A batch of these records at `base_offset`.
fn batch(base_offset: i64, records: &[(&[u8], Option<&[u8]>)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchOptions { base_offset, ..BatchOptions::default() });
    for (key, value) in records {
        builder.append(1_700_000_000_000, Some(key), *value, &[]).expect("room for the record");
    }
    builder.build().expect("a batch").to_vec()
}

/// States of transactions at both versions of the record, one with all tagged fields, a tombstone, a newer type.
fn transactions_log() -> Vec<u8> {
    let key = b"\0\0\0\x02id";
    let numbers =
        |numbers: &[i64]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let old = [
        b"\0\0".as_slice(),
        &numbers(&[7]),
        b"\0\x01\0\0\xea\x60\x04\0\0\0\x01\0\x05topic\0\0\0\x02\0\0\0\0\0\0\0\x01",
        &numbers(&[1_700_000_000_001, 1_700_000_000_000]),
    ]
    .concat();
    let empty =
        [b"\0\x01".as_slice(), &numbers(&[8]), b"\0\0\0\0\xea\x60\0\0", &numbers(&[1, -1]), b"\0"].concat();
    let tagged = [
        b"\0\x01".as_slice(),
        &numbers(&[9]),
        b"\0\x03\0\0\xea\x60\x01\x02\x06topic\x02\0\0\0\x05\0",
        &numbers(&[3, 2]),
        b"\x03\0\x08",
        &numbers(&[4]),
        b"\x01\x08",
        &numbers(&[5]),
        b"\x02\x02\0\x02",
    ]
    .concat();
    let records: [(&[u8], Option<&[u8]>); 5] = [
        (key, Some(&old)),
        (key, Some(&empty)),
        (key, Some(&tagged)),
        (key, None),
        (b"\0\x09\0\x02id", Some(b"\0\0")),
    ];
    batch(0, &records)
}

/// A batch, then the markers of a commit and of an abort.
fn markers_log() -> Vec<u8> {
    let mut log = batch(0, &[(b"k", Some(b"v"))]);
    for (offset, committed) in [(1, true), (2, false)] {
        let marker = EndTransactionMarker { committed, coordinator_epoch: 3 };
        let bytes = marker.batch(4000, 1, 1_700_000_000_000).expect("a marker");
        let parsed = rkafka_record::BatchRef::parse(&bytes).expect("a batch");
        log.extend_from_slice(&parsed.header().patched_header(offset, 0));
        log.extend_from_slice(parsed.record_bytes());
    }
    log
}

fn put(path: &Path, bytes: &[u8]) -> String {
    std::fs::create_dir_all(path.parent().expect("a file in a directory")).expect("writable");
    std::fs::write(path, bytes).expect("writable");
    path.display().to_string()
}

#[test]
fn dump_log() {
    let node = written();
    let partition = node.data().join("orders-0");
    let read = |suffix: &str| std::fs::read(segment(&partition, suffix)).expect("the broker wrote it");
    let made = |name: &str| node.dir().join("made").join(name);
    let (log, index, times) = (read("log"), read("index"), read("timeindex"));
    assert!(index.len() > 40 && times.len() > 24, "indexes with entries");
    // Entries that lead to the wrong batch, have the wrong time, and are out of order.
    let (mut wrong_index, mut wrong_times) = (index, times);
    wrong_index[11] ^= 1;
    wrong_times[7] ^= 1;
    wrong_times[19] ^= 0x80;
    let wrong = made("wrong-0");
    put(&segment(&wrong, "log"), &log);
    put(&segment(&wrong, "index"), &wrong_index);
    put(&segment(&wrong, "timeindex"), &wrong_times);
    let aborted =
        AbortedEntry { producer_id: 5, first_offset: 10, last_offset: 20, last_stable_offset: 15 }.encode();
    let snapshots = std::fs::read_dir(&partition).expect("a directory").filter_map(Result::ok);
    let snapshot = snapshots
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|suffix| suffix == "snapshot"));
    let shown = |path: PathBuf| path.display().to_string();
    let words = BTreeMap::from([
        ("partition", shown(partition.clone())),
        ("log", shown(segment(&partition, "log"))),
        ("index", shown(segment(&partition, "index"))),
        ("timeindex", shown(segment(&partition, "timeindex"))),
        ("snapshot", shown(snapshot.expect("a clean stop writes the producers"))),
        ("offsets", shown(offsets_log(&node.data()))),
        ("transactions", put(&segment(&made("__transaction_state-0"), "log"), &transactions_log())),
        ("markers", put(&segment(&made("markers-0"), "log"), &markers_log())),
        ("aborted", put(&segment(&made("markers-0"), "txnindex"), &[aborted, aborted].concat())),
        ("shifted", put(&made("shifted-0/00000000000000000005.log"), &log[..4000])),
        ("cut", put(&segment(&made("cut-0"), "log"), &log[..log.len() - 7])),
        ("wrong", shown(wrong.join("00000000000000000000"))),
    ]);
    Sides::new([words.clone(), words]).check("dump-log", ROWS);
}
