//! `-daemon`: the same command line again, in a session of its own, with its output in a file as the stock script
//! has it (`logs/kafkaServer.out`, the folder chosen by `LOG_DIR`).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::failure::Failure;

/// Tells the child that it is the one in the background.
const MARK: &str = "RKAFKA_DETACHED";

/// Starts the server in the background and returns.
pub(super) fn start(args: &[OsString]) -> Result<(), Failure> {
    let failed = |what: String, error: std::io::Error| Failure::message(format!("{what}: {error}"));
    let program =
        std::env::current_exe().map_err(|error| failed("cannot find this program".into(), error))?;
    let (path, output) = output_file(&program)?;
    let errors = output.try_clone().map_err(|error| failed(path.display().to_string(), error))?;
    let child = Command::new(&program)
        .arg("server")
        .args(args.iter().filter(|arg| *arg != "--daemon"))
        .env(MARK, "1")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .map_err(|error| failed(format!("cannot start {}", program.display()), error))?;
    println!("rkafka starts in the background: process {}, output in {}", child.id(), path.display());
    Ok(())
}

/// In the child: leaves the terminal's session, so that closing the terminal does not end it.
pub(super) fn detach() {
    if std::env::var_os(MARK).is_some() {
        // It fails only for the leader of a process group, which has its own session already.
        let _ = rustix::process::setsid();
    }
}

fn output_file(program: &Path) -> Result<(PathBuf, File), Failure> {
    let folder = match std::env::var_os("LOG_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => default_folder(program),
    };
    let path = folder.join("kafkaServer.out");
    let opened = fs::create_dir_all(&folder)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .map_err(|error| {
            Failure::message(format!(
                "cannot write {}: {error}; set LOG_DIR to a folder that can be written",
                path.display()
            ))
        })?;
    Ok((path, opened))
}

/// `logs/` beside the `bin/` that holds the program, else below the working directory.
fn default_folder(program: &Path) -> PathBuf {
    match program.parent() {
        Some(bin) if bin.ends_with("bin") => bin.with_file_name("logs"),
        _ => PathBuf::from("logs"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_output_goes() {
        assert_eq!(default_folder(Path::new("/opt/rkafka/bin/rkafka")), Path::new("/opt/rkafka/logs"));
        assert_eq!(default_folder(Path::new("/src/target/debug/rkafka")), Path::new("logs"));
    }
}
