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
        Task::Dist { quick } => dist::run(&root(), quick),
    }
}

/// The repository's root.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).to_path_buf()
}
