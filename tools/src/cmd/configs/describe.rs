//! `--describe`: the settings of one entity, or of every one of a kind.

use std::collections::BTreeSet;

use rkafka_client::{Admin, ClientError, ConfigEntry, ConfigSource, ResourceKind};
use serde_json::{Value, json};

use super::options::{Entity, EntityType, Options};
use crate::common::connect::Problem;
use crate::common::failure::Failure;
use crate::common::output::{self, Format, Rows};
use crate::common::similar::did_you_mean;

/// The settings of one entity that are to be shown.
struct Described {
    name: String,
    entries: Vec<ConfigEntry>,
}

pub(super) async fn describe(admin: &Admin, options: &Options, entity: &Entity) -> Result<(), Problem> {
    let known = known(admin, entity.kind).await?;
    let names: Vec<String> = match &entity.name {
        Some(name) if name.is_empty() || known.contains(name) => vec![name.clone()],
        Some(name) => {
            let kind = entity.kind.singular();
            let text = format!("The {kind} '{name}' doesn't exist and doesn't have dynamic config.\n");
            let meant = did_you_mean(name, known.iter().map(String::as_str));
            if !meant.is_empty() {
                eprintln!("{meant}");
            }
            return Ok(output::print(options.output.output, &rows(&[], entity.kind), || text)?);
        }
        // The default of all brokers comes last.
        None if entity.kind == EntityType::Brokers => known.into_iter().chain([String::new()]).collect(),
        None => known.into_iter().collect(),
    };
    let mut described = Vec::new();
    for name in names {
        if options.output.output == Format::Plain && options.connect.zookeeper.is_none() {
            output::write(&heading(options, entity.kind, &name))?;
        }
        let one = Described { entries: entries(admin, options, entity.kind, &name).await?, name };
        if options.output.output == Format::Plain {
            output::write(&lines(options, entity.kind, &one))?;
        }
        described.push(one);
    }
    Ok(output::print(options.output.output, &rows(&described, entity.kind), String::new)?)
}

/// The names of the entities of a kind.
async fn known(admin: &Admin, kind: EntityType) -> Result<BTreeSet<String>, Problem> {
    let with_settings = async |kind| match admin.list_config_resources(kind).await {
        Ok(names) => Ok(names),
        Err(ClientError::Unsupported { .. } | ClientError::TooOld { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    Ok(match kind {
        EntityType::Topics => admin.list_topics().await?.into_iter().map(|topic| topic.name).collect(),
        EntityType::Brokers | EntityType::BrokerLoggers => {
            admin.describe_cluster().await?.brokers.keys().map(i32::to_string).collect()
        }
        EntityType::Groups => {
            let groups = admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.id);
            groups.chain(with_settings(ResourceKind::Group).await?).collect()
        }
        EntityType::ClientMetrics => with_settings(ResourceKind::ClientMetrics).await?.into_iter().collect(),
        EntityType::Users | EntityType::Clients | EntityType::Ips => BTreeSet::new(),
    })
}

async fn entries(
    admin: &Admin,
    options: &Options,
    kind: EntityType,
    name: &str,
) -> Result<Vec<ConfigEntry>, Problem> {
    let source = match kind {
        EntityType::Topics => Some(ConfigSource::DynamicTopic),
        EntityType::Brokers if name.is_empty() => Some(ConfigSource::DynamicDefaultBroker),
        EntityType::Brokers => Some(ConfigSource::DynamicBroker),
        EntityType::ClientMetrics => Some(ConfigSource::ClientMetrics),
        EntityType::Groups => Some(ConfigSource::Group),
        _ => None,
    };
    let resource = kind.resource(name).ok_or_else(|| Failure::message("nothing to describe"))?;
    let mut entries = Vec::new();
    for (_, described) in admin.describe_configs(&[resource], true).await? {
        entries.extend(described?);
    }
    entries.retain(|entry| options.all || source.is_none_or(|source| entry.source == source));
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

fn heading(options: &Options, kind: EntityType, name: &str) -> String {
    let which = if options.all { "All" } else { "Dynamic" };
    match name {
        "" => format!("Default configs for {} in the cluster are:\n", kind.name()),
        name => format!("{which} configs for {} {name} are:\n", kind.singular()),
    }
}

fn lines(options: &Options, kind: EntityType, described: &Described) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    if options.connect.zookeeper.is_some() {
        let pairs = described.entries.iter().map(|entry| format!("{}={}", entry.name, value(&entry.value)));
        let pairs = pairs.collect::<Vec<_>>().join(",");
        return format!("Configs for {} '{}' are {pairs}\n", kind.singular(), described.name);
    }
    let line = |entry: &ConfigEntry| {
        let synonyms = entry
            .synonyms
            .iter()
            .map(|synonym| format!("{}:{}={}", synonym.source.name(), synonym.name, value(&synonym.value)));
        let synonyms = synonyms.collect::<Vec<_>>().join(", ");
        let (name, sensitive) = (&entry.name, entry.is_sensitive);
        format!("  {name}={} sensitive={sensitive} synonyms={{{synonyms}}}\n", value(&entry.value))
    };
    described.entries.iter().map(line).collect()
}

fn rows(described: &[Described], kind: EntityType) -> Rows {
    let mut rows = Rows::new(&["entity_type", "entity", "name", "value", "source", "sensitive", "synonyms"]);
    for one in described {
        for entry in &one.entries {
            let synonyms: Vec<Value> = entry
                .synonyms
                .iter()
                .map(|synonym| {
                    json!({"source": synonym.source.name(), "name": synonym.name, "value": synonym.value})
                })
                .collect();
            rows.push([
                json!(kind.name()),
                json!(one.name),
                json!(entry.name),
                json!(entry.value),
                json!(entry.source.name()),
                json!(entry.is_sensitive),
                json!(synonyms),
            ]);
        }
    }
    rows
}
