//! The ingest agent as users run it: Flume's command line and the tutorial's file, GBK text compared with what iconv
//! makes of it, kills of agent and broker.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rkafka_tests::build;
use rkafka_tests::foreign::kcat;
use rkafka_tests::node::Node;
use rkafka_tests::process::{Outcome, Process};
use rkafka_tests::wait;
use rustix::process::Signal;
use tempfile::TempDir;

/// The tutorial's file; directory and servers are filled in.
const TUTORIAL: &str = r"# 定义三大组件的名称
a1.sources = r1
a1.channels = c1
a1.sinks = k1
# 配置 source
a1.sources.r1.type = spooldir
a1.sources.r1.spoolDir = SPOOL
a1.sources.r1.fileSuffix = .COMPLETED
a1.sources.r1.ignorePattern = ^(.)*\\.tmp$
a1.sources.r1.inputCharset = GBK
# 配置 channel
a1.channels.c1.type = memory
# 配置 sink
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.kafka.topic = test
a1.sinks.k1.kafka.bootstrap.servers = SERVERS
a1.sinks.k1.kafka.flumeBatchSize = 20
a1.sinks.k1.kafka.producer.acks = 1
a1.sources.r1.channels = c1
a1.sinks.k1.channel = c1
";

/// A spooling directory and an agent's file for a node.
pub(crate) struct Spool {
    folder: TempDir,
}

impl Spool {
    pub(crate) fn new(node: &Node, more: &str) -> Spool {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let spool = Spool { folder };
        fs::create_dir(spool.spool()).expect("a writable directory");
        let servers = format!("127.0.0.1:1,{}", node.bootstrap());
        let file =
            TUTORIAL.replace("SPOOL", &spool.spool().display().to_string()).replace("SERVERS", &servers);
        fs::write(spool.conf(), file + more).expect("a writable directory");
        spool
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.folder.path().join("flumedata")
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.folder.path().join("spooldir_kafka.conf")
    }

    /// Puts a file into the directory as a careful user does: complete, under its name at once.
    pub(crate) fn drop_in(&self, name: &str, contents: &[u8]) {
        let aside = self.folder.path().join(name);
        fs::write(&aside, contents).expect("a writable directory");
        fs::rename(aside, self.spool().join(name)).expect("the same file system");
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.spool().join(name).exists()
    }

    /// `flume-ng agent …`: the binary under Flume's name.
    pub(crate) fn flume_ng(&self, more: &[&str]) -> Command {
        let link = self.folder.path().join("flume-ng");
        if !link.exists() {
            std::os::unix::fs::symlink(build::rkafka(), &link).expect("a link");
        }
        let mut command = Command::new(link);
        command.args(["agent", "-c", "conf", "-n", "a1", "-Dflume.root.logger=INFO,console", "-f"]);
        command.arg(self.conf()).args(more);
        command
    }

    pub(crate) fn once(&self) -> Outcome {
        Process::run(self.flume_ng(&["--once"]), "", wait::PATIENCE)
    }
}

/// Chinese lines with their numbers, in GBK.
pub(crate) fn gbk_lines(count: usize) -> Vec<u8> {
    // 中文日志第 … 行：订单已付款 (all of it in GB2312).
    let before = b"\xD6\xD0\xCE\xC4\xC8\xD5\xD6\xBE\xB5\xDA ";
    let after = b" \xD0\xD0\xA3\xBA\xB6\xA9\xB5\xA5\xD2\xD1\xB8\xB6\xBF\xEE\n";
    let mut text = Vec::new();
    for number in 0..count {
        text.extend_from_slice(before);
        text.extend_from_slice(number.to_string().as_bytes());
        text.extend_from_slice(after);
    }
    text
}

/// What an independent program makes of a GBK file.
pub(crate) fn iconv(file: &Path) -> String {
    let mut command = Command::new("iconv");
    command.args(["-f", "GBK", "-t", "UTF-8"]).arg(file);
    Process::run(command, "", Duration::from_secs(30)).success().stdout
}

/// All records of the topic, a line each.
pub(crate) fn records(node: &Node) -> String {
    let bootstrap = node.bootstrap();
    kcat(&["-b", &bootstrap, "-C", "-t", "test", "-o", "beginning", "-e", "-q", "-f", "%s\n"], "")
        .success()
        .stdout
}

#[test]
fn the_tutorials_agent() {
    let node = Node::start(&[]);
    let spool = Spool::new(&node, "");
    let agent = Process::start(spool.flume_ng(&[]));
    spool.drop_in("half.tmp", b"not this one\n");
    spool.drop_in("orders.txt", &gbk_lines(1_000));
    wait::until("the file to be finished", || spool.has("orders.txt.COMPLETED").then_some(()));
    let expected = iconv(&spool.spool().join("orders.txt.COMPLETED"));
    assert_eq!(records(&node), expected);
    assert!(expected.starts_with("中文日志第 0 行：订单已付款\n"), "the test writes what it means to");
    assert!(spool.has("half.tmp"));
    // A file that comes later, without a line end.
    spool.drop_in("late.txt", b"\xCD\xEA");
    wait::until("the second file to be finished", || spool.has("late.txt.COMPLETED").then_some(()));
    assert_eq!(records(&node), format!("{expected}完\n"));
    agent.signal(Signal::TERM);
    let ended = agent.finish(Duration::from_secs(30)).success();
    assert!(ended.stderr.contains("2 files finished, 1001 events read, 1001 delivered"), "{}", ended.stderr);
}

