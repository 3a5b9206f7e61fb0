//! `--describe`: topics with their partitions, in the stock tool's lines, as a table or as JSON.

use std::collections::{BTreeMap, BTreeSet};

use rkafka_client::{
    Admin, ClientError, ConfigEntry, ConfigResource, ErrorCode, PartitionInfo, Reassignment,
    TopicDescription, TopicId,
};
use serde_json::{Value, json};

use super::options::Options;
use super::{TOOL, absent, existing, matching};
use crate::common::connect;
use crate::common::failure::Failure;
use crate::common::output::{self, Format, Rows};

/// Partitions in one answer unless the option says otherwise.
const PARTITIONS_PER_ANSWER: i32 = 2000;

/// Everything about one topic.
struct Described {
    topic: TopicDescription,
    configs: Vec<ConfigEntry>,
    moving: BTreeMap<i32, Reassignment>,
}

/// What a description shows, by the options and the brokers that live.
struct Selection<'a> {
    options: &'a Options,
    live_brokers: BTreeSet<i32>,
}

pub(super) fn describe(options: &Options) -> Result<(), Failure> {
    let config = options.connect.config("rkafka-topics")?;
    if options.if_exists && options.topic.is_some() && options.topic_id.is_some() {
        let rule = "when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID";
        println!("Only topic id will be used {rule}");
    }
    let (topics, live_brokers) =
        connect::with_admin(TOOL, config, async |admin| gather(&admin, options).await)?;
    let selection = Selection { options, live_brokers };
    match options.output.output {
        Format::Plain => output::write(&selection.lines(&topics)),
        Format::Table => output::write(&selection.rows(&topics).table(output::colours())),
        Format::Json => output::write(&format!("{:#}\n", selection.json(&topics))),
    }
}

async fn gather(admin: &Admin, options: &Options) -> Result<(Vec<Described>, BTreeSet<i32>), Failure> {
    let failed = |error: ClientError| TOOL.client_error(&error);
    let descriptions = described_topics(admin, options).await?;
    let resources: Vec<_> = descriptions.iter().map(|topic| ConfigResource::topic(&topic.name)).collect();
    let mut configs: BTreeMap<String, Vec<ConfigEntry>> = BTreeMap::new();
    if !resources.is_empty() {
        for (resource, entries) in admin.describe_configs(&resources, false).await.map_err(failed)? {
            configs.insert(resource.name, entries.map_err(|error| TOOL.api_error(&error))?);
        }
    }
    let cluster = admin.describe_cluster().await.map_err(failed)?;
    let mut moving: BTreeMap<String, BTreeMap<i32, Reassignment>> = BTreeMap::new();
    for ((topic, index), reassignment) in reassignments(admin).await? {
        moving.entry(topic).or_default().insert(index, reassignment);
    }
    let topics = descriptions.into_iter().map(|topic| Described {
        configs: configs.remove(&topic.name).unwrap_or_default(),
        moving: moving.remove(&topic.name).unwrap_or_default(),
        topic,
    });
    Ok((topics.collect(), cluster.brokers.into_keys().collect()))
}

async fn described_topics(admin: &Admin, options: &Options) -> Result<Vec<TopicDescription>, Failure> {
    let found = match options.topic_id.as_deref() {
        Some(text) => {
            let id: TopicId = text.parse().map_err(|error: rkafka_client::ParseTopicIdError| {
                TOOL.error("java.lang.IllegalArgumentException", error.to_string())
            })?;
            if id.is_zero() { None } else { Some(by_id(admin, options, id).await?) }
        }
        None => None,
    };
    let found = match found {
        Some(found) => found,
        None => {
            let names = existing(admin, options).await?;
            let limit = options.partition_size_limit_per_response.unwrap_or(PARTITIONS_PER_ANSWER);
            admin.describe_topics(&names, limit).await.map_err(|error| TOOL.client_error(&error))?
        }
    };
    found.into_iter().map(|(_, topic)| topic.map_err(|error| TOOL.api_error(&error))).collect()
}

async fn by_id(
    admin: &Admin,
    options: &Options,
    id: TopicId,
) -> Result<rkafka_client::admin::Each<String, TopicDescription>, Failure> {
    let all = matching(admin, options, None).await?;
    if !all.iter().any(|topic| topic.id == id) {
        return if options.if_exists { Ok(Vec::new()) } else { Err(absent("TopicId", &id.to_string())) };
    }
    admin.describe_topics_by_id(&[id]).await.map_err(|error| TOOL.client_error(&error))
}

