//! `rkafka dev-cluster`: a cluster of several brokers on this machine, with one command.
//!
//! Each node is a process of its own (`rkafka server`), so that one can be killed while the others go on. Property
//! files and data are in one directory:
//! ```text
//! <dir>/node-1/server.properties     made by the first start, kept afterwards: change it as you like
//! <dir>/node-1/data                  log.dirs
//! ```
//! Output of the nodes comes line by line with the node's name before it. Ctrl-C or SIGTERM stops all; the command
//! ends when the last node has.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Invocation;
use crate::common::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  rkafka dev-cluster                        three brokers at localhost:9092, 9093 and 9094
  rkafka dev-cluster --nodes 5 --dir /tmp/c
  rkafka topics --bootstrap-server localhost:9092 --create --topic test --replication-factor 3";

/// The ports of the quorum are this far above those for clients.
const QUORUM_PORTS_ABOVE: u16 = 10_000;

/// Lines of output that may wait for the terminal.
const LINES_MAX: usize = 1024;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// How many brokers; all of them vote.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    nodes: u16,
    /// Where property files and data are kept.
    #[arg(long, default_value = "dev-cluster")]
    dir: PathBuf,
    /// The port of the first broker; the others follow it. 0 takes ports that are free.
    #[arg(long, default_value_t = 9092)]
    port: u16,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("dev-cluster"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let files = prepare(&options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::message(format!("cannot start: {error}")))?;
    runtime.block_on(supervise(&files))
}

/// The property files of all nodes; those that are missing are made.
fn prepare(options: &Options) -> Result<Vec<PathBuf>, Failure> {
    let failed = |path: &Path, error| Failure::message(format!("cannot write {}: {error}", path.display()));
    let folders: Vec<PathBuf> =
        (1..=options.nodes).map(|node| options.dir.join(format!("node-{node}"))).collect();
    let files: Vec<PathBuf> = folders.iter().map(|folder| folder.join("server.properties")).collect();
    let present = files.iter().filter(|file| file.exists()).count();
    if present == files.len() {
        return Ok(files);
    }
    if present > 0 {
        return Err(Failure::message(format!(
            "{} holds a cluster of another size; use its number of --nodes, or another --dir",
            options.dir.display()
        )));
    }
    let ports = ports(options)?;
    for ((folder, file), node) in folders.iter().zip(&files).zip(1..) {
        fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
        let folder = fs::canonicalize(folder).map_err(|error| failed(folder, error))?;
        fs::write(file, properties(node, &ports, &folder)).map_err(|error| failed(file, error))?;
    }
    Ok(files)
}

/// For each node the port for clients and that for the quorum.
fn ports(options: &Options) -> Result<Vec<(u16, u16)>, Failure> {
    if options.port > 0 {
        let last =
            options.port.checked_add(options.nodes).and_then(|port| port.checked_add(QUORUM_PORTS_ABOVE));
        if last.is_none() {
            let words =
                format!("--port {}: must leave room for {QUORUM_PORTS_ABOVE} ports above it", options.port);
            return Err(Failure::message(words));
        }
        return Ok((0..options.nodes)
            .map(|at| options.port + at)
            .map(|port| (port, port + QUORUM_PORTS_ABOVE))
            .collect());
    }
    free_ports(options.nodes).map_err(|error| Failure::message(format!("cannot find free ports: {error}")))
}

/// Ports that nobody has now. All are held until the last is found, so that none is found twice.
fn free_ports(nodes: u16) -> io::Result<Vec<(u16, u16)>> {
    let free = || TcpListener::bind("127.0.0.1:0");
    let held: Vec<_> = (0..nodes).map(|_| Ok((free()?, free()?))).collect::<io::Result<_>>()?;
    let port = |socket: &TcpListener| socket.local_addr().map(|address| address.port());
    held.iter().map(|(one, two)| Ok((port(one)?, port(two)?))).collect()
}

fn properties(node: usize, ports: &[(u16, u16)], folder: &Path) -> String {
    let voters = ports.iter().zip(1..).map(|((_, quorum), id)| format!("{id}@localhost:{quorum}"));
    let voters = voters.collect::<Vec<_>>().join(",");
    let (client, quorum) = ports.get(node - 1).copied().unwrap_or_default();
    format!(
        "# One node of a development cluster (rkafka dev-cluster).\n\
         node.id={node}\n\
         process.roles=broker,controller\n\
         controller.quorum.voters={voters}\n\
         controller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://localhost:{client},CONTROLLER://localhost:{quorum}\n\
         log.dirs={}\n\
         group.initial.rebalance.delay.ms=0\n",
        folder.join("data").display()
    )
}