#[test]
fn no_kill_of_the_agent_loses_a_line() {
    let node = Node::start(&[]);
    let spool = Spool::new(&node, "");
    spool.drop_in("orders.txt", &gbk_lines(60_000));
    let all = iconv(&spool.spool().join("orders.txt"));
    let positions = spool.spool().join(".flumespool/.rkafka-positions");
    let facts = || fs::metadata(&positions).map(|facts| (facts.ino(), facts.len())).unwrap_or_default();
    let mut kills = 0;
    while kills < 4 && !spool.has("orders.txt.COMPLETED") {
        let (old_file, _) = facts();
        let agent = Process::start(spool.flume_ng(&[]));
        // Killed in the middle: a start makes a new file of positions, and this run has noted some in it.
        wait::until("positions to be noted, or the end", || {
            let (file, length) = facts();
            ((file != old_file && length > 2_000) || spool.has("orders.txt.COMPLETED")).then_some(())
        });
        agent.signal(Signal::KILL);
        let _ = agent.finish(Duration::from_secs(10));
        kills += 1;
    }
    let _ = spool.once().success();
    assert!(spool.has("orders.txt.COMPLETED"));
    let arrived = records(&node);
    let mut wanted: Vec<&str> = all.lines().collect();
    let mut found: Vec<&str> = arrived.lines().collect();
    let repeated = found.len() - wanted.len();
    // In flight at a kill: 256 batches of 20, and what the channel holds.
    assert!(repeated <= kills * (256 * 20 + 200), "{repeated} records are repeated after {kills} kills");
    found.sort_unstable();
    found.dedup();
    wanted.sort_unstable();
    assert!(found == wanted, "{} different lines of {} arrived", found.len(), wanted.len());
}

#[test]
fn a_kill_of_the_broker_loses_and_repeats_nothing() {
    let mut node = Node::start(&[]);
    let spool = Spool::new(&node, "");
    spool.drop_in("orders.txt", &gbk_lines(60_000));
    let all = iconv(&spool.spool().join("orders.txt"));
    let agent = Process::start(spool.flume_ng(&["--once"]));
    let positions = spool.spool().join(".flumespool/.rkafka-positions");
    wait::until("the first positions", || fs::metadata(&positions).ok().filter(|facts| facts.len() > 2_000));
    node.kill();
    node.restart();
    let ended = agent.finish(wait::PATIENCE).success();
    assert!(ended.stderr.contains("60000 delivered"), "{}", ended.stderr);
    assert!(records(&node) == all, "the topic holds each line once and in order");
}

#[test]
fn a_bad_file_is_set_aside_and_the_exit_code_says_so() {
    let node = Node::start(&[]);
    let spool = Spool::new(&node, "");
    spool.drop_in("bad.txt", b"good\nbad \xB0\nnever\n");
    spool.drop_in("fine.txt", b"fine\n");
    let ended = spool.once();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("1 files finished, 2 events read, 2 delivered, 1 files set aside"),
        "{}",
        ended.stderr
    );
    let mut lines: Vec<String> = records(&node).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["fine", "good"]);
    let reason =
        fs::read_to_string(spool.spool().join("bad.txt.ERROR.json")).expect("the reason lies beside it");
    assert!(reason.contains("line 2 has bytes at position 9 that are no GBK text (B0)"), "{reason}");
}

#[test]
fn a_dry_run_shows_and_changes_nothing() {
    let node = Node::start(&[]);
    let spool = Spool::new(&node, "");
    spool.drop_in("orders.txt", &gbk_lines(100));
    let shown = Process::run(spool.flume_ng(&["--dry-run"]), "", wait::PATIENCE).success().stdout;
    assert!(shown.contains("agent a1: 1 source, 1 channel, 1 sink\n"), "{shown}");
    assert!(shown.contains("  | 中文日志第 4 行：订单已付款\n"), "{shown}");
    assert!(shown.contains("sink k1: topic test is not on"), "{shown}");
    assert!(spool.has("orders.txt"));
    // A mistake is named with its line, and nothing starts.
    let spool = Spool::new(&node, "a1.sources.r1.type = spooldri\n");
    let refused = Process::run(spool.flume_ng(&[]), "", wait::PATIENCE);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains(":21: source r1: type spooldri is not known; did you mean spooldir?"),
        "{}",
        refused.stderr
    );
}
