//! A shard with a log in memory, and the language of the stories.
//!
//! A story is a list of commands; what each leads to stands below it. Words of the form `key=value` are options.
//! ```text
//! join X          a member joins; X names the reply. Options: member, instance, protocols, topics, session,
//!                 rebalance, version (9), type, group
//! sync X  heartbeat X  leave X  commit X  fetch X  delete-offsets X  describe X  list X  delete X
//! advance N       N milliseconds pass
//! hold / hw N     from now on the high watermark stays / rises to N
//! fail WHY        the next append fails
//! reload          the coordinator moves away and back
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use rkafka_record::{BatchRef, Batches, DecodeLimits};

use super::super::{AppendFailure, CoordinatorShard, Effects, ShardState};
use crate::group::request::*;
use crate::group::{CoordinatorRecord, GroupConfig, GroupError};
use crate::ids::TopicId;
use crate::time::Now;

pub(super) struct Rig {
    pub(super) shard: CoordinatorShard,
    pub(super) now: Now,
    pub(super) log: Vec<u8>,
    pub(super) log_end_offset: i64,
    /// `None`: every record is committed as it is appended.
    pub(super) held_high_watermark: Option<i64>,
    pub(super) next_failure: Option<AppendFailure>,
    next_token: u64,
    labels: BTreeMap<ReplyToken, String>,
    /// The answers not looked at yet, with their labels.
    pub(super) answers: Vec<(String, GroupReply)>,
    out: String,
}

impl Rig {
    pub(super) fn new(config: GroupConfig) -> Self {
        let mut rig = Self {
            shard: CoordinatorShard::new(config),
            now: Now { mono_ms: 0, wall_ms: 1_000_000 },
            log: Vec::new(),
            log_end_offset: 0,
            held_high_watermark: None,
            next_failure: None,
            next_token: 0,
            labels: BTreeMap::new(),
            answers: Vec::new(),
            out: String::new(),
        };
        rig.load();
        rig
    }

    pub(super) fn high_watermark(&self) -> i64 {
        self.held_high_watermark.unwrap_or(self.log_end_offset)
    }

    /// Loads the log as a new leader does: all replicas that are left have all of it.
    pub(super) fn load(&mut self) {
        self.held_high_watermark = None;
        let effects = self.shard.start_loading();
        self.drive(effects);
        self.shard.load(&self.log, self.log_end_offset).expect("the log is sound");
        let effects = self.shard.finish_loading(self.now, self.log_end_offset);
        self.drive(effects);
    }

    pub(super) fn request(&mut self, label: &str, request: &GroupRequest) {
        let token = ReplyToken(self.next_token);
        self.next_token += 1;
        self.labels.insert(token, label.to_owned());
        let effects = self.shard.handle(self.now, token, request);
        self.drive(effects);
    }

    /// How many requests have no answer yet.
    pub(super) fn unanswered(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn drive(&mut self, mut effects: Effects) {
        loop {
            for (token, reply) in std::mem::take(&mut effects.replies) {
                let label = self.labels.remove(&token).expect("each request is answered once");
                writeln!(self.out, "  {label}: {}", shown(&reply)).unwrap();
                self.answers.push((label, reply));
            }
            let Some(append) = effects.append.take() else { break };
            let outcome = match self.next_failure.take() {
                Some(failure) => Err(failure),
                None => Ok(self.append(&append.bytes, append.record_count)),
            };
            effects = self.shard.on_append(self.now, outcome);
            if effects.append.is_none() {
                let risen = self.shard.on_high_watermark(self.now, self.high_watermark());
                effects.replies.extend(risen.replies);
                effects.append = risen.append;
            }
        }
        self.shard.check_invariants();
    }

    fn append(&mut self, batch: &Bytes, record_count: i64) -> i64 {
        let base_offset = self.log_end_offset;
        let parsed = BatchRef::parse(batch).expect("a whole batch");
        assert_eq!(i64::from(parsed.record_count()), record_count);
        self.log.extend(parsed.patched_header(base_offset, 0));
        self.log.extend(&batch[rkafka_record::HEADER_SIZE..]);
        self.log_end_offset += record_count;
        for record in records_of(batch) {
            writeln!(self.out, "  {}", shown_record(&record)).unwrap();
        }
        base_offset
    }

    pub(super) fn advance(&mut self, milliseconds: u64) {
        let end = self.now.mono_ms + milliseconds;
        while let Some(deadline) = self.shard.next_deadline().filter(|deadline| *deadline <= end) {
            self.set_time(deadline.max(self.now.mono_ms));
            let before = self.out.len();
            let effects = self.shard.on_timer(self.now);
            self.drive(effects);
            if self.out.len() > before {
                let at = format!("  at {}\n", self.now.mono_ms);
                self.out.insert_str(before, &at);
            }
        }
        self.set_time(end);
    }

    fn set_time(&mut self, mono_ms: u64) {
        self.now = Now { mono_ms, wall_ms: 1_000_000 + mono_ms as i64 };
    }

    pub(super) fn raise_high_watermark(&mut self, high_watermark: i64) {
        self.held_high_watermark = Some(high_watermark);
        let effects = self.shard.on_high_watermark(self.now, high_watermark);
        self.drive(effects);
    }

    /// Runs a story and returns it with what happened.
    pub(super) fn tell(mut self, story: &str) -> String {
        story.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| self.run_line(line));
        self.out
    }