/// What a node tells its supervisor.
enum Event {
    Line(String),
    Ended { node: usize, how: String },
}

/// Runs all nodes until the last has ended.
async fn supervise(files: &[PathBuf]) -> Result<(), Failure> {
    let failed = |error| Failure::message(format!("cannot listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (events, mut received) = mpsc::channel(LINES_MAX);
    let mut nodes = Vec::new();
    for (file, node) in files.iter().zip(1..) {
        nodes.push(start(file, node, &events)?);
    }
    drop(events);
    let mut ready = 0;
    loop {
        let event = tokio::select! {
            event = received.recv() => event,
            // From a terminal the nodes get it as well; a second one would end them at once.
            _ = interrupt.recv() => { stop(&nodes); continue }
            _ = terminate.recv() => { stop(&nodes); continue }
        };
        match event {
            None => return Ok(()),
            Some(Event::Ended { node, how }) => println!("node {node} ended: {how}"),
            Some(Event::Line(line)) => {
                let is_ready = line.contains(" ready: listening on ");
                println!("{line}");
                ready += usize::from(is_ready);
                if is_ready && ready == files.len() {
                    println!("all {ready} nodes are ready; Ctrl-C stops them");
                }
            }
        }
    }
}

/// Starts one node in a process group of its own, so that Ctrl-C reaches it once: through here.
fn start(file: &Path, node: usize, events: &mpsc::Sender<Event>) -> Result<Option<Pid>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::message(format!("cannot find this program: {error}")))?;
    let child = Command::new(&program)
        .arg("server")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child =
        child.map_err(|error| Failure::message(format!("cannot start {}: {error}", program.display())))?;
    let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let output = child.stdout.take().map(|stream| tokio::spawn(pass_on(stream, node, events.clone())));
    let errors = child.stderr.take().map(|stream| tokio::spawn(pass_on(stream, node, events.clone())));
    let events = events.clone();
    tokio::spawn(async move {
        let how = end_of(&mut child).await;
        for stream in [output, errors].into_iter().flatten() {
            // Its last lines come before the news of its end.
            let _ = stream.await;
        }
        let _ = events.send(Event::Ended { node, how }).await;
    });
    Ok(pid)
}

async fn end_of(child: &mut Child) -> String {
    child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string())
}

async fn pass_on(stream: impl AsyncRead + Unpin, node: usize, events: mpsc::Sender<Event>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if events.send(Event::Line(format!("node {node} | {line}"))).await.is_err() {
            return;
        }
    }
}

fn stop(nodes: &[Option<Pid>]) {
    for pid in nodes.iter().flatten() {
        // One that has ended already is no error.
        let _ = kill_process(*pid, Signal::TERM);
    }
}

#[cfg(test)]
mod tests {
    use rkafka_config::{BrokerConfig, Properties};

    use super::*;

    fn options(dir: &Path, nodes: u16, port: u16) -> Options {
        Options { nodes, dir: dir.to_owned(), port }
    }

    #[test]
    fn the_files_are_good_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let files = prepare(&options(dir.path(), 3, 0)).unwrap();
        let read = |file: &PathBuf| fs::read_to_string(file).unwrap();
        let texts: Vec<String> = files.iter().map(read).collect();
        for (text, id) in texts.iter().zip(1..) {
            let file = Properties::parse("f", text.as_bytes()).unwrap();
            let (config, notices) = BrokerConfig::from_properties(&file, &[]).unwrap();
            assert!(notices.is_empty(), "{notices:?}");
            assert_eq!(config.node().id, Some(id));
        }
        let again = prepare(&options(dir.path(), 3, 0)).unwrap();
        assert_eq!(again.iter().map(read).collect::<Vec<_>>(), texts, "ports must not change between starts");
        let other = prepare(&options(dir.path(), 5, 0)).unwrap_err();
        assert!(matches!(other, Failure::Message(text) if text.contains("a cluster of another size")));
    }

    #[test]
    fn ports_follow_the_first() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ports(&options(dir.path(), 2, 9092)).unwrap(), [(9092, 19092), (9093, 19093)]);
        assert!(ports(&options(dir.path(), 2, 60_000)).is_err());
    }
}
