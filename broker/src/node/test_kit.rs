//! Brokers for tests: a real quorum of one and real logs in a temporary directory, on a port of the system's choice;
//! and a client that speaks through `kafka-protocol` alone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::controller::{CreateTopics, Heartbeat, NewTopic, RegisterBroker};
use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::{BrokerRegistration, Image};
use rkafka_core::session::FetchSessions;
use rkafka_log::disk::Disk;
use rkafka_log::disk::real::RealDisk;
use rkafka_log::{Log, OpenOptions};
use rkafka_record::{BatchBuilder, BatchOptions};
use rkafka_wire::messages::ApiKey;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::listeners::{advertised, bind, memory_budget};
use super::serving::Serving;
use crate::broker::Broker;
use crate::clock::Clock;
use crate::controller::ControllerStore;
use crate::coordinator::GroupCoordinators;
use crate::metadata_store::MetadataStore;
use crate::partition::{Leadership, Partition, PartitionSettings, PartitionTable};
use crate::producer_ids::ProducerIds;
use crate::quorum::{ImageReceiver, Quorum};

/// A broker under test. Everything ends with the runtime, the directory with this value.
pub(crate) struct TestBroker {
    pub(crate) broker: Arc<Broker>,
    serving: Serving,
    _dir: TempDir,
}

/// This broker's id in tests.
const ID: BrokerId = BrokerId(7);

impl TestBroker {
    /// A broker with the given lines of a property file on top of what tests need.
    pub(crate) async fn start(properties: &str) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let text = format!(
            "node.id={ID}\nlisteners=PLAINTEXT://127.0.0.1:0\ngroup.initial.rebalance.delay.ms=0\n{properties}"
        );
        let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
        let config = BrokerConfig::from_properties(&file, &[]).expect("valid").0;
        let clock = Clock::default();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let listeners = bind(&config).expect("free ports");
        let endpoints = advertised(&config, &listeners);
        let budget = memory_budget(&config);
        let config = Arc::new(ArcSwap::from_pointee(config));
        let quorum_dir = dir.path().join("quorum");
        let (quorum, images) =
            Quorum::start_alone(disk.clone(), &quorum_dir, 7, || 0).await.expect("a quorum of one starts");
        quorum.form_cluster("test-cluster").await.expect("the cluster forms");
        let partitions = Arc::new(PartitionTable::default());
        let log_dir = dir.path().join("logs");
        let served = reconcile(images, partitions.clone(), log_dir.clone(), config.clone(), clock).await;
        // No heartbeats here: the one session must outlive the test.
        let timeout = Duration::from_secs(86_400);
        let (metadata, _handle) = ControllerStore::start(quorum, ID, served, config.clone(), timeout, clock);
        register(metadata.as_ref(), endpoints).await;
        let broker = Arc::new(Broker {
            id: ID,
            clock,
            config,
            metadata,
            partitions,
            disk,
            log_dirs: vec![log_dir],
            fetch_sessions: FetchSessions::new(1000, FetchSessions::EVICTION_MS).into(),
            groups: GroupCoordinators::new(CancellationToken::new()),
            producer_ids: ProducerIds::default(),
        });
        let serving = Serving::start(&broker, listeners, budget).expect("all versions are known");
        TestBroker { broker, serving, _dir: dir }
    }

    /// A connection of a client that calls itself `test`.
    pub(crate) async fn connect(&self) -> TestClient {
        let (_, address) = self.serving.addresses()[0];
        let stream = TcpStream::connect(address).await.expect("the broker listens");
        TestClient { stream, sent: 0, received: 0 }
    }

    /// Creates a topic past the protocol.
    pub(crate) async fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let configs = configs.iter().map(|(key, value)| (key.to_string(), Some(value.to_string())));
        let topic = NewTopic {
            name: name.to_owned(),
            partitions,
            replication_factor: 1,
            assignments: Vec::new(),
            configs: configs.collect(),
        };
        let request = CreateTopics { topics: vec![topic], validate_only: false };
        let results = self.broker.control(request).await.expect("the controller answers");
        results[0].result.as_ref().expect("the topic can be created");
    }

    /// A partition of a topic.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Arc<Partition> {
        let topic = self.broker.image().topics().by_name(topic).cloned().expect("the topic exists");
        self.broker.partitions.get(PartitionId { topic: topic.id, index }).expect("a replica is here")
    }

    pub(crate) async fn stop(self) {
        self.serving.stop().await;
        self.broker.groups.shutdown().await;
    }
}

