//! A consumer group of many members, each a connection that speaks the classic protocol (JoinGroup, SyncGroup,
//! Heartbeat, OffsetCommit) and reads nothing.

use std::sync::{Barrier, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use rkafka_tests::wire::Connection;
use rkafka_wire::StrBytes;
use rkafka_wire::messages::join_group_request::JoinGroupRequestProtocol;
use rkafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use rkafka_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use rkafka_wire::messages::{
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    OffsetCommitRequest, SyncGroupRequest, TopicName,
};

use crate::broker::{Broker, PATIENCE};
use crate::measure::cpu;

/// Members of a group.
pub(crate) const MEMBERS: usize = 200;
/// Between two heartbeats of a member that waits for the others.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(100);
/// The coordinator is loading, not available, or elsewhere; a rebalance is in progress.
const LATER: [i16; 3] = [14, 15, 16];
const REBALANCE_IN_PROGRESS: i16 = 27;

/// How long a group took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// From the first join of a new group until all members have an assignment of one generation.
    pub(crate) formed: Duration,
    /// The same when all members rejoin with another subscription at one time.
    pub(crate) formed_anew: Duration,
    /// Until all members have committed their share of offsets, one at a time.
    pub(crate) committing: Duration,
    /// The broker's CPU time of that.
    pub(crate) committing_cpu: Duration,
}

/// What the leader of the group found: the generation and how many are in it.
#[derive(Default)]
struct Complete {
    known: Mutex<(i32, usize)>,
    told: Condvar,
}

impl Complete {
    fn tell(&self, generation: i32, members: usize) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = (generation, members);
        self.told.notify_all();
    }

    /// Whether all members are in this generation; waits a while for it to be told.
    fn wait(&self, generation: i32) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.told.wait_timeout_while(known, HEARTBEAT_EVERY, |it| *it != (generation, MEMBERS));
        !wait.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Lets a new group form, form anew, and commit.
pub(crate) fn run(broker: &Broker, group: &str, commits: u32) -> Result<Seen> {
    broker.create_topic(&format!("of-{group}"), MEMBERS as u32)?;
    let (barrier, complete) = (Barrier::new(MEMBERS + 1), Complete::default());
    let bootstrap = broker.bootstrap();
    find_coordinator(&bootstrap, group)?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..MEMBERS)
            .map(|number| {
                let (barrier, complete, bootstrap) = (&barrier, &complete, &bootstrap);
                scope.spawn(move || -> Result<()> {
                    let mut member = Member::new(Connection::open(bootstrap), group, number);
                    let mut results = Vec::new();
                    for subscription in ["one", "two"] {
                        let _ = barrier.wait();
                        results.push(member.until_stable(subscription, complete));
                        let _ = barrier.wait();
                    }
                    let _ = barrier.wait();
                    results.push((0..commits).try_for_each(|offset| member.commit(i64::from(offset))));
                    let _ = barrier.wait();
                    results.into_iter().collect()
                })
            })
            .collect();
        let timed = || {
            let _ = barrier.wait();
            let begin = Instant::now();
            let _ = barrier.wait();
            begin.elapsed()
        };
        let (formed, formed_anew) = (timed(), timed());
        let before = cpu(broker.pid()?)?;
        let committing = timed();
        let committing_cpu = cpu(broker.pid()?)? - before;
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a member panicked"))??;
        }
        Ok(Seen { formed, formed_anew, committing, committing_cpu })
    })
}

/// Looks for the group's coordinator, as every client does; the first who asks has the offsets topic created.
fn find_coordinator(bootstrap: &str, group: &str) -> Result<()> {
    let mut connection = Connection::open(bootstrap);
    let request = FindCoordinatorRequest::default().with_key(StrBytes::from_string(group.to_owned()));
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if connection.ask(2, &request).expect("FindCoordinator").error_code == 0 {
            return Ok(());
        }
        std::thread::sleep(HEARTBEAT_EVERY);
    }
    bail!("the group has no coordinator")
}

/// One member.
struct Member {
    connection: Connection,
    group: GroupId,
    topic: TopicName,
    /// The partition whose offsets it commits.
    number: usize,
    id: StrBytes,
    generation: i32,
}

impl Member {
    fn new(connection: Connection, group: &str, number: usize) -> Self {
        let text = |text: String| StrBytes::from_string(text);
        Self {
            connection,
            group: GroupId(text(group.to_owned())),
            topic: TopicName(text(format!("of-{group}"))),
            number,
            id: StrBytes::default(),
            generation: -1,
        }
    }

    /// Joins until all members are in one generation, later than the one before, and have their assignments.
    fn until_stable(&mut self, subscription: &'static str, complete: &Complete) -> Result<()> {
        let (begin, former) = (Instant::now(), self.generation);
        while begin.elapsed() < PATIENCE {
            let joined = self.join(subscription)?;
            if LATER.contains(&joined.error_code) {
                std::thread::sleep(HEARTBEAT_EVERY);
                continue;
            }
            if joined.error_code != 0 {
                bail!("JoinGroup: error {}", joined.error_code);
            }
            (self.id, self.generation) = (joined.member_id.clone(), joined.generation_id);
            if self.synced(&joined)? && self.generation > former && self.all_are_here(&joined, complete)? {
                return Ok(());
            }
        }
        bail!("the group did not become stable")
    }

    fn join(&mut self, subscription: &'static str) -> Result<JoinGroupResponse> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(Bytes::from_static(subscription.as_bytes()));
        let request = JoinGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_session_timeout_ms(45_000)
            .with_rebalance_timeout_ms(300_000)
            .with_member_id(self.id.clone())
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        Ok(self.connection.ask(2, &request).expect("JoinGroup"))
    }

    /// Gets its assignment, the leader by giving everyone his; false if the members must join again.
    fn synced(&mut self, joined: &JoinGroupResponse) -> Result<bool> {
        let assign = |member: &rkafka_wire::messages::join_group_response::JoinGroupResponseMember| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(Bytes::from_static(b"a partition"))
        };
        let request = SyncGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_assignments(joined.members.iter().map(assign).collect());
        match self.connection.ask(1, &request).expect("SyncGroup").error_code {
            0 => Ok(true),
            REBALANCE_IN_PROGRESS => Ok(false),
            other => bail!("SyncGroup: error {other}"),
        }
    }

    /// Waits until the leader has seen all members in this generation; false if they must join again.
    fn all_are_here(&mut self, joined: &JoinGroupResponse, complete: &Complete) -> Result<bool> {
        if joined.leader == self.id {
            complete.tell(self.generation, joined.members.len());
        }
        while !complete.wait(self.generation) {
            let request = HeartbeatRequest::default()
                .with_group_id(self.group.clone())
                .with_generation_id(self.generation)
                .with_member_id(self.id.clone());
            match self.connection.ask(1, &request).expect("Heartbeat").error_code {
                0 => {}
                REBALANCE_IN_PROGRESS => return Ok(false),
                other => bail!("Heartbeat: error {other}"),
            }
        }
        Ok(true)
    }

    fn commit(&mut self, offset: i64) -> Result<()> {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(i32::try_from(self.number)?)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(StrBytes::default()));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(self.topic.clone())
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(self.id.clone())
            .with_topics(vec![topic]);
        let answer = self.connection.ask(5, &request).expect("OffsetCommit");
        let error =
            answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
        match error.max() {
            Some(0) => Ok(()),
            other => bail!("OffsetCommit: error {other:?}"),
        }
    }
}
