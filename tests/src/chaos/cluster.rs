//! The nodes of a chaos run: processes on hosts of their own, and everything that can be done to them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::build;
use crate::netns::{Link, Network, Place};
use crate::process::Process;
use crate::proxy::{Manner, Proxies};
use crate::wait;

/// How long a node may take to end or to get ready: one debug build among many processes on two cores.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The size of a disk that is to be filled, in MiB.
const SMALL_DISK_MIB: u32 = 96;
/// The file that fills it.
const FILLER: &str = "filler";

const CLIENT_PORT: u16 = 9092;
const QUORUM_PORT: u16 = 9093;
const REPLICATION_PORT: u16 = 9094;
/// Where the proxies of the two ports that nodes call listen: so much higher.
const PROXY_OFFSET: u16 = 10_000;

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where output is kept if the run fails: `target/failures/<name>`.
    pub name: String,
    /// How many nodes; all of them vote.
    pub nodes: usize,
    /// Nodes call one another through proxies.
    pub proxies: bool,
    /// Wall clocks can be set.
    pub clocks: bool,
    /// The node whose disk can be filled.
    pub small_disk: Option<usize>,
}

/// One node.
#[derive(Debug, Default)]
struct Member {
    process: Option<Process>,
    /// It was asked to end.
    ending: bool,
    frozen: bool,
    proxies: Option<Proxies>,
    filler: Option<Filler>,
    /// Its process has met a full disk.
    met_full_disk: bool,
    /// What its former processes wrote.
    former: Vec<String>,
}

/// What keeps a disk full: a file that grows whenever it can. Dropping it makes room.
#[derive(Debug)]
struct Filler {
    file: PathBuf,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Filler {
    /// Returns when the disk is full.
    fn start(path: PathBuf) -> Self {
        let mut file = fs::File::create(&path).expect("a writable directory");
        take_all_room(&mut file);
        let ending = Arc::new(AtomicBool::new(false));
        let stop = ending.clone();
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                take_all_room(&mut file);
                // Room that retention or a cut makes is taken at once, but not all of a core.
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self { file: path, ending, thread: Some(thread) }
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends whatever the disk says.
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.file);
    }
}

/// Writes until there is no room for another byte; whole pieces first, then what is left.
fn take_all_room(file: &mut fs::File) {
    let zeros = vec![0; 1 << 20];
    for piece in [zeros.as_slice(), &zeros[..4096]] {
        while file.write_all(piece).is_ok() {}
    }
}

/// A cluster in a network of its own. Dropping it kills the nodes; if that is a panic's doing, their output is kept.
#[derive(Debug)]
pub struct Cluster {
    setup: Setup,
    members: Vec<Member>,
    links: BTreeMap<(Place, Place), Link>,
    dir: TempDir,
    network: Network,
}

