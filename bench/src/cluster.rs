//! Three nodes of one product on this machine, and what their metadata says.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rkafka_tests::wire::{Answer, Connection};
use rkafka_wire::StrBytes;
use rkafka_wire::messages::create_topics_request::CreatableTopic;
use rkafka_wire::messages::describe_quorum_request::{PartitionData, TopicData};
use rkafka_wire::messages::metadata_request::MetadataRequestTopic;
use rkafka_wire::messages::metadata_response::MetadataResponsePartition;
use rkafka_wire::messages::{CreateTopicsRequest, DescribeQuorumRequest, MetadataRequest, TopicName};

use crate::broker::{Broker, PATIENCE, Product};
use crate::load::Leaders;
use crate::measure::{cpu, memory};

/// Nodes of a cluster, and replicas of its topics.
pub(crate) const NODES: usize = 3;
/// The settings of the race: what people set who care for their records.
const SETTINGS: &[(&str, &str)] = &[("default.replication.factor", "3"), ("min.insync.replicas", "2")];
/// Between two looks at the metadata.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A cluster; node `id` is at index `id - 1`.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Broker>,
}

impl Cluster {
    /// Three nodes that were never started.
    pub(crate) fn prepare(product: Product) -> Result<Self> {
        Ok(Self { nodes: Broker::prepare_cluster(product, NODES, SETTINGS)? })
    }

    /// Starts all nodes at one time; when that was.
    pub(crate) fn launch(&mut self) -> Result<Instant> {
        let begin = Instant::now();
        for node in &mut self.nodes {
            node.launch()?;
        }
        Ok(begin)
    }

    /// Waits until every node answers clients.
    pub(crate) fn wait_until_answering(&mut self, begin: Instant) -> Result<Duration> {
        for node in &mut self.nodes {
            node.wait_until_answering(begin)?;
        }
        Ok(begin.elapsed())
    }

    /// Ends all nodes in order, one after the other.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(|node| node.stop().map(drop))
    }

    /// All addresses, for `bootstrap.servers`.
    pub(crate) fn bootstrap(&self) -> String {
        self.nodes.iter().map(Broker::bootstrap).collect::<Vec<_>>().join(",")
    }

    /// CPU time that the running nodes have used.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.running().map(|node| cpu(node.pid()?)).sum()
    }

    /// Anonymous and resident memory of all running nodes, in MB.
    pub(crate) fn memory(&self) -> Result<[f64; 2]> {
        let mut sums = [0.0, 0.0];
        for node in self.running() {
            let memory = memory(node.pid()?)?;
            sums[0] += memory.anonymous as f64 / 1e6;
            sums[1] += memory.resident as f64 / 1e6;
        }
        Ok(sums)
    }

    fn running(&self) -> impl Iterator<Item = &Broker> {
        self.nodes.iter().filter(|node| node.runs())
    }

    /// A node that answers.
    pub(crate) fn any(&self) -> Result<&Broker> {
        self.nodes.iter().find(|node| node.is_answering()).context("a node answers")
    }

    /// Creates a topic with a replica on each node, and waits until all of them are in sync.
    pub(crate) fn create_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.any()?.create_replicated(topic, partitions, NODES as u32)?;
        self.wait_until_in_sync(topic, partitions)
    }

    /// The partitions of a topic as a running node knows them.
    pub(crate) fn partitions(&self, topic: &str) -> Result<Vec<MetadataResponsePartition>> {
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let asked = MetadataRequestTopic::default().with_name(Some(name));
        let request = MetadataRequest::default().with_topics(Some(vec![asked]));
        let answer = Connection::open(&self.any()?.bootstrap()).ask(9, &request);
        let Answer::Decoded(answer) = answer else { return Ok(Vec::new()) };
        Ok(answer.topics.into_iter().flat_map(|topic| topic.partitions).collect())
    }

    /// The leader of each partition, by partition.
    pub(crate) fn leaders(&self, topic: &str) -> Result<Vec<i32>> {
        let mut partitions = self.partitions(topic)?;
        partitions.sort_by_key(|partition| partition.partition_index);
        Ok(partitions.iter().map(|partition| partition.leader_id.0).collect())
    }

    /// Waits until every partition is led by a running node.
    pub(crate) fn wait_until_led(&self, topic: &str, partitions: u32) -> Result<()> {
        let led = |partition: &MetadataResponsePartition| {
            partition.error_code == 0 && self.node(partition.leader_id.0).is_some_and(Broker::is_answering)
        };
        self.wait_until(topic, partitions, "led", led)
    }

    /// Waits until the replicas of all partitions are in sync.
    pub(crate) fn wait_until_in_sync(&self, topic: &str, partitions: u32) -> Result<()> {
        self.wait_until(topic, partitions, "in sync", |partition| partition.isr_nodes.len() == NODES)
    }

    /// Waits until no partition counts on this node.
    pub(crate) fn wait_until_without(&self, topic: &str, partitions: u32, id: i32) -> Result<()> {
        let is_out =
            |partition: &MetadataResponsePartition| partition.isr_nodes.iter().all(|node| node.0 != id);
        self.wait_until(topic, partitions, "free of a stopped node", is_out)
    }

    fn wait_until(
        &self,
        topic: &str,
        partitions: u32,
        what: &str,
        is_so: impl Fn(&MetadataResponsePartition) -> bool,
    ) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let found = self.partitions(topic)?;
            if found.len() == partitions as usize && found.iter().all(&is_so) {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("{topic} is not {what} in full: {:?}", self.partitions(topic)?)
    }

    /// The node with this id.
    pub(crate) fn node(&self, id: i32) -> Option<&Broker> {
        self.nodes.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// The id of the active controller.
    pub(crate) fn controller(&self) -> Result<i32> {
        let topic = TopicName(StrBytes::from_static_str("__cluster_metadata"));
        let asked =
            TopicData::default().with_topic_name(topic).with_partitions(vec![PartitionData::default()]);
        let request = DescribeQuorumRequest::default().with_topics(vec![asked]);
        let answer = Connection::open(&self.any()?.bootstrap()).ask(0, &request);
        let Answer::Decoded(answer) = answer else { bail!("the quorum is not described: {answer:?}") };
        let mut partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        Ok(partitions.next().context("the quorum")?.leader_id.0)
    }

    /// Whether a topic can be created now: any change of metadata would do.
    pub(crate) fn can_change_metadata(&self, topic: &str) -> Result<bool> {
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let topic =
            CreatableTopic::default().with_name(name).with_num_partitions(1).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        let answer = Connection::open(&self.any()?.bootstrap()).ask(5, &request);
        let Answer::Decoded(answer) = answer else { return Ok(false) };
        Ok(answer.topics.iter().all(|topic| topic.error_code == 0))
    }
}

impl Leaders for Cluster {
    fn leader(&self, topic: &str, partition: u32) -> Result<String> {
        let leaders = self.leaders(topic)?;
        let leader = leaders.get(partition as usize).with_context(|| format!("{topic}-{partition}"))?;
        Ok(self.node(*leader).with_context(|| format!("{topic}-{partition} is led"))?.bootstrap())
    }
}
