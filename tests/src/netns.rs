//! Hosts of a network of their own: network namespaces joined by a bridge, with links that can be cut.
//!
//! Each host is held by a process that has namespaces for network, mounts and its name; programs are started inside
//! with `nsenter`. Nothing has a name outside: many networks stand beside one another with the same addresses, and
//! when the holders end, which they do with the test however it ends, the kernel removes everything.
//!
//! Needs root and the programs `unshare`, `nsenter`, `ip` and `nft`; without them [`Network::new`] fails and names
//! the command that installs them. Links are cut and made lossy by nftables at the receiver, so each direction is
//! on its own; delays are the business of [`crate::proxy`], since not every kernel has `netem`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::process::{Outcome, Process};
use crate::wait;

/// How long a program that sets something up may take.
const LIMIT: Duration = Duration::from_secs(60);

const NEEDED: &str = "network namespaces cannot be made. These tests need root and some programs; install them with: \
     apt-get install -y iproute2 nftables util-linux, and run: sudo -E env PATH=\"$PATH\" cargo test -p rkafka-tests";

/// What a host does with what comes to it from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nothing arrives, and nobody is told.
    Cut,
    /// So many packets of a hundred are lost, by chance; fewer than a hundred.
    Lossy(u8),
}

/// One host. Programs that run inside see its network, its name, its `/etc/hosts` and its mounts.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: Ipv4Addr,
    holder: Process,
}

impl Host {
    fn start(name: &str, address: Ipv4Addr, hosts_file: &Path) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--uts", "--propagation", "private", "sh", "-c"]);
        // `cat` ends with this process, whose end closes the pipe.
        command.arg(
            "hostname \"$1\" && mount --bind \"$0\" /etc/hosts && ip link set lo up && nft list ruleset && echo ready \
             && exec cat > /dev/null",
        );
        command.arg(hosts_file).arg(name);
        let mut holder = Process::start(command);
        wait::until("a host of the network", || {
            let text = holder.stdout();
            let running = holder.is_running();
            assert!(running || text.contains("ready"), "{NEEDED}\n{}", holder.stderr());
            text.contains("ready").then_some(())
        });
        Self { name: name.to_owned(), address, holder }
    }

    /// Its name, which other hosts can resolve.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    fn pid(&self) -> i32 {
        self.holder.pid().as_raw_nonzero().get()
    }

    /// A command that runs `program` (with an absolute path, or found by `PATH`) on this host. Signals to the process
    /// reach the program: `nsenter` becomes it.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.pid().to_string());
        command.args(["--net", "--mount", "--uts", "--"]).arg(program);
        command
    }

    /// The same for a command that is made already; its environment is not taken over.
    #[must_use]
    pub fn inside(&self, command: &Command) -> Command {
        let mut inside = self.command(command.get_program());
        inside.args(command.get_args());
        inside
    }

    /// Mounts a file system in memory of so many MiB over a directory, for this host only.
    pub fn mount_disk(&self, over: &Path, mib: u32) {
        let mut mount = self.command("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(over);
        let _ = Process::run(mount, "", LIMIT).success();
    }

    /// Where this process finds a path that this host sees.
    #[must_use]
    pub fn seen_from_outside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What a thread calls to have its sockets on this host from then on.
    ///
    /// # Panics
    /// The returned function, if the kernel refuses.
    pub fn entrance(&self) -> impl Fn() + Send + Sync + Clone + 'static {
        let file = File::open(format!("/proc/{}/ns/net", self.pid())).expect("the host is there");
        let namespace = Arc::new(file);
        move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect(NEEDED);
        }
    }

    /// A runtime all of whose threads have their sockets on this host. What is given to `block_on` itself runs on
    /// the caller's thread: spawn it.
    ///
    /// # Panics
    /// When the system has no more threads.
    #[must_use]
    pub fn runtime(&self, threads: usize) -> tokio::runtime::Runtime {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(threads).enable_all().on_thread_start(self.entrance());
        runtime.build().expect("a runtime")
    }

    fn run(&self, program: &str, args: &[&str], input: &str) -> Outcome {
        let mut command = self.command(program);
        command.args(args);
        Process::run(command, input, LIMIT)
    }
}

/// Hosts in one network: nodes, and one for clients, which also has the bridge. Dropping it removes them.
#[derive(Debug)]
pub struct Network {
    nodes: Vec<Host>,
    clients: Host,
    _hosts_file: TempDir,
}

/// A host of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The node with this number, from 0.
    Node(usize),
    /// The host of the clients.
    Clients,
}