async fn register(metadata: &dyn MetadataStore, endpoints: Vec<rkafka_core::image::Endpoint>) {
    let broker = BrokerRegistration {
        id: ID,
        epoch: -1,
        incarnation: [1; 16],
        endpoints,
        rack: None,
        features: Vec::new(),
        fenced: true,
        in_controlled_shutdown: false,
    };
    let request = RegisterBroker { cluster_id: "test-cluster".to_owned(), broker, previous_epoch: -1 };
    let epoch = crate::metadata_store::call(metadata, request).await.expect("the broker is registered");
    let sequence = metadata.image().sequence();
    let heartbeat = Heartbeat { broker: ID, epoch, sequence, want_fence: false, want_shutdown: false };
    crate::metadata_store::call(metadata, heartbeat).await.expect("the broker is unfenced");
}

/// Makes and leads every partition of every image; the images it has acted on come out.
async fn reconcile(
    mut images: ImageReceiver,
    partitions: Arc<PartitionTable>,
    log_dir: PathBuf,
    config: Arc<ArcSwap<BrokerConfig>>,
    clock: Clock,
) -> watch::Receiver<Arc<Image>> {
    let (served, receiver) = watch::channel(images.start());
    tokio::spawn(async move {
        while let Some((image, _)) = images.next().await {
            for topic in image.topics().iter() {
                let settings = PartitionSettings::of(&topic.name, &image, &config.load());
                for (state, index) in topic.partitions.iter().zip(0..) {
                    let id = PartitionId { topic: topic.id, index };
                    let partition = partitions.get(id).unwrap_or_else(|| {
                        let partition = open(id, &topic.name, &log_dir, &settings);
                        partitions.insert(partition.clone());
                        partition
                    });
                    let leadership = Leadership {
                        local: ID,
                        state,
                        brokers: image.brokers(),
                        settings: settings.replication,
                    };
                    partition.lead(leadership, clock.now()).expect("the disk works");
                }
            }
            let _ = served.send(image);
        }
    });
    receiver
}

fn open(
    id: PartitionId,
    topic: &Arc<str>,
    log_dir: &std::path::Path,
    settings: &PartitionSettings,
) -> Arc<Partition> {
    let name = format!("{topic}-{}", id.index);
    let options = OpenOptions { recovery_point: 0, log_start_offset: 0, clean_shutdown: false, now_ms: 0 };
    let config = Arc::new(settings.log.clone());
    let (log, _) = Log::open(Arc::new(RealDisk), &log_dir.join(&name), &name, config, options)
        .expect("an empty directory can be opened");
    Partition::new(id, topic.clone(), log)
}

/// A batch of records with these values.
pub(crate) fn batch(values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let now = Clock::default().wall_ms();
    for value in values {
        builder.append(now, None, Some(value), &[]).expect("a small record");
    }
    builder.build().expect("a small batch")
}

/// A client on one connection: requests go out when they are sent, answers come in the same order.
pub(crate) struct TestClient {
    pub(crate) stream: TcpStream,
    sent: i32,
    received: i32,
}

impl TestClient {
    /// Sends a request without waiting.
    pub(crate) async fn send<R: kafka_protocol::protocol::Request>(&mut self, version: i16, request: &R) {
        let client_id = rkafka_wire::StrBytes::from_static_str("test");
        let frame = rkafka_wire::client::encode_request(version, self.sent, Some(&client_id), request)
            .expect("a request that can be written");
        self.sent += 1;
        self.stream.write_all(&frame).await.expect("the connection is open");
    }

    /// The next answer, which must be to a request of this kind and version; nothing if the broker closed.
    pub(crate) async fn receive<R: kafka_protocol::protocol::Request>(
        &mut self,
        version: i16,
    ) -> Option<R::Response> {
        let size = self.stream.read_u32().await.ok()?;
        let mut frame = BytesMut::zeroed(size as usize);
        self.stream.read_exact(&mut frame).await.ok()?;
        let frame = frame.freeze();
        let correlation_id = rkafka_wire::client::correlation_id(&frame).expect("an answer");
        assert_eq!(correlation_id, self.received, "answers come in the order of requests");
        self.received += 1;
        Some(rkafka_wire::client::decode_response::<R>(version, frame).expect("a well-formed answer"))
    }

    /// Requests of this kind that are not answered are counted as if they were.
    pub(crate) fn expect_no_answer(&mut self) {
        self.received += 1;
    }

    /// Sends and waits.
    pub(crate) async fn call<R: kafka_protocol::protocol::Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> R::Response {
        self.send(version, request).await;
        let key = ApiKey::try_from(R::KEY);
        self.receive::<R>(version).await.unwrap_or_else(|| panic!("the broker closed on {key:?}"))
    }
}
