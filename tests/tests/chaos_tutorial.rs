//! The tutorial's cluster as it is described: three hosts named hadoop01 to hadoop03, each with the tutorial's files
//! and directories unchanged, and the stock tools and programs of Kafka 2.2.0 as clients.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rkafka_tests::chaos::PATIENCE;
use rkafka_tests::netns::Network;
use rkafka_tests::process::{Outcome, Process};
use rkafka_tests::stock::{Stock, tool};
use rkafka_tests::{build, java, wait};
use rustix::process::Signal;

use crate::orders;

const HOSTS: [&str; 3] = ["hadoop01", "hadoop02", "hadoop03"];
/// Where the tutorial unpacks the archive.
const HOME: &str = "/opt/servers/kafka_2.12-2.2.0";
const ALL: &str = "hadoop01:9092,hadoop02:9092,hadoop03:9092";
const LIMIT: Duration = Duration::from_secs(120);
/// Room for the logs of one host.
const DISK_MIB: u32 = 256;

/// Scripts of the archive that are called here.
const SCRIPTS: [&str; 2] = ["server-start", "topics"];

struct Tutorial {
    nodes: [Option<Process>; 3],
    network: Network,
}

impl Tutorial {
    /// Unpacks the archive and writes the tutorial's `server.properties` on each host.
    fn new() -> Self {
        let network = Network::new(&HOSTS);
        for (node, host) in network.nodes().iter().enumerate() {
            host.mount_disk(Path::new("/opt"), DISK_MIB);
            let home = host.seen_from_outside(Path::new(HOME));
            for folder in ["bin", "config", "logs"] {
                fs::create_dir_all(home.join(folder)).expect("a writable directory");
            }
            for script in SCRIPTS {
                symlink(build::rkafka(), home.join(format!("bin/kafka-{script}.sh"))).expect("a new link");
            }
            let properties = format!(
                "broker.id={node}\nlog.dirs=/opt/servers/kafka_2.12-2.2.0/logs\n\
                 zookeeper.connect=hadoop01:2181,hadoop02:2181,hadoop03:2181\ndelete.topic.enable=true\n"
            );
            fs::write(home.join("config/server.properties"), properties).expect("a writable directory");
        }
        Self { nodes: [None, None, None], network }
    }

    /// A line of the tutorial, typed in the archive's directory on a host.
    fn shell(&self, node: usize, line: &str) -> Command {
        let mut command = self.network.nodes()[node].command("sh");
        command.args(["-c", &format!("cd {HOME} && exec {line}")]);
        command
    }

    fn typed(&self, node: usize, line: &str) -> Outcome {
        Process::run(self.shell(node, line), "", LIMIT)
    }

    fn launch(&mut self, node: usize) {
        let command = self.shell(node, "bin/kafka-server-start.sh config/server.properties");
        self.nodes[node] = Some(Process::start(command));
    }

    fn ready(&mut self, node: usize) {
        let process = self.nodes[node].as_mut().expect("it was launched");
        wait::until_within(PATIENCE, "the node to get ready", || {
            let running = process.is_running();
            assert!(running, "node {node} ended:\n{}{}", process.stdout(), process.stderr());
            process.stdout().contains(" ready: listening on PLAINTEXT://").then_some(())
        });
    }

    fn kill(&mut self, node: usize) {
        let process = self.nodes[node].take().expect("it runs");
        process.signal(Signal::KILL);
        let _ = process.finish(LIMIT);
    }

    /// The same program on the clients' host.
    fn remote(&self, command: &Command) -> Command {
        self.network.clients().inside(command)
    }

    /// A stock tool of 2.2.0.
    fn stock(&self, class: &str, args: &[&str], input: &str) -> Outcome {
        let mut java = Stock::Kafka22.java(class);
        java.args(args);
        Process::run(self.remote(&java), input, LIMIT)
    }

    fn topics(&self, args: &[&str]) -> Outcome {
        self.stock(
            tool::topics(Stock::Kafka22),
            &[&["--bootstrap-server", "hadoop01:9092"], args].concat(),
            "",
        )
    }

    /// A program of the tutorial.
    fn program(&self, name: &str, args: &[&str]) -> Outcome {
        Process::run(self.remote(&java::command(Stock::Kafka22, name, args)), "", LIMIT)
    }

