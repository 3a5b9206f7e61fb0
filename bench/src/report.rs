//! What a race found: every figure of every round, as JSON, and a Markdown table of medians and ratios.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::broker::Product;

/// One figure of one scenario, once for each round and product.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    scenario: String,
    unit: &'static str,
    rkafka: Vec<f64>,
    apache: Vec<f64>,
}

/// All figures of a race and the circumstances.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    date: String,
    /// The product that rkafka is compared with.
    other: &'static str,
    machine: String,
    versions: String,
    rounds: usize,
    megabytes: u64,
    figures: Vec<Figure>,
}

impl Report {
    /// A report without figures.
    pub(crate) fn new(rounds: usize, megabytes: u64) -> Self {
        Self::against("Apache Kafka", "4.3.1", rounds, megabytes)
    }

    /// One about agents.
    pub(crate) fn of_agents(rounds: usize, megabytes: u64) -> Self {
        Self::against("Apache Flume", "1.11.0", rounds, megabytes)
    }

    fn against(other: &'static str, version: &str, rounds: usize, megabytes: u64) -> Self {
        Self {
            date: chrono::Local::now().format("%Y-%m-%d").to_string(),
            other,
            machine: machine(),
            versions: format!("rkafka {}, {other} {version}, {}", env!("CARGO_PKG_VERSION"), java()),
            rounds,
            megabytes,
            figures: Vec::new(),
        }
    }

    /// Adds what one round of one product gave.
    pub(crate) fn add(&mut self, product: Product, scenario: &str, unit: &'static str, value: f64) {
        let known = |figure: &Figure| figure.scenario == scenario && figure.unit == unit;
        let at = self.figures.iter().position(known).unwrap_or_else(|| {
            let scenario = scenario.to_owned();
            self.figures.push(Figure { scenario, unit, rkafka: Vec::new(), apache: Vec::new() });
            self.figures.len() - 1
        });
        match product {
            Product::Rkafka => self.figures[at].rkafka.push(value),
            Product::Apache => self.figures[at].apache.push(value),
        }
    }

    /// The table: median (minimum–maximum) of the rounds, and rkafka's figure as a fraction of Apache Kafka's
    /// in the same round.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "{}; {}; {}. {} rounds, {} MB a run; median (minimum–maximum); the ratio is rkafka's figure by \
             {}'s of the same round.\n\n",
            self.date, self.machine, self.versions, self.rounds, self.megabytes, self.other
        );
        let _ =
            writeln!(text, "| scenario | unit | rkafka | {} | ratio |\n|---|---|---:|---:|---:|", self.other);
        for Figure { scenario, unit, rkafka, apache } in &self.figures {
            let ratios: Vec<f64> = rkafka.iter().zip(apache).map(|(ours, theirs)| ours / theirs).collect();
            let (ours, theirs, ratio) = (summary(rkafka), summary(apache), summary(&ratios));
            let _ = writeln!(text, "| {scenario} | {unit} | {ours} | {theirs} | {ratio} |");
        }
        text
    }

    /// Writes `<name>.json` and `<name>.md`.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(folder.join(format!("{name}.json")), json)?;
        Ok(std::fs::write(folder.join(format!("{name}.md")), self.markdown())?)
    }
}

/// `median (minimum–maximum)`.
pub(crate) fn summary(figures: &[f64]) -> String {
    let mut sorted: Vec<f64> = figures.iter().copied().filter(|figure| figure.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return "–".to_owned() };
    let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    if sorted.len() == 1 {
        short(*min)
    } else {
        format!("{} ({}–{})", short(median), short(*min), short(*max))
    }
}

/// Three significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(['\t', ' ', ':']);
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kilobytes = memory.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores ({model}), {} GiB, Linux {}, loopback", kilobytes >> 20, kernel.trim())
}

fn java() -> String {
    let output = std::process::Command::new("java").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("no Java").to_owned()
}
