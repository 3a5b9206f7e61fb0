//! Three nodes in one process.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::controller::{
    AlterConfigs, AlterReassignments, AlterResource, Assignment, ConfigChange, ConfigOperation, CreateTopics,
    NewReassignment, NewTopic, OpType,
};
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{self, ConfigResource, ResourceKind};
use rkafka_log::AppendOrigin;
use rkafka_wire::StrBytes;
use rkafka_wire::messages::fetch_request::{FetchPartition, FetchTopic, ReplicaState};
use rkafka_wire::messages::fetch_response::PartitionData;
use rkafka_wire::messages::{self, FetchRequest};
use tempfile::TempDir;
use uuid::Uuid;

use crate::node::test_kit::{TestClient, batch};
use crate::node::{Node, start};
use crate::partition::{AppendRequest, Role};

/// Nodes 1 to 3, each with its directory.
struct Cluster {
    nodes: Vec<(Node, TempDir)>,
}

impl Cluster {
    /// Brokers 1 to 3 in racks `r1` to `r3`.
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
                 broker.heartbeat.interval.ms=200\nbroker.rack=r{id}\n\
                 replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector\n",
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
        self.create_topic_on(&[1, 2, 3]).await
    }

    async fn create_topic_on(&self, brokers: &[i32]) -> PartitionId {
        let brokers = brokers.iter().map(|id| BrokerId(*id)).collect();
        let topic = NewTopic {
            name: "t".to_owned(),
            partitions: -1,
            replication_factor: -1,
            assignments: vec![Assignment { partition: 0, brokers }],
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

impl Cluster {
    /// Moves the partition's replicas.
    async fn reassign(&self, replicas: &[i32]) {
        let replicas = Some(replicas.iter().map(|id| BrokerId(*id)).collect());
        let partitions = vec![NewReassignment { topic: "t".to_owned(), partition: 0, replicas }];
        let request = AlterReassignments { partitions, allow_replication_factor_change: true };
        let results = self.nodes[0].0.broker.control(request).await.expect("the controller answers");
        results[0].result.as_ref().expect("it can be moved");
    }

    async fn set(&self, resource: ConfigResource, settings: &[(&str, &str)]) {
        let operation = |(key, value): &(&str, &str)| ConfigOperation {
            key: (*key).to_owned(),
            op: OpType::Set,
            value: Some((*value).to_owned()),
        };
        let change = ConfigChange::Increment(settings.iter().map(operation).collect());
        // A broker's settings go through that broker.
        let through = match resource.kind {
            ResourceKind::Broker => BrokerId(resource.name.parse().expect("a broker's id")),
            _ => BrokerId(1),
        };
        let resources = vec![AlterResource { resource, change }];
        let request = AlterConfigs { received_by: through, resources, validate_only: false };
        let results = self.node(through).broker.control(request).await.expect("the controller answers");
        results[0].result.as_ref().expect("the settings are valid");
    }

    fn end_of(&self, node: i32, id: PartitionId) -> Option<i64> {
        Some(self.node(BrokerId(node)).broker.partitions.get(id)?.view().log_end_offset)
    }

    async fn stop(self) {
        for (node, _dir) in self.nodes {
            node.shutdown().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_move_between_brokers() {
    let cluster = Cluster::start().await;
    let id = cluster.create_topic_on(&[1, 2]).await;
    for number in 0..10_i64 {
        assert_eq!(cluster.write(id, &number.to_be_bytes()).await, number);
    }
    cluster.reassign(&[3, 2]).await;
    let moved =
        |state: image::Partition| state.replicas[..] == [BrokerId(3), BrokerId(2)] && state.leader.is_some();
    wait("the replica to be where it shall be", || cluster.state(id).is_some_and(moved)).await;
    assert_eq!(cluster.end_of(3, id), Some(10), "it had everything before the old one went");
    wait("the old replica to be deleted", || cluster.end_of(1, id).is_none()).await;
    assert_eq!(cluster.write(id, b"after").await, 10, "it goes on where it was");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_replicas_wait_and_others_do_not() {
    let cluster = Cluster::start().await;
    let id = cluster.create_topic_on(&[1, 2]).await;
    assert_eq!(cluster.write(id, &[7; 1000]).await, 0);
    // Nothing may be sent to replicas that are not in sync.
    for broker in [1, 2] {
        cluster
            .set(ConfigResource::broker(BrokerId(broker)), &[("leader.replication.throttled.rate", "0")])
            .await;
    }
    cluster.set(ConfigResource::topic("t"), &[("leader.replication.throttled.replicas", "*")]).await;
    wait("the leader to know", || {
        let leader = cluster.node(BrokerId(1)).broker.partitions.get(id);
        leader.is_some_and(|leader| leader.throttled().as_leader)
    })
    .await;
    cluster.reassign(&[1, 2, 3]).await;
    wait("the new replica to be made", || cluster.end_of(3, id) == Some(0)).await;
    // Those in sync are not slowed down: this needs broker 2.
    for number in 1..20_i64 {
        assert_eq!(cluster.write(id, &number.to_be_bytes()).await, number);
    }
    assert_eq!(cluster.end_of(3, id), Some(0));
    assert!(cluster.state(id).is_some_and(|state| state.is_reassigning()));
    // One that has what the leader has not is told so all the same: KIP-595's divergence is no data.
    let leader = cluster.leads(id).expect("somebody leads");
    let told = fetch_as(&cluster, leader, BrokerId(3), id, 99).await;
    assert_eq!((told.error_code, told.diverging_epoch.end_offset), (0, 20));
    assert!(told.records.is_none_or(|records| records.is_empty()));
    let waits = fetch_as(&cluster, leader, BrokerId(3), id, 0).await;
    assert_eq!((waits.error_code, waits.diverging_epoch.end_offset), (0, -1));
    assert!(waits.records.is_none_or(|records| records.is_empty()));
    for broker in [1, 2] {
        let rate = [("leader.replication.throttled.rate", "1000000")];
        cluster.set(ConfigResource::broker(BrokerId(broker)), &rate).await;
    }
    let all_in_sync =
        || cluster.state(id).is_some_and(|state| state.isr.len() == 3 && !state.is_reassigning());
    wait("the new replica to be in sync", all_in_sync).await;

    // The follower's own throttle, from before it exists.
    cluster.reassign(&[1, 2]).await;
    wait("the third replica to go", || cluster.end_of(3, id).is_none()).await;
    let rate = |rate| [("follower.replication.throttled.rate", rate)];
    cluster.set(ConfigResource::broker(BrokerId(3)), &rate("0")).await;
    cluster.set(ConfigResource::topic("t"), &[("follower.replication.throttled.replicas", "0:3")]).await;
    cluster.reassign(&[1, 2, 3]).await;
    wait("the new replica to be made", || cluster.end_of(3, id) == Some(0)).await;
    for number in 20..30_i64 {
        assert_eq!(cluster.write(id, &number.to_be_bytes()).await, number);
    }
    assert_eq!(cluster.end_of(3, id), Some(0));
    cluster.set(ConfigResource::broker(BrokerId(3)), &rate("1000000")).await;
    wait("the new replica to be in sync", all_in_sync).await;
    cluster.stop().await;
}

/// What a follower that has `offset` records of the first leader epoch is answered by the leader.
async fn fetch_as(
    cluster: &Cluster,
    leader: BrokerId,
    follower: BrokerId,
    id: PartitionId,
    offset: i64,
) -> PartitionData {
    let mut client = TestClient::connect(cluster.node(leader).addresses()[0].1).await;
    let epoch = cluster.nodes[0].0.broker.image().brokers().get(follower).expect("registered").epoch;
    let state =
        ReplicaState::default().with_replica_id(messages::BrokerId(follower.0)).with_replica_epoch(epoch);
    let partition = FetchPartition::default()
        .with_partition(id.index)
        .with_fetch_offset(offset)
        .with_last_fetched_epoch(if offset > 0 { 0 } else { -1 })
        .with_partition_max_bytes(1 << 20);
    let topic =
        FetchTopic::default().with_topic_id(Uuid::from_bytes(id.topic.0)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_state(state)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic]);
    let answer = client.call::<FetchRequest>(17, &request).await;
    answer.responses[0].partitions[0].clone()
}

/// What a consumer in `rack` is answered at `node`.
async fn fetch(cluster: &Cluster, node: BrokerId, id: PartitionId, rack: &str, offset: i64) -> PartitionData {
    let mut client = TestClient::connect(cluster.node(node).addresses()[0].1).await;
    let partition = FetchPartition::default()
        .with_partition(id.index)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic =
        FetchTopic::default().with_topic_id(Uuid::from_bytes(id.topic.0)).with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(30_000)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_rack_id(StrBytes::from_string(rack.to_owned()))
        .with_topics(vec![topic]);
    let answer = client.call::<FetchRequest>(13, &request).await;
    answer.responses[0].partitions[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_read_in_their_own_rack() {
    let cluster = Cluster::start().await;
    let id = cluster.create_topic().await;
    assert_eq!(cluster.write(id, b"first").await, 0);
    let leader = cluster.leader(id).await.id();
    let near = (1..=3).map(BrokerId).find(|id| *id != leader).expect("two follow");
    let rack = format!("r{}", near.0);
    wait("the follower to know what is committed", || {
        let follower = cluster.node(near).broker.partitions.get(id);
        follower.is_some_and(|follower| follower.view().high_watermark == 1)
    })
    .await;
    let sent = fetch(&cluster, leader, id, &rack, 0).await;
    assert_eq!((sent.error_code, sent.preferred_read_replica.0), (0, near.0), "the leader sends it on");
    assert!(sent.records.is_none_or(|records| records.is_empty()));
    let own = fetch(&cluster, leader, id, &format!("r{}", leader.0), 0).await;
    assert_eq!(own.preferred_read_replica.0, -1, "the leader is near itself");
    assert!(own.records.is_some_and(|records| !records.is_empty()));
    let none = fetch(&cluster, leader, id, "", 0).await;
    assert!(none.records.is_some_and(|records| !records.is_empty()), "without a rack the leader serves");
    let read = fetch(&cluster, near, id, &rack, 0).await;
    assert_eq!((read.error_code, read.high_watermark, read.preferred_read_replica.0), (0, 1, -1));
    assert!(read.records.is_some_and(|records| !records.is_empty()));
    // It waits there for what comes next, as it would at the leader.
    let (next, written) = tokio::join!(fetch(&cluster, near, id, &rack, 1), cluster.write(id, b"second"));
    assert_eq!((next.error_code, written), (0, 1));
    assert!(next.records.is_some_and(|records| !records.is_empty()));
    let beyond = fetch(&cluster, near, id, &rack, 99).await;
    assert_eq!(beyond.error_code, 1, "it goes back to the leader with that");
    cluster.stop().await;
}
