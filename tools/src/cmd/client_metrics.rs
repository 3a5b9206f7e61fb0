//! `rkafka client-metrics`: subscriptions to clients' metrics (KIP-714), as `kafka-client-metrics.sh` of Kafka 4.3.
//!
//! Differences from the stock tool, all intended: subscriptions are in order; an error has no stack trace.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use rkafka_client::{Admin, AlterConfigOp, ConfigEntry, ConfigResource, ResourceKind};
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, BootstrapOptions, Problem, Tool};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka client-metrics --bootstrap-server localhost:9092 --list
  rkafka client-metrics --bootstrap-server localhost:9092 --alter --name slow --interval 60000 \\
    --metrics org.apache.kafka.producer. --match client_software_name=apache-kafka-java";

const ABOUT: &str = "This tool helps to manipulate and describe client metrics configurations.";

const TOOL: Tool =
    Tool { what: "client metrics command", class: "org.apache.kafka.tools.ClientMetricsCommand" };

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: BootstrapOptions,
    /// Alter the configuration for the client metrics resource.
    #[arg(long, help_heading = "Action")]
    alter: bool,
    /// Delete the configuration for the client metrics resource.
    #[arg(long, help_heading = "Action")]
    delete: bool,
    /// List configurations for the client metrics resource.
    #[arg(long, help_heading = "Action")]
    describe: bool,
    /// List the client metrics resources.
    #[arg(long, help_heading = "Action")]
    list: bool,
    /// Name of client metrics configuration resource.
    #[arg(long, value_name = "name")]
    name: Option<String>,
    /// Generate a UUID to use as the name.
    #[arg(long)]
    generate_name: bool,
    /// The metrics push interval in milliseconds; empty for the default.
    #[arg(long, value_name = "push interval")]
    interval: Option<String>,
    /// Matching selector: client_id, client_instance_id, client_software_name, client_software_version,
    /// client_source_address or client_source_port.
    #[arg(long, value_name = "k1=v1,k2=v2")]
    r#match: Vec<String>,
    /// Telemetry metric name prefixes.
    #[arg(long, value_name = "m1,m2")]
    metrics: Vec<String>,
    #[command(flatten)]
    output: OutputOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Alter,
    Delete,
    Describe,
    List,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("client-metrics"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args(ABOUT)?;
    let options: Options = invocation.parse()?;
    let action = options.action().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let config = options.connect.config("rkafka-client-metrics")?;
    let work = async |admin: Admin| match action {
        Action::Alter => alter(&admin, &options).await,
        Action::Delete => delete(&admin, &options).await,
        Action::Describe => describe(&admin, &options).await,
        Action::List => list(&admin, &options).await,
    };
    connect::with_cluster(config, work).map_err(|problem| problem.told(|error| TOOL.client_error(error)))
}

impl Options {
    /// What is to be done; the stock tool's checks in its order and words.
    fn action(&self) -> Result<Action, Failure> {
        let given = [
            (self.alter, Action::Alter),
            (self.delete, Action::Delete),
            (self.describe, Action::Describe),
            (self.list, Action::List),
        ];
        let mut given = given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, action)| action);
        let (Some(action), None) = (given.next(), given.next()) else {
            let problem = "Command must include exactly one action: --alter, --delete, --describe or --list.";
            return Err(Failure::usage(problem));
        };
        if self.connect.bootstrap_server.is_none() {
            return Err(Failure::message("--bootstrap-server must be specified."));
        }
        let of_alter = [
            ("generate-name", self.generate_name),
            ("interval", self.interval.is_some()),
            ("match", !self.r#match.is_empty()),
            ("metrics", !self.metrics.is_empty()),
        ];
        let (main, clashing) = match action {
            Action::Alter => ("alter", None),
            Action::Delete => ("delete", of_alter.iter().find(|(_, is_given)| *is_given)),
            Action::Describe => ("describe", of_alter.iter().find(|(_, is_given)| *is_given)),
            Action::List if self.name.is_some() => ("list", Some(&("name", true))),
            Action::List => ("list", of_alter.iter().find(|(_, is_given)| *is_given)),
        };
        if let Some((option, _)) = clashing {
            let problem = format!("Option \"[{main}]\" can't be used with option \"[{option}]\"");
            return Err(Failure::usage(problem));
        }
        let is_interval = |text: &String| text.is_empty() || text.parse::<i32>().is_ok();
        match action {
            Action::Alter if self.interval.as_ref().is_some_and(|text| !is_interval(text)) => {
                let problem = "Invalid interval value. Enter an integer, or leave empty to reset.";
                Err(Failure::message(problem))
            }
            Action::Alter if self.name.is_some() == self.generate_name => {
                Err(Failure::message("One of --name or --generate-name must be specified with --alter."))
            }
            Action::Delete if self.name.is_none() => {
                Err(Failure::message("A client metrics resource name must be specified with --delete."))
            }
            _ => Ok(action),
        }
    }

    fn changes(&self) -> BTreeMap<String, AlterConfigOp> {
        let interval = self.interval.clone().map(|interval| ("interval.ms", interval));
        let metrics = (!self.metrics.is_empty()).then(|| ("metrics", self.metrics.join(",")));
        let matching = (!self.r#match.is_empty()).then(|| ("match", self.r#match.join(",")));
        // An empty value takes the setting away.
        let change = |(name, value): (&str, String)| {
            let change = if value.is_empty() { AlterConfigOp::Delete } else { AlterConfigOp::Set(value) };
            (name.to_owned(), change)
        };
        [interval, metrics, matching].into_iter().flatten().map(change).collect()
    }
}

