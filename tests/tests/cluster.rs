//! Three processes that are one cluster: the tutorial's three nodes, told apart by loopback addresses of their own.
//! What operators do with them is in `cluster/`.

mod controllers;
mod nearest;
mod operations;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use rkafka_tests::build;
use rkafka_tests::node::rkafka;
use rkafka_tests::process::{Outcome, Process};
use rkafka_tests::stock::{Stock, tool};
use rkafka_tests::wait;
use rustix::process::Signal;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

/// Nodes 0, 1 and 2 at 127.0.0.1, 127.0.0.2 and 127.0.0.3, each with the keys of the tutorial and an address to
/// listen on, which on three hosts would be the host's own.
struct Cluster {
    dir: TempDir,
    client_port: u16,
    quorum_port: u16,
    nodes: [Option<Process>; 3],
    /// Settings beside those of the tutorial, by node; `{data}` is its log directory.
    more: fn(usize) -> String,
}

impl Cluster {
    fn new() -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (client, quorum) = (free(), free());
        let port = |socket: &TcpListener| socket.local_addr().expect("bound").port();
        Cluster {
            dir: TempDir::new().expect("a temporary directory"),
            client_port: port(&client),
            quorum_port: port(&quorum),
            nodes: [None, None, None],
            more: |_| String::new(),
        }
    }

    fn start() -> Self {
        Cluster::start_with(|_| String::new())
    }

    fn start_with(more: fn(usize) -> String) -> Self {
        let mut cluster = Cluster { more, ..Cluster::new() };
        (0..3).for_each(|node| cluster.launch(node));
        (0..3).for_each(|node| cluster.ready(node));
        cluster
    }

    fn command(&self, node: usize, list: &str) -> Command {
        let file = self.dir.path().join(format!("server-{node}.properties"));
        let data = self.dir.path().join(format!("data-{node}")).display().to_string();
        let text = format!(
            "broker.id={node}\nlog.dirs={data}\nzookeeper.connect={list}\ndelete.topic.enable=true\n\
             listeners=PLAINTEXT://{}\n{}",
            self.address(node),
            (self.more)(node).replace("{data}", &data)
        );
        std::fs::write(&file, text).expect("a writable directory");
        let mut command = Command::new(build::rkafka());
        command.arg("server").arg(file);
        command
    }

    fn list(&self) -> String {
        (1..=3).map(|host| format!("127.0.0.{host}:{}", self.quorum_port)).collect::<Vec<_>>().join(",")
    }

    fn launch(&mut self, node: usize) {
        self.nodes[node] = Some(Process::start(self.command(node, &self.list())));
    }

    fn ready(&mut self, node: usize) {
        let process = self.nodes[node].as_mut().expect("it was launched");
        wait::until("the node to get ready", || {
            let running = process.is_running();
            assert!(running, "node {node} ended:\n{}{}", process.stdout(), process.stderr());
            process.stdout().contains(" ready: listening on PLAINTEXT://").then_some(())
        });
    }

    fn address(&self, node: usize) -> String {
        format!("127.0.0.{}:{}", node + 1, self.client_port)
    }

    fn kill(&mut self, node: usize) {
        let process = self.nodes[node].take().expect("it runs");
        process.signal(Signal::KILL);
        let _ = process.finish(LIMIT);
    }

    fn stop_all(&mut self) {
        let running: Vec<Process> = self.nodes.iter_mut().filter_map(Option::take).collect();
        running.iter().for_each(|process| process.signal(Signal::TERM));
        running.into_iter().for_each(|process| drop(process.finish(LIMIT).success()));
    }

    fn topics(&self, node: usize, args: &[&str]) -> Outcome {
        rkafka(&[&["topics", "--bootstrap-server", &self.address(node)], args].concat())
    }

    fn create(&self, node: usize, topic: &str) -> Outcome {
        self.topics(node, &["--create", "--topic", topic, "--partitions", "3", "--replication-factor", "2"])
    }

    /// The active controller, by what a node says of the quorum.
    fn leader(&self, node: usize) -> usize {
        let status =
            rkafka(&["metadata-quorum", "--bootstrap-server", &self.address(node), "describe", "--status"]);
        let status = status.success().stdout;
        let leader = status.lines().find_map(|line| line.strip_prefix("LeaderId:")?.trim().parse().ok());
        leader.unwrap_or_else(|| panic!("no leader in\n{status}"))
    }

    fn listed(&self, node: usize) -> Vec<String> {
        self.topics(node, &["--list"]).success().stdout.lines().map(str::to_owned).collect()
    }
}

