//! What the coordinator's answers do to a member.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use rkafka_wire::ErrorCode;

use super::{Answered, Flight, Membership, Notice, State, members_of};
use crate::consumer::assignor::AssignorKind;
use crate::consumer::protocol;
use crate::error::ApiError;
use crate::topic_partition::TopicPartition;

/// A generation that begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JoinAnswer {
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    /// The leader is to keep the assignment there is (KIP-814).
    pub(crate) skip_assignment: bool,
    /// Id, instance id and subscription of each member; only the leader is told.
    pub(crate) members: Vec<(String, Option<String>, Bytes)>,
}

impl Membership {
    fn is_void(&self, attempt: u64) -> bool {
        self.attempt != attempt
    }

    /// No answer came: the coordinator is to be looked for again.
    pub(crate) fn unanswered(&mut self, now: Instant, attempt: u64) -> Answered {
        if self.is_void(attempt) {
            return Answered::Fine;
        }
        self.flight = Flight::Idle;
        self.heartbeat_asked = None;
        self.pause(now);
        Answered::CoordinatorLost
    }

    /// The answer to a join; `member_id` is what a refusal with MEMBER_ID_REQUIRED brings (KIP-394).
    pub(crate) fn joined(
        &mut self,
        now: Instant,
        attempt: u64,
        answer: Result<JoinAnswer, (ApiError, String)>,
    ) -> Answered {
        if self.is_void(attempt) || self.state != State::Joining {
            return Answered::Fine;
        }
        self.flight = Flight::Idle;
        self.not_before = None;
        match answer {
            Ok(answer) => self.begin(now, &answer),
            Err((error, member_id)) if error.code == ErrorCode::MemberIdRequired => {
                self.member_id = member_id;
                Answered::Fine
            }
            Err((error, _)) => self.refused(now, &error),
        }
    }

    fn begin(&mut self, now: Instant, answer: &JoinAnswer) -> Answered {
        let chosen = AssignorKind::by_name(&answer.protocol);
        let Some(assignor) = chosen.filter(|kind| self.settings.assignors.contains(kind)) else {
            let code = ErrorCode::InconsistentGroupProtocol;
            let message = format!("the group chose the unknown assignor '{}'", answer.protocol);
            return self.fatal(&ApiError { code, message });
        };
        self.generation = answer.generation;
        self.member_id.clone_from(&answer.member_id);
        self.assignor = Some(assignor);
        self.is_leader = answer.leader == answer.member_id;
        self.rejoin = None;
        if self.joined_topics != self.topics {
            self.want("the subscription changed during the rebalance");
        }
        self.last_heartbeat = now;
        self.state = match members_of(answer) {
            Some(members) if self.is_leader && !answer.skip_assignment => State::Leading(members),
            Some(_) => State::Syncing(Vec::new()),
            None => {
                let code = ErrorCode::InconsistentGroupProtocol;
                let message = "a member's subscription cannot be read".to_owned();
                return self.fatal(&ApiError { code, message });
            }
        };
        tracing::debug!(
            group = self.settings.group,
            generation = self.generation,
            member = self.member_id,
            leader = self.is_leader,
            "joined"
        );
        Answered::Fine
    }

    /// The answer to a sync: this member's partitions.
    pub(crate) fn synced(&mut self, now: Instant, attempt: u64, answer: Result<Bytes, ApiError>) -> Answered {
        if self.is_void(attempt) || !matches!(self.state, State::Syncing(_)) {
            return Answered::Fine;
        }
        self.flight = Flight::Idle;
        let blob = match answer {
            Ok(blob) => blob,
            Err(error) => {
                // A new generation begins: join again without telling the program anew.
                if error.code == ErrorCode::RebalanceInProgress {
                    self.want("the group began to rebalance before this member had its partitions");
                    self.join();
                    return Answered::Fine;
                }
                return self.refused(now, &error);
            }
        };
        let Some(partitions) = protocol::decode_assignment(blob) else {
            let code = ErrorCode::InconsistentGroupProtocol;
            let message = "this member's assignment cannot be read".to_owned();
            return self.fatal(&ApiError { code, message });
        };
        self.last_heartbeat = now;
        self.state = State::Stable;
        self.take_over(&partitions.into_iter().collect());
        Answered::Fine
    }

    fn take_over(&mut self, assigned: &BTreeSet<TopicPartition>) {
        let strange = assigned.iter().any(|partition| !self.topics.contains(&*partition.topic));
        if strange {
            // The subscription changed meanwhile; the next generation will know.
            self.want("partitions of topics that are not subscribed to were assigned");
        }
        self.last_assignment.clone_from(assigned);
        let revoked: BTreeSet<TopicPartition> = self.owned.difference(assigned).cloned().collect();
        let added: BTreeSet<TopicPartition> = assigned.difference(&self.owned).cloned().collect();
        if !revoked.is_empty() {
            // Their next owner gets them when this member has said that it gave them up (KIP-429).
            self.want("partitions were given up for other members");
            self.notices.push_back(Notice::Revoked(revoked.clone()));
        }
        self.notices.push_back(Notice::Assigned(added));
        self.owned = assigned | &revoked;
    }

    /// The answer to a heartbeat.
    pub(crate) fn heartbeat_answered(
        &mut self,
        now: Instant,
        attempt: u64,
        answer: Result<(), ApiError>,
    ) -> Answered {
        if self.is_void(attempt) {
            return Answered::Fine;
        }
        let asked = self.heartbeat_asked.take();
        let error = match answer {
            Ok(()) => {
                self.last_heartbeat = asked.unwrap_or(now);
                return Answered::Fine;
            }
            Err(error) => error,
        };
        match error.code {
            ErrorCode::RebalanceInProgress => {
                self.last_heartbeat = asked.unwrap_or(now);
                self.want("the group is rebalancing");
                Answered::Fine
            }
            _ => self.refused(now, &error),
        }
    }

    /// What a refusal of any request means.
    fn refused(&mut self, now: Instant, error: &ApiError) -> Answered {
        tracing::debug!(group = self.settings.group, code = error.code.name(), "the coordinator refused");
        self.pause(now);
        match error.code {
            ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator => Answered::CoordinatorLost,
            ErrorCode::CoordinatorLoadInProgress | ErrorCode::RebalanceInProgress => Answered::Fine,
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                let owns_nothing = self.owned.is_empty();
                let member_id = std::mem::take(&mut self.member_id);
                self.lose();
                if error.code == ErrorCode::IllegalGeneration {
                    self.member_id = member_id;
                }
                self.want("this member was not part of the generation any more");
                self.state = State::Preparing;
                if owns_nothing {
                    self.join();
                }
                Answered::Fine
            }
            _ if error.code.is_retriable() => Answered::Fine,
            _ => self.fatal(error),
        }
    }

    /// This member's commit was refused because the group has moved on.
    pub(crate) fn fenced(&mut self, attempt: u64, code: ErrorCode) {
        if self.is_void(attempt) || self.generation < 0 {
            return;
        }
        self.lose();
        self.want(&format!("a commit was refused with {}", code.name()));
        self.state = State::Preparing;
    }
}