    /// Leaders of all partitions of the topic, as a node says.
    fn leaders(&self, node: usize, topic: &str) -> Vec<String> {
        let line =
            format!("bin/kafka-topics.sh --describe --bootstrap-server {}:9092 --topic {topic}", HOSTS[node]);
        let described = self.typed(node, &line).success().stdout;
        let leaders = described.lines().filter_map(|line| line.split("Leader: ").nth(1)?.split('\t').next());
        leaders.map(str::to_owned).collect()
    }
}

/// Chapter by chapter: start, topics, console, settings, programs.
#[test]
fn from_top_to_bottom() {
    let mut tutorial = Tutorial::new();
    (0..3).for_each(|node| tutorial.launch(node));
    (0..3).for_each(|node| tutorial.ready(node));
    let logs = |node: usize| -> PathBuf {
        tutorial.network.nodes()[node].seen_from_outside(Path::new(HOME)).join("logs")
    };

    let too_many =
        tutorial.topics(&["--create", "--replication-factor", "4", "--partitions", "3", "--topic", "test"]);
    let text = too_many.both();
    assert!(text.contains("Replication factor: 4 larger than available brokers: 3."), "{text}");
    let create = ["--create", "--replication-factor", "2", "--partitions", "3", "--topic", "test"];
    let _ = tutorial.topics(&create).success();
    let listed = tutorial.topics(&["--list"]).success().stdout;
    assert_eq!(listed.trim(), "test");
    // A replica of a partition at most once on a broker, on two of them.
    let dirs = || {
        (0..3).flat_map(|node| fs::read_dir(logs(node)).expect("a directory").map(move |entry| (node, entry)))
    };
    wait::until("six replicas", || {
        let replicas = dirs().filter(|(_, entry)| {
            entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("test-"))
        });
        (replicas.count() == 6).then_some(())
    });

    let input = "你好,世界\n订单信息!1\nplain\n";
    let producer = tool::console_producer(Stock::Kafka22);
    let _ = tutorial.stock(producer, &["--broker-list", ALL, "--topic", "test"], input).success();
    let from_beginning =
        ["--from-beginning", "--topic", "test", "--bootstrap-server", ALL, "--max-messages", "3"];
    let consumed = tutorial.stock(tool::console_consumer(Stock::Kafka22), &from_beginning, "").success();
    let mut lines: Vec<&str> = consumed.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["plain", "你好,世界", "订单信息!1"], "Chinese text byte for byte");

    let described = tutorial.topics(&["--describe", "--topic", "test"]).success().stdout;
    let partitions: Vec<&str> = described.lines().skip(1).collect();
    assert_eq!(partitions.len(), 3, "{described}");
    for line in partitions {
        let after =
            |key: &str| line.split(key).nth(1).and_then(|rest| rest.split('\t').next()).unwrap_or_default();
        let (replicas, isr) = (after("Replicas: ").trim(), after("Isr: ").trim());
        assert_eq!(replicas.split(',').count(), 2, "{line}");
        assert_eq!(isr.split(',').count(), 2, "{line}");
        assert!(replicas.starts_with(after("Leader: ")), "the preferred replica leads: {line}");
    }
    let _ = tutorial.topics(&["--alter", "--topic", "test", "--partitions", "5"]).success();
    assert_eq!(tutorial.leaders(1, "test").len(), 5);
    for change in ["--config flush.messages=1", "--delete-config flush.messages"] {
        let line = format!("bin/kafka-topics.sh --zookeeper hadoop01:2181 --alter --topic test {change}");
        let altered = tutorial.typed(0, &line).success().both();
        assert!(altered.contains("Updated config for topic test."), "{altered}");
        assert!(altered.contains("has been deprecated"), "{altered}");
    }

    let _ = tutorial
        .topics(&["--create", "--replication-factor", "2", "--partitions", "3", "--topic", "orders"])
        .success();
    let sent = tutorial.program("OrderProducer", &["hadoop01:9092", "orders", "1000"]).success();
    orders::check_complete(&orders::parse(&sent.stdout), 1000);
    let earliest = "auto.offset.reset=earliest";
    let read =
        tutorial.program("OrderConsumer", &["hadoop01:9092", "orders", "test", "1000", earliest]).success();
    orders::check_complete(&orders::parse(&read.stdout), 1000);
    let by_hand = ["hadoop01:9092,hadoop02:9092", "orders", "tedu", "1000", "sync"];
    let read = tutorial.program("MyConsumerByHand", &by_hand).success();
    assert_eq!(orders::parse(&read.stdout).len(), 1000);

    // One dies: its partitions are led by replicas in sync, nothing is lost, the group goes on where it was.
    tutorial.kill(0);
    wait::until("the dead node to lead nothing", || {
        (!tutorial.leaders(1, "orders").contains(&"0".to_owned())).then_some(())
    });
    let others = "hadoop02:9092,hadoop03:9092";
    let read = tutorial.program("OrderConsumer", &[others, "orders", "again", "1000", earliest]).success();
    orders::check_complete(&orders::parse(&read.stdout), 1000);
    let more = tutorial.program("OrderProducer", &[others, "orders", "10", "retries=100"]).success();
    let read = tutorial.program("OrderConsumer", &[others, "orders", "test", "10", earliest]).success();
    let (mut more, mut read) = (orders::parse(&more.stdout), orders::parse(&read.stdout));
    more.sort();
    read.sort();
    assert_eq!(read, more, "the group's offsets survived");

    // It comes back, all stop in order, and after another start everything is there.
    tutorial.launch(0);
    tutorial.ready(0);
    let running: Vec<Process> = tutorial.nodes.iter_mut().filter_map(Option::take).collect();
    running.iter().for_each(|process| process.signal(Signal::TERM));
    running.into_iter().for_each(|process| drop(process.finish(PATIENCE).success()));
    (0..3).for_each(|node| tutorial.launch(node));
    (0..3).for_each(|node| tutorial.ready(node));
    let by_hand = ["hadoop01:9092,hadoop02:9092", "orders", "later", "1010", "sync"];
    let read = tutorial.program("MyConsumerByHand", &by_hand).success();
    assert_eq!(orders::parse(&read.stdout).len(), 1010);
    let line = "bin/kafka-topics.sh –bootstrap-server hadoop03:9092 --delete --topic test";
    let _ = tutorial.typed(2, line).success();
    let listed = tutorial.topics(&["--list"]).success().stdout;
    assert!(!listed.lines().any(|topic| topic == "test"), "{listed}");
}

