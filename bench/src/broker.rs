//! A broker under measurement: rkafka or Apache Kafka 4.3 as its start script runs it, in a directory of its
//! own, with everything at its default but addresses and places.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rkafka_tests::build;
use rkafka_tests::stock::Stock;
use rkafka_tests::wire::{Answer, Connection, frame};
use rkafka_wire::messages::{MetadataRequest, MetadataResponse};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The options of `kafka-server-start.sh` and `kafka-run-class.sh`.
const BROKER_JVM: &[&str] = &[
    "-Xmx1G",
    "-Xms1G",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// Longest wait for a broker to answer or to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Whose broker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Rkafka,
    Apache,
}

impl Product {
    /// Both, in the order in which a pair runs.
    pub(crate) const BOTH: [Product; 2] = [Product::Rkafka, Product::Apache];
}

/// One broker and its files; dropped, it is killed and they are removed.
pub(crate) struct Broker {
    product: Product,
    dir: TempDir,
    address: SocketAddr,
    child: Option<Child>,
    /// It has answered a client since it was started.
    answering: bool,
}

impl Broker {
    /// Writes the configuration of a new broker, and formats its storage where that is a step of its own.
    pub(crate) fn prepare(product: Product, overrides: &[(&str, &str)]) -> Result<Self> {
        let (address, controller) = (free_address()?, free_address()?);
        let mut settings = match product {
            Product::Rkafka => format!("broker.id=1\nlisteners=PLAINTEXT://{address}\n"),
            Product::Apache => combined(1, address, controller, &format!("1@{controller}")),
        };
        settings.push_str("group.initial.rebalance.delay.ms=0\noffsets.topic.replication.factor=1\n");
        Self::configured(product, address, &settings, overrides)
    }

    /// The nodes of a new cluster, each of them broker and voter, with the same settings for both products.
    pub(crate) fn prepare_cluster(
        product: Product,
        nodes: usize,
        overrides: &[(&str, &str)],
    ) -> Result<Vec<Self>> {
        let addresses =
            (0..nodes).map(|_| Ok((free_address()?, free_address()?))).collect::<Result<Vec<_>>>()?;
        let voters = (1..).zip(&addresses).map(|(id, (_, controller))| format!("{id}@{controller}"));
        let voters = voters.collect::<Vec<_>>().join(",");
        let node = |(id, (address, controller)): (usize, &(SocketAddr, SocketAddr))| {
            Self::configured(product, *address, &combined(id, *address, *controller, &voters), overrides)
        };
        (1..).zip(&addresses).map(node).collect()
    }

    fn configured(
        product: Product,
        address: SocketAddr,
        settings: &str,
        overrides: &[(&str, &str)],
    ) -> Result<Self> {
        let broker = Self { product, dir: tempfile::tempdir()?, address, child: None, answering: false };
        let mut properties = format!("{settings}log.dirs={}\n", broker.data().display());
        for (key, value) in overrides {
            properties.push_str(&format!("{key}={value}\n"));
        }
        fs::write(broker.properties(), properties)?;
        broker.format();
        Ok(broker)
    }

    /// Formats the storage, a step of its own with Apache Kafka.
    fn format(&self) {
        if self.product == Product::Apache {
            let config = self.properties().display().to_string();
            let format = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", &config];
            let _ = Stock::Kafka43.run("kafka.tools.StorageTool", &format).success();
        }
    }

    /// Removes everything that a stopped broker had stored, as if it came back with an empty disk.
    pub(crate) fn wipe(&self) -> Result<()> {
        fs::remove_dir_all(self.data())?;
        self.format();
        Ok(())
    }

    /// A new broker that answers.
    pub(crate) fn started(product: Product) -> Result<Self> {
        let mut broker = Self::prepare(product, &[])?;
        let _ = broker.start()?;
        Ok(broker)
    }

    /// Starts it; how long it took from exec to the first answer to a client.
    pub(crate) fn start(&mut self) -> Result<Duration> {
        let begin = self.launch()?;
        self.wait_until_answering(begin)
    }

    /// Starts its process without waiting for it; when that was.
    pub(crate) fn launch(&mut self) -> Result<Instant> {
        let mut command = match self.product {
            Product::Rkafka => {
                let mut command = Command::new(build::rkafka());
                command.arg("server");
                command
            }
            Product::Apache => Stock::Kafka43.java_with(BROKER_JVM, "kafka.Kafka"),
        };
        command.arg(self.properties()).stdin(Stdio::null());
        command.stdout(self.output("stdout")?).stderr(self.output("stderr")?);
        let begin = Instant::now();
        self.child = Some(command.spawn()?);
        Ok(begin)
    }