/// Partitions being moved; none where the broker cannot tell or does not let us know.
async fn reassignments(admin: &Admin) -> Result<BTreeMap<(String, i32), Reassignment>, Failure> {
    match admin.list_reassignments().await {
        Ok(moving) => Ok(moving),
        Err(ClientError::Unsupported { .. }) => Ok(BTreeMap::new()),
        Err(error) if error.code() == Some(ErrorCode::ClusterAuthorizationFailed) => Ok(BTreeMap::new()),
        Err(error) => Err(TOOL.client_error(&error)),
    }
}

impl Described {
    fn overrides(&self) -> impl Iterator<Item = &ConfigEntry> {
        self.configs.iter().filter(|entry| !entry.is_default())
    }

    /// Replicas of a partition, those that are only on their way not counted.
    fn replication_factor(&self, partition: &PartitionInfo) -> usize {
        match self.moving.get(&partition.index) {
            // A move that has ended meanwhile leaves none of its replicas behind.
            Some(moving)
                if partition
                    .replicas
                    .iter()
                    .any(|id| moving.adding.contains(id) || moving.removing.contains(id)) =>
            {
                moving.replicas.len().saturating_sub(moving.adding.len())
            }
            _ => partition.replicas.len(),
        }
    }

    fn topic_replication_factor(&self) -> usize {
        self.topic.partitions.first().map_or(0, |partition| self.replication_factor(partition))
    }

    fn min_insync_replicas(&self) -> usize {
        let entry = self.configs.iter().find(|entry| entry.name == "min.insync.replicas");
        entry.and_then(|entry| entry.value.as_deref()).and_then(|value| value.parse().ok()).unwrap_or(1)
    }
}

impl Selection<'_> {
    /// Whether only partitions in some kind of trouble are asked for.
    fn by_trouble(&self) -> bool {
        let options = self.options;
        options.unavailable_partitions
            || options.under_replicated_partitions
            || options.under_min_isr_partitions
            || options.at_min_isr_partitions
    }

    fn shows_topic(&self, described: &Described) -> bool {
        !self.by_trouble() && (!self.options.topics_with_overrides || described.overrides().next().is_some())
    }

    fn shows_partition(&self, described: &Described, partition: &PartitionInfo) -> bool {
        let options = self.options;
        if options.topics_with_overrides {
            return false;
        }
        let in_sync = partition.isr.len();
        let min = described.min_insync_replicas();
        !self.by_trouble()
            || (options.under_replicated_partitions && described.replication_factor(partition) > in_sync)
            || (options.unavailable_partitions
                && partition.leader.is_none_or(|leader| !self.live_brokers.contains(&leader)))
            || (options.under_min_isr_partitions && (partition.leader.is_none() || in_sync < min))
            || (options.at_min_isr_partitions && in_sync == min)
    }

    /// The stock tool's lines.
    fn lines(&self, topics: &[Described]) -> String {
        let mut lines = String::new();
        for described in topics {
            if self.shows_topic(described) {
                lines.push_str(&topic_line(described));
            }
            for partition in &described.topic.partitions {
                if self.shows_partition(described, partition) {
                    let moving = described.moving.get(&partition.index);
                    lines.push_str(&partition_line(&described.topic.name, partition, moving));
                }
            }
        }
        lines
    }

    /// A row a partition, or a topic where partitions are not asked for.
    fn rows(&self, topics: &[Described]) -> Rows {
        if self.options.topics_with_overrides {
            let mut rows = Rows::new(&["topic", "topic_id", "partitions", "replication_factor", "configs"]);
            for described in topics.iter().filter(|described| self.shows_topic(described)) {
                let topic = &described.topic;
                let (count, factor) = (topic.partitions.len(), described.topic_replication_factor());
                rows.push([json!(topic.name), id(topic), json!(count), json!(factor), configs(described)]);
            }
            return rows;
        }
        let mut rows = Rows::new(&["topic", "partition", "leader", "replicas", "isr", "elr", "configs"]);
        for described in topics {
            for partition in &described.topic.partitions {
                if self.shows_partition(described, partition) {
                    rows.push([
                        json!(described.topic.name),
                        json!(partition.index),
                        json!(partition.leader),
                        json!(partition.replicas),
                        json!(partition.isr),
                        json!(partition.elr),
                        configs(described),
                    ]);
                }
            }
        }
        rows
    }

    /// Topics with their partitions inside.
    fn json(&self, topics: &[Described]) -> Value {
        let topics = topics.iter().filter_map(|described| {
            let shown = described.topic.partitions.iter().filter(|one| self.shows_partition(described, one));
            let partitions: Vec<Value> =
                shown.map(|one| partition_json(one, described.moving.get(&one.index))).collect();
            if partitions.is_empty() && !self.shows_topic(described) {
                return None;
            }
            Some(json!({
                "topic": described.topic.name,
                "topic_id": id(&described.topic),
                "partition_count": described.topic.partitions.len(),
                "replication_factor": described.topic_replication_factor(),
                "configs": configs(described),
                "partitions": partitions,
            }))
        });
        Value::Array(topics.collect())
    }
}

