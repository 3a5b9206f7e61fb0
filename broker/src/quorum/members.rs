//! Who belongs to the quorum: what its leader does when nodes join, leave, move or come back with another disk.
//!
//! A voter is a node *and* the disk its log is on. A node that lost its disk has also lost its votes and what it
//! acknowledged; were its word taken on under the old name, two leaders could be elected in one term or committed
//! entries forgotten. So the old voter is removed first, which takes a majority that does not count it, and the
//! node begins again as a learner; it votes once it has everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::{ChangeMembers, Instant, ReadPolicy};
use serde::{Deserialize, Serialize};
use tracing::info;

use super::Quorum;
use super::peer::{Greeting, Join, Member, NodeAddress, Refusal, RefusalKind};
use super::types::Voter;
use crate::metadata_store::{QuorumNode, QuorumReplica, QuorumStatus};

/// A member that acknowledged within this time is alive.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);

/// How long a new voter may take to get everything before its join is tried again.
const CATCH_UP_MAX: Duration = Duration::from_secs(60);

/// A change of the set of voters that an operator asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum ChangeVoters {
    /// A member that follows shall vote.
    Add(Member),
    /// A voter shall not vote any more.
    Remove(Member),
}

impl Quorum {
    /// Whether the members, as far as this node's log knows, have it on this disk among them; as a voter, if it
    /// shall be one.
    pub(crate) fn is_member(&self, votes: bool) -> bool {
        let own = self.member();
        let members = self.metrics().membership_config;
        let known = members.get_node(&own.id).is_some_and(|node| node.directory == own.directory);
        known && (!votes || members.voter_ids().any(|id| id == own.id))
    }

