//! The ingest agent's other parts as users run them: the file channel under kill -9, topic to topic, Apache Kafka,
//! a changed file, bounded memory before a broker that stands still.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use rkafka_tests::foreign::kcat;
use rkafka_tests::node::Node;
use rkafka_tests::process::Process;
use rkafka_tests::wait;
use rustix::process::Signal;

use crate::ingest::{Spool, gbk_lines, iconv, records};

/// A file channel below the spool's folder.
fn file_channel(spool: &Spool) -> String {
    let folder = spool.spool().with_extension("channel");
    let folder = folder.display();
    format!(
        "a1.channels.c1.type = file\na1.channels.c1.checkpointDir = {folder}/checkpoint\n\
         a1.channels.c1.dataDirs = {folder}/data\na1.channels.c1.minimumRequiredSpace = 0\n"
    )
}

fn append_to_conf(spool: &Spool, more: &str) {
    let mut file = fs::File::options().append(true).open(spool.conf()).expect("the agent's file");
    file.write_all(more.as_bytes()).expect("a writable directory");
}

/// Between put and take: the file is finished, no broker has seen any of it, and the agent is killed.
#[test]
fn what_is_in_the_file_channel_survives_a_kill() {
    let node = Node::start(&[]);
    let spool = Spool::new(&node, "");
    append_to_conf(&spool, &file_channel(&spool));
    let good = fs::read_to_string(spool.conf()).expect("the agent's file");
    append_to_conf(&spool, "a1.sinks.k1.kafka.bootstrap.servers = 127.0.0.1:1\n");
    spool.drop_in("orders.txt", &gbk_lines(5_000));
    let agent = Process::start(spool.flume_ng(&[]));
    wait::until("the file to be in the channel", || spool.has("orders.txt.COMPLETED").then_some(()));
    agent.signal(Signal::KILL);
    let _ = agent.finish(Duration::from_secs(10));
    fs::write(spool.conf(), good).expect("a writable directory");
    let ended = spool.once().success();
    assert!(ended.stderr.contains("0 events read, 5000 delivered"), "{}", ended.stderr);
    let all = iconv(&spool.spool().join("orders.txt.COMPLETED"));
    assert!(records(&node) == all, "each line once and in order");
    let again = spool.once().success();
    assert!(again.stderr.contains("0 events read, 0 delivered"), "{}", again.stderr);
}

#[test]
fn it_writes_to_apache_kafka_too() {
    let node = Node::start_apache(&[]);
    let spool = Spool::new(&node, "");
    spool.drop_in("orders.txt", &gbk_lines(20_000));
    let ended = spool.once().success();
    assert!(ended.stderr.contains("20000 delivered"), "{}", ended.stderr);
    let all = iconv(&spool.spool().join("orders.txt.COMPLETED"));
    assert!(records(&node) == all, "each line once and in order");
}

#[test]
fn topics_are_read_once_and_offsets_follow_what_arrived() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let spool = Spool::new(&node, "");
    let source = format!(
        "a1.sources.r1.type = org.apache.flume.source.kafka.KafkaSource\na1.sources.r1.channels = c1\n\
         a1.sources.r1.batchSize = 50\na1.sources.r1.batchDurationMillis = 100\n\
         a1.sources.r1.kafka.bootstrap.servers = {bootstrap}\na1.sources.r1.kafka.topics = in\n\
         a1.sources.r1.kafka.consumer.auto.offset.reset = earliest\na1.sources.r1.setTopicHeader = false\n"
    );
    let conf = fs::read_to_string(spool.conf()).expect("the agent's file");
    let rest: String =
        conf.lines().filter(|line| !line.contains("sources.r1.")).map(|line| format!("{line}\n")).collect();
    fs::write(spool.conf(), rest + &source).expect("a writable directory");
    let text: String = (0..1_000).map(|number| format!("订单 {number}\n")).collect();
    let _ = kcat(&["-b", &bootstrap, "-P", "-t", "in"], &text).success();
    let ended = spool.once().success();
    assert!(ended.stderr.contains("1000 delivered"), "{}", ended.stderr);
    assert!(records(&node) == text, "each record once and in order");
    let again = spool.once().success();
    assert!(again.stderr.contains("0 events read, 0 delivered"), "{}", again.stderr);
}

