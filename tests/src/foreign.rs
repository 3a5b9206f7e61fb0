//! Clients that are not Java: kcat (librdkafka), Python and Go programs under `tests/python` and `tests/go`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use crate::build;
use crate::process::{Outcome, Process};

const LIMIT: Duration = Duration::from_secs(120);

/// Runs kcat with `input` on standard input.
///
/// # Panics
/// When kcat is absent (with the command that installs it).
#[must_use]
pub fn kcat(args: &[&str], input: &str) -> Outcome {
    need("kcat", "apt-get install -y kcat");
    let mut command = Command::new("kcat");
    command.args(args);
    Process::run(command, input, LIMIT)
}

/// Runs `tests/python/<script>` in a virtual environment with the packages of `requirements.txt`.
///
/// # Panics
/// When Python is absent or the packages cannot be installed.
#[must_use]
pub fn python(script: &str, args: &[&str]) -> Outcome {
    let mut command = Command::new(python_environment().join("bin/python"));
    command.arg(build::root().join("tests/python").join(script)).args(args);
    Process::run(command, "", LIMIT)
}

/// Runs the program built from `tests/go/`.
///
/// # Panics
/// When Go is absent or the program does not build.
#[must_use]
pub fn go(args: &[&str]) -> Outcome {
    let mut command = Command::new(go_program());
    command.args(args);
    Process::run(command, "", LIMIT)
}

/// Runs the script of `tests/node/` with the packages of its `package.json`.
///
/// # Panics
/// When Node.js is absent or the packages cannot be installed.
#[must_use]
pub fn node(script: &str, args: &[&str]) -> Outcome {
    let mut command = Command::new("node");
    command.arg(node_project().join(script)).args(args);
    Process::run(command, "", LIMIT)
}

fn python_environment() -> PathBuf {
    static ENVIRONMENT: Mutex<()> = Mutex::new(());
    let _guard = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    need("python3", "apt-get install -y python3 python3-venv");
    let folder = build::target().join("python");
    let requirements = build::root().join("tests/python/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements).expect("tests/python/requirements.txt is readable");
    let stamp = folder.join(".requirements");
    if std::fs::read_to_string(&stamp).is_ok_and(|done| done == wanted) {
        return folder;
    }
    succeed(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let mut pip = Command::new(folder.join("bin/pip"));
    succeed(pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements));
    std::fs::write(stamp, wanted).expect("target/ is writable");
    folder
}

fn go_program() -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _guard = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    need("go", "apt-get install -y golang");
    let program = build::target().join("go/client");
    let mut go = Command::new("go");
    succeed(go.current_dir(build::root().join("tests/go")).args(["build", "-o"]).arg(&program).arg("."));
    program
}

fn node_project() -> PathBuf {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _guard = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    need("npm", "apt-get install -y nodejs npm");
    let folder = build::target().join("node");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    for entry in std::fs::read_dir(build::root().join("tests/node")).expect("tests/node exists") {
        let path = entry.expect("readable").path();
        std::fs::copy(&path, folder.join(path.file_name().expect("a file"))).expect("target/ is writable");
    }
    if !folder.join("node_modules").exists() {
        let mut npm = Command::new("npm");
        succeed(npm.current_dir(&folder).args(["install", "--silent", "--no-audit", "--no-fund"]));
    }
    folder
}

/// Fails with the command that installs `program` when it is not on the path.
///
/// # Panics
/// When it is not.
pub fn need(program: &str, install: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    assert!(found, "this test needs {program}; install it with: {install}");
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {text}");
}
