//! Random interleavings of clients that do what stock clients do, die, come back, and repeat themselves, with a
//! coordinator that moves, loses appends and commits late.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{AppendFailure, CoordinatorShard};
use super::rig::{Rig, records_of, subscription};
use crate::group::request::*;
use crate::group::{CoordinatorRecord, GroupConfig, GroupError};
use crate::ids::TopicId;

const CLIENTS: usize = 4;
/// The first two clients are static members.
const STATIC_CLIENTS: usize = 2;
const PARTITIONS: usize = 5;
/// Longer than any session, rebalance or wait for new members below.
const LONG_MS: u64 = 400_000;

/// A consumer as the coordinator sees it.
#[derive(Debug, Clone, Default)]
struct Client {
    member_id: String,
    state: ClientState,
    /// Counts its lives, so that answers to a dead one are nobody's.
    life: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum ClientState {
    #[default]
    Out,
    Joining,
    /// Has joined; the leader knows the others.
    Joined {
        generation: i32,
        others: Vec<String>,
    },
    Syncing {
        generation: i32,
    },
    Owner {
        generation: i32,
        partitions: Bytes,
    },
    Dead,
}

struct World {
    rig: Rig,
    clients: Vec<Client>,
    next_label: u32,
    next_offset: i64,
    last_fetched: i64,
    /// Whether appends have failed: an empty generation may be missing in the log then.
    has_failures: bool,
}

impl World {
    fn new() -> Self {
        let config = GroupConfig { commit_timeout_ms: 1_000, ..GroupConfig::default() };
        Self {
            rig: Rig::new(config),
            clients: vec![Client::default(); CLIENTS],
            next_label: 0,
            next_offset: 1,
            last_fetched: -1,
            has_failures: false,
        }
    }

    fn send(&mut self, client: usize, request: &GroupRequest) {
        self.next_label += 1;
        let label = format!("{client} {} {}", self.clients[client].life, self.next_label);
        self.rig.request(&label, request);
        self.read_answers();
    }

    fn join(&mut self, client: usize, is_old_version: bool) {
        let member = &mut self.clients[client];
        member.state = ClientState::Joining;
        let name = if client.is_multiple_of(2) { "range" } else { "sticky" };
        // Only the protocol chosen is stored: after a reload it had better be one that all have, as in Kafka.
        let protocols =
            ["rr", name].map(|name| MemberProtocol { name: name.to_owned(), metadata: subscription(&["t"]) });
        let request = JoinRequest {
            group_id: "g".to_owned(),
            member_id: member.member_id.clone(),
            group_instance_id: instance_id(client),
            client_id: format!("client{client}"),
            session_timeout_ms: 6_000 + 3_000 * client as i32,
            rebalance_timeout_ms: 20_000,
            protocol_type: "consumer".to_owned(),
            protocols: protocols.to_vec(),
            requires_known_member_id: !is_old_version,
            supports_skipping_assignment: !is_old_version,
            fresh_uuid: self.next_label.to_string(),
            ..JoinRequest::default()
        };
        self.send(client, &GroupRequest::Join(request));
    }

    fn sync(&mut self, client: usize, generation_id: i32, others: &[String]) {
        let member = &mut self.clients[client];
        member.state = ClientState::Syncing { generation: generation_id };
        let mut assignments: BTreeMap<&String, Vec<u8>> = others.iter().map(|id| (id, Vec::new())).collect();
        for partition in 0..PARTITIONS.min(others.len() * PARTITIONS) {
            assignments.entry(&others[partition % others.len()]).or_default().push(partition as u8);
        }
        let request = SyncRequest {
            group_id: "g".to_owned(),
            generation_id,
            member_id: member.member_id.clone(),
            group_instance_id: instance_id(client),
            assignments: assignments.into_iter().map(|(id, owned)| (id.clone(), owned.into())).collect(),
            ..SyncRequest::default()
        };
        self.send(client, &GroupRequest::Sync(request));
    }

    fn heartbeat(&mut self, client: usize, generation_id: i32) {
        let request = HeartbeatRequest {
            group_id: "g".to_owned(),
            generation_id,
            member_id: self.clients[client].member_id.clone(),
            group_instance_id: instance_id(client),
        };
        self.send(client, &GroupRequest::Heartbeat(request));
    }

