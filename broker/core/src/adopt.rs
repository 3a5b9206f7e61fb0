//! A data directory that another broker made: what its files say becomes this cluster's metadata.
//!
//! When a node with an empty history finds logs on its disks, it was started on a directory of Apache Kafka
//! (or of an rkafka whose metadata log was lost). Putting those logs aside as strays would lose a user's data from
//! sight; instead their topics are made known, with the ids in `partition.metadata` and the settings that
//! Kafka's own metadata log (`__cluster_metadata-0`, KRaft) holds for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rkafka_record::{Batches, DecodeLimits};

use crate::ids::{BrokerId, TopicId};
use crate::image::{ConfigResource, MetadataRecord, Partition};

/// A log that was found, with what its own files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLog {
    /// The topic's name, from the directory's.
    pub topic: Arc<str>,
    /// The partition's number, from the directory's name.
    pub index: i32,
    /// The topic's id from `partition.metadata`; directories of Kafka before 2.8 have none.
    pub topic_id: Option<TopicId>,
    /// The newest epoch in `leader-epoch-checkpoint`, -1 if there is none.
    pub leader_epoch: i32,
}

/// Records that make the topics of `logs` known, all partitions led by `local`. `draw_id` gives ids to topics
/// that have none.
///
/// A partition missing between others (its replica was on another broker) is made anew, empty.
#[must_use]
pub fn adopt(
    logs: &[FoundLog],
    settings: &StockSettings,
    local: BrokerId,
    draw_id: &mut dyn FnMut() -> TopicId,
) -> Vec<MetadataRecord> {
    let mut topics: BTreeMap<&str, Vec<&FoundLog>> = BTreeMap::new();
    for log in logs {
        topics.entry(&log.topic).or_default().push(log);
    }
    let mut records = Vec::new();
    for (name, logs) in topics {
        let id = logs.iter().find_map(|log| log.topic_id).unwrap_or_else(&mut *draw_id);
        records.push(MetadataRecord::Topic { name: name.to_owned(), id });
        let last = logs.iter().map(|log| log.index).max().unwrap_or(-1);
        for index in 0..=last {
            let found = logs.iter().find(|log| log.index == index);
            let mut partition = Partition::new([local].into_iter().collect(), [local].into_iter().collect());
            // This leadership is a new one: its epoch must be above all that the log has seen.
            partition.leader_epoch = found.map_or(0, |log| log.leader_epoch.saturating_add(1));
            records.push(MetadataRecord::Partition { topic: id, index, partition });
        }
        let set = settings.topics.get(name).into_iter().flatten();
        records.extend(set.map(|(key, value)| MetadataRecord::Config {
            resource: ConfigResource::topic(name),
            key: key.clone(),
            value: Some(value.clone()),
        }));
    }
    records
}

/// Topic settings, replayed from Kafka's metadata log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockSettings {
    topics: BTreeMap<String, BTreeMap<String, String>>,
    names: BTreeMap<TopicId, String>,
}

/// Numbers of the records of Kafka's metadata log that are read here (its `*Record.json` message files).
mod stock_record {
    pub(super) const TOPIC: u32 = 2;
    pub(super) const CONFIG: u32 = 4;
    pub(super) const REMOVE_TOPIC: u32 = 9;
}

/// A topic, among the resource types of Kafka's ConfigRecord.
const TOPIC_RESOURCE: u8 = 2;

impl StockSettings {
    /// Replays one file of `__cluster_metadata-0`: a snapshot or a segment. Files go in the order of their
    /// offsets. Unknown and damaged records are passed over: settings are a convenience here, the records of
    /// topics are safe without them.
    pub fn replay(&mut self, file: &[u8]) {
        for batch in Batches::new(file).map_while(Result::ok) {
            if batch.is_control() || batch.check_crc().is_err() {
                continue;
            }
            let Ok(decoded) = batch.decode(DecodeLimits::default()) else { continue };
            for record in decoded.records().map_while(Result::ok) {
                if let Some(value) = record.value {
                    // `None` is a record of no interest, or one that ends early.
                    let _ = self.replay_record(&mut Fields(value));
                }
            }
        }
    }

    fn replay_record(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        let _frame_version = fields.unsigned_varint()?;
        let kind = fields.unsigned_varint()?;
        let _version = fields.unsigned_varint()?;
        match kind {
            stock_record::TOPIC => {
                let name = fields.string()??;
                self.names.insert(fields.id()?, name);
            }
            stock_record::REMOVE_TOPIC => {
                let name = self.names.remove(&fields.id()?)?;
                self.topics.remove(&name);
            }
            stock_record::CONFIG if fields.byte()? == TOPIC_RESOURCE => {
                let settings = self.topics.entry(fields.string()??).or_default();
                let key = fields.string()??;
                match fields.string()? {
                    Some(value) => settings.insert(key, value),
                    None => settings.remove(&key),
                };
            }
            _ => {}
        }
        Some(())
    }
}

