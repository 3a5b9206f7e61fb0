//! Plans: the JSON files that say where partitions shall be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

/// A topic and the number of a partition.
pub(super) type TopicPartition = (String, i32);

/// A replica: topic, partition, broker.
pub(super) type Replica = (String, i32, i32);

/// Where each partition shall be, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The replicas of each partition.
    pub(super) partitions: Vec<(TopicPartition, Vec<i32>)>,
    /// The log directories of replicas for which the file names one.
    pub(super) directories: BTreeMap<Replica, String>,
}

/// The word for "wherever the broker likes".
const ANY: &str = "any";

/// A file's text; its errors are in the stock tool's words.
pub(super) fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|_| format!("Unable to read file {}", path.display()))
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// No JSON, another version of it, missing or wrong fields.
    pub(super) fn parse(text: &str) -> Result<Plan, String> {
        let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        check_version(&file)?;
        let mut plan = Plan::default();
        let Some(entries) = file.get("partitions") else { return Ok(plan) };
        for entry in array(entries)? {
            let topic = text_of(field(entry, "topic")?)?;
            let partition = number_of(field(entry, "partition")?)?;
            let replicas: Vec<i32> =
                array(field(entry, "replicas")?)?.iter().map(number_of).collect::<Result<_, _>>()?;
            let directories: Vec<String> = match entry.get("log_dirs") {
                Some(list) => array(list)?.iter().map(text_of).collect::<Result<_, _>>()?,
                None => vec![ANY.to_owned(); replicas.len()],
            };
            if replicas.len() != directories.len() {
                return Err(format!(
                    "Size of replicas list {replicas:?} is different from size of log dirs list [{}] for partition \
                     {topic}-{partition}",
                    directories.join(", ")
                ));
            }
            for (broker, directory) in replicas.iter().zip(directories).filter(|(_, dir)| dir != ANY) {
                plan.directories.insert((topic.clone(), partition, *broker), directory);
            }
            plan.partitions.push(((topic, partition), replicas));
        }
        Ok(plan)
    }

    /// What must be true of a plan that is carried out.
    ///
    /// # Errors
    /// In the stock tool's words.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.partitions.is_empty() {
            return Err("Partition reassignment list cannot be empty".to_owned());
        }
        if self.partitions.iter().any(|(_, replicas)| replicas.is_empty()) {
            return Err("Partition replica list cannot be empty".to_owned());
        }
        let twice = duplicates(self.partitions.iter().map(|(partition, _)| shown(partition)));
        if !twice.is_empty() {
            let twice = twice.join(",");
            return Err(format!("Partition reassignment contains duplicate topic partitions: {twice}"));
        }
        let entries: Vec<String> = self
            .partitions
            .iter()
            .filter_map(|(partition, replicas)| {
                let twice = duplicates(replicas.iter().map(ToString::to_string));
                let partition = shown(partition);
                let text = || format!("{partition} contains multiple entries for {}", twice.join(","));
                (!twice.is_empty()).then(text)
            })
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        Err(format!("Partition replica lists may not contain duplicate entries: {}", entries.join(". ")))
    }

    /// The plan by partition.
    pub(super) fn by_partition(&self) -> BTreeMap<TopicPartition, Vec<i32>> {
        self.partitions.iter().cloned().collect()
    }

    /// The topics in it.
    pub(super) fn topics(&self) -> BTreeSet<String> {
        self.partitions.iter().map(|((topic, _), _)| topic.clone()).collect()
    }
}

/// The topics of a file for `--generate`.
///
/// # Errors
/// As [`Plan::parse`].
pub(super) fn parse_topics(text: &str) -> Result<Vec<String>, String> {
    let file: Value =
        serde_json::from_str(text).map_err(|_| "The input string is not a valid JSON".to_owned())?;
    check_version(&file)?;
    let Some(entries) = file.get("topics") else { return Ok(Vec::new()) };
    let topics = array(entries)?.iter().map(|entry| text_of(field(entry, "topic")?));
    let topics = topics.collect::<Result<Vec<_>, _>>()?;
    let twice = duplicates(topics.iter().cloned());
    match twice.is_empty() {
        true => Ok(topics),
        false => {
            let twice = twice.join(", ");
            Err(format!("List of topics to reassign contains duplicate entries: [{twice}]"))
        }
    }
}

