//! The binary under test, built once per test run with the profile of the tests themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// The build directory that holds this very program (`…/target`), where caches may be kept.
///
/// # Panics
/// When the program was not built by cargo.
#[must_use]
pub fn target() -> PathBuf {
    let profile = profile_dir();
    profile.parent().expect("a profile's folder lies in the build directory").to_path_buf()
}

/// `…/target/<profile>`: where cargo puts programs; tests and examples lie one folder deeper.
fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("the program has a path");
    let folder = exe.parent().expect("a program lies in a folder");
    let deeper = folder.ends_with("deps") || folder.ends_with("examples");
    let folder = if deeper { folder.parent() } else { Some(folder) };
    folder.expect("the program was built by cargo").to_path_buf()
}

/// The path of the `rkafka` binary, built with the profile of this program, or the one that the variable
/// `RKAFKA_BINARY` names.
///
/// # Panics
/// When it cannot be built.
pub fn rkafka() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = std::env::var_os("RKAFKA_BINARY") {
            return binary.into();
        }
        let profile_dir = profile_dir();
        let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
            None | Some("debug") => "dev",
            Some(profile) => profile,
        };
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root()).args(["build", "--quiet", "--package", "rkafka", "--bin", "rkafka"]);
        cargo.args(["--profile", profile]).arg("--target-dir").arg(target());
        let status = cargo.status().expect("cargo can be run");
        assert!(status.success(), "building the rkafka binary failed");
        profile_dir.join("rkafka")
    })
}
