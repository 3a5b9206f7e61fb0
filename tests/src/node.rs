//! One broker as a process: its files in a temporary directory, its port chosen by the kernel.
//!
//! Tests start rkafka with [`Node::start`]. Differential tests start Apache Kafka beside it with
//! [`Node::start_apache`]; with `RKAFKA_TESTS_ON=apache` *every* test runs on Apache Kafka 4.3, with
//! `RKAFKA_TESTS_ON=apache-2.2` on 2.2, which is how the suite itself is checked: what Apache Kafka fails is no fair
//! demand.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::build;
use crate::process::{Outcome, Process};
use crate::stock::Stock;
use crate::wait;

/// Whose broker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Rkafka,
    Apache,
    /// Version 2.2, with a ZooKeeper.
    Apache22,
}

/// A broker under test. Dropping it kills the process and removes its files.
pub struct Node {
    product: Product,
    process: Option<Process>,
    /// What Kafka 2.2 keeps its metadata in.
    _zookeeper: Option<Process>,
    dir: TempDir,
    address: Option<SocketAddr>,
    /// Size of a file system of its own for the data, in MiB.
    disk_mib: Option<u32>,
}

impl Node {
    /// Starts rkafka with default settings plus `overrides`; returns once it says that it is ready.
    #[must_use]
    pub fn start(overrides: &[(&str, &str)]) -> Self {
        Self::start_in(temporary_directory(), overrides)
    }

    /// Starts rkafka in a directory that may already hold data (below `data/`).
    ///
    /// # Panics
    /// When it ends instead of getting ready.
    #[must_use]
    pub fn start_in(dir: TempDir, overrides: &[(&str, &str)]) -> Self {
        match product_tested() {
            Product::Rkafka => Self::start_rkafka_in(dir, None, overrides),
            Product::Apache => Self::start_apache_in(dir, overrides),
            Product::Apache22 => Self::start_apache_22_in(dir, overrides),
        }
    }

    /// Starts rkafka with its data on a file system in memory of `disk_mib` MiB, which only it and
    /// [`Self::own_files`] see. Needs the right to mount.
    #[must_use]
    pub fn start_on_small_disk(disk_mib: u32, overrides: &[(&str, &str)]) -> Self {
        Self::start_rkafka_in(temporary_directory(), Some(disk_mib), overrides)
    }

    fn start_rkafka_in(dir: TempDir, disk_mib: Option<u32>, overrides: &[(&str, &str)]) -> Self {
        let properties = format!(
            "broker.id=1\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n\
             group.initial.rebalance.delay.ms=0\n",
            dir.path().join("data").display()
        );
        let mut node =
            Self { product: Product::Rkafka, process: None, _zookeeper: None, dir, address: None, disk_mib };
        node.write_properties(properties, overrides);
        node.restart();
        node
    }

    /// Starts Apache Kafka 4.3 (combined mode) with the same settings.
    #[must_use]
    pub fn start_apache(overrides: &[(&str, &str)]) -> Self {
        Self::start_apache_in(temporary_directory(), overrides)
    }

