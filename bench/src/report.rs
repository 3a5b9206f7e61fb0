//! What a race found: every figure of every round, as JSON, and a Markdown table of medians and ratios.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::broker::Product;
use crate::plot::{self, Bar};

/// One figure of one scenario, once for each round and product.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    scenario: String,
    unit: String,
    rkafka: Vec<f64>,
    apache: Vec<f64>,
}

impl Figure {
    /// rkafka's figure as a fraction of the other's of the same round, for each round.
    fn ratios(&self) -> Vec<f64> {
        self.rkafka.iter().zip(&self.apache).map(|(ours, theirs)| ours / theirs).collect()
    }
}

/// All figures of a race and the circumstances.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    date: String,
    /// The product that rkafka is compared with.
    other: String,
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

    /// One about clients; larger figures are better there.
    pub(crate) fn of_clients(librdkafka: &str, rounds: usize, megabytes: u64) -> Self {
        Self::against("librdkafka", librdkafka, rounds, megabytes)
    }

    /// One about commands, beside the stock tools.
    pub(crate) fn of_commands(rounds: usize) -> Self {
        Self::against("Apache Kafka", "4.3.1", rounds, 0)
    }

    fn against(other: &'static str, version: &str, rounds: usize, megabytes: u64) -> Self {
        Self {
            date: chrono::Local::now().format("%Y-%m-%d").to_string(),
            other: other.to_owned(),
            machine: machine(),
            versions: format!("rkafka {}, {other} {version}, {}", env!("CARGO_PKG_VERSION"), java()),
            rounds,
            megabytes,
            figures: Vec::new(),
        }
    }

    /// What an earlier run saved as `name` in `folder`, with more rounds to come; or a report without figures.
    pub(crate) fn continued(folder: &Path, name: &str, rounds: usize, megabytes: u64) -> Result<Self> {
        let file = folder.join(format!("{name}.json"));
        if !file.exists() {
            return Ok(Self::new(rounds, megabytes));
        }
        let mut report: Self = serde_json::from_str(&std::fs::read_to_string(file)?)?;
        report.rounds += rounds;
        Ok(report)
    }

    /// Adds what one round of one product gave.
    pub(crate) fn add(&mut self, product: Product, scenario: &str, unit: &str, value: f64) {
        let known = |figure: &Figure| figure.scenario == scenario && figure.unit == unit;
        let at = self.figures.iter().position(known).unwrap_or_else(|| {
            let (scenario, unit) = (scenario.to_owned(), unit.to_owned());
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
        let amount = match self.megabytes {
            0 => String::new(),
            megabytes => format!(", {megabytes} MB a run"),
        };
        let mut text = format!(
            "{}; {}; {}. {} rounds{}; median (minimum–maximum); the ratio is rkafka's figure by {}'s of the same \
             round.\n\n",
            self.date, self.machine, self.versions, self.rounds, amount, self.other
        );
        let _ =
            writeln!(text, "| scenario | unit | rkafka | {} | ratio |\n|---|---|---:|---:|---:|", self.other);
        for figure in &self.figures {
            let Figure { scenario, unit, rkafka, apache } = figure;
            let (ours, theirs, ratio) = (summary(rkafka), summary(apache), summary(&figure.ratios()));
            let _ = writeln!(text, "| {scenario} | {unit} | {ours} | {theirs} | {ratio} |");
        }
        text
    }

    /// The picture of the ratios' medians, of the figures that both products have.
    fn picture(&self) -> String {
        let bar = |figure: &Figure| {
            let ratio = median(&figure.ratios())?;
            (ratio > 0.0).then(|| Bar { name: format!("{}: {}", figure.scenario, figure.unit), ratio })
        };
        let bars: Vec<Bar> = self.figures.iter().filter_map(bar).collect();
        let title = format!("rkafka's figure by {}'s, {} ({} rounds)", self.other, self.date, self.rounds);
        plot::ratios(&title, &bars)
    }

    /// Writes `<name>.json`, `<name>.md` and `<name>.svg`.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let json = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(folder.join(format!("{name}.json")), json)?;
        std::fs::write(folder.join(format!("{name}.svg")), self.picture())?;
        Ok(std::fs::write(folder.join(format!("{name}.md")), self.markdown())?)
    }
}

/// `median (minimum–maximum)`.
pub(crate) fn summary(figures: &[f64]) -> String {
    let sorted = finite(figures);
    let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else { return "–".to_owned() };
    let median = median(figures).unwrap_or(f64::NAN);
    if sorted.len() == 1 {
        short(*min)
    } else {
        format!("{} ({}–{})", short(median), short(*min), short(*max))
    }
}

fn median(figures: &[f64]) -> Option<f64> {
    let sorted = finite(figures);
    let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *sorted.get(sorted.len() / 2)?))
}

/// Those that are numbers, in order of size.
fn finite(figures: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = figures.iter().copied().filter(|figure| figure.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
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