    /// Waits until it answers a client; how long that is after `begin`.
    pub(crate) fn wait_until_answering(&mut self, begin: Instant) -> Result<Duration> {
        while !self.answers() {
            if begin.elapsed() > PATIENCE || self.has_ended()? {
                bail!("the broker did not start; its output:\n{}", self.printed());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.answering = true;
        Ok(begin.elapsed())
    }

    /// Whether it was started and not ended since.
    pub(crate) fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Whether it runs and was seen to answer.
    pub(crate) fn is_answering(&self) -> bool {
        self.answering
    }

    /// Ends it with SIGTERM; how long that took.
    pub(crate) fn stop(&mut self) -> Result<Duration> {
        self.end(Signal::TERM)
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<Duration> {
        self.end(Signal::KILL)
    }

    fn end(&mut self, signal: Signal) -> Result<Duration> {
        let mut child = self.child.take().context("the broker runs")?;
        self.answering = false;
        let begin = Instant::now();
        kill_process(Pid::from_child(&child), signal)?;
        while child.try_wait()?.is_none() {
            if begin.elapsed() > PATIENCE {
                child.kill()?;
                bail!("the broker did not end");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(begin.elapsed())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_child(self.child.as_ref().context("the broker runs")?))
    }

    /// `host:port`.
    pub(crate) fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// `log.dirs`.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Creates a topic with rkafka's own command, whose start costs nothing, on either product.
    pub(crate) fn create_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        self.create_replicated(topic, partitions, 1)
    }

    /// Creates a topic with so many replicas.
    pub(crate) fn create_replicated(&self, topic: &str, partitions: u32, replicas: u32) -> Result<()> {
        let count = partitions.to_string();
        let bootstrap = self.bootstrap();
        let mut command = Command::new(build::rkafka());
        command.args(["topics", "--bootstrap-server", &bootstrap, "--create", "--topic", topic]);
        let output =
            command.args(["--partitions", &count, "--replication-factor", &replicas.to_string()]).output()?;
        if !output.status.success() {
            bail!("creating {topic}: {}", String::from_utf8_lossy(&output.stderr));
        }
        self.wait_until_led(topic, partitions)
    }

    /// Sets configurations of a topic, as `key=value`, with rkafka's own command on either product.
    pub(crate) fn configure(&self, topic: &str, settings: &str) -> Result<()> {
        let mut command = Command::new(build::rkafka());
        command.args(["configs", "--bootstrap-server", &self.bootstrap(), "--alter", "--entity-type"]);
        let output = command.args(["topics", "--entity-name", topic, "--add-config", settings]).output()?;
        if !output.status.success() {
            bail!("setting {settings} of {topic}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// Waits until every partition of a topic has a leader.
    pub(crate) fn wait_until_led(&self, topic: &str, partitions: u32) -> Result<()> {
        let begin = Instant::now();
        let wanted = usize::try_from(partitions)?;
        while begin.elapsed() < PATIENCE {
            if self.led(topic) == wanted {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        bail!("{topic} is not led in full")
    }

    fn led(&self, topic: &str) -> usize {
        let mut connection = Connection::open(&self.bootstrap());
        let request = MetadataRequest::default().with_topics(None);
        let answer: Answer<MetadataResponse> = connection.ask(9, &request);
        let Answer::Decoded(answer) = answer else { return 0 };
        let named = |name: &str| name == topic;
        let topics = answer.topics.iter().filter(|found| found.name.as_ref().is_some_and(|name| named(name)));
        topics.flat_map(|topic| &topic.partitions).filter(|partition| partition.error_code == 0).count()
    }

    /// Whether a request for the cluster's metadata is answered.
    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            // Metadata 1 with no topics at all.
            stream.write_all(&frame(3, 1, 1, false, &[0, 0, 0, 0]))?;
            stream.read_exact(&mut [0; 8])
        };
        ask().is_ok()
    }

    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.as_mut().context("the broker runs")?.try_wait()?.is_some())
    }

    fn printed(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        format!("{}{}", read("stdout"), read("stderr"))
    }

    fn output(&self, name: &str) -> Result<fs::File> {
        Ok(fs::File::create(self.dir.path().join(name))?)
    }

    fn properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Settings of a node that is broker and controller, understood by both products.
fn combined(id: usize, address: SocketAddr, controller: SocketAddr, voters: &str) -> String {
    format!(
        "process.roles=broker,controller\nnode.id={id}\ncontroller.quorum.voters={voters}\n\
         listeners=PLAINTEXT://{address},CONTROLLER://{controller}\n\
         advertised.listeners=PLAINTEXT://{address}\ncontroller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n"
    )
}

/// An address on loopback that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