    pub(super) fn run_line(&mut self, command: &str) {
        writeln!(self.out, "{command}").unwrap();
        self.run(&Words::parse(command));
    }

    fn run(&mut self, words: &Words<'_>) {
        match words.verb {
            "advance" => self.advance(words.plain[0].parse().unwrap()),
            "hold" => self.held_high_watermark = Some(self.high_watermark()),
            "hw" => self.raise_high_watermark(words.plain[0].parse().unwrap()),
            "fail" => {
                self.next_failure = Some(match words.plain[0] {
                    "too-few-replicas" => AppendFailure::NotEnoughReplicas,
                    "not-leader" => AppendFailure::NotLeaderOrFollower,
                    "disk" => AppendFailure::StorageError,
                    other => panic!("unknown failure {other}"),
                });
            }
            "reload" => self.load(),
            "resign" => {
                let effects = self.shard.resign();
                self.drive(effects);
            }
            "delete-partitions" => {
                let partitions: Vec<_> = words.plain.iter().map(|word| topic_partition(word)).collect();
                let effects = self.shard.on_partitions_deleted(self.now, &partitions);
                self.drive(effects);
            }
            _ => self.request(words.plain[0], &words.request()),
        }
        if self.shard.state() == ShardState::Failed {
            writeln!(self.out, "  the shard has failed").unwrap();
        }
    }
}

/// A command's words: the verb, plain ones, options.
struct Words<'a> {
    verb: &'a str,
    plain: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

