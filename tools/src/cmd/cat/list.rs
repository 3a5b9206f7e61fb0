//! `-L` and `-Q`: what is in the cluster, and offsets by time.

use std::collections::BTreeMap;
use std::fmt::Write;

use rkafka_client::{Admin, ApiError, Metadata, OffsetSpec, TopicDescription};
use serde_json::Value;

use super::options::Options;
use crate::common::connect::Problem;
use crate::common::failure::Failure;
use crate::common::output;

/// Partitions in one DescribeTopicPartitions answer.
const PARTITIONS_PER_ANSWER: i32 = 2000;

type Topics = Vec<(String, Result<TopicDescription, ApiError>)>;

pub(super) async fn list(admin: &Admin, options: &Options) -> Result<(), Problem> {
    let cluster = admin.describe_cluster().await?;
    let names: Vec<String> = match options.topic.as_slice() {
        [] => admin.list_topics().await?.into_iter().map(|topic| topic.name).collect(),
        named => named.to_vec(),
    };
    let mut topics = if names.is_empty() {
        Vec::new()
    } else {
        admin.describe_topics(&names, PARTITIONS_PER_ANSWER).await?
    };
    topics.sort_by(|one, other| one.0.cmp(&other.0));
    let asked = match options.topic.as_slice() {
        [] => None,
        named => Some(named.join(",")),
    };
    let text = if options.json {
        json(&cluster, &topics, asked.as_deref())
    } else {
        lines(&cluster, &topics, asked.as_deref())
    };
    Ok(output::write(&text)?)
}

fn lines(cluster: &Metadata, topics: &Topics, asked: Option<&str>) -> String {
    let asked = asked.unwrap_or("all topics");
    let (id, name) = origin(cluster);
    let mut text =
        format!("Metadata for {asked} (from broker {id}: {name}):\n {} brokers:\n", cluster.brokers.len());
    for broker in cluster.brokers.values() {
        let role = if cluster.controller == Some(broker.id) { " (controller)" } else { "" };
        let _ = writeln!(text, "  broker {} at {}{role}", broker.id, broker.address);
    }
    let _ = writeln!(text, " {} topics:", topics.len());
    for (name, topic) in topics {
        match topic {
            Ok(topic) => {
                let _ = writeln!(text, "  topic \"{name}\" with {} partitions:", topic.partitions.len());
                for partition in &topic.partitions {
                    let _ = writeln!(
                        text,
                        "    partition {}, leader {}, replicas: {}, isrs: {}",
                        partition.index,
                        partition.leader.unwrap_or(-1),
                        joined(&partition.replicas),
                        joined(&partition.isr),
                    );
                }
            }
            Err(error) => {
                let _ = writeln!(text, "  topic \"{name}\" with 0 partitions: {}", error.message);
            }
        }
    }
    text
}

/// The fields in kcat's order.
fn json(cluster: &Metadata, topics: &Topics, asked: Option<&str>) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let ids = |ids: &[i32]| {
        let ids: Vec<String> = ids.iter().map(|id| format!("{{\"id\":{id}}}")).collect();
        ids.join(",")
    };
    let (id, name) = origin(cluster);
    let brokers: Vec<String> = cluster
        .brokers
        .values()
        .map(|broker| format!("{{\"id\":{},\"name\":{}}}", broker.id, quoted(&broker.address.to_string())))
        .collect();
    let partitions = |topic: &TopicDescription| {
        let one = topic.partitions.iter().map(|partition| {
            let (index, leader) = (partition.index, partition.leader.unwrap_or(-1));
            let (replicas, isr) = (ids(&partition.replicas), ids(&partition.isr));
            format!(
                "{{\"partition\":{index},\"leader\":{leader},\"replicas\":[{replicas}],\"isrs\":[{isr}]}}"
            )
        });
        one.collect::<Vec<_>>().join(",")
    };
    let topics: Vec<String> = topics
        .iter()
        .map(|(name, topic)| match topic {
            Ok(topic) => format!("{{\"topic\":{},\"partitions\":[{}]}}", quoted(name), partitions(topic)),
            Err(error) => {
                let (name, error) = (quoted(name), quoted(&error.message));
                format!("{{\"topic\":{name},\"error\":{error},\"partitions\":[]}}")
            }
        })
        .collect();
    let asked = quoted(asked.unwrap_or("*"));
    format!(
        "{{\"originating_broker\":{{\"id\":{id},\"name\":{}}},\"query\":{{\"topic\":{asked}}},\"controllerid\":{},\
         \"brokers\":[{}],\"topics\":[{}]}}\n",
        quoted(&name),
        cluster.controller.unwrap_or(-1),
        brokers.join(","),
        topics.join(",")
    )
}

/// The broker that is named as the source: any can tell, the controller's word is the newest.
fn origin(cluster: &Metadata) -> (i32, String) {
    let controller = cluster.controller.and_then(|id| cluster.brokers.get(&id));
    match controller.or_else(|| cluster.brokers.values().next()) {
        Some(broker) => (broker.id, format!("{}/{}", broker.address, broker.id)),
        None => (-1, "none".to_owned()),
    }
}

fn joined(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

pub(super) async fn query(
    admin: &Admin,
    wanted: &BTreeMap<(String, i32), OffsetSpec>,
) -> Result<(), Problem> {
    let mut text = String::new();
    let mut problems = Vec::new();
    for ((topic, partition), listed) in admin.list_offsets(wanted, false).await? {
        match listed {
            // No message is that young: the end.
            Ok(listed) => {
                let _ = writeln!(text, "{topic} [{partition}] offset {}", listed.offset.unwrap_or(-1));
            }
            Err(error) => problems.push(format!("% ERROR: {topic} [{partition}]: {}", error.message)),
        }
    }
    output::write(&text)?;
    if problems.is_empty() { Ok(()) } else { Err(Failure::message(problems.join("\n")).into()) }
}
