//! `rkafka server-stop`: SIGTERM to the servers of this installation.
//!
//! A server belongs to this installation if the very same program file runs it (`/proc/<pid>/exe`), so another
//! unpacked archive, or a Java broker beside it, is left alone. Which node it is follows from its own command line:
//! the property file (from its working directory) and overrides are read as the server reads them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use super::Invocation;
use super::server;
use crate::common::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  rkafka server-stop                  every server started from this installation
  rkafka server-stop --node-id 2      only that of node 2";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// Stop only the server with this node.id.
    #[arg(long, value_name = "id")]
    node_id: Option<i32>,
    /// Stop only servers with this role: broker or controller.
    #[arg(long, value_name = "role", value_parser = ["broker", "controller"])]
    process_role: Option<String>,
}

/// A running server.
#[derive(Debug)]
struct Server {
    pid: Pid,
    args: Vec<OsString>,
    working_dir: PathBuf,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("server-stop"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let program = std::env::current_exe()
        .map_err(|error| Failure::message(format!("cannot find this program: {error}")))?;
    let servers: Vec<Server> = running(&program).into_iter().filter(|server| options.means(server)).collect();
    if servers.is_empty() {
        return Err(Failure::message("No kafka server to stop"));
    }
    for server in servers {
        kill_process(server.pid, Signal::TERM)
            .map_err(|error| Failure::message(format!("cannot stop process {}: {error}", server.pid)))?;
    }
    Ok(())
}

impl Options {
    fn means(&self, server: &Server) -> bool {
        if self.node_id.is_none() && self.process_role.is_none() {
            return true;
        }
        // A server whose settings cannot be read any more is not known to be the one that is meant.
        let Some((id, roles)) = server::identity(&server.args, &server.working_dir) else { return false };
        let has_role = match self.process_role.as_deref() {
            Some("broker") => roles.broker,
            Some(_) => roles.controller,
            None => true,
        };
        has_role && self.node_id.is_none_or(|wanted| id == Some(wanted))
    }
}

/// The servers that this program file runs.
fn running(program: &Path) -> Vec<Server> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| server_at(&entry.path(), program)).collect()
}

fn server_at(process: &Path, program: &Path) -> Option<Server> {
    let pid = process.file_name()?.to_str()?.parse().ok().and_then(Pid::from_raw)?;
    let exe = fs::read_link(process.join("exe")).ok()?;
    if !is_same_program(&exe, program) {
        return None;
    }
    let command_line = fs::read(process.join("cmdline")).ok()?;
    let args = server_args(&command_line)?;
    let working_dir = fs::read_link(process.join("cwd")).ok()?;
    Some(Server { pid, args, working_dir })
}

/// An upgrade replaces the file under a running server, whose link then ends with ` (deleted)`.
fn is_same_program(exe: &Path, program: &Path) -> bool {
    let exe = exe.as_os_str().as_bytes();
    exe.strip_suffix(b" (deleted)").unwrap_or(exe) == program.as_os_str().as_bytes()
}

/// The arguments of a server's command line; nothing for other commands.
fn server_args(command_line: &[u8]) -> Option<Vec<OsString>> {
    let words = command_line.strip_suffix(b"\0").unwrap_or(command_line).split(|byte| *byte == 0);
    let mut words = words.map(|word| OsStr::from_bytes(word).to_os_string());
    let program = words.next()?;
    super::args_of("server", &program, words.collect())
}

#[cfg(test)]
mod tests {
    use rkafka_config::Roles;

    use super::*;

    #[test]
    fn which_processes_are_servers() {
        let check = |command_line: &str, expected: Option<&[&str]>| {
            let args = server_args(command_line.replace(' ', "\0").as_bytes());
            let expected = expected.map(|words| words.iter().map(OsString::from).collect::<Vec<_>>());
            assert_eq!(args, expected, "{command_line}");
        };
        check("bin/rkafka server a.properties", Some(&["a.properties"]));
        check(
            "bin/kafka-server-start.sh a.properties --override node.id=2",
            Some(&["a.properties", "--override", "node.id=2"]),
        );
        check("rkafka", Some(&[]));
        check("rkafka topics --list", None);
        check("rkafka-topics --list", None);
    }

    #[test]
    fn the_same_program() {
        let is_same = |exe: &str| is_same_program(Path::new(exe), Path::new("/opt/rkafka/bin/rkafka"));
        assert!(is_same("/opt/rkafka/bin/rkafka"));
        assert!(is_same("/opt/rkafka/bin/rkafka (deleted)"));
        assert!(!is_same("/opt/other/bin/rkafka"));
    }

    #[test]
    fn which_node_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.properties"), "broker.id=7\nlog.dirs=x\n").unwrap();
        let args = ["a.properties".into()].to_vec();
        let server = Server { pid: Pid::INIT, args, working_dir: dir.path().into() };
        let means = |node_id, role: Option<&str>| {
            Options { node_id, process_role: role.map(str::to_owned) }.means(&server)
        };
        assert!(means(None, None) && means(Some(7), None) && means(Some(7), Some("broker")));
        assert!(!means(Some(8), None));
        let nowhere =
            Server { pid: Pid::INIT, args: vec!["b.properties".into()], working_dir: dir.path().into() };
        assert!(!Options { node_id: Some(7), process_role: None }.means(&nowhere));
        assert_eq!(
            server::identity(&server.args, dir.path()),
            Some((Some(7), Roles { broker: true, controller: true }))
        );
    }
}