impl<'a> Words<'a> {
    fn parse(command: &'a str) -> Self {
        let mut words = command.split_whitespace();
        let verb = words.next().unwrap();
        let (mut plain, mut options) = (Vec::new(), Vec::new());
        for word in words {
            match word.split_once('=') {
                Some(option) => options.push(option),
                None => plain.push(word),
            }
        }
        Self { verb, plain, options }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| *value)
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.option(name).unwrap_or(default).to_owned()
    }

    fn number(&self, name: &str, default: i64) -> i64 {
        self.option(name).map_or(default, |value| value.parse().unwrap())
    }

    fn request(&self) -> GroupRequest {
        let group_id = self.text("group", "g");
        let member_id = self.text("member", "");
        let group_instance_id = self.option("instance").map(str::to_owned);
        let generation_id = self.number("gen", -1) as i32;
        match self.verb {
            "join" => GroupRequest::Join(self.join(group_id, member_id, group_instance_id)),
            "sync" => GroupRequest::Sync(SyncRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                protocol_type: self.option("type").map(str::to_owned),
                protocol_name: self.option("protocol").map(str::to_owned),
                assignments: self.list("assign").map(assignment).collect(),
            }),
            "heartbeat" => GroupRequest::Heartbeat(HeartbeatRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
            }),
            "leave" => {
                let leaving = |(option, value): &(&str, &str)| match *option {
                    "member" => LeavingMember { member_id: (*value).to_owned(), group_instance_id: None },
                    _ => LeavingMember {
                        member_id: String::new(),
                        group_instance_id: Some((*value).to_owned()),
                    },
                };
                let named = self.options.iter().filter(|(option, _)| *option != "group");
                GroupRequest::Leave(LeaveRequest { group_id, members: named.map(leaving).collect() })
            }
            "commit" => GroupRequest::OffsetCommit(OffsetCommitRequest {
                group_id,
                generation_id,
                member_id,
                group_instance_id,
                retention_time_ms: self.option("retention").map(|value| value.parse().unwrap()),
                reports_group_id_not_found: self.number("version", 9) >= 9,
                topics: self.committed(),
            }),
            "fetch" => GroupRequest::OffsetFetch(OffsetFetchRequest {
                group_id,
                topics: Some(self.named_partitions()).filter(|topics| !topics.is_empty()),
                require_stable: self.option("stable").is_some(),
            }),
            "delete-offsets" => {
                GroupRequest::OffsetDelete(OffsetDeleteRequest { group_id, topics: self.named_partitions() })
            }
            "describe" => GroupRequest::Describe(vec![group_id]),
            "list" => GroupRequest::List(ListRequest {
                states_filter: self.list("states").map(str::to_owned).collect(),
                types_filter: self.list("types").map(str::to_owned).collect(),
            }),
            "delete" => GroupRequest::Delete(vec![group_id]),
            verb => panic!("unknown command {verb}"),
        }
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.option(name).into_iter().flat_map(|value| value.split(','))
    }

    fn join(&self, group_id: String, member_id: String, group_instance_id: Option<String>) -> JoinRequest {
        let topics: Vec<&str> = self.list("topics").collect();
        let protocols = self.text("protocols", "range");
        let protocol = |name: &str| MemberProtocol { name: name.to_owned(), metadata: subscription(&topics) };
        let version = self.number("version", 9);
        JoinRequest {
            group_id,
            member_id,
            group_instance_id,
            client_id: "c".to_owned(),
            client_host: "/127.0.0.1".to_owned(),
            session_timeout_ms: self.number("session", 10_000) as i32,
            rebalance_timeout_ms: self.number("rebalance", 60_000) as i32,
            protocol_type: self.text("type", "consumer"),
            protocols: protocols.split(',').filter(|name| !name.is_empty()).map(protocol).collect(),
            requires_known_member_id: version >= 4,
            supports_skipping_assignment: version >= 9,
            fresh_uuid: self.plain[0].to_owned(),
        }
    }

    /// `t-0=5` or `t-0=5:text`.
    fn committed(&self) -> Vec<OffsetCommitTopic> {
        let mut topics: Vec<OffsetCommitTopic> = Vec::new();
        for (place, value) in self.options.iter().filter(|(option, _)| option.contains('-')) {
            let (topic, partition) = topic_partition(place);
            let (offset, metadata) = value.split_once(':').unwrap_or((value, ""));
            let partition = OffsetCommitPartition {
                partition,
                offset: offset.parse().unwrap(),
                leader_epoch: -1,
                metadata: metadata.to_owned(),
            };
            match topics.last_mut() {
                Some(last) if last.topic == topic => last.partitions.push(partition),
                _ => topics.push(OffsetCommitTopic {
                    topic,
                    topic_id: TopicId::ZERO,
                    partitions: vec![partition],
                }),
            }
        }
        topics
    }

    fn named_partitions(&self) -> Vec<(String, Vec<i32>)> {
        let named = self.plain[1..].iter().map(|word| topic_partition(word));
        named.map(|(topic, partition)| (topic, vec![partition])).collect()
    }
}

fn topic_partition(word: &str) -> (String, i32) {
    let (topic, partition) = word.rsplit_once('-').unwrap();
    (topic.to_owned(), partition.parse().unwrap())
}

fn assignment(word: &str) -> (String, Bytes) {
    let (member_id, assigned) = word.split_once(':').unwrap();
    (member_id.to_owned(), Bytes::copy_from_slice(assigned.as_bytes()))
}

/// A consumer's subscription at version 0.
pub(super) fn subscription(topics: &[&str]) -> Bytes {
    let mut bytes = vec![0, 0];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend((-1i32).to_be_bytes());
    bytes.into()
}

/// The records of batches, decoded.
pub(super) fn records_of(batches: &[u8]) -> Vec<CoordinatorRecord> {
    let mut records = Vec::new();
    for batch in Batches::new(batches) {
        let decoded = batch.unwrap().decode(DecodeLimits::default()).unwrap();
        for record in decoded.records() {
            let record = record.unwrap();
            records.push(CoordinatorRecord::decode(record.key.unwrap(), record.value).unwrap().unwrap());
        }
    }
    records
}

