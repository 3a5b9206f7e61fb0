//! The same requests to Apache Kafka 4.3 and to rkafka; the answers must be equal.
//!
//! | file | what it does |
//! |---|---|
//! | `session.rs` | sends a script's requests and keeps the answers |
//! | `render.rs` | answers as text, with ids, times and ports masked |
//! | `intended.rs` | the differences that are meant to be, each with its reason |
//! | `pending.rs` | the differences that are not, step by step |
//! | `requests.rs` | short forms of requests |
//! | the others | scripts, by area |
//!
//! A script is a function of a [`Session`]; it runs on both brokers. Both transcripts are kept below
//! `target/differential/`. With `RKAFKA_TESTS_ON=apache` two Apache Kafkas are compared, which shows that a
//! script demands nothing that is left to chance.

mod apis;
mod commits;
mod configs;
pub(crate) mod fetch;
pub(crate) mod groups;
mod idempotence;
mod intended;
mod metadata;
mod offsets;
mod pending;
mod produce;
mod render;
pub(crate) mod requests;
pub(crate) mod session;
mod topics;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rkafka_tests::build;
use rkafka_tests::node::Node;
use similar::{ChangeTag, TextDiff};

use intended::{Difference, INTENDED};
use pending::PENDING;
use session::{Session, Step};

/// Apache Kafka and rkafka with the same settings.
struct Pair {
    apache: Node,
    rkafka: Node,
}

/// The pair that all scripts of this moment share: a JVM takes seconds to start, and scripts do not meet
/// since each has topics and groups of its own. The last one to go ends both.
fn pair() -> Arc<Pair> {
    static SHARED: Mutex<Weak<Pair>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pair) = shared.upgrade() {
        return pair;
    }
    let settings = [("num.partitions", "1"), ("log.retention.check.interval.ms", "3600000")];
    let pair = Arc::new(Pair { apache: Node::start_apache(&settings), rkafka: Node::start(&settings) });
    *shared = Arc::downgrade(&pair);
    pair
}

/// Runs `script` on both brokers and compares what they said.
///
/// # Panics
/// When they differ: with each differing answer, Apache Kafka's lines with `-`, rkafka's with `+`.
fn check(name: &str, script: fn(&mut Session)) {
    let pair = pair();
    let apache = transcript(name, "apache", &pair.apache, script);
    let rkafka = transcript(name, "rkafka", &pair.rkafka, script);
    let known: Vec<&Difference> =
        INTENDED.iter().chain(PENDING).filter(|difference| difference.script == name).collect();
    let mut used = vec![false; known.len()];
    let mut report = Report::default();
    for (theirs, ours) in paired(&apache, &rkafka) {
        let difference = difference(theirs, ours, &known, &mut used);
        report.add(if theirs.label.is_empty() { ours } else { theirs }, difference);
    }
    let report = report.text();
    assert!(report.is_empty(), "{name}: rkafka (+) differs from Apache Kafka (-)\n{report}");
    for (known, used) in known.iter().zip(used) {
        let explains = used || pair.rkafka.is_apache();
        assert!(
            explains,
            "{name}: no difference any more for {:?} {:?} ({}): take it off its list",
            known.label, known.line, known.reason
        );
    }
}

/// The answers of both to the same request; an empty one where only one of them was asked.
fn paired<'a>(apache: &'a [Step], rkafka: &'a [Step]) -> Vec<(&'a Step, &'a Step)> {
    static NONE: Step = Step { label: String::new(), request: String::new(), answer: String::new() };
    let mut left: Vec<&Step> = rkafka.iter().collect();
    let mut pairs = Vec::new();
    for theirs in apache {
        let ours = left.iter().position(|ours| ours.label == theirs.label);
        pairs.push((theirs, ours.map_or(&NONE, |index| left.remove(index))));
    }
    pairs.extend(left.into_iter().map(|ours| (&NONE, ours)));
    pairs
}

/// Differences, each one told once for all the versions that show it.
#[derive(Default)]
struct Report {
    /// What was asked, the first such request, the difference, the versions.
    found: Vec<(String, String, String, Vec<String>)>,
}

impl Report {
    fn add(&mut self, step: &Step, difference: String) {
        if difference.is_empty() {
            return;
        }
        let (label, version) = step.label.rsplit_once(", version ").unwrap_or((&step.label, ""));
        match self.found.iter_mut().find(|found| found.0 == label && found.2 == difference) {
            Some(same) => same.3.push(version.to_owned()),
            None => {
                let versions = vec![version.to_owned()];
                self.found.push((label.to_owned(), step.request.clone(), difference, versions));
            }
        }
    }

    fn text(&self) -> String {
        let shown = |(label, request, difference, versions): &(String, String, String, Vec<String>)| {
            format!("\n{label}, version {}\n  {request}\n{difference}", versions.join(" "))
        };
        self.found.iter().map(shown).collect()
    }
}

fn transcript(name: &str, product: &str, node: &Node, script: fn(&mut Session)) -> Vec<Step> {
    let mut session = Session::new(node.bootstrap());
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| script(&mut session)));
    let path = kept(name, product);
    let text: String = session.transcript.iter().map(shown).collect();
    std::fs::write(&path, text).expect("target/ is writable");
    if let Err(panic) = result {
        eprintln!("{name} ended early on {product}; its transcript is {}", path.display());
        std::panic::resume_unwind(panic);
    }
    session.transcript
}

fn kept(name: &str, product: &str) -> PathBuf {
    let folder = build::target().join("differential");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    folder.join(format!("{name}.{product}.txt"))
}

fn shown(step: &Step) -> String {
    let indented: String = step.answer.lines().map(|line| format!("    {line}\n")).collect();
    format!("{}\n  {}\n{indented}", step.label, step.request)
}

/// The differing lines of two answers, but for those that are known.
fn difference(apache: &Step, rkafka: &Step, known: &[&Difference], used: &mut [bool]) -> String {
    let mut text = String::new();
    for change in TextDiff::from_lines(&apache.answer, &rkafka.answer).iter_all_changes() {
        let label = if apache.label.is_empty() { &rkafka.label } else { &apache.label };
        let explains =
            |known: &&&Difference| label.starts_with(known.label) && change.value().contains(known.line);
        let sign = match change.tag() {
            ChangeTag::Equal => continue,
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        match known.iter().position(|one| explains(&one)) {
            Some(index) => used[index] = true,
            None => text.push_str(&format!("    {sign} {}", change.value())),
        }
    }
    text
}