#[test]
fn a_changed_file_is_taken_up_and_a_wrong_one_is_not() {
    let node = Node::start(&[]);
    let bootstrap = node.bootstrap();
    let spool = Spool::new(&node, "");
    let agent = Process::start(spool.flume_ng(&["-i", "1"]));
    spool.drop_in("first.txt", b"one\n");
    wait::until("the first file", || spool.has("first.txt.COMPLETED").then_some(()));
    append_to_conf(&spool, "a1.sources.r1.type = spooldri\n");
    wait::until("the refusal", || agent.stderr().contains("cannot be run").then_some(()));
    append_to_conf(&spool, "a1.sources.r1.type = spooldir\na1.sinks.k1.kafka.topic = other\n");
    wait::until("the new start", || agent.stderr().contains("starting anew").then_some(()));
    spool.drop_in("second.txt", b"two\n");
    wait::until("the second file", || spool.has("second.txt.COMPLETED").then_some(()));
    assert_eq!(records(&node), "one\n");
    let other = kcat(&["-b", &bootstrap, "-C", "-t", "other", "-o", "beginning", "-e", "-q"], "").success();
    assert_eq!(other.stdout, "two\n");
    agent.signal(Signal::TERM);
    let _ = agent.finish(Duration::from_secs(30)).success();
}

/// Text is made from a compressed file faster than a broker takes it, which then stands still altogether. Memory stays
/// what it was. `RKAFKA_INGEST_MEGABYTES=20000` makes it the 20 GB of the promise.
#[test]
fn memory_is_bounded_whatever_the_file_and_the_broker() {
    const MEMORY_BYTES_MAX: u64 = 64 << 20;
    let megabytes: usize =
        std::env::var("RKAFKA_INGEST_MEGABYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(128);
    let mut node = Node::start(&[]);
    let spool = Spool::new(&node, "a1.sources.r1.batchSize = 100\n");
    let block = gbk_lines(10_000);
    let aside = spool.conf().with_file_name("orders.gz");
    let mut gzip = Command::new("gzip");
    gzip.arg("-1").stdin(Stdio::piped()).stdout(fs::File::create(&aside).expect("a writable directory"));
    let mut packing = gzip.spawn().expect("gzip");
    let mut input = packing.stdin.take().expect("a pipe");
    let blocks = megabytes * 1_000_000 / block.len();
    for _ in 0..blocks {
        input.write_all(&block).expect("gzip takes it");
    }
    drop(input);
    assert!(packing.wait().expect("gzip ends").success());
    fs::rename(aside, spool.spool().join("orders.gz")).expect("the same file system");
    let agent = Process::start(spool.flume_ng(&["--once"]));
    let positions = spool.spool().join(".flumespool/.rkafka-positions");
    wait::until("the first positions", || fs::metadata(&positions).ok().filter(|facts| facts.len() > 2_000));
    // The agent fills all it has room for, and then waits.
    node.process().signal(Signal::STOP);
    let cpu = || fs::read_to_string(format!("/proc/{}/stat", agent.pid().as_raw_nonzero())).expect("it runs");
    let used = |stat: &str| stat.split_whitespace().skip(13).take(2).map(str::to_owned).collect::<Vec<_>>();
    let mut before = Vec::new();
    wait::until("the agent to stand still", || {
        let now = used(&cpu());
        let still = now == before;
        before = now;
        std::thread::sleep(Duration::from_millis(300));
        still.then_some(())
    });
    node.process().signal(Signal::CONT);
    let status = format!("/proc/{}/status", agent.pid().as_raw_nonzero());
    let mut peak = 0;
    while let Ok(text) = fs::read_to_string(&status)
        && let Some(line) = text.lines().find(|line| line.starts_with("VmHWM:"))
    {
        let kilobytes = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok());
        peak = kilobytes.expect("a number") * 1024;
        std::thread::sleep(Duration::from_millis(50));
    }
    let ended = agent.finish(Duration::from_secs(3_600)).success();
    let lines = blocks * 10_000;
    assert!(ended.stderr.contains(&format!("{lines} delivered")), "{}", ended.stderr);
    assert!(peak > 0 && peak <= MEMORY_BYTES_MAX, "{peak} bytes were resident at a time");
}
