//! Three nodes in one process.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::controller::{CreateTopics, NewTopic};
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image;
use rkafka_log::AppendOrigin;
use tempfile::TempDir;

use crate::node::test_kit::batch;
use crate::node::{Node, start};
use crate::partition::{AppendRequest, Role};

/// Nodes 1 to 3, each with its directory.
struct Cluster {
    nodes: Vec<(Node, TempDir)>,
}

impl Cluster {
    async fn start() -> Self {
        // Ports that were free a moment ago: every node must know all of them before it starts.
        let held: Vec<TcpListener> =
            (0..6).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
        let ports: Vec<u16> = held.iter().map(|port| port.local_addr().expect("bound").port()).collect();
        drop(held);
        let voters: Vec<String> =
            (0..3).map(|place| format!("{}@127.0.0.1:{}", place + 1, ports[place])).collect();
        let starting = (0..3).map(|place| {
            let dir = TempDir::new().expect("a temporary directory");
            let text = format!(
                "node.id={id}\nprocess.roles=broker,controller\ncontroller.quorum.voters={}\n\
                 listeners=PLAINTEXT://127.0.0.1:{},CONTROLLER://127.0.0.1:{}\n\
                 controller.listener.names=CONTROLLER\nlog.dirs={}\nmin.insync.replicas=2\n\
                 replica.lag.time.max.ms=1000\nbroker.session.timeout.ms=2000\n\
                 broker.heartbeat.interval.ms=200\n",
                voters.join(","),
                ports[3 + place],
                ports[place],
                dir.path().join("logs").display(),
                id = place + 1,
            );
            let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
            let config = BrokerConfig::from_properties(&file, &[]).expect("valid").0;
            async move { (start(config).await.expect("the node starts"), dir) }
        });
        Cluster { nodes: futures_util::future::join_all(starting).await }
    }

    fn node(&self, id: BrokerId) -> &Node {
        let found = self.nodes.iter().find(|(node, _)| node.id() == id);
        &found.expect("one of the three").0
    }

    async fn create_topic(&self) -> PartitionId {
        let topic = NewTopic {
            name: "t".to_owned(),
            partitions: 1,
            replication_factor: 3,
            assignments: Vec::new(),
            configs: Vec::new(),
        };
        let request = CreateTopics { topics: vec![topic], validate_only: false };
        let broker = &self.nodes[0].0.broker;
        wait("three brokers are alive", || broker.image().brokers().alive().count() == 3).await;
        let results = broker.control(request).await.expect("the controller answers");
        let topic = results[0].result.as_ref().expect("the topic can be created").id;
        PartitionId { topic, index: 0 }
    }

    fn state(&self, id: PartitionId) -> Option<image::Partition> {
        let image = self.nodes[0].0.broker.image();
        image.topics().by_id(id.topic)?.partition(id.index).cloned()
    }

    /// The leader, once it knows that it leads.
    async fn leader(&self, id: PartitionId) -> &Node {
        wait("a leader", || self.leads(id).is_some()).await;
        self.node(self.leads(id).expect("it was there"))
    }

    fn leads(&self, id: PartitionId) -> Option<BrokerId> {
        let leader = self.state(id)?.leader?;
        let node = self.nodes.iter().find(|(node, _)| node.id() == leader)?;
        let role = node.0.broker.partitions.get(id)?.role();
        matches!(role, Role::Leader { .. }).then_some(leader)
    }

    /// Appends with acks=-1 and waits for the commit; the offset.
    async fn write(&self, id: PartitionId, value: &[u8]) -> i64 {
        let broker = &self.leader(id).await.broker;
        let partition = broker.partitions.get(id).expect("the leader has it");
        let request = AppendRequest {
            batch: &batch(&[value]),
            acks: -1,
            origin: AppendOrigin::Client,
            now: broker.clock.now(),
        };
        let appended = partition.append(request).expect("a good batch");
        if let Some(commit) = appended.commit {
            commit.committed().await.expect("it is committed");
        }
        appended.outcome.base_offset
    }
}

/// Waits for a condition, for half a minute at most.
async fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_is_on_every_replica_and_survives_its_leader() {
    let mut cluster = Cluster::start().await;
    let id = cluster.create_topic().await;
    for number in 0..20_i64 {
        assert_eq!(cluster.write(id, &number.to_be_bytes()).await, number);
    }
    let ends = |cluster: &Cluster| {
        let views = cluster.nodes.iter().map(|(node, _)| node.broker.partitions.get(id).map(|p| p.view()));
        views.flatten().map(|view| (view.high_watermark, view.log_end_offset)).collect::<Vec<_>>()
    };
    wait("all replicas have everything", || ends(&cluster) == [(20, 20); 3]).await;

    let leader = cluster.leads(id).expect("there is one");
    let place = cluster.nodes.iter().position(|(node, _)| node.id() == leader).expect("one of the three");
    let (gone, _dir) = cluster.nodes.remove(place);
    gone.shutdown().await;
    wait("another leader", || cluster.leads(id).is_some_and(|other| other != leader)).await;
    assert_eq!(cluster.write(id, b"after").await, 20, "nothing was lost");
    wait("both replicas have everything", || ends(&cluster) == [(21, 21); 2]).await;
    for (node, _dir) in cluster.nodes {
        node.shutdown().await;
    }
}
