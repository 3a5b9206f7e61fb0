//! Several nodes in one runtime, over loopback: how a cluster forms, and what it survives.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::controller::{CreateTopics, NewTopic};
use rkafka_core::image::Image;
use rkafka_log::LogError;
use tempfile::TempDir;

use super::{Node, StartError, start};

/// Where the quorum of every cluster listens, each at an address of its own.
const QUORUM_PORT: u16 = 29093;

/// Property files of nodes 1 to `count` that all vote. Each cluster has loopback addresses of its own: a port that
/// was free just now may be anybody's when it is bound.
struct Cluster {
    dir: TempDir,
    /// The first three parts of the addresses.
    network: String,
    count: usize,
}

impl Cluster {
    fn new(count: usize) -> Self {
        static CLUSTERS: AtomicU32 = AtomicU32::new(0);
        let (process, cluster) = (std::process::id(), CLUSTERS.fetch_add(1, Ordering::Relaxed));
        let network = format!("127.{}.{}", 1 + process % 250, 1 + (process / 250 * 16 + cluster) % 250);
        Cluster { dir: TempDir::new().expect("a temporary directory"), network, count }
    }

    fn host(&self, id: usize) -> String {
        format!("{}.{id}", self.network)
    }

    fn config(&self, id: usize) -> BrokerConfig {
        let voters = (1..=self.count).map(|id| format!("{id}@{}:{QUORUM_PORT}", self.host(id)));
        config(&format!(
            "node.id={id}\nprocess.roles=broker,controller\ncontroller.quorum.voters={}\n\
             controller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://{}:{QUORUM_PORT}\nlog.dirs={}\n",
            voters.collect::<Vec<_>>().join(","),
            self.host(id),
            self.path(id).display(),
        ))
    }

    fn path(&self, id: usize) -> std::path::PathBuf {
        self.dir.path().join(format!("node{id}"))
    }

    /// A node that follows without a vote.
    fn follower(&self, id: i32) -> BrokerConfig {
        config(&format!(
            "node.id={id}\nprocess.roles=broker\ncontroller.quorum.bootstrap.servers={}:{QUORUM_PORT}\n\
             controller.listener.names=CONTROLLER\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n",
            self.host(1),
            self.dir.path().join(format!("follower{id}")).display(),
        ))
    }

    async fn start_all(&self) -> Vec<Node> {
        join_all((1..=self.count).map(|id| self.start(id))).await
    }

    /// Starts a node; of one that ran in this process before, the last tasks may still hold the directory.
    async fn start(&self, id: usize) -> Node {
        loop {
            match start(self.config(id)).await {
                Ok(node) => return node,
                Err(StartError::LogDirs(LogError::Locked { .. })) => tokio::time::sleep(PAUSE).await,
                Err(error) => panic!("node {id} does not start: {error}"),
            }
        }
    }
}

/// Between two looks at what is waited for.
const PAUSE: Duration = Duration::from_millis(20);

fn config(text: &str) -> BrokerConfig {
    let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
    BrokerConfig::from_properties(&file, &[]).expect("valid").0
}

