//! The Java programs under `tests/java/`, compiled once per client version and run against a broker.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::build;
use crate::process::{Outcome, Process};
use crate::stock::Stock;

/// Compiles every program under `tests/java/` against `clients` and returns the folder of classes. What needs more
/// than a client, the tools of a whole Kafka, is in `tests/java/tools/`.
///
/// # Panics
/// When `javac` is absent (with the command that installs it) or a program does not compile.
#[must_use]
pub fn classes(clients: Stock) -> PathBuf {
    static COMPILING: Mutex<Vec<Stock>> = Mutex::new(Vec::new());
    let mut done = COMPILING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = build::target().join("java").join(clients.name());
    if done.contains(&clients) {
        return folder;
    }
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    let mut javac = Command::new("javac");
    javac.args(["-nowarn", "-Xlint:none", "-encoding", "UTF-8", "-cp"]);
    javac.arg(format!("{}/*", clients.jars().display())).arg("-d").arg(&folder);
    let mut sources = java_files("tests/java");
    if matches!(clients, Stock::Kafka22 | Stock::Kafka43) {
        sources.extend(java_files("tests/java/tools"));
    }
    javac.args(sources);
    let output = javac.output().unwrap_or_else(|error| {
        panic!("cannot run javac ({error}); install it with: apt-get install -y default-jdk-headless")
    });
    assert!(output.status.success(), "javac: {}", String::from_utf8_lossy(&output.stderr));
    done.push(clients);
    folder
}

fn java_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(build::root().join(folder)).expect("a folder of the repository");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "java")).collect()
}

/// The command that runs `program` on `clients`.
#[must_use]
pub fn command(clients: Stock, program: &str, args: &[&str]) -> Command {
    let mut java = Command::new("java");
    java.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"]);
    java.args(["-Dstdout.encoding=UTF-8", "-cp"]);
    java.arg(format!("{}:{}/*", classes(clients).display(), clients.jars().display()));
    java.arg(program).args(args);
    java
}

/// Runs `program` to its end.
#[must_use]
pub fn run(clients: Stock, program: &str, args: &[&str]) -> Outcome {
    Process::run(command(clients, program, args), "", Duration::from_secs(120))
}
