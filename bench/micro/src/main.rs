//! Instructions of each hot path, counted by callgrind: figures that a busy machine does not change, compared
//! with the committed `baseline.txt`.
//!
//! ```text
//! cargo run --release -p rkafka-micro              counts and compares
//! cargo run --release -p rkafka-micro -- --save    … and makes the result the new baseline
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Parser;

/// Runs of a case that are counted, after one that is not.
const RUNS: u64 = 20;
/// The function between whose beginning and end callgrind counts.
const COUNTED: &str = "*rkafka_micro*counted*";

/// Counts the instructions of the hot paths and compares them with the baseline.
#[derive(Parser)]
#[command(name = "rkafka-micro", version, about)]
struct Cli {
    /// Makes the result the new baseline.
    #[arg(long)]
    save: bool,
    /// Fails if a case takes more than this many percent above the baseline.
    #[arg(long)]
    percent_max: Option<f64>,
    /// Runs one case; under callgrind, that is.
    #[arg(long, hide = true)]
    case: Option<String>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(name) = &cli.case {
        return run(name);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.txt");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let baseline = read(&text);
    let mut found = String::new();
    let mut worse = Vec::new();
    println!("| case | instructions | baseline | change |\n|---|---:|---:|---:|");
    for (name, _) in rkafka_micro::CASES {
        let count = count(name)?;
        found.push_str(&format!("{count} {name}\n"));
        let Some(before) = baseline.get(name) else {
            println!("| {name} | {count} | – | new |");
            continue;
        };
        let percent = (count as f64 / *before as f64 - 1.0) * 100.0;
        println!("| {name} | {count} | {before} | {percent:+.1} % |");
        if cli.percent_max.is_some_and(|max| percent > max) {
            worse.push(name);
        }
    }
    if cli.save {
        std::fs::write(&file, found).with_context(|| file.display().to_string())?;
    }
    if !worse.is_empty() {
        bail!("more instructions than the baseline allows: {}; --save if that is meant", worse.join(", "));
    }
    Ok(())
}

fn run(name: &str) -> Result<()> {
    let mut work = rkafka_micro::case(name).with_context(|| format!("no case {name}"))?;
    work();
    for _ in 0..RUNS {
        counted(&mut work);
    }
    Ok(())
}

#[inline(never)]
fn counted(work: &mut rkafka_micro::Work) {
    work();
}

/// Instructions of one run of a case.
fn count(name: &str) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"]);
    valgrind.arg(format!("--toggle-collect={COUNTED}"));
    valgrind.arg(std::env::current_exe()?).args(["--case", name]);
    let output = valgrind.output().context("cannot run valgrind; apt-get install -y valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count);
    match collected.and_then(|count| count.trim().parse::<u64>().ok()) {
        Some(count) if count > 0 && output.status.success() => Ok(count / RUNS),
        _ => bail!("callgrind counted nothing of {name}:\n{text}"),
    }
}

/// Lines of `<instructions> <case>`.
fn read(text: &str) -> BTreeMap<&str, u64> {
    let pair = |line| -> Option<(&str, u64)> {
        let (count, name) = str::split_once(line, ' ')?;
        Some((name, count.parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}
