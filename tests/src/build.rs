//! The binary under test, built once per test run with the profile of the tests themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The repository's root.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// The build directory that holds this very test binary (`…/target`), where caches may be kept.
#[must_use]
pub fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("the test binary has a path");
    // target/<profile>/deps/main-<hash>
    exe.ancestors().nth(3).expect("a test binary lies three levels under target/").to_path_buf()
}

/// The path of the `rkafka` binary.
///
/// # Panics
/// When it cannot be built.
pub fn rkafka() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let exe = std::env::current_exe().expect("the test binary has a path");
        let profile_dir = exe.ancestors().nth(2).expect("target/<profile>").to_path_buf();
        let release = profile_dir.file_name().is_some_and(|name| name == "release");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root()).args(["build", "--quiet", "--package", "rkafka", "--bin", "rkafka"]);
        cargo.arg("--target-dir").arg(target());
        if release {
            cargo.arg("--release");
        }
        let status = cargo.status().expect("cargo can be run");
        assert!(status.success(), "building the rkafka binary failed");
        profile_dir.join("rkafka")
    })
}
