//! The release archive: `bin/` with the stock script names and rkafka's own, completions, manual pages, `config/`, a systemd unit, a Dockerfile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Commands that have a stock script of the same name (`kafka-<name>.sh`).
const STOCK_COMMANDS: &[&str] = &[
    "broker-api-versions",
    "client-metrics",
    "cluster",
    "configs",
    "console-consumer",
    "console-producer",
    "consumer-groups",
    "consumer-perf-test",
    "delete-records",
    "dump-log",
    "e2e-latency",
    "features",
    "get-offsets",
    "groups",
    "leader-election",
    "log-dirs",
    "metadata-quorum",
    "producer-perf-test",
    "reassign-partitions",
    "replica-verification",
    "server-start",
    "server-stop",
    "storage",
    "streams-application-reset",
    "topics",
    "verifiable-consumer",
    "verifiable-producer",
];

/// Shells that the archive has completions for, and the file each looks for.
const COMPLETIONS: &[(&str, &str)] = &[("bash", "rkafka"), ("zsh", "_rkafka"), ("fish", "rkafka.fish")];

/// The largest size of the stripped binary, in bytes.
const BINARY_BYTES_MAX: u64 = 25_000_000;

/// Builds `target/dist/rkafka-<version>.tar.gz`.
pub(crate) fn run(root: &Path, quick: bool) -> Result<()> {
    let profile = if quick { "release" } else { "dist" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Cargo forgets a profile's `strip` for a package that has an optimisation level of its own, as this one has.
    let built = Command::new(cargo)
        .current_dir(root)
        .args(["rustc", "--package", "rkafka", "--bin", "rkafka", "--profile", profile])
        .args(["--", "-C", "strip=symbols"])
        .status()?;
    ensure!(built.success(), "the build failed");

    let name = format!("rkafka-{}", env!("CARGO_PKG_VERSION"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let dist = target.join("dist");
    let tree = dist.join(&name);
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let bin = tree.join("bin");
    fs::create_dir_all(&bin)?;
    copy(&target.join(profile).join("rkafka"), &bin.join("rkafka"))?;
    let bytes = fs::metadata(bin.join("rkafka"))?.len();
    println!("rkafka: {:.1} MB", bytes as f64 / 1e6);
    // Without link-time optimisation it is larger; that one is not shipped.
    ensure!(quick || bytes < BINARY_BYTES_MAX, "the binary has {bytes} bytes, more than {BINARY_BYTES_MAX}");
    for command in STOCK_COMMANDS {
        // The binary answers to the name it is called by.
        symlink("rkafka", bin.join(format!("kafka-{command}.sh")))?;
        symlink("rkafka", bin.join(format!("rkafka-{command}")))?;
    }
    for name in ["rkafka-agent", "rkafka-cat", "kafka-run-class.sh", "flume-ng"] {
        symlink("rkafka", bin.join(name))?;
    }
    for (shell, file) in COMPLETIONS {
        let path = tree.join("completions").join(shell).join(file);
        fs::create_dir_all(path.parent().unwrap_or(&tree))?;
        let script = Command::new(bin.join("rkafka")).args(["completions", shell]).output()?;
        ensure!(script.status.success(), "rkafka completions {shell} failed");
        fs::write(&path, script.stdout).with_context(|| path.display().to_string())?;
    }
    let man =
        Command::new(bin.join("rkafka")).args(["man", "--out"]).arg(tree.join("share/man/man1")).output()?;
    ensure!(man.status.success(), "rkafka man failed: {}", String::from_utf8_lossy(&man.stderr));
    copy_tree(&root.join("config/properties"), &tree.join("config"))?;
    copy_tree(&root.join("tools/dist"), &tree)?;
    for file in ["README.md", "LICENSE", "CHANGELOG.md"] {
        copy(&root.join(file), &tree.join(file))?;
    }
    let archive = dist.join(format!("{name}.tar.gz"));
    let packed = Command::new("tar").arg("-C").arg(&dist).arg("-czf").arg(&archive).arg(&name).status()?;
    ensure!(packed.success(), "tar failed");
    println!("{}", archive.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_tree(&path, &target)?;
        } else {
            copy(&path, &target)?;
        }
    }
    Ok(())
}