impl Network {
    /// Makes a host for each name, with the addresses 10.88.0.1, 10.88.0.2 and so on, and one for clients at
    /// 10.88.0.100.
    ///
    /// # Panics
    /// Without the right to, or the programs for it; the message says what to do.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        let address = |last: usize| Ipv4Addr::new(10, 88, 0, u8::try_from(last).expect("few hosts"));
        let dir = TempDir::new().expect("a temporary directory");
        let mut hosts = "127.0.0.1 localhost\n10.88.0.100 clients\n".to_owned();
        for (place, name) in names.iter().enumerate() {
            writeln!(hosts, "{} {name}", address(place + 1)).expect("memory");
        }
        let hosts_file = dir.path().join("hosts");
        std::fs::write(&hosts_file, hosts).expect("a writable directory");
        let clients = Host::start("clients", address(100), &hosts_file);
        let script =
            "ip link add br0 type bridge && ip addr add 10.88.0.100/24 dev br0 && ip link set br0 up";
        let bridge = clients.run("sh", &["-c", script], "");
        assert!(bridge.status.success(), "{NEEDED}\n{}", bridge.both());
        let nodes: Vec<Host> = names
            .iter()
            .enumerate()
            .map(|(place, name)| Host::start(name, address(place + 1), &hosts_file))
            .collect();
        for (place, node) in nodes.iter().enumerate() {
            let script = format!(
                "ip link add port{place} type veth peer name eth0 netns {} && ip link set port{place} master br0 up",
                node.pid()
            );
            let _ = clients.run("sh", &["-c", &script], "").success();
            let script = format!("ip addr add {}/24 dev eth0 && ip link set eth0 up", node.address);
            let _ = node.run("sh", &["-c", &script], "").success();
        }
        Self { nodes, clients, _hosts_file: dir }
    }

    /// The nodes' hosts.
    #[must_use]
    pub fn nodes(&self) -> &[Host] {
        &self.nodes
    }

    /// The host of the clients.
    #[must_use]
    pub fn clients(&self) -> &Host {
        &self.clients
    }

    /// The host at a place.
    #[must_use]
    pub fn host(&self, place: Place) -> &Host {
        match place {
            Place::Node(node) => &self.nodes[node],
            Place::Clients => &self.clients,
        }
    }

    /// Has links be as told, all others whole. A key is who sends and who receives.
    ///
    /// # Panics
    /// When nftables refuses.
    pub fn set_links(&self, links: &BTreeMap<(Place, Place), Link>) {
        let receivers = (0..self.nodes.len()).map(Place::Node).chain([Place::Clients]);
        for receiver in receivers {
            let to_it = links.iter().filter(|((_, to), _)| *to == receiver);
            let mut rules = String::from("flush ruleset\ntable inet links {\n chain arriving {\n");
            rules.push_str("  type filter hook input priority 0;\n");
            for ((from, _), link) in to_it {
                let source = self.host(*from).address;
                match link {
                    Link::Cut => writeln!(rules, "  ip saddr {source} drop"),
                    Link::Lossy(percent) => {
                        writeln!(rules, "  ip saddr {source} numgen random mod 100 < {percent} drop")
                    }
                }
                .expect("memory");
            }
            rules.push_str(" }\n}\n");
            let _ = self.host(receiver).run("nft", &["-f", "-"], &rules).success();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    /// Runs `work` on a thread of the host.
    fn on<T: Send>(host: &Host, work: impl FnOnce() -> T + Send) -> T {
        let enter = host.entrance();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter();
                work()
            });
            thread.join().expect("the thread is well")
        })
    }

    #[test]
    fn links_are_cut_each_way_and_healed() {
        let network = Network::new(&["one", "two"]);
        let (one, two) = (Place::Node(0), Place::Node(1));
        let address = SocketAddr::from((network.nodes()[1].address(), 4711));
        let _listener = on(&network.nodes()[1], || TcpListener::bind(address).expect("a port of its own"));
        let connect = |patience: Duration| {
            move || {
                let connected = TcpStream::connect_timeout(&address, patience);
                connected.map(drop).map_err(|error| error.kind())
            }
        };
        // A first packet may be lost while a link comes up: whoever should get through has time for several.
        let from = |place: Place| on(network.host(place), connect(Duration::from_secs(30)));
        let cut_off = |place: Place| on(network.host(place), connect(Duration::from_millis(1500)));
        assert_eq!((from(one), from(Place::Clients)), (Ok(()), Ok(())));
        for cut in [(one, two), (two, one)] {
            network.set_links(&[(cut, Link::Cut)].into());
            assert_eq!((cut_off(one), from(Place::Clients)), (Err(ErrorKind::TimedOut), Ok(())), "{cut:?}");
        }
        network.set_links(&[((one, two), Link::Lossy(50))].into());
        crate::wait::until("a packet that is not lost", || from(one).ok());
        network.set_links(&BTreeMap::new());
        assert_eq!(from(one), Ok(()));
        let named = network.nodes()[0].run("sh", &["-c", "uname -n; grep two /etc/hosts"], "").success();
        assert_eq!(named.stdout, "one\n10.88.0.2 two\n");
    }
}
