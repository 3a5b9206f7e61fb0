//! `--dry-run`: the file is checked already; this finds the topics and shows the first lines of what waits.

use rkafka_agent::plan::Component;
use rkafka_agent::plan::keys::sinks;
use rkafka_agent::preview::preview;
use rkafka_agent::sink::kafka::KafkaSink;
use rkafka_client::{Admin, ClientConfig};

use super::settings::Loaded;
use crate::common::failure::Failure;

/// How many events of each source are shown.
const SHOWN: usize = 5;

pub(super) fn run(loaded: &Loaded) -> Result<(), Failure> {
    let plan = &loaded.plan;
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    println!(
        "agent {}: {}, {}, {}",
        plan.agent,
        count(plan.sources.len(), "source"),
        count(plan.channels.len(), "channel"),
        count(plan.sinks.len(), "sink")
    );
    let mut problems = 0;
    for source in plan.sources.iter().filter(|source| source.definition.name == "spooldir") {
        problems += usize::from(!show_source(source));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::message(format!("cannot start the runtime: {error}")))?;
    for sink in plan.sinks.iter().filter(|sink| sink.names_topic()) {
        problems += usize::from(!runtime.block_on(show_sink(sink)));
    }
    if problems == 0 { Ok(()) } else { Err(Failure::Said) }
}

trait NamesTopic {
    fn names_topic(&self) -> bool;
}

impl NamesTopic for Component {
    fn names_topic(&self) -> bool {
        std::ptr::eq(self.definition, &raw const sinks::KAFKA)
    }
}

/// Says what waits in a source's directory; whether it can be read.
fn show_source(source: &Component) -> bool {
    match preview(source, SHOWN) {
        Ok(found) => {
            println!("source {}: {} files, {} bytes wait", source.name, found.files, found.bytes);
            if let Some(next) = &found.next {
                println!("  next: {}", next.display());
            }
            for body in &found.bodies {
                println!("  | {body}");
            }
            if let Some(problem) = &found.problem {
                println!("  problem: {problem}");
            }
            found.problem.is_none()
        }
        Err(error) => {
            println!("source {}: its directory cannot be read: {error}", source.name);
            false
        }
    }
}

/// Says whether a sink's topic is there.
async fn show_sink(component: &Component) -> bool {
    let sink = match KafkaSink::new(component) {
        Ok(sink) => sink,
        Err(error) => {
            println!("{error}");
            return false;
        }
    };
    let (servers, topic) = sink.target();
    let name = &component.name;
    let asked = async {
        let config = ClientConfig::new(&servers).map_err(|problem| problem.to_string())?;
        let admin = Admin::connect(config).await.map_err(|error| error.to_string())?;
        let described =
            admin.describe_topics(&[topic.to_owned()], 2_000).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(described.into_iter().next().map(|(_, result)| result))
    };
    match asked.await {
        Ok(Some(Ok(described))) => {
            println!("sink {name}: topic {topic} on {servers} has {} partitions", described.partitions.len());
            true
        }
        Ok(_) => {
            println!(
                "sink {name}: topic {topic} is not on {servers}: the first record makes it, if the brokers allow that"
            );
            true
        }
        Err(error) => {
            println!("sink {name}: {error}");
            false
        }
    }
}
