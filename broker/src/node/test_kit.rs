//! Brokers for tests: a real quorum of one and real logs in a temporary directory, on a port of the system's
//! choice; and a client that speaks through `kafka-protocol` alone.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rkafka_config::{BrokerConfig, Properties};
use rkafka_core::controller::{CreateTopics, NewTopic};
use rkafka_core::ids::PartitionId;
use rkafka_record::{BatchBuilder, BatchOptions};
use rkafka_wire::messages::ApiKey;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Node, start};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::partition::Partition;

/// A broker under test; its directory goes with this value.
pub(crate) struct TestBroker {
    node: Node,
    dir: TempDir,
}

impl TestBroker {
    /// A broker with the given lines of a property file on top of what tests need.
    pub(crate) async fn start(properties: &str) -> Self {
        Self::start_in(TempDir::new().expect("a temporary directory"), properties).await
    }

    /// A broker on a directory that an earlier one left.
    pub(crate) async fn start_in(dir: TempDir, properties: &str) -> Self {
        let logs = dir.path().join("logs");
        let text = format!(
            "node.id=7\nlog.dirs={}\nlisteners=PLAINTEXT://127.0.0.1:0\n\
             group.initial.rebalance.delay.ms=0\n{properties}",
            logs.display()
        );
        let file = Properties::parse("test.properties", text.as_bytes()).expect("well formed");
        let config = BrokerConfig::from_properties(&file, &[]).expect("valid").0;
        let node = start(config).await.expect("the node starts");
        TestBroker { node, dir }
    }

    pub(crate) fn broker(&self) -> &Arc<Broker> {
        &self.node.broker
    }

    /// Where its pages for metrics and health are, if it has any.
    pub(crate) fn http_address(&self) -> Option<SocketAddr> {
        self.node.http_address()
    }

    /// A connection of a client that calls itself `test`.
    pub(crate) async fn connect(&self) -> TestClient {
        self.connect_to(0).await
    }

    /// The same on one of several listeners, counted in the order of `listeners`.
    pub(crate) async fn connect_to(&self, listener: usize) -> TestClient {
        TestClient::connect(self.node.addresses()[listener].1).await
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
        let results = self.broker().control(request).await.expect("the controller answers");
        results[0].result.as_ref().expect("the topic can be created");
    }

    /// A partition of a topic.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Arc<Partition> {
        let topic = self.broker().image().topics().by_name(topic).cloned().expect("the topic exists");
        self.broker().partitions.get(PartitionId { topic: topic.id, index }).expect("a replica is here")
    }

    /// Stops in order; the directory for the next start.
    pub(crate) async fn stop(self) -> TempDir {
        self.node.shutdown().await;
        self.dir
    }
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
    /// A connection to this address.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the broker listens");
        TestClient { stream, sent: 0, received: 0 }
    }

    /// Sends a request without waiting.
    pub(crate) async fn send<R: kafka_protocol::protocol::Request>(&mut self, version: i16, request: &R) {
        let client_id = rkafka_wire::StrBytes::from_static_str("test");
        let frame = rkafka_wire::client::encode_request(version, self.sent, Some(&client_id), request)
            .expect("a request that can be written");
        self.sent += 1;
        self.stream.write_all(&frame).await.expect("the connection is open");
    }

    /// Sends a request that is written already, for versions that the client's side of `rkafka-wire` does not write.
    /// `body` follows a header with tagged fields.
    pub(crate) async fn send_body<R: kafka_protocol::protocol::Request>(
        &mut self,
        version: i16,
        body: &[u8],
    ) {
        let header =
            [&R::KEY.to_be_bytes()[..], &version.to_be_bytes(), &self.sent.to_be_bytes(), &[0, 0, 0]];
        let frame = [&header.concat(), body].concat();
        let size = u32::try_from(frame.len()).expect("a small request");
        self.sent += 1;
        self.stream
            .write_all(&[&size.to_be_bytes(), &frame[..]].concat())
            .await
            .expect("the connection is open");
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