fn id(topic: &TopicDescription) -> Value {
    json!((!topic.id.is_zero()).then(|| topic.id.to_string()))
}

fn configs(described: &Described) -> Value {
    described.overrides().map(|entry| (entry.name.clone(), json!(entry.value))).collect()
}

fn topic_line(described: &Described) -> String {
    let topic = &described.topic;
    let configs: Vec<String> = described
        .overrides()
        .map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null")))
        .collect();
    let id = if topic.id.is_zero() { String::new() } else { format!("\tTopicId: {}", topic.id) };
    format!(
        "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}\n",
        topic.name,
        topic.partitions.len(),
        described.topic_replication_factor(),
        configs.join(",")
    )
}

fn partition_line(topic: &str, partition: &PartitionInfo, moving: Option<&Reassignment>) -> String {
    let moving = moving.map_or_else(String::new, |moving| {
        format!("\tAdding Replicas: {}\tRemoving Replicas: {}", list(&moving.adding), list(&moving.removing))
    });
    let maybe = |replicas: &Option<Vec<i32>>| replicas.as_deref().map_or("N/A".to_owned(), list);
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}{moving}\tElr: {}\tLastKnownElr: {}\n",
        partition.index,
        partition.leader.map_or("none".to_owned(), |leader| leader.to_string()),
        list(&partition.replicas),
        list(&partition.isr),
        maybe(&partition.elr),
        maybe(&partition.last_known_elr),
    )
}

fn partition_json(partition: &PartitionInfo, moving: Option<&Reassignment>) -> Value {
    let mut value = json!({
        "partition": partition.index,
        "leader": partition.leader,
        "leader_epoch": partition.leader_epoch,
        "replicas": partition.replicas,
        "isr": partition.isr,
        "elr": partition.elr,
        "last_known_elr": partition.last_known_elr,
    });
    if let (Some(moving), Some(object)) = (moving, value.as_object_mut()) {
        object.insert("adding_replicas".to_owned(), json!(moving.adding));
        object.insert("removing_replicas".to_owned(), json!(moving.removing));
    }
    value
}