#[test]
fn stock_tools_create_topics_through_any_node() {
    let mut cluster = Cluster::start();
    for (stock, node) in [(Stock::Kafka22, 0), (Stock::Kafka22, 2), (Stock::Kafka43, 1)] {
        let topic = format!("by-{stock:?}-{node}");
        let server = cluster.address(node);
        let args = ["--bootstrap-server", &server, "--create", "--topic", &topic, "--partitions", "3"];
        let _ =
            stock.run(tool::topics(stock), &[&args[..], &["--replication-factor", "3"]].concat()).success();
        for other in 0..3 {
            wait::until("the topic to be known everywhere", || {
                cluster.listed(other).contains(&topic).then_some(())
            });
        }
        let described = cluster.topics((node + 1) % 3, &["--describe", "--topic", &topic]).success().stdout;
        let leaders: Vec<&str> = described
            .lines()
            .skip(1)
            .filter_map(|line| line.split("Leader: ").nth(1)?.split('\t').next())
            .collect();
        assert_eq!(leaders.len(), 3, "{described}");
        let mut distinct = leaders.clone();
        distinct.sort_unstable();
        assert_eq!(distinct, ["0", "1", "2"], "leaders are spread: {described}");
    }
    let server = cluster.address(1);
    let args = ["--bootstrap-server", &server, "describe", "--status"];
    let status = Stock::Kafka43.run("org.apache.kafka.tools.MetadataQuorumCommand", &args).success().stdout;
    let ours = rkafka(&[&["metadata-quorum"], &args[..]].concat()).success().stdout;
    let stable = |text: &str| {
        let wanted = ["ClusterId:", "LeaderId:", "LeaderEpoch:", "CurrentVoters:", "CurrentObservers:"];
        let lines = text.lines().filter(|line| wanted.iter().any(|start| line.starts_with(start)));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(stable(&ours), stable(&status));
    assert_eq!(stable(&ours).len(), 5, "{ours}");
    cluster.stop_all();
}

#[test]
fn a_killed_controller_is_replaced_and_restarts_keep_everything() {
    let mut cluster = Cluster::start();
    let _ = cluster.create(0, "first").success();
    let active = cluster.leader(1);
    let (one, other) = ((active + 1) % 3, (active + 2) % 3);
    cluster.kill(active);
    // At once, without waiting for anything.
    let _ = cluster.create(one, "second").success();
    wait::until("the dead node to lead nothing", || {
        let described = cluster.topics(other, &["--describe"]).success().stdout;
        (!described.contains(&format!("Leader: {active}\t"))).then_some(())
    });
    assert_ne!(cluster.leader(other), active);
    cluster.launch(active);
    cluster.ready(active);
    assert_eq!(cluster.listed(active), ["first", "second"]);

    cluster.stop_all();
    (0..3).for_each(|node| cluster.launch(node));
    (0..3).for_each(|node| cluster.ready(node));
    (0..3).for_each(|node| assert_eq!(cluster.listed(node), ["first", "second"]));
    // All at once, without a word.
    (0..3).for_each(|node| cluster.kill(node));
    (0..3).for_each(|node| cluster.launch(node));
    (0..3).for_each(|node| cluster.ready(node));
    (0..3).for_each(|node| assert_eq!(cluster.listed(node), ["first", "second"]));
    let _ = cluster.create(2, "third").success();
    cluster.stop_all();
}

/// The election begins with the broken connections, not with the end of a time. A machine that stands still for as long as
/// that time may begin one by itself, hence the rounds.
#[test]
fn voters_elect_at_once_when_the_controllers_process_ends() {
    let mut cluster = Cluster::start();
    let said = "the leader of the metadata quorum has ended; another one is elected at once";
    let at_once = (0..5).any(|round| {
        let active = cluster.leader(0);
        cluster.kill(active);
        // Done by another controller.
        let _ = cluster.create((active + 1) % 3, &format!("change-{round}")).success();
        let told = cluster.nodes.iter().flatten().any(|node| (node.stdout() + &node.stderr()).contains(said));
        cluster.launch(active);
        cluster.ready(active);
        told
    });
    assert!(at_once, "no voter noticed that the controller's process had ended");
    cluster.stop_all();
}

#[test]
fn who_does_not_belong_is_told_so() {
    let mut cluster = Cluster::new();
    // A node that waits says for whom.
    cluster.launch(0);
    wait::until("the node to say for whom it waits", || {
        let process = cluster.nodes[0].as_ref().expect("it was launched");
        let text = process.stderr();
        let second = format!("127.0.0.2:{}: Connection refused", cluster.quorum_port);
        (text.contains("waiting for the metadata quorum") && text.contains(&second)).then_some(())
    });
    cluster.launch(1);
    cluster.launch(2);
    (0..3).for_each(|node| cluster.ready(node));
    cluster.kill(2);

    // Node 2's address, taken by a node of another cluster.
    let stranger = Cluster::new();
    let alone = stranger.command(2, "");
    let mut alone = Process::start(alone);
    wait::until("the stranger to get ready", || alone.stdout().contains(" ready: ").then_some(()));
    assert!(alone.is_running());
    alone.signal(Signal::TERM);
    let _ = alone.finish(LIMIT).success();
    let refused = Process::run(stranger.command(2, &cluster.list()), "", LIMIT);
    assert!(!refused.status.success());
    assert!(refused.both().contains("refuses this node"), "{}", refused.both());
    assert!(refused.both().contains("of cluster"), "{}", refused.both());

    // A list that does not name this host.
    let list = "198.51.100.1:2181,198.51.100.2:2181";
    let nowhere = Process::run(stranger.command(2, list), "", LIMIT);
    assert!(!nowhere.status.success());
    let text = nowhere.both();
    assert!(
        text.contains(&format!("zookeeper.connect={list}: none of these addresses is this host's")),
        "{text}"
    );
    cluster.stop_all();
}

#[test]
fn a_development_cluster_with_one_command() {
    let dir = TempDir::new().expect("a temporary directory");
    let mut command = Command::new(build::rkafka());
    command.args(["dev-cluster", "--nodes", "3", "--port", "0", "--dir"]).arg(dir.path());
    let process = Process::start(command);
    let address = wait::until("all nodes to be ready", || {
        let text = process.stdout();
        let first = text.lines().find(|line| line.starts_with("node 1 |") && line.contains(" ready: "))?;
        let address = first.split("PLAINTEXT://").nth(1)?.split(',').next()?.to_owned();
        text.contains("all 3 nodes are ready").then_some(address)
    });
    let args =
        ["topics", "--bootstrap-server", &address, "--create", "--topic", "t", "--replication-factor", "3"];
    assert_eq!(rkafka(&args).success().stdout.trim(), "Created topic t.");
    process.signal(Signal::INT);
    let outcome = process.finish(LIMIT).success();
    let ended = outcome.stdout.lines().filter(|line| line.contains("ended: exit status: 0")).count();
    assert_eq!(ended, 3, "{}", outcome.stdout);
}