fn shown_record(record: &CoordinatorRecord) -> String {
    match record {
        CoordinatorRecord::OffsetCommit { key, value: Some(value) } => {
            format!("+ {} {}-{} = {}", key.group_id, key.topic, key.partition, value.offset)
        }
        CoordinatorRecord::OffsetCommit { key, value: None } => {
            format!("- {} {}-{}", key.group_id, key.topic, key.partition)
        }
        CoordinatorRecord::GroupMetadata { group_id, value: Some(value) } => {
            let members = value.members.iter();
            let members: Vec<_> =
                members.map(|m| format!("{}={}", m.member_id, text_of(&m.assignment))).collect();
            let protocol = value.protocol.as_deref().unwrap_or("-");
            let leader = value.leader.as_deref().unwrap_or("-");
            format!(
                "+ {group_id} gen={} {protocol} leader={leader} [{}]",
                value.generation,
                members.join(" ")
            )
        }
        CoordinatorRecord::GroupMetadata { group_id, value: None } => format!("- {group_id}"),
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shown_error(error: Option<GroupError>) -> String {
    error.map_or_else(|| "ok".to_owned(), |error| format!("{error:?}"))
}

fn shown(reply: &GroupReply) -> String {
    match reply {
        GroupReply::Join(reply) => shown_join(reply),
        GroupReply::Sync(SyncReply { error: Some(error), .. }) => format!("{error:?}"),
        GroupReply::Sync(reply) => {
            format!("{} {:?}", reply.protocol_name.as_deref().unwrap_or("-"), text_of(&reply.assignment))
        }
        GroupReply::Heartbeat(outcome) => shown_error(outcome.err()),
        GroupReply::Leave(LeaveReply { error: Some(error), .. }) => format!("{error:?}"),
        GroupReply::Leave(reply) => {
            let members: Vec<_> = reply.members.iter().map(|member| shown_error(member.error)).collect();
            members.join(" ")
        }
        GroupReply::OffsetCommit(topics) | GroupReply::OffsetDelete(Ok(topics)) => {
            let partitions = topics.iter().flat_map(|topic| &topic.partitions);
            let partitions: Vec<_> = partitions.map(|(_, error)| shown_error(*error)).collect();
            partitions.join(" ")
        }
        GroupReply::OffsetFetch(Ok(topics)) => shown_offsets(topics),
        GroupReply::Describe(groups) => groups.iter().map(shown_group).collect::<Vec<_>>().join("; "),
        GroupReply::List(Ok(groups)) => {
            let group = |group: &ListedGroup| {
                format!("{}({},{},{})", group.group_id, group.protocol_type, group.state, group.group_type)
            };
            groups.iter().map(group).collect::<Vec<_>>().join(" ")
        }
        GroupReply::Delete(groups) => {
            groups.iter().map(|(_, outcome)| shown_error(outcome.err())).collect::<Vec<_>>().join(" ")
        }
        GroupReply::OffsetFetch(Err(error))
        | GroupReply::OffsetDelete(Err(error))
        | GroupReply::List(Err(error)) => format!("{error:?}"),
    }
}

fn shown_join(reply: &JoinReply) -> String {
    if let Some(error) = reply.error {
        return format!("{error:?} member={}", reply.member_id);
    }
    let members: Vec<_> = reply.members.iter().map(|member| member.member_id.as_str()).collect();
    format!(
        "gen={} {} leader={} member={} [{}]{}",
        reply.generation_id,
        reply.protocol_name.as_deref().unwrap_or("-"),
        reply.leader,
        reply.member_id,
        members.join(" "),
        if reply.skip_assignment { " skip" } else { "" },
    )
}

fn shown_offsets(topics: &[FetchedTopic]) -> String {
    let offset = |topic: &str, fetched: &FetchedOffset| match fetched.error {
        Some(error) => format!("{topic}-{}={error:?}", fetched.partition),
        None => format!("{topic}-{}={}{}", fetched.partition, fetched.offset, fetched.metadata),
    };
    let all = topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| offset(&topic.topic, p)));
    all.collect::<Vec<_>>().join(" ")
}

fn shown_group(group: &DescribedGroup) -> String {
    let member = |member: &DescribedMember| {
        let subscribed = if member.metadata.is_empty() { "" } else { " subscribed" };
        let instance = member.group_instance_id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
        format!("{}{instance} {:?}{subscribed}", member.member_id, text_of(&member.assignment))
    };
    let members: Vec<_> = group.members.iter().map(member).collect();
    let error = group.error.map(|error| format!(" {error:?}")).unwrap_or_default();
    format!("{} {:?} {:?} [{}]{error}", group.state, group.protocol_type, group.protocol, members.join(", "))
}