    fn start_apache_in(dir: TempDir, overrides: &[(&str, &str)]) -> Self {
        let (address, controller) = (free_address(), free_address());
        let properties = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@{controller}\n\
             listeners=PLAINTEXT://{address},CONTROLLER://{controller}\n\
             advertised.listeners=PLAINTEXT://{address}\ncontroller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\nlog.dirs={}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n",
            dir.path().join("data").display()
        );
        let address = Some(address);
        let mut node =
            Self { product: Product::Apache, process: None, _zookeeper: None, dir, address, disk_mib: None };
        node.write_properties(properties, overrides);
        let config = node.properties().display().to_string();
        // Eligible leader replicas (KIP-966) would add a dynamic default of min.insync.replicas to every answer.
        let feature = "eligible.leader.replicas.version=0";
        let format = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", &config, "--feature", feature];
        let format = [&format[..], &["--ignore-formatted"]].concat();
        let _ = Stock::Kafka43.run("kafka.tools.StorageTool", &format).success();
        node.restart();
        node
    }

    /// Starts Apache Kafka 2.2 and a ZooKeeper with the same settings.
    #[must_use]
    pub fn start_apache_22(overrides: &[(&str, &str)]) -> Self {
        Self::start_apache_22_in(temporary_directory(), overrides)
    }

    fn start_apache_22_in(dir: TempDir, overrides: &[(&str, &str)]) -> Self {
        let (address, zookeeper) = (free_address(), free_address());
        let settings = format!(
            "tickTime=2000\ndataDir={}\nclientPortAddress=127.0.0.1\nclientPort={}\nadmin.enableServer=false\n",
            dir.path().join("zookeeper").display(),
            zookeeper.port()
        );
        let file = dir.path().join("zookeeper.properties");
        std::fs::write(&file, settings).expect("a writable directory");
        let properties = format!(
            "broker.id=1\nzookeeper.connect={zookeeper}\nlisteners=PLAINTEXT://{address}\nlog.dirs={}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n",
            dir.path().join("data").display()
        );
        let main_class = "org.apache.zookeeper.server.ZooKeeperServerMain";
        let mut command = Stock::Kafka22.java_after(Stock::ZooKeeper35, main_class);
        command.arg(file);
        let server = Process::start(command);
        let _ = wait::until("ZooKeeper to listen", || TcpStream::connect(zookeeper).ok());
        let address = Some(address);
        let _zookeeper = Some(server);
        let mut node =
            Self { product: Product::Apache22, process: None, _zookeeper, dir, address, disk_mib: None };
        node.write_properties(properties, overrides);
        node.restart();
        node
    }

    fn write_properties(&self, mut properties: String, overrides: &[(&str, &str)]) {
        for (key, value) in overrides {
            properties.push_str(&format!("{key}={value}\n"));
        }
        std::fs::write(self.properties(), properties).expect("a writable directory");
    }

    /// Starts the node again on its data, on the port it had before: clients reconnect as after a real restart.
    ///
    /// # Panics
    /// When it ends instead of getting ready.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the node still runs");
        let mut process = Process::start(self.command());
        let address = wait::until("the broker to get ready", || {
            assert!(
                process.is_running(),
                "the broker ended instead of getting ready:\n{}{}",
                process.stdout(),
                process.stderr()
            );
            match self.product {
                Product::Rkafka => ready_address(&process.stdout()),
                Product::Apache | Product::Apache22 => {
                    self.address.filter(|address| TcpStream::connect(address).is_ok())
                }
            }
        });
        self.address = Some(address);
        self.process = Some(process);
    }

    fn command(&self) -> Command {
        let java = match self.product {
            Product::Apache => Some(Stock::Kafka43.java("kafka.Kafka")),
            Product::Apache22 => Some(Stock::Kafka22.java_after(Stock::ZooKeeper35, "kafka.Kafka")),
            Product::Rkafka => None,
        };
        if let Some(mut java) = java {
            java.arg(self.properties());
            return java;
        }
        let mut command = match self.disk_mib {
            None => Command::new(build::rkafka()),
            Some(mib) => self.mounting(mib),
        };
        command.arg("server").arg(self.properties());
        if let Some(address) = self.address {
            command.arg("--override").arg(format!("listeners=PLAINTEXT://{address}"));
        }
        command
    }

    /// A command that mounts a small file system over the data directory, for itself only, and goes on as
    /// rkafka with the arguments that follow: the same process, so that signals reach it.
    fn mounting(&self, mib: u32) -> Command {
        std::fs::create_dir_all(self.data()).expect("a writable directory");
        let mut command = Command::new("unshare");
        let script = format!("mount -t tmpfs -o size={mib}m tmpfs \"$0\" && exec \"$@\"");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        command.arg(self.data()).arg(build::rkafka());
        command
    }

    /// The data directory as the running node sees it, mounts of its own included.
    ///
    /// # Panics
    /// When it is not running.
    #[must_use]
    pub fn own_files(&self) -> PathBuf {
        let pid = self.process.as_ref().expect("the node runs").pid().as_raw_nonzero();
        let data = self.data();
        let inside = data.strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{pid}/root")).join(inside)
    }

    /// Gives up the stopped node; its directory stays.
    ///
    /// # Panics
    /// When it is running.
    #[must_use]
    pub fn into_dir(self) -> TempDir {
        assert!(self.process.is_none(), "the node still runs");
        self.dir
    }

    /// Stops the node with SIGTERM and expects a clean end.
    ///
    /// # Panics
    /// When it is not running or does not end with code 0.
    pub fn stop(&mut self) -> Outcome {
        let process = self.process.take().expect("the node runs");
        process.signal(Signal::TERM);
        let outcome = process.finish(Duration::from_secs(60));
        // A JVM that obeys SIGTERM ends with 143.
        if self.is_apache() { outcome } else { outcome.success() }
    }

    /// kill -9.
    ///
    /// # Panics
    /// When it is not running.
    pub fn kill(&mut self) {
        let process = self.process.take().expect("the node runs");
        process.signal(Signal::KILL);
        let _ = process.finish(Duration::from_secs(30));
    }

    /// Whether this is Apache Kafka: for the few intended differences.
    #[must_use]
    pub fn is_apache(&self) -> bool {
        self.product != Product::Rkafka
    }

    /// `host:port` for `--bootstrap-server`.
    ///
    /// # Panics
    /// When the node was never ready.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.address.expect("the node was ready once").to_string()
    }

    /// The configuration file.
    #[must_use]
    pub fn properties(&self) -> PathBuf {
        self.dir.path().join("server.properties")
    }

    /// The log directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The directory that holds everything of this node.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The running process.
    ///
    /// # Panics
    /// When it is not running.
    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("the node runs")
    }
}

/// Whether all tests run on an Apache Kafka (`RKAFKA_TESTS_ON`), to check the tests themselves.
#[must_use]
pub fn apache_is_tested() -> bool {
    product_tested() != Product::Rkafka
}

fn product_tested() -> Product {
    match std::env::var("RKAFKA_TESTS_ON").as_deref() {
        Ok("apache") => Product::Apache,
        Ok("apache-2.2") => Product::Apache22,
        _ => Product::Rkafka,
    }
}

/// Reads the address from the line `… listening on PLAINTEXT://host:port …` that announces readiness.
fn ready_address(stdout: &str) -> Option<SocketAddr> {
    let line = stdout.lines().find(|line| line.contains("ready"))?;
    let from = line.find("PLAINTEXT://")? + "PLAINTEXT://".len();
    line[from..].split([' ', ',']).next()?.parse().ok()
}

/// Runs one of rkafka's own commands to its end.
#[must_use]
pub fn rkafka(args: &[&str]) -> Outcome {
    let mut command = Command::new(build::rkafka());
    command.args(args);
    Process::run(command, "", Duration::from_secs(60))
}

fn temporary_directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// An address on loopback that was free a moment ago. Only for programs that cannot be told port 0.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound listener has an address")
}