/// A plan as the stock tool prints it, on one line. `directories` says where replicas are, as far as that is known.
pub(super) fn to_json(
    replicas: &BTreeMap<TopicPartition, Vec<i32>>,
    directories: &BTreeMap<Replica, String>,
) -> String {
    let entries = replicas.iter().map(|((topic, partition), replicas)| {
        let directory = |broker: &i32| {
            let known = directories.get(&(topic.clone(), *partition, *broker));
            json!(known.map_or(ANY, String::as_str)).to_string()
        };
        let directories = replicas.iter().map(directory).collect::<Vec<_>>().join(",");
        let (topic, replicas) = (json!(topic), json!(replicas));
        format!(
            "{{\"topic\":{topic},\"partition\":{partition},\"replicas\":{replicas},\"log_dirs\":[{directories}]}}"
        )
    });
    format!("{{\"version\":1,\"partitions\":[{}]}}", entries.collect::<Vec<_>>().join(","))
}

/// A partition as the stock tool prints it.
pub(super) fn shown((topic, partition): &TopicPartition) -> String {
    format!("{topic}-{partition}")
}

/// What comes more than once, each once.
pub(super) fn duplicates(items: impl Iterator<Item = String>) -> Vec<String> {
    let (mut seen, mut twice) = (BTreeSet::new(), Vec::new());
    for item in items {
        if !seen.insert(item.clone()) && !twice.contains(&item) {
            twice.push(item);
        }
    }
    twice
}

fn check_version(file: &Value) -> Result<(), String> {
    match file.get("version").map(number_of) {
        None | Some(Ok(1)) => Ok(()),
        Some(Ok(other)) => Err(format!("Not supported version field value {other}")),
        Some(Err(error)) => Err(error),
    }
}

fn field<'a>(entry: &'a Value, name: &str) -> Result<&'a Value, String> {
    entry.get(name).ok_or_else(|| format!("No such field exists: `{name}`"))
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("Expected JSON array, received {value}"))
}

fn text_of(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("Expected `String` value, received {value}"))
}

fn number_of(value: &Value) -> Result<i32, String> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.ok_or_else(|| format!("Expected `Integer` value, received {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_and_back() {
        let text = r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[2,1],"log_dirs":["any","/d"]}]}"#;
        let plan = Plan::parse(text).unwrap();
        assert_eq!(plan.partitions, [(("t".to_owned(), 0), vec![2, 1])]);
        assert_eq!(plan.directories, BTreeMap::from([(("t".to_owned(), 0, 1), "/d".to_owned())]));
        assert_eq!(to_json(&plan.by_partition(), &plan.directories), text);
        assert_eq!(plan.check(), Ok(()));
    }

    #[test]
    fn plans_that_are_none() {
        let check = |text: &str, expected: &str| {
            let error = Plan::parse(text).and_then(|plan| plan.check()).unwrap_err();
            assert_eq!(error, expected, "{text}");
        };
        check(r#"{"version":2}"#, "Not supported version field value 2");
        check("{}", "Partition reassignment list cannot be empty");
        check(r#"{"partitions":[{"topic":"t","partition":0}]}"#, "No such field exists: `replicas`");
        let entry = |replicas: &str| format!(r#"{{"topic":"t","partition":0,"replicas":{replicas}}}"#);
        let file = |entries: &str| format!(r#"{{"partitions":[{entries}]}}"#);
        check(&file(&entry("[]")), "Partition replica list cannot be empty");
        check(
            &file(&format!("{},{}", entry("[1]"), entry("[2]"))),
            "Partition reassignment contains duplicate topic partitions: t-0",
        );
        check(
            &file(&entry("[1,2,1]")),
            "Partition replica lists may not contain duplicate entries: t-0 contains multiple entries for 1",
        );
    }

    #[test]
    fn topics_to_move() {
        assert_eq!(parse_topics(r#"{"topics":[{"topic":"a"}]}"#), Ok(vec!["a".to_owned()]));
        assert_eq!(parse_topics("x"), Err("The input string is not a valid JSON".to_owned()));
        let twice = r#"{"topics":[{"topic":"a"},{"topic":"a"}]}"#;
        assert_eq!(
            parse_topics(twice),
            Err("List of topics to reassign contains duplicate entries: [a]".to_owned())
        );
    }
}