impl Cluster {
    /// Starts all nodes and waits until they are ready.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let names: Vec<String> = (0..setup.nodes).map(|node| format!("node{node}")).collect();
        let network = Network::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let dir = TempDir::new().expect("a temporary directory");
        let members = (0..setup.nodes).map(|_| Member::default()).collect();
        let mut cluster = Self { setup, members, links: BTreeMap::new(), dir, network };
        for node in 0..cluster.members.len() {
            cluster.prepare(node);
        }
        cluster.start_all();
        cluster.await_ready();
        cluster
    }

    fn prepare(&mut self, node: usize) {
        fs::create_dir_all(self.data(node)).expect("a writable directory");
        fs::write(self.properties(node), self.settings(node)).expect("a writable directory");
        let host = &self.network.nodes()[node];
        if self.setup.small_disk == Some(node) {
            host.mount_disk(&self.data(node), SMALL_DISK_MIB);
        }
        if self.setup.proxies {
            let ports = [QUORUM_PORT, REPLICATION_PORT].map(|port| (port + PROXY_OFFSET, port));
            self.members[node].proxies = Some(Proxies::start(host, &ports));
        }
        if self.setup.clocks {
            self.set_clock(node, 0);
        }
    }

    fn settings(&self, node: usize) -> String {
        let offset = if self.setup.proxies { PROXY_OFFSET } else { 0 };
        let address = |node: usize| self.network.nodes()[node].address();
        let voters: Vec<String> = (0..self.setup.nodes)
            .map(|voter| format!("{voter}@{}:{}", address(voter), QUORUM_PORT + offset))
            .collect();
        let own = address(node);
        format!(
            "node.id={node}\nprocess.roles=broker,controller\ncontroller.quorum.voters={}\n\
             listeners=CLIENTS://{own}:{CLIENT_PORT},REPLICATION://{own}:{REPLICATION_PORT},QUORUM://{own}:{QUORUM_PORT}\n\
             advertised.listeners=CLIENTS://{own}:{CLIENT_PORT},REPLICATION://{own}:{}\n\
             listener.security.protocol.map=CLIENTS:PLAINTEXT,REPLICATION:PLAINTEXT,QUORUM:PLAINTEXT\n\
             inter.broker.listener.name=REPLICATION\ncontroller.listener.names=QUORUM\nlog.dirs={}\n\
             min.insync.replicas=2\ndefault.replication.factor=3\noffsets.topic.num.partitions=3\n\
             auto.create.topics.enable=false\nbroker.session.timeout.ms=3000\nbroker.heartbeat.interval.ms=500\n\
             replica.lag.time.max.ms=3000\nreplica.socket.timeout.ms=3000\n",
            voters.join(","),
            REPLICATION_PORT + offset,
            self.data(node).display(),
        )
    }

    /// How many nodes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// All nodes, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        let nodes = self.network.nodes().iter();
        nodes.map(|node| format!("{}:{CLIENT_PORT}", node.address())).collect::<Vec<_>>().join(",")
    }

    fn properties(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("server-{node}.properties"))
    }

    /// The log directory as the node names it.
    fn data(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("data-{node}"))
    }

    /// The log directory as this process finds it.
    fn files(&self, node: usize) -> PathBuf {
        self.network.nodes()[node].seen_from_outside(&self.data(node))
    }

    fn command(&self, node: usize) -> Command {
        let mut command = self.network.nodes()[node].command(build::rkafka());
        command.arg("server").arg(self.properties(node));
        if self.setup.clocks {
            command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", self.clock(node));
            command.env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    /// Starts the node unless it runs. One that was asked to end is waited for.
    ///
    /// # Panics
    /// When one that was asked to end does not, or not well.
    pub fn launch(&mut self, node: usize) {
        if self.members[node].ending {
            self.await_end(node);
        }
        if self.members[node].process.is_none() {
            let command = self.command(node);
            let member = &mut self.members[node];
            member.process = Some(Process::start(command));
            member.met_full_disk = member.filler.is_some();
        }
    }

    /// Starts all nodes that do not run.
    pub fn start_all(&mut self) {
        (0..self.size()).for_each(|node| self.launch(node));
    }

    /// Waits until all nodes have said that they are ready.
    ///
    /// # Panics
    /// When one does not, or ends.
    pub fn await_ready(&mut self) {
        for (node, member) in self.members.iter_mut().enumerate() {
            let process = member.process.as_mut().expect("it was started");
            wait::until_within(PATIENCE, &format!("node {node} to get ready"), || {
                let text = process.stdout();
                let running = process.is_running();
                assert!(running, "node {node} ended:\n{text}{}", process.stderr());
                text.contains(" ready: listening on ").then_some(())
            });
        }
    }

    /// kill -9.
    pub fn kill(&mut self, node: usize) {
        let member = &mut self.members[node];
        if let Some(process) = member.process.take() {
            process.signal(Signal::KILL);
            member.former.push(process.finish(PATIENCE).both());
        }
        (member.ending, member.frozen) = (false, false);
    }

    /// kill -9, then a start on an empty disk.
    ///
    /// # Panics
    /// When the disk cannot be emptied.
    pub fn wipe(&mut self, node: usize) {
        self.kill(node);
        for entry in fs::read_dir(self.files(node)).expect("a directory") {
            let path = entry.expect("readable").path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        self.launch(node);
    }

    /// kill -9 to all, before any of them is looked after.
    pub fn power_cut(&mut self) {
        let running = self.members.iter().filter_map(|member| member.process.as_ref());
        running.for_each(|process| process.signal(Signal::KILL));
        (0..self.size()).for_each(|node| self.kill(node));
    }

    /// SIGTERM.
    pub fn stop(&mut self, node: usize) {
        let member = &mut self.members[node];
        if let Some(process) = &member.process {
            process.signal(Signal::TERM);
            member.ending = true;
        }
    }

    /// Waits until a node that was asked to has ended.
    fn await_end(&mut self, node: usize) {
        self.thaw(node);
        let member = &mut self.members[node];
        if let Some(process) = member.process.take() {
            member.former.push(process.finish(PATIENCE).success().both());
        }
        member.ending = false;
    }

    /// Restarts one node after the other, each when the one before is ready again.
    pub fn roll(&mut self) {
        for node in 0..self.size() {
            self.stop(node);
            self.launch(node);
            self.await_ready();
        }
    }

    /// SIGSTOP.
    pub fn freeze(&mut self, node: usize) {
        if let Some(process) = &self.members[node].process {
            process.signal(Signal::STOP);
            self.members[node].frozen = true;
        }
    }

    fn thaw(&mut self, node: usize) {
        let member = &mut self.members[node];
        if let Some(process) = member.process.as_ref().filter(|_| member.frozen) {
            process.signal(Signal::CONT);
        }
        member.frozen = false;
    }

    /// SIGCONT to all.
    pub fn thaw_all(&mut self) {
        (0..self.size()).for_each(|node| self.thaw(node));
    }

    /// Hurts links in addition to those that are.
    pub fn hurt_links(&mut self, links: impl IntoIterator<Item = ((Place, Place), Link)>) {
        self.links.extend(links);
        self.network.set_links(&self.links);
    }

    /// All links are whole again.
    pub fn mend_links(&mut self) {
        self.links.clear();
        self.network.set_links(&self.links);
    }

    /// How bytes pass between other nodes and this one.
    ///
    /// # Panics
    /// In a cluster without proxies.
    pub fn pass(&self, node: usize, manner: Manner) {
        self.members[node].proxies.as_ref().expect("the cluster has proxies").set(manner);
    }

    /// Fills the node's disk, and takes every byte that becomes free, too.
    pub fn fill(&mut self, node: usize) {
        let file = self.files(node).join(FILLER);
        self.members[node].met_full_disk = true;
        self.members[node].filler.get_or_insert_with(|| Filler::start(file));
    }

    /// Makes room again.
    pub fn free(&mut self, node: usize) {
        self.members[node].filler = None;
    }

    /// Has the node's wall clock be off by so many seconds.
    ///
    /// # Panics
    /// In a cluster whose clocks cannot be set, or without libfaketime.
    pub fn set_clock(&self, node: usize, seconds: i64) {
        assert!(self.setup.clocks, "the cluster's clocks cannot be set");
        // A reader must never find half of it.
        let (new, file) = (self.clock(node).with_extension("new"), self.clock(node));
        fs::write(&new, format!("{seconds:+}s\n")).expect("a writable directory");
        fs::rename(new, file).expect("a writable directory");
    }

    fn clock(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("clock-{node}"))
    }

    /// Undoes everything that can be undone, and starts who does not run.
    pub fn heal(&mut self) {
        self.thaw_all();
        self.mend_links();
        if let Some(node) = self.setup.small_disk {
            self.free(node);
        }
        for node in 0..self.size() {
            if self.setup.proxies {
                self.pass(node, Manner::Smoothly);
            }
            if self.setup.clocks {
                self.set_clock(node, 0);
            }
        }
        self.start_all();
    }

    /// What nodes said that ended without being told to. They count as not running from then on. One that met a
    /// full disk may end, or not even start, as long as that is its own decision and not a signal's.
    pub fn take_unexpected_ends(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for (node, member) in self.members.iter_mut().enumerate() {
            let ended = member.process.take_if(|process| !member.ending && !process.is_running());
            if let Some(process) = ended {
                let outcome = process.finish(PATIENCE);
                let gave_up = member.met_full_disk && outcome.status.code().is_some();
                let tail: Vec<&str> = outcome.stderr.lines().rev().take(8).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                if !gave_up {
                    found.push(format!(
                        "node {node} ended with {}:\n  {}",
                        outcome.status,
                        tail.join("\n  ")
                    ));
                }
                member.former.push(outcome.both());
            }
        }
        found
    }

    /// What is in each replica's log of a partition, by node: its segments, one behind the other.
    #[must_use]
    pub fn replica_logs(&self, topic: &str, partition: i32) -> BTreeMap<usize, Vec<u8>> {
        let read = |node: usize| {
            let bytes = read_segments(&self.files(node).join(format!("{topic}-{partition}")))?;
            Some((node, bytes))
        };
        (0..self.size()).filter_map(read).collect()
    }

    /// Keeps what all nodes wrote; returns where.
    #[must_use]
    pub fn keep_output(&self) -> PathBuf {
        let folder = build::target().join("failures").join(&self.setup.name);
        // A failure to keep evidence must not hide the failure itself.
        let _ = fs::create_dir_all(&folder);
        for (node, member) in self.members.iter().enumerate() {
            let mut text = member.former.join("\n=== killed or ended; started again\n");
            if let Some(process) = &member.process {
                text.push_str("\n=== still running\n");
                text.push_str(&process.stdout());
                text.push_str(&process.stderr());
            }
            let _ = fs::write(folder.join(format!("node-{node}.log")), text);
        }
        folder
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("what the nodes wrote is kept in {}", self.keep_output().display());
        }
    }
}

/// The segments of a log, one behind the other.
fn read_segments(dir: &Path) -> Option<Vec<u8>> {
    let mut segments: Vec<PathBuf> = fs::read_dir(dir)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    let mut bytes = Vec::new();
    for segment in segments {
        bytes.extend(fs::read(segment).ok()?);
    }
    Some(bytes)
}

/// The library that sets clocks.
fn faketime() -> PathBuf {
    let found = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(|entry| {
        let library = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    found.into_iter().next().unwrap_or_else(|| {
        panic!("libfaketime is not there; install it with: apt-get install -y libfaketime")
    })
}
