//! `rkafka cluster`: the cluster's id, its endpoints, forgetting a broker; as `kafka-cluster.sh` of Kafka 4.3.

use std::path::PathBuf;

use clap::Args;
use rkafka_client::{Admin, Broker, ClientError};
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka cluster cluster-id --bootstrap-server localhost:9092
  rkafka cluster list-endpoints --bootstrap-server localhost:9092
  rkafka cluster unregister --bootstrap-server localhost:9092 --id 3";

const ACTIONS: [&str; 3] = ["cluster-id", "unregister", "list-endpoints"];

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// What to do: cluster-id, unregister or list-endpoints.
    #[arg(value_name = "cluster-id|unregister|list-endpoints")]
    action: Option<String>,
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, short, value_name = "BOOTSTRAP_SERVER")]
    bootstrap_server: Option<String>,
    /// Not served: rkafka's controllers are reached through its brokers.
    #[arg(long, short = 'C', value_name = "BOOTSTRAP_CONTROLLER")]
    bootstrap_controller: Option<String>,
    /// Property file with settings of the client.
    #[arg(long, value_name = "COMMAND_CONFIG")]
    command_config: Option<PathBuf>,
    /// DEPRECATED: the older name of --command-config.
    #[arg(long, short, value_name = "CONFIG")]
    config: Option<PathBuf>,
    /// The broker to unregister.
    #[arg(long, short, value_name = "ID")]
    id: Option<i32>,
    /// List brokers that are registered but not serving, too.
    #[arg(long)]
    include_fenced_brokers: bool,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("cluster"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    options.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let file = match (&options.config, &options.command_config) {
        (Some(file), _) => {
            println!(
                "Option --config has been deprecated and will be removed in a future version. Use --command-config \
                 instead."
            );
            Some(file)
        }
        (None, file) => file.as_ref(),
    };
    let servers = options.bootstrap_server.as_deref();
    let config = connect::client_config(servers, file.map(PathBuf::as_path), "rkafka-cluster")?;
    connect::with_cluster(config, async |admin| match options.action.as_deref() {
        Some("unregister") => unregister(&admin, options.id.unwrap_or(-1)).await,
        Some("list-endpoints") => list_endpoints(&admin, &options).await,
        _ => cluster_id(&admin, &options).await,
    })
    .map_err(|problem| problem.told(|error| Failure::message(connect::described(error))))
}

impl Options {
    fn check(&self) -> Result<(), Failure> {
        let action = match self.action.as_deref() {
            None => return Err(Failure::usage("too few arguments")),
            Some(action) if ACTIONS.contains(&action) => action,
            Some(other) => {
                let choices = ACTIONS.map(|action| format!("'{action}'")).join(", ");
                return Err(Failure::usage(format!("invalid choice: '{other}' (choose from {choices})")));
            }
        };
        if self.bootstrap_controller.is_some() {
            return Err(Failure::usage(
                "--bootstrap-controller is not served: name a broker with --bootstrap-server",
            ));
        }
        if self.bootstrap_server.is_none() {
            let one_of = "one of the arguments --bootstrap-server/-b --bootstrap-controller/-C is required";
            return Err(Failure::usage(one_of));
        }
        if self.config.is_some() && self.command_config.is_some() {
            return Err(Failure::usage("--config and --command-config cannot be specified together."));
        }
        match (action, self.id) {
            ("unregister", None) => Err(Failure::usage("argument --id/-i is required")),
            ("unregister", Some(_)) | (_, None) => Ok(()),
            (_, Some(_)) => Err(Failure::usage("unrecognized arguments: '--id'")),
        }
    }
}

async fn cluster_id(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let id = admin.describe_cluster().await?.cluster_id;
    let mut rows = Rows::new(&["cluster_id"]);
    rows.push([json!(id)]);
    output::print(options.output.output, &rows, || match id {
        Some(id) => format!("Cluster ID: {id}\n"),
        None => "No cluster ID found. The Kafka version is probably too old.\n".to_owned(),
    })?;
    Ok(())
}

async fn unregister(admin: &Admin, id: i32) -> Result<(), Problem> {
    let text = match admin.unregister_broker(id).await {
        Ok(()) => format!("Broker {id} is no longer registered.\n"),
        Err(ClientError::Unsupported { .. }) => {
            "The target cluster does not support the broker unregistration API.\n".to_owned()
        }
        Err(error) => return Err(error.into()),
    };
    output::write(&text)?;
    Ok(())
}

async fn list_endpoints(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let brokers: Vec<Broker> = admin.describe_cluster().await?.brokers.into_values().collect();
    let shown: Vec<Broker> =
        brokers.into_iter().filter(|broker| options.include_fenced_brokers || !broker.is_fenced).collect();
    let state = |broker: &Broker| if broker.is_fenced { "fenced" } else { "unfenced" };
    let mut rows = Rows::new(&["id", "host", "port", "rack", "state", "endpoint_type"]);
    for broker in &shown {
        let (host, port) = (json!(broker.address.host), json!(broker.address.port));
        let rack = json!(broker.rack);
        rows.push([json!(broker.id), host, port, rack, json!(state(broker)), json!("broker")]);
    }
    output::print(options.output.output, &rows, || {
        let widest = |lengths: &mut dyn Iterator<Item = usize>, least| lengths.max().unwrap_or(least);
        let host_width = widest(&mut shown.iter().map(|broker| broker.address.host.chars().count()), 100);
        let racks =
            &mut shown.iter().filter_map(|broker| broker.rack.as_ref()).map(|rack| rack.chars().count());
        let rack_width = widest(racks, 10);
        let line = |id: &str, host: &str, port: &str, rack: &str, state: &str, kind: &str| {
            format!("{id:<10} {host:<host_width$} {port:<10} {rack:<rack_width$} {state:<10} {kind:<15}\n")
        };
        let mut text = line("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
        for broker in &shown {
            let (id, port) = (broker.id.to_string(), broker.address.port.to_string());
            let rack = broker.rack.as_deref().unwrap_or("null");
            text.push_str(&line(&id, &broker.address.host, &port, rack, state(broker), "broker"));
        }
        text
    })?;
    Ok(())
}