fn resource(name: &str) -> ConfigResource {
    ConfigResource { kind: ResourceKind::ClientMetrics, name: name.to_owned() }
}

async fn alter(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let name = match &options.name {
        Some(name) => name.clone(),
        None => generated_name(),
    };
    admin.incremental_alter_configs(&resource(&name), &options.changes(), false).await??;
    done(options, &name, "altered", || format!("Altered client metrics config for {name}.\n"))
}

async fn delete(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let name = options.name.as_deref().unwrap_or_default();
    let present = entries(admin, name).await?;
    let changes = present.into_iter().map(|entry| (entry.name, AlterConfigOp::Delete)).collect();
    admin.incremental_alter_configs(&resource(name), &changes, false).await??;
    done(options, name, "deleted", || format!("Deleted client metrics config for {name}.\n"))
}

fn done(options: &Options, name: &str, what: &str, text: impl FnOnce() -> String) -> Result<(), Problem> {
    let mut rows = Rows::new(&["name", "result"]);
    rows.push([json!(name), json!(what)]);
    Ok(output::print(options.output.output, &rows, text)?)
}

async fn describe(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let known = known(admin).await?;
    let mut rows = Rows::new(&["name", "setting", "value"]);
    let mut text = String::new();
    let names = match &options.name {
        Some(name) if known.contains(name) => vec![name.clone()],
        Some(name) => {
            text =
                format!("The client metric resource {name} doesn't exist and doesn't have dynamic config.\n");
            Vec::new()
        }
        None => known,
    };
    for name in names {
        text.push_str(&format!("Client metrics configs for {name} are:\n"));
        for entry in entries(admin, &name).await? {
            let value = entry.value.as_deref().unwrap_or("null");
            text.push_str(&format!("  {}={value}\n", entry.name));
            rows.push([json!(name), json!(entry.name), json!(entry.value)]);
        }
    }
    Ok(output::print(options.output.output, &rows, || text)?)
}

async fn list(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let names = known(admin).await?;
    let mut rows = Rows::new(&["name"]);
    for name in &names {
        rows.push([json!(name)]);
    }
    Ok(output::print(options.output.output, &rows, || format!("{}\n", names.join("\n")))?)
}

async fn known(admin: &Admin) -> Result<Vec<String>, Problem> {
    let mut names = admin.list_config_resources(ResourceKind::ClientMetrics).await?;
    names.sort();
    Ok(names)
}

async fn entries(admin: &Admin, name: &str) -> Result<Vec<ConfigEntry>, Problem> {
    let mut entries = Vec::new();
    for (_, described) in admin.describe_configs(&[resource(name)], false).await? {
        entries.extend(described?);
    }
    Ok(entries)
}

/// A UUID as Kafka writes one; none that would begin like an option.
fn generated_name() -> String {
    std::iter::repeat_with(|| URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes()))
        .find(|name| !name.starts_with('-'))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::common::args;

    fn options(line: &str) -> Options {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        args::parse(&args::finish_definition(definition()), &words).unwrap()
    }

    #[test]
    fn which_options_go_together() {
        let check = |line: &str, expected: Result<Action, &str>| {
            let found = options(line).action().map_err(|failure| match failure {
                Failure::Usage { message, .. } | Failure::Message(message) => message,
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected.map_err(str::to_owned), "{line}");
        };
        let one = "Command must include exactly one action: --alter, --delete, --describe or --list.";
        check("--bootstrap-server a:1", Err(one));
        check("--list --describe", Err(one));
        check("--list", Err("--bootstrap-server must be specified."));
        check("--bootstrap-server a:1 --list", Ok(Action::List));
        check(
            "--bootstrap-server a:1 --list --name m",
            Err("Option \"[list]\" can't be used with option \"[name]\""),
        );
        check(
            "--bootstrap-server a:1 --delete --name m --interval 1",
            Err("Option \"[delete]\" can't be used with option \"[interval]\""),
        );
        check(
            "--bootstrap-server a:1 --alter --name m --generate-name",
            Err("One of --name or --generate-name must be specified with --alter."),
        );
        check(
            "--bootstrap-server a:1 --delete",
            Err("A client metrics resource name must be specified with --delete."),
        );
    }

    #[test]
    fn changes() {
        let changes = options("--interval 5 --metrics a,b --metrics= --match=").changes();
        let expected = [
            ("interval.ms".to_owned(), AlterConfigOp::Set("5".to_owned())),
            ("match".to_owned(), AlterConfigOp::Delete),
            ("metrics".to_owned(), AlterConfigOp::Set("a,b,".to_owned())),
        ];
        assert_eq!(changes.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(generated_name().len(), 22);
    }
}