async fn create(node: &Node, name: &str, replication_factor: i16) {
    let topic = NewTopic {
        name: name.to_owned(),
        partitions: 3,
        replication_factor,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    let request = CreateTopics { topics: vec![topic], validate_only: false };
    let results = node.broker.control(request).await.expect("the controller answers");
    let created = results[0].result.as_ref().expect("the topic can be created");
    assert!(!created.configs.is_empty(), "the settings of the topic are in the answer of every node");
}

/// Waits until a node's image is as wanted.
async fn until(node: &Node, what: impl Fn(&Image) -> bool) {
    let mut images = node.broker.metadata.images();
    images.wait_for(|image| what(image)).await.expect("the node runs");
}

fn alive(image: &Image) -> Vec<i32> {
    image.brokers().alive().map(|broker| broker.id.0).collect()
}

fn active(nodes: &[Node]) -> usize {
    nodes.iter().position(|node| node.controller.quorum().is_leader()).expect("one of them leads")
}

async fn stop_all(nodes: Vec<Node>) {
    join_all(nodes.into_iter().map(Node::shutdown)).await;
}

/// Nodes that are stopped together do not wait for a controller that cannot be.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_node_knows_that_there_is_no_majority() {
    let cluster = Cluster::new(3);
    let mut nodes = cluster.start_all().await;
    let last = nodes.remove(0);
    let quorum = std::sync::Arc::clone(last.controller.quorum());
    assert!(!quorum.has_no_majority().await, "all are there");
    nodes.remove(0).shutdown().await;
    assert!(!quorum.has_no_majority().await, "two of three");
    nodes.remove(0).shutdown().await;
    assert!(quorum.has_no_majority().await, "one of three");
    quorum.lost_majority().await;
    drop(quorum);
    last.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_form_one_cluster_and_keep_it() {
    let cluster = Cluster::new(3);
    let nodes = cluster.start_all().await;
    let id = nodes[0].cluster_id().to_owned();
    assert!(nodes.iter().all(|node| node.cluster_id() == id));
    for (node, number) in nodes.iter().zip(0..) {
        create(node, &format!("topic-{number}"), 3).await;
        assert!(
            node.broker.image().topics().by_name(&format!("topic-{number}")).is_some(),
            "its own node knows"
        );
    }
    for node in &nodes {
        until(node, |image| image.topics().iter().count() == 3 && alive(image) == [1, 2, 3]).await;
        let status = node.broker.metadata.quorum_status().await;
        assert_eq!(status.voters.iter().map(|voter| voter.id).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(status.leader.is_some(), "every node can say who leads");
    }
    stop_all(nodes).await;

    let nodes = cluster.start_all().await;
    assert_eq!(nodes[2].cluster_id(), id);
    for node in &nodes {
        until(node, |image| image.topics().iter().count() == 3).await;
    }
    stop_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_active_controller_a_cluster_goes_on() {
    let cluster = Cluster::new(3);
    let mut nodes = cluster.start_all().await;
    create(&nodes[0], "before", 3).await;
    let active = nodes.remove(active(&nodes));
    let gone = active.id();
    active.shutdown().await;
    create(&nodes[0], "after", 2).await;
    until(&nodes[1], |image| {
        let leaders = image.topics().by_name("before").map(|topic| topic.partitions.iter().map(|p| p.leader));
        let moved =
            leaders.is_some_and(|mut leaders| leaders.all(|leader| leader.is_some_and(|id| id != gone)));
        image.topics().by_name("after").is_some() && moved && !alive(image).contains(&gone.0)
    })
    .await;
    // It comes back as what it was.
    let back = cluster.start(usize::try_from(gone.0).expect("positive")).await;
    until(&back, |image| alive(image) == [1, 2, 3]).await;
    nodes.push(back);
    stop_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_lost_its_disk_is_a_new_voter() {
    let cluster = Cluster::new(3);
    let mut nodes = cluster.start_all().await;
    create(&nodes[0], "kept", 3).await;
    let lost = nodes.remove(1);
    let (id, before) = (lost.id(), lost.controller.quorum().member());
    lost.shutdown().await;
    std::fs::remove_dir_all(cluster.path(2)).expect("the disk is gone");
    let back = cluster.start(2).await;
    let after = back.controller.quorum().member();
    assert_eq!(before.id, after.id);
    assert_ne!(before.directory, after.directory);
    until(&back, |image| image.topics().by_name("kept").is_some()).await;
    nodes.push(back);
    // Its vote came only after it had everything; now it counts again.
    loop {
        let status = nodes[0].broker.metadata.quorum_status().await;
        let voter = status.voters.iter().find(|voter| voter.id == id.0).copied();
        if voter.is_some_and(|voter| voter.directory == *after.directory.as_bytes()) {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    stop_all(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_without_a_vote_follows() {
    let cluster = Cluster::new(1);
    let voter = start(cluster.config(1)).await.expect("the only voter starts");
    let follower = start(cluster.follower(5)).await.expect("the follower starts");
    create(&follower, "both", 2).await;
    until(&voter, |image| alive(image) == [1, 5] && image.topics().by_name("both").is_some()).await;
    let status = follower.broker.metadata.quorum_status().await;
    assert_eq!((status.voters.len(), status.observers.len()), (1, 1));
    assert_eq!(status.observers[0].id, 5);
    assert!(follower.broker.lease.holds(follower.broker.clock.mono_ms()), "heartbeats renew its lease");
    follower.shutdown().await;
    until(&voter, |image| alive(image) == [1]).await;
    voter.shutdown().await;
}

async fn refused(config: BrokerConfig) -> String {
    match start(config).await {
        Err(StartError::Quorum(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_refused() {
    let cluster = Cluster::new(1);
    let voter = start(cluster.config(1)).await.expect("the only voter starts");
    let follower = start(cluster.follower(5)).await.expect("the follower starts");
    // Another directory, the same id, while the first is alive.
    let second = cluster.follower(5);
    let second = config_with(&second, &cluster.dir.path().join("second"));
    let error = refused(second).await;
    assert!(error.contains("two nodes have the id 5"), "{error}");

    let other = Cluster::new(1);
    let foreign = start(other.config(1)).await.expect("another cluster");
    let id = foreign.cluster_id().to_owned();
    foreign.shutdown().await;
    let moved = config_with(&cluster.follower(1), &other.path(1));
    let error = refused(moved).await;
    assert!(error.contains(&id) && error.contains(voter.cluster_id()), "{error}");
    stop_all(vec![follower, voter]).await;
}

/// The same settings on another directory.
fn config_with(config: &BrokerConfig, logs: &Path) -> BrokerConfig {
    let keys = [
        "node.id",
        "process.roles",
        "controller.quorum.bootstrap.servers",
        "controller.listener.names",
        "listeners",
    ];
    let mut text: String =
        keys.iter().map(|key| format!("{key}={}\n", config.setting(key).expect("it is set"))).collect();
    text.push_str(&format!("log.dirs={}\n", logs.display()));
    self::config(&text)
}
