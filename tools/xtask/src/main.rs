//! Developer tasks, so that no second script language is needed. `cargo xtask --help` lists them.

mod dist;
mod tidy;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// Developer tasks of rkafka.
#[derive(Parser)]
#[command(name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks what the compiler does not: layering, file lengths, where unsafe code may stand.
    Tidy,
    /// Runs seeds of the simulator: `--seed N --trace`, `--seeds N`, `--minutes M`.
    Sim {
        /// Passed on; `cargo xtask sim -- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs seeds of the chaos suite on real processes: `--seed N --nodes 3 --seconds 30`, `--minutes M`.
    Chaos {
        /// Passed on; `cargo xtask chaos -- --help` lists them.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds the release archive under target/dist/.
    Dist {
        /// Use the `release` profile instead of `dist`: builds faster, runs a little slower.
        #[arg(long)]
        quick: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Tidy => tidy::run(&root()),
        Task::Sim { arguments } => {
            let simulator = ["--profile", "sim", "-p", "rkafka-sim", "--bin", "sim"];
            pass_on(&simulator, &arguments, "the simulator found something")
        }
        Task::Chaos { arguments } => {
            pass_on(&["-p", "rkafka-tests", "--bin", "chaos"], &arguments, "the chaos suite found something")
        }
        Task::Dist { quick } => dist::run(&root(), quick),
    }
}

/// Builds a program, as cargo is told here, and runs it with these arguments.
fn pass_on(program: &[&str], arguments: &[String], failure: &'static str) -> anyhow::Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut run = std::process::Command::new(cargo);
    run.current_dir(root()).args(["run", "--quiet"]).args(program);
    let status = run.arg("--").args(arguments).status()?;
    anyhow::ensure!(status.success(), failure);
    Ok(())
}

/// The repository's root.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}