    fn commit(&mut self, client: usize, generation_id: i32) {
        let offset = self.next_offset;
        self.next_offset += 1;
        let partition =
            OffsetCommitPartition { partition: 0, offset, leader_epoch: -1, metadata: String::new() };
        let topic =
            OffsetCommitTopic { topic: "t".to_owned(), topic_id: TopicId::ZERO, partitions: vec![partition] };
        let request = OffsetCommitRequest {
            group_id: "g".to_owned(),
            generation_id,
            member_id: self.clients[client].member_id.clone(),
            group_instance_id: instance_id(client),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        self.send(client, &GroupRequest::OffsetCommit(request));
    }

    fn leave(&mut self, client: usize) {
        let member_id = std::mem::take(&mut self.clients[client].member_id);
        let leaving = LeavingMember { member_id, group_instance_id: instance_id(client) };
        let request = LeaveRequest { group_id: "g".to_owned(), members: vec![leaving] };
        self.die(client);
        self.send(client, &GroupRequest::Leave(request));
    }

    fn fetch(&mut self, client: usize) {
        let request = OffsetFetchRequest {
            group_id: "g".to_owned(),
            topics: Some(vec![("t".to_owned(), vec![0])]),
            require_stable: client.is_multiple_of(2),
        };
        self.send(client, &GroupRequest::OffsetFetch(request));
    }

    fn die(&mut self, client: usize) {
        let member = &mut self.clients[client];
        *member = Client { state: ClientState::Dead, life: member.life + 1, ..Client::default() };
    }

    /// What a client does next if nothing is in its way.
    fn go_on(&mut self, client: usize, is_old_version: bool) {
        match self.clients[client].state.clone() {
            ClientState::Out => self.join(client, is_old_version),
            ClientState::Joined { generation, others } => self.sync(client, generation, &others),
            ClientState::Owner { generation, .. } => self.heartbeat(client, generation),
            ClientState::Joining | ClientState::Syncing { .. } | ClientState::Dead => {}
        }
    }

    fn read_answers(&mut self) {
        for (label, reply) in std::mem::take(&mut self.rig.answers) {
            let mut words = label.split(' ').map(|word| word.parse::<u32>().unwrap());
            let (client, life) = (words.next().unwrap() as usize, words.next().unwrap());
            if let GroupReply::OffsetFetch(Ok(topics)) = &reply {
                self.check_fetched(topics[0].partitions[0].offset);
            }
            if self.clients[client].life == life {
                self.clients[client].hear(reply);
            }
        }
    }

    /// What has been seen committed does not go back.
    fn check_fetched(&mut self, offset: i64) {
        assert!(offset >= self.last_fetched, "committed {offset} after {}", self.last_fetched);
        self.last_fetched = offset;
    }

    /// One random step; `action` and `argument` choose it.
    fn step(&mut self, action: u8, client: usize, argument: u16) {
        let generation = self.clients[client].generation();
        match action {
            0..=11 => self.go_on(client, argument.is_multiple_of(2)),
            12..=13 => self.rig.advance(u64::from(argument % 4_000)),
            14 => self.rig.advance(u64::from(argument)),
            15 => self.heartbeat(client, generation),
            16..=17 => self.commit(client, generation),
            18 => self.fetch(client),
            19 => self.leave(client),
            20 => self.die(client),
            21 if self.clients[client].state == ClientState::Dead => {
                self.clients[client].state = ClientState::Out;
            }
            // A client that gave up waiting tries again.
            21 if self.clients[client].state == ClientState::Joining => self.join(client, false),
            22 => self.rig.load(),
            23 => self.rig.held_high_watermark = Some(self.rig.high_watermark()),
            24 => self.rig.raise_high_watermark(self.rig.log_end_offset - i64::from(argument % 3).min(1)),
            25 => self.release(),
            26 => {
                self.has_failures = true;
                self.rig.next_failure = Some(match argument % 3 {
                    0 => AppendFailure::NotEnoughReplicas,
                    1 => AppendFailure::NotLeaderOrFollower,
                    _ => AppendFailure::StorageError,
                });
            }
            _ => {}
        }
        if self.rig.shard.state() == super::super::ShardState::Failed {
            self.rig.load();
        }
        self.read_answers();
        self.check_owners();
        self.check_log();
    }

    fn release(&mut self) {
        self.rig.raise_high_watermark(self.rig.log_end_offset);
        self.rig.held_high_watermark = None;
        self.rig.next_failure = None;
    }

    /// Within a generation each partition has one owner.
    fn check_owners(&self) {
        let mut owned = BTreeSet::new();
        for client in &self.clients {
            if let ClientState::Owner { generation, partitions } = &client.state {
                for partition in partitions {
                    assert!(
                        owned.insert((*generation, *partition)),
                        "{partition} twice in {:?}",
                        self.clients
                    );
                }
            }
        }
    }

    /// What is stored tells of rising generations, and a new coordinator would know what this one knows.
    fn check_log(&self) {
        let mut last_generation = -1;
        for record in records_of(&self.rig.log) {
            if let CoordinatorRecord::GroupMetadata { value, .. } = record {
                let generation = value.map_or(-1, |value| value.generation);
                assert!(generation == -1 || generation >= last_generation, "generation {generation}");
                last_generation = generation;
            }
        }
        let mut other = CoordinatorShard::new(GroupConfig::default());
        assert!(other.start_loading().append.is_none());
        other.load(&self.rig.log, self.rig.high_watermark()).unwrap();
        let (live, loaded) = (self.rig.shard.groups().remembered(), other.groups().remembered());
        for (key, record) in &live {
            let is_empty_group = matches!(
                record,
                CoordinatorRecord::GroupMetadata { value: Some(value), .. } if value.members.is_empty()
            );
            if !(is_empty_group && self.has_failures) {
                assert_eq!(loaded.get(key), Some(record), "{key}");
            }
        }
        assert!(loaded.keys().all(|key| key == "g" || live.contains_key(key)), "forgotten: {loaded:?}");
    }

    /// Nothing is in the way any more: the living must agree, the dead must go.
    fn settle(&mut self) {
        self.release();
        for _ in 0..200 {
            for client in 0..CLIENTS {
                self.go_on(client, false);
            }
            self.rig.advance(2_000);
            self.read_answers();
            self.check_owners();
        }
    }

    fn check_settled(&self) {
        let alive = self.clients.iter().filter(|client| client.state != ClientState::Dead);
        let generations: BTreeSet<i32> = alive.clone().map(Client::generation).collect();
        let mut owned: Vec<u8> = alive
            .flat_map(|client| match &client.state {
                ClientState::Owner { partitions, .. } => partitions.to_vec(),
                state => panic!("{state:?} after all has settled"),
            })
            .collect();
        owned.sort_unstable();
        if !generations.is_empty() {
            assert_eq!(generations.len(), 1, "{:?}", self.clients);
            assert_eq!(owned, (0..PARTITIONS as u8).collect::<Vec<_>>(), "{:?}", self.clients);
        }
        assert_eq!(self.rig.unanswered(), 0);
        self.check_log();
    }
}

impl Client {
    fn generation(&self) -> i32 {
        match self.state {
            ClientState::Joined { generation, .. }
            | ClientState::Syncing { generation }
            | ClientState::Owner { generation, .. } => generation,
            ClientState::Out | ClientState::Joining | ClientState::Dead => -1,
        }
    }