/// All replicas of a partition dead: producing fails, never with an acknowledgement; when they are back it goes on.
#[test]
fn all_replicas_dead() {
    let mut tutorial = Tutorial::new();
    (0..3).for_each(|node| tutorial.launch(node));
    (0..3).for_each(|node| tutorial.ready(node));
    let create = "bin/kafka-topics.sh --create --bootstrap-server hadoop01:9092 --topic pair --partitions 1 \
                  --replication-factor 2";
    let _ = tutorial.typed(0, create).success();
    let line = "bin/kafka-topics.sh --describe --bootstrap-server hadoop01:9092 --topic pair";
    let described = tutorial.typed(0, line).success().stdout;
    let replicas: Vec<usize> = described
        .lines()
        .find_map(|line| line.split("Replicas: ").nth(1)?.split('\t').next())
        .map(|list| list.split(',').filter_map(|id| id.trim().parse().ok()).collect())
        .unwrap_or_default();
    assert_eq!(replicas.len(), 2, "{described}");
    let sent = tutorial.program("OrderProducer", &[ALL, "pair", "10"]).success();
    orders::check_complete(&orders::parse(&sent.stdout), 10);

    replicas.iter().for_each(|node| tutorial.kill(*node));
    let impatient = ["request.timeout.ms=2000", "delivery.timeout.ms=4000", "max.block.ms=4000"];
    let refused = tutorial.program("OrderProducer", &[&[ALL, "pair", "1"], &impatient[..]].concat());
    assert!(!refused.status.success(), "nobody can have stored it: {}", refused.stdout);
    assert!(refused.stderr.contains("TimeoutException"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");

    replicas.iter().for_each(|node| tutorial.launch(*node));
    replicas.iter().for_each(|node| tutorial.ready(*node));
    let read = tutorial
        .program("OrderConsumer", &[ALL, "pair", "reader", "10", "auto.offset.reset=earliest"])
        .success();
    orders::check_complete(&orders::parse(&read.stdout), 10);
    let sent = tutorial.program("OrderProducer", &[ALL, "pair", "1", "retries=100"]).success();
    let offsets: Vec<i64> = orders::parse(&sent.stdout).into_iter().map(|order| order.offset).collect();
    assert_eq!(offsets, [10], "it goes on where it was");
}
