//! `rkafka broker-api-versions`: which requests each broker serves, as `kafka-broker-api-versions.sh` of Kafka 4.3
//! prints it. What is usable is what rkafka's own client knows.

use clap::Args;
use rkafka_client::{Admin, Broker, KnownApi, ServedApi};
use serde_json::{Value, json};

use super::Invocation;
use crate::common::connect::{self, BootstrapOptions, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka broker-api-versions --bootstrap-server localhost:9092
  rkafka broker-api-versions --bootstrap-server localhost:9092 --output table";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: BootstrapOptions,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("broker-api-versions"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args("This tool helps to retrieve broker version information.")?;
    let options: Options = invocation.parse()?;
    options.connect.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let config = options.connect.config("rkafka-broker-api-versions")?;
    let brokers = connect::with_cluster(config, async |admin| ask(&admin).await)
        .map_err(|problem| problem.told(|error| Failure::message(connect::described(error))))?;
    let known = KnownApi::all();
    let mut rows = Rows::new(&["broker", "key", "api", "min", "max", "usable"]);
    let mut plain = String::new();
    for (broker, served) in &brokers {
        match served {
            Ok(served) => {
                plain.push_str(&text(broker, served, &known));
                push(&mut rows, broker.id, served, &known);
            }
            Err(error) => plain.push_str(&format!("{} -> ERROR: {error}\n", name(broker))),
        }
    }
    output::print(options.output.output, &rows, || plain)
}

/// A broker, and what it serves or why that is not known.
type Asked = (Broker, Result<Vec<ServedApi>, String>);

async fn ask(admin: &Admin) -> Result<Vec<Asked>, Problem> {
    let mut answers = Vec::new();
    for broker in admin.describe_cluster().await?.brokers.into_values() {
        let served = admin.api_versions(broker.id).await.map_err(|error| connect::described(&error));
        answers.push((broker, served));
    }
    Ok(answers)
}

fn name(broker: &Broker) -> String {
    let Broker { id, address, rack, is_fenced } = broker;
    let rack = rack.as_deref().unwrap_or("null");
    format!("{}:{} (id: {id} rack: {rack} isFenced: {is_fenced})", address.host, address.port)
}

fn text(broker: &Broker, served: &[ServedApi], known: &[KnownApi]) -> String {
    let find = |key: i16| served.iter().find(|api| api.key == key);
    let of_known = known.iter().map(|api| match find(api.key) {
        None => format!("\t{}({}): UNSUPPORTED", api.name, api.key),
        Some(found) => {
            let range = range(found);
            format!("\t{}({}): {range} {}", api.name, api.key, usable_text(api, found))
        }
    });
    let unknown = served.iter().filter(|api| known.iter().all(|known| known.key != api.key));
    let of_unknown = unknown.map(|api| format!("\tUNKNOWN({}): {}", api.key, range(api)));
    let lines: Vec<String> = of_known.chain(of_unknown).collect();
    format!("{} -> (\n{}\n)\n", name(broker), lines.join(",\n"))
}

fn range(api: &ServedApi) -> String {
    if api.min == api.max { api.min.to_string() } else { format!("{} to {}", api.min, api.max) }
}

fn usable_text(known: &KnownApi, served: &ServedApi) -> String {
    match (usable(known, served), known.versions) {
        (Some(version), _) => format!("[usable: {version}]"),
        (None, Some((_, newest))) if served.min > newest => "[unusable: node too new]".to_owned(),
        (None, Some(_)) => "[unusable: node too old]".to_owned(),
        (None, None) => "[unusable: not known to this client]".to_owned(),
    }
}

/// The newest version that both know.
fn usable(known: &KnownApi, served: &ServedApi) -> Option<i16> {
    let (oldest, newest) = known.versions?;
    let best = newest.min(served.max);
    (best >= oldest && best >= served.min).then_some(best)
}

fn push(rows: &mut Rows, broker: i32, served: &[ServedApi], known: &[KnownApi]) {
    for api in served {
        let found = known.iter().find(|known| known.key == api.key);
        let name = found.map_or(Value::Null, |known| json!(known.name));
        let usable = json!(found.and_then(|known| usable(known, api)));
        rows.push([json!(broker), json!(api.key), name, json!(api.min), json!(api.max), usable]);
    }
}