    fn hear(&mut self, reply: GroupReply) {
        let error = match reply {
            GroupReply::Join(reply) => {
                if self.state != ClientState::Joining {
                    return;
                }
                if matches!(reply.error, None | Some(GroupError::MemberIdRequired)) {
                    self.member_id = reply.member_id;
                }
                if reply.error.is_none() {
                    let others = match reply.skip_assignment {
                        true => Vec::new(),
                        false => reply.members.into_iter().map(|member| member.member_id).collect(),
                    };
                    self.state = ClientState::Joined { generation: reply.generation_id, others };
                }
                reply.error
            }
            GroupReply::Sync(SyncReply { error: None, assignment, .. }) => {
                if let ClientState::Syncing { generation } = self.state {
                    self.state = ClientState::Owner { generation, partitions: assignment };
                }
                None
            }
            GroupReply::Sync(reply) => reply.error,
            GroupReply::Heartbeat(outcome) => outcome.err(),
            GroupReply::OffsetCommit(topics) => topics[0].partitions[0].1,
            _ => None,
        };
        match error {
            None => {}
            Some(GroupError::UnknownMemberId | GroupError::IllegalGeneration) => {
                self.member_id.clear();
                self.state = ClientState::Out;
            }
            Some(_) => self.state = ClientState::Out,
        }
    }
}

fn instance_id(client: usize) -> Option<String> {
    (client < STATIC_CLIENTS).then(|| format!("instance{client}"))
}

fn steps(actions: std::ops::Range<u8>) -> impl Strategy<Value = Vec<(u8, usize, u16)>> {
    proptest::collection::vec((actions, 0..CLIENTS, any::<u16>()), 1..80)
}

proptest! {
    /// However members and the coordinator behave, once they behave well the group is whole again, nothing that was
    /// committed is lost, and nobody waits for an answer.
    #[test]
    fn groups_heal(steps in steps(0..27), all_die: bool) {
        let mut world = World::new();
        for (action, client, argument) in steps {
            world.step(action, client, argument);
        }
        if all_die {
            (0..CLIENTS).for_each(|client| world.die(client));
            world.release();
            world.rig.advance(LONG_MS);
            world.read_answers();
            let describe = GroupRequest::Describe(vec!["g".to_owned()]);
            world.rig.request("0 0 0", &describe);
            let (_, reply) = world.rig.answers.pop().unwrap();
            let GroupReply::Describe(groups) = reply else { panic!("{reply:?}") };
            prop_assert!(["Empty", "Dead"].contains(&groups[0].state.as_str()), "{groups:?}");
        } else {
            world.settle();
        }
        world.check_settled();
    }
}