fn list(ids: &[i32]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use rkafka_client::ConfigSource;

    use super::*;

    fn partition(index: i32, leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> PartitionInfo {
        PartitionInfo {
            index,
            leader,
            leader_epoch: Some(0),
            replicas: replicas.to_vec(),
            isr: isr.to_vec(),
            elr: Some(Vec::new()),
            last_known_elr: None,
        }
    }

    fn entry(name: &str, value: &str, source: ConfigSource) -> ConfigEntry {
        ConfigEntry {
            name: name.into(),
            value: Some(value.into()),
            source,
            is_sensitive: false,
            is_read_only: false,
            synonyms: Vec::new(),
            documentation: None,
        }
    }

    fn described(name: &str, partitions: Vec<PartitionInfo>, configs: Vec<ConfigEntry>) -> Described {
        let id = "KsZDyPzxQw-Wcq_OVjnl3w".parse().unwrap();
        let topic = TopicDescription { name: name.into(), id, is_internal: false, partitions };
        Described { topic, configs, moving: BTreeMap::new() }
    }

    fn topics() -> Vec<Described> {
        let min = || entry("min.insync.replicas", "2", ConfigSource::Default);
        let orders = vec![
            partition(0, Some(1), &[1, 2, 3], &[1, 2, 3]),
            partition(1, Some(2), &[2, 3, 1], &[2, 3]),
            partition(2, None, &[3, 1, 2], &[3]),
            partition(3, Some(9), &[9, 1, 2], &[9]),
        ];
        let flush = entry("flush.messages", "1", ConfigSource::DynamicTopic);
        let mut moved = described("orders", orders, vec![flush, min()]);
        moved
            .moving
            .insert(1, Reassignment { replicas: vec![2, 3, 1], adding: vec![1], removing: Vec::new() });
        vec![moved, described("plain", vec![partition(0, Some(1), &[1], &[1])], vec![min()])]
    }

    fn check(change: impl Fn(&mut Options), expected: &Expect) {
        let mut options = Options::default();
        change(&mut options);
        let selection = Selection { options: &options, live_brokers: [1, 2, 3].into() };
        expected.assert_eq(&selection.lines(&topics()).replace('\t', "⇥"));
    }

    #[test]
    fn the_lines_of_the_stock_tool() {
        check(
            |_| {},
            &expect![[r#"
            Topic: orders⇥TopicId: KsZDyPzxQw-Wcq_OVjnl3w⇥PartitionCount: 4⇥ReplicationFactor: 3⇥Configs: flush.messages=1
            ⇥Topic: orders⇥Partition: 0⇥Leader: 1⇥Replicas: 1,2,3⇥Isr: 1,2,3⇥Elr: ⇥LastKnownElr: N/A
            ⇥Topic: orders⇥Partition: 1⇥Leader: 2⇥Replicas: 2,3,1⇥Isr: 2,3⇥Adding Replicas: 1⇥Removing Replicas: ⇥Elr: ⇥LastKnownElr: N/A
            ⇥Topic: orders⇥Partition: 2⇥Leader: none⇥Replicas: 3,1,2⇥Isr: 3⇥Elr: ⇥LastKnownElr: N/A
            ⇥Topic: orders⇥Partition: 3⇥Leader: 9⇥Replicas: 9,1,2⇥Isr: 9⇥Elr: ⇥LastKnownElr: N/A
            Topic: plain⇥TopicId: KsZDyPzxQw-Wcq_OVjnl3w⇥PartitionCount: 1⇥ReplicationFactor: 1⇥Configs: 
            ⇥Topic: plain⇥Partition: 0⇥Leader: 1⇥Replicas: 1⇥Isr: 1⇥Elr: ⇥LastKnownElr: N/A
        "#]],
        );
    }

    #[test]
    fn filters() {
        check(
            |options| options.under_replicated_partitions = true,
            &expect![[r#"
            ⇥Topic: orders⇥Partition: 2⇥Leader: none⇥Replicas: 3,1,2⇥Isr: 3⇥Elr: ⇥LastKnownElr: N/A
            ⇥Topic: orders⇥Partition: 3⇥Leader: 9⇥Replicas: 9,1,2⇥Isr: 9⇥Elr: ⇥LastKnownElr: N/A
        "#]],
        );
        check(
            |options| options.unavailable_partitions = true,
            &expect![[r#"
            ⇥Topic: orders⇥Partition: 2⇥Leader: none⇥Replicas: 3,1,2⇥Isr: 3⇥Elr: ⇥LastKnownElr: N/A
            ⇥Topic: orders⇥Partition: 3⇥Leader: 9⇥Replicas: 9,1,2⇥Isr: 9⇥Elr: ⇥LastKnownElr: N/A
        "#]],
        );
        check(
            |options| options.under_min_isr_partitions = true,
            &expect![[r#"
            ⇥Topic: orders⇥Partition: 2⇥Leader: none⇥Replicas: 3,1,2⇥Isr: 3⇥Elr: ⇥LastKnownElr: N/A
            ⇥Topic: orders⇥Partition: 3⇥Leader: 9⇥Replicas: 9,1,2⇥Isr: 9⇥Elr: ⇥LastKnownElr: N/A
            ⇥Topic: plain⇥Partition: 0⇥Leader: 1⇥Replicas: 1⇥Isr: 1⇥Elr: ⇥LastKnownElr: N/A
        "#]],
        );
        check(
            |options| options.at_min_isr_partitions = true,
            &expect![[r#"
            ⇥Topic: orders⇥Partition: 1⇥Leader: 2⇥Replicas: 2,3,1⇥Isr: 2,3⇥Adding Replicas: 1⇥Removing Replicas: ⇥Elr: ⇥LastKnownElr: N/A
        "#]],
        );
        check(
            |options| options.topics_with_overrides = true,
            &expect![[r#"
            Topic: orders⇥TopicId: KsZDyPzxQw-Wcq_OVjnl3w⇥PartitionCount: 4⇥ReplicationFactor: 3⇥Configs: flush.messages=1
        "#]],
        );
    }

    #[test]
    fn table_and_json() {
        let mut options = Options::default();
        options.at_min_isr_partitions = true;
        let selection = Selection { options: &options, live_brokers: [1].into() };
        expect![[r#"
            ───────────────────────────────────────────────────────────────────────
             TOPIC    PARTITION   LEADER   REPLICAS   ISR   ELR   CONFIGS
            ═══════════════════════════════════════════════════════════════════════
             orders   1           2        2,3,1      2,3         flush.messages=1
            ───────────────────────────────────────────────────────────────────────
        "#]]
        .assert_eq(&selection.rows(&topics()).table(false));
        expect![[r#"
            [
              {
                "configs": {
                  "flush.messages": "1"
                },
                "partition_count": 4,
                "partitions": [
                  {
                    "adding_replicas": [
                      1
                    ],
                    "elr": [],
                    "isr": [
                      2,
                      3
                    ],
                    "last_known_elr": null,
                    "leader": 2,
                    "leader_epoch": 0,
                    "partition": 1,
                    "removing_replicas": [],
                    "replicas": [
                      2,
                      3,
                      1
                    ]
                  }
                ],
                "replication_factor": 3,
                "topic": "orders",
                "topic_id": "KsZDyPzxQw-Wcq_OVjnl3w"
              }
            ]"#]]
        .assert_eq(&format!("{:#}", selection.json(&topics())));
    }
}
