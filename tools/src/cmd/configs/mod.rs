//! `rkafka configs`: settings of topics, brokers, groups and clients' metrics, as `kafka-configs.sh` of Kafka 4.3 has
//! them, and as that of 2.2 where its `--zookeeper` is given.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and which go together |
//! | `changes.rs` | `--add-config`, `--delete-config` |
//! | `describe.rs` | describe |
//! | `quotas.rs` | users, clients and IP addresses: quotas and SCRAM credentials |
//!
//! Differences from the stock tool, all intended: entities are described in order; an error has no stack trace; where
//! the cluster serves no quotas or no SCRAM credentials, one line says so; a password that is not understood is not
//! repeated.

mod changes;
mod describe;
mod options;
mod quotas;

use clap::Args;
use rkafka_client::{Admin, ClientError};
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, Rows};
use options::{Entity, Options};

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("configs"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args(
        "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group",
    )?;
    let options: Options = invocation.parse()?;
    let entity = options.entity(&invocation.args).map_err(|failure| match failure {
        // The stock tool shows its help for some mistakes, and for others not.
        Failure::Usage { .. } => failure.or_hint(|| invocation.hint()),
        other => other,
    })?;
    let changes = options.changes().map_err(Failure::message)?;
    let config = options.connect.config("rkafka-configs")?;
    connect::with_cluster(config, async |admin| match (options.alter, entity.kind.has_quotas()) {
        (true, _) => alter(&admin, &options, &entity, &changes).await,
        (false, true) => quotas::describe(&admin, &options, &entity.target).await,
        (false, false) => describe::describe(&admin, &options, &entity).await,
    })
    .map_err(|problem| problem.told(|error| failed(invocation, error)))
}

fn failed(invocation: &Invocation, error: &ClientError) -> Failure {
    if let ClientError::Unsupported { api, address } = error {
        let request = format!("{api:?}");
        let what = match () {
            () if request.contains("Quota") => "quotas",
            () if request.contains("Scram") => "SCRAM credentials",
            () => "this request",
        };
        return Failure::message(format!(
            "The broker at {address} does not serve {what}: it has no {request}."
        ));
    }
    let args: Vec<_> = invocation.args.iter().map(|arg| arg.to_string_lossy()).collect();
    let start = format!("Error while executing config command with args '{}'", args.join(" "));
    Failure::message(format!(
        "{start}\njava.util.concurrent.ExecutionException: {}",
        connect::described(error)
    ))
}

async fn alter(
    admin: &Admin,
    options: &Options,
    entity: &Entity,
    changes: &changes::Changes,
) -> Result<(), Problem> {
    let name = entity.name.as_deref().unwrap_or_default();
    match entity.kind.resource(name) {
        Some(resource) => admin.incremental_alter_configs(&resource, changes, false).await??,
        None => quotas::alter(admin, &entity.target, changes).await?,
    }
    let mut rows = Rows::new(&["entity_type", "entity", "result"]);
    rows.push([json!(entity.kind.name()), json!(name), json!("altered")]);
    let (kind, singular) = (entity.kind.name(), entity.kind.singular());
    output::print(options.output.output, &rows, || match (&options.connect.zookeeper, name) {
        (Some(_), _) => format!("Completed Updating config for entity: {singular} '{name}'.\n"),
        (None, "") => format!("Completed updating default config for {kind} in the cluster.\n"),
        (None, name) => format!("Completed updating config for {singular} {name}.\n"),
    })?;
    Ok(())
}