/// The fields of a record in Kafka's flexible encoding (KIP-482); `None` where they end too early.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn unsigned_varint(&mut self) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn id(&mut self) -> Option<TopicId> {
        let (id, rest) = self.0.split_first_chunk::<16>()?;
        self.0 = rest;
        Some(TopicId(*id))
    }

    /// A compact nullable string.
    fn string(&mut self) -> Option<Option<String>> {
        let Some(length) = self.unsigned_varint()?.checked_sub(1) else { return Some(None) };
        let (text, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(String::from_utf8(text.to_vec()).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use rkafka_record::{BatchBuilder, BatchOptions};

    use super::*;
    use crate::image::Image;

    fn log(topic: &str, index: i32, topic_id: Option<TopicId>, leader_epoch: i32) -> FoundLog {
        FoundLog { topic: topic.into(), index, topic_id, leader_epoch }
    }

    fn id(last: u8) -> TopicId {
        TopicId([7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
    }

    /// A file of Kafka's metadata log with these record values.
    fn file(values: &[Vec<u8>]) -> Vec<u8> {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        for value in values {
            builder.append(0, None, Some(value), &[]).expect("fits");
        }
        builder.build().expect("builds").to_vec()
    }

    fn string(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len() + 1).expect("short");
        [&[length], text.as_bytes()].concat()
    }

    fn topic_record(name: &str, id: TopicId) -> Vec<u8> {
        [vec![1, 2, 0], string(name), id.0.to_vec(), vec![0]].concat()
    }

    fn config_record(topic: &str, key: &str, value: &str) -> Vec<u8> {
        [vec![1, 4, 0, TOPIC_RESOURCE], string(topic), string(key), string(value), vec![0]].concat()
    }

    #[test]
    fn topics_get_their_ids_settings_and_a_new_leadership() {
        let mut settings = StockSettings::default();
        settings.replay(&file(&[
            topic_record("orders", id(1)),
            config_record("orders", "retention.ms", "1000"),
            config_record("orders", "cleanup.policy", "compact"),
        ]));
        settings.replay(&file(&[config_record("orders", "retention.ms", "2000")]));
        let logs =
            [log("orders", 2, Some(id(1)), 4), log("orders", 0, Some(id(1)), -1), log("old", 0, None, 0)];
        let records = adopt(&logs, &settings, BrokerId(3), &mut || id(9));
        let mut delta = crate::image::Delta::new(&Image::default());
        delta.replay_all(&records).expect("the records fit an empty image");
        let image = delta.image();
        image.check_invariants();
        let orders = image.topics().by_name("orders").expect("is known");
        assert_eq!(orders.id, id(1));
        let epochs: Vec<i32> = orders.partitions.iter().map(|partition| partition.leader_epoch).collect();
        assert_eq!(epochs, [0, 0, 5], "above every epoch in the log; the missing partition is new");
        assert!(orders.partitions.iter().all(|partition| partition.leader == Some(BrokerId(3))));
        assert_eq!(image.topics().by_name("old").expect("is known").id, id(9));
        let orders = ConfigResource::topic("orders");
        assert_eq!(image.configs().value(&orders, "retention.ms"), Some("2000"));
        assert_eq!(image.configs().value(&orders, "cleanup.policy"), Some("compact"));
    }

    #[test]
    fn a_topic_created_anew_does_not_inherit() {
        let mut settings = StockSettings::default();
        settings.replay(&file(&[
            topic_record("orders", id(1)),
            config_record("orders", "retention.ms", "1000"),
            [vec![1, 9, 0], id(1).0.to_vec(), vec![0]].concat(),
            topic_record("orders", id(2)),
        ]));
        let records = adopt(&[log("orders", 0, Some(id(2)), 0)], &settings, BrokerId(1), &mut || id(9));
        assert!(!records.iter().any(|record| matches!(record, MetadataRecord::Config { .. })), "{records:?}");
    }

    #[test]
    fn damage_is_passed_over() {
        let mut settings = StockSettings::default();
        let mut bytes = file(&[config_record("orders", "retention.ms", "1000"), vec![1, 4], vec![0xff; 9]]);
        settings.replay(&bytes);
        assert_eq!(settings.topics.len(), 1);
        bytes.truncate(bytes.len() - 3);
        settings.replay(&bytes);
        settings.replay(&[0xff; 100]);
        assert_eq!(settings.topics.len(), 1);
    }
}