    /// The leader's address, if a leader is known.
    pub(crate) fn leader_address(&self) -> Option<NodeAddress> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let id = metrics.current_leader?;
        if id == self.member().id {
            return Some(NodeAddress { id, host: self.own.host.clone(), port: self.own.port });
        }
        let node = metrics.membership_config.get_node(&id)?.clone();
        Some(NodeAddress { id, host: node.host, port: node.port })
    }

    pub(crate) fn greeting(&self) -> Greeting {
        let metrics = self.metrics();
        Greeting {
            cluster_id: self.cluster_id(),
            member: self.member(),
            formed: metrics.membership_config.nodes().next().is_some(),
            leader: self.leader_address(),
        }
    }

    /// The index up to which a node must have applied to have all that is committed now.
    pub(crate) async fn read_index(&self) -> Result<u64, Refusal> {
        let read = self.raft.get_read_log_id(ReadPolicy::ReadIndex).await;
        let (read, _) = read.map_err(|error| Refusal::new(RefusalKind::NotLeader, error))?;
        Ok(read.log_id().index)
    }

    /// Makes a node a member: a learner, and a voter if its configuration says so.
    pub(crate) async fn join(&self, join: Join) -> Result<(), Refusal> {
        // One change of members at a time.
        let _turn = self.joining.lock().await;
        let Join { member, host, port, votes } = join;
        if !self.raft.is_leader() {
            return Err(self.not_leader());
        }
        if self.alone && votes {
            let words = format!(
                "node {} is configured to be the only voter; name all voters in its configuration, too, and \
                 restart it",
                self.member().id
            );
            return Err(Refusal::new(RefusalKind::Unavailable, words));
        }
        let metrics = self.metrics();
        let members = metrics.membership_config.membership().clone();
        let node = Voter { directory: member.directory, host, port };
        let mut known = members.get_node(&member.id).cloned();
        let mut is_voter = members.voter_ids().any(|id| id == member.id);
        if let Some(former) = known.clone().filter(|former| former.directory != member.directory) {
            self.remove_former(member, &former, is_voter).await?;
            (known, is_voter) = (None, false);
        }
        match known {
            Some(same) if same == node => {}
            Some(_) => self.set_address(member.id, node.clone()).await?,
            None => {
                info!(%member, host = node.host, port = node.port, "a node joins the quorum");
                self.raft.add_learner(member.id, node.clone(), false).await.map_err(|e| self.refusal(e))?;
            }
        }
        if votes && !is_voter {
            let caught_up = self.raft.add_learner(member.id, node, true);
            let caught_up = tokio::time::timeout(CATCH_UP_MAX, caught_up).await;
            let late = |_| Refusal::new(RefusalKind::Unavailable, format!("{member} has not caught up yet"));
            caught_up.map_err(late)?.map_err(|error| self.refusal(error))?;
            self.make_voter(member.id).await?;
        }
        Ok(())
    }

    /// Takes out what a node was before it lost its disk. Not if that is alive: then two nodes have one id.
    async fn remove_former(&self, member: Member, former: &Voter, is_voter: bool) -> Result<(), Refusal> {
        let before = Member { id: member.id, directory: former.directory };
        if member.id == self.member().id || self.is_alive(member.id).await {
            let words = format!(
                "two nodes have the id {}: {before} at {}:{} is alive, so {member} cannot join; give one of them \
                 another node.id",
                member.id, former.host, former.port
            );
            return Err(Refusal::new(RefusalKind::DuplicateNode, words));
        }
        info!(%before, now = %member, "a member comes back with another disk; its former self is removed");
        if is_voter {
            let change = ChangeMembers::RemoveVoters(BTreeSet::from([member.id]));
            self.raft.change_membership(change, false).await.map_err(|error| self.refusal(error))?;
        } else {
            let change = ChangeMembers::RemoveNodes(BTreeSet::from([member.id]));
            self.raft.change_membership(change, false).await.map_err(|error| self.refusal(error))?;
        }
        Ok(())
    }

    /// Whether a member answers at its address as who it was; where nothing answers at all, whether it was heard
    /// a moment ago.
    async fn is_alive(&self, id: u64) -> bool {
        if let Some(refused) = self.refuses_connections(id).await {
            return !refused;
        }
        let heard = self.metrics().heartbeat.and_then(|heard| heard.get(&id).copied().flatten());
        heard.is_some_and(|at| at.elapsed() < ALIVE_WITHIN)
    }

    async fn set_address(&self, id: u64, node: Voter) -> Result<(), Refusal> {
        info!(id, host = node.host, port = node.port, "a member of the quorum has another address");
        let change = ChangeMembers::SetNodes(BTreeMap::from([(id, node)]));
        self.raft.change_membership(change, true).await.map_err(|error| self.refusal(error))?;
        Ok(())
    }

    async fn make_voter(&self, id: u64) -> Result<(), Refusal> {
        let change = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
        self.raft.change_membership(change, true).await.map_err(|error| self.refusal(error))?;
        info!(id, "a member of the quorum votes from now on");
        Ok(())
    }

    /// What a new leader must see to: that the members know its own address.
    pub(crate) async fn settle(&self) -> Result<(), Refusal> {
        let _turn = self.joining.lock().await;
        let metrics = self.metrics();
        let own = metrics.membership_config.get_node(&self.member().id).cloned();
        match own {
            Some(own) if own != self.own => self.set_address(self.member().id, self.own.clone()).await,
            _ => Ok(()),
        }
    }

    /// Adds or removes a voter for an operator.
    pub(crate) async fn change_voters(&self, change: ChangeVoters) -> Result<(), Refusal> {
        let _turn = self.joining.lock().await;
        if !self.raft.is_leader() {
            return Err(self.not_leader());
        }
        let invalid = |words: String| Err(Refusal::new(RefusalKind::Invalid, words));
        let metrics = self.metrics();
        let members = metrics.membership_config.membership().clone();
        let is_voter = |id: u64| members.voter_ids().any(|voter| voter == id);
        match change {
            ChangeVoters::Add(member) if is_voter(member.id) => {
                invalid(format!("node {} is a voter already", member.id))
            }
            ChangeVoters::Add(member) if self.alone => {
                invalid(format!("node {} cannot vote beside one that is configured to be alone", member.id))
            }
            ChangeVoters::Add(member) => match members.get_node(&member.id) {
                Some(node) if node.directory == member.directory => self.make_voter(member.id).await,
                Some(_) => invalid(format!("node {} is there with another directory id", member.id)),
                None => invalid(format!("node {} does not follow the quorum; start it first", member.id)),
            },
            ChangeVoters::Remove(member) => {
                match members.get_node(&member.id).filter(|_| is_voter(member.id)) {
                    Some(node) if node.directory == member.directory => {
                        let change = ChangeMembers::RemoveVoters(BTreeSet::from([member.id]));
                        self.raft
                            .change_membership(change, true)
                            .await
                            .map_err(|error| self.refusal(error))?;
                        info!(id = member.id, "a member of the quorum does not vote any more");
                        Ok(())
                    }
                    Some(_) => invalid(format!("voter {} has another directory id", member.id)),
                    None => invalid(format!("node {} is no voter", member.id)),
                }
            }
        }
    }

    pub(super) fn not_leader(&self) -> Refusal {
        let words = match self.leader_address() {
            Some(leader) => format!("node {} leads the metadata quorum", leader.id),
            None => "the metadata quorum has no leader now".to_owned(),
        };
        Refusal::new(RefusalKind::NotLeader, words)
    }

    fn refusal(&self, error: impl std::fmt::Display) -> Refusal {
        if self.raft.is_leader() { Refusal::new(RefusalKind::Unavailable, error) } else { self.not_leader() }
    }

    /// The state of the quorum, if this node leads it.
    pub(crate) fn own_status(&self) -> Result<QuorumStatus, Refusal> {
        let metrics = self.metrics();
        let Some(progress) = metrics.replication.as_ref().filter(|_| self.raft.is_leader()) else {
            return Err(self.not_leader());
        };
        let now_ms = (self.clock)();
        let own = self.member().id;
        let end = metrics.last_log_index.map_or(0, |index| as_offset(index + 1));
        let replica = |id: u64, node: &Voter| {
            let matched = progress.get(&id).copied().flatten();
            let log_end_offset =
                if id == own { end } else { matched.map_or(-1, |id| as_offset(id.index + 1)) };
            let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(&id).copied().flatten());
            let heard_ms = heard.map_or(-1, |at| {
                now_ms.saturating_sub(i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX))
            });
            let last_fetch_ms = if id == own { now_ms } else { heard_ms };
            QuorumReplica {
                id: i32::try_from(id).unwrap_or(i32::MAX),
                directory: *node.directory.as_bytes(),
                log_end_offset,
                last_fetch_ms,
                last_caught_up_ms: if log_end_offset == end { last_fetch_ms } else { -1 },
            }
        };
        let members = metrics.membership_config.membership();
        let voters: BTreeSet<u64> = members.voter_ids().collect();
        let of = |voting: bool| {
            let chosen = members.nodes().filter(|(id, _)| voters.contains(id) == voting);
            chosen.map(|(id, node)| replica(*id, node)).collect()
        };
        // One that nobody calls has no address.
        let called = members.nodes().filter(|(id, node)| voters.contains(id) && !node.host.is_empty());
        let nodes = called.map(|(id, node)| QuorumNode {
            id: i32::try_from(*id).unwrap_or(i32::MAX),
            host: node.host.clone(),
            port: node.port,
        });
        let nodes = nodes.collect();
        Ok(QuorumStatus {
            leader: i32::try_from(own).ok(),
            leader_epoch: i32::try_from(metrics.current_term).unwrap_or(i32::MAX),
            high_watermark: metrics.cluster_committed.map_or(0, |id| as_offset(id.index + 1)),
            voters: of(true),
            observers: of(false),
            nodes,
        })
    }
}

fn as_offset(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
