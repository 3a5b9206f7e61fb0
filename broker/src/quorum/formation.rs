//! How a node comes to be in a quorum of several.
//!
//! It greets every node that its configuration lists, again and again, until it is a member and somebody leads:
//! - a quorum exists: the node asks its leader to let it in ([`super::members`]);
//! - none exists and every listed node has answered: the first of the list founds it with all of them. Only that
//!   one ever does, so two quorums cannot come to be; only with all, so a node that lost its disk never takes
//!   two silent ones for a cluster that is yet to be founded.
//!
//! Whoever waits says every few seconds for whom.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::{info, warn};

use super::peer::{CallError, Connection, Greeting, Join, Kind, RefusalKind, to_json};
use super::types::Voter;
use super::{Quorum, QuorumError};

/// One node of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id, where the configuration says it.
    pub id: Option<u64>,
    /// Its host.
    pub host: String,
    /// The port of its quorum listener.
    pub port: u16,
}

/// What the configuration says about the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// All nodes that are listed.
    pub listed: Vec<Listed>,
    /// Which of them this node is; none if it only follows.
    pub own: Option<usize>,
}

/// How long one greeting may take.
const GREETING_MAX: Duration = Duration::from_secs(1);
/// How long a leader may take to let a node in, which includes its catching up.
const JOIN_MAX: Duration = Duration::from_secs(70);
/// Between two rounds.
const ROUND: Duration = Duration::from_millis(50);
/// Between two rounds once they have been in vain for a while.
const LATER_ROUND: Duration = Duration::from_millis(500);
/// How long a leader must go on saying that another node has this id.
const DUPLICATE_FOR: Duration = Duration::from_secs(4);
/// How often a node that waits says so.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// What one listed node answered.
type Answers<'a> = Vec<(&'a Listed, Result<Greeting, CallError>)>;

impl Quorum {
    /// Returns once this node is a member and a leader is known.
    ///
    /// # Errors
    /// What waiting cannot cure: another cluster, another node with this id, a list that does not fit.
    pub async fn form_or_join(&self, plan: &Plan) -> Result<(), QuorumError> {
        let started = Instant::now();
        let mut said = started;
        let is_member = || self.is_member(plan.own.is_some());
        loop {
            let answers = self.greet_all(plan).await;
            self.judge(plan, &answers)?;
            let mut hindrance = String::new();
            if !is_member() {
                let leader = answers.iter().find_map(|(_, greeting)| greeting.as_ref().ok()?.leader.clone());
                match leader {
                    Some(leader) => {
                        if let Err(error) = self.ask_to_join(&leader.host, leader.port, plan).await {
                            hindrance = not_joined(error, started)?;
                        }
                    }
                    None => self.found(plan, &answers).await?,
                }
            }
            if is_member() && self.leader_address().is_some() {
                return Ok(());
            }
            if said.elapsed() >= SAID_EVERY {
                said = Instant::now();
                say_waiting(&answers, is_member(), &hindrance);
            }
            let pause = if started.elapsed() < SAID_EVERY { ROUND } else { LATER_ROUND };
            self.leader_or(pause, is_member()).await;
        }
    }

    async fn greet_all<'a>(&self, plan: &'a Plan) -> Answers<'a> {
        let others = plan.listed.iter().enumerate().filter(|(at, _)| Some(*at) != plan.own);
        join_all(others.map(|(_, listed)| async move {
            let opening = Connection::open(&self.local, &listed.host, listed.port, None);
            let late = |_| CallError::Unreachable {
                address: format!("{}:{}", listed.host, listed.port),
                source: std::io::ErrorKind::TimedOut.into(),
            };
            let opened =
                tokio::time::timeout(GREETING_MAX, opening).await.map_err(late).and_then(|opened| opened);
            (listed, opened.map(|connection| connection.greeting))
        }))
        .await
    }

    /// What no waiting would cure.
    fn judge(&self, plan: &Plan, answers: &Answers<'_>) -> Result<(), QuorumError> {
        let own = self.member();
        for (listed, answer) in answers {
            match answer {
                Ok(greeting) if greeting.member == own && plan.own.is_some() => {
                    return Err(QuorumError::Plan(format!(
                        "{}:{} is this node, too: the list of the quorum names it twice",
                        listed.host, listed.port
                    )));
                }
                Ok(greeting) => {
                    if let Some(id) = listed.id.filter(|id| *id != greeting.member.id) {
                        return Err(QuorumError::Plan(format!(
                            "at {}:{} is node {}, but the list of the quorum says node {id}",
                            listed.host, listed.port, greeting.member.id
                        )));
                    }
                    self.remember(greeting);
                }
                Err(CallError::Refused { address, refusal }) => match refusal.kind {
                    RefusalKind::WrongCluster | RefusalKind::DuplicateNode => {
                        return Err(QuorumError::Plan(format!("{address} refuses this node: {refusal}")));
                    }
                    _ => {}
                },
                Err(CallError::Unreachable { .. }) => {}
            }
        }
        Ok(())
    }

    /// Before a cluster is founded, its id may be known only to another node's log directories.
    fn remember(&self, greeting: &Greeting) {
        let mut remembered = self.local.remembered.write();
        if remembered.is_none() {
            remembered.clone_from(&greeting.cluster_id);
        }
    }

    /// Founds the quorum, if that is this node's business and everybody is here.
    async fn found(&self, plan: &Plan, answers: &Answers<'_>) -> Result<(), QuorumError> {
        let heard: Vec<(&Listed, &Greeting)> = answers
            .iter()
            .filter_map(|(listed, greeting)| Some((*listed, greeting.as_ref().ok()?)))
            .collect();
        let all_new =
            heard.len() + 1 == plan.listed.len() && heard.iter().all(|(_, greeting)| !greeting.formed);
        // What raft tells of its members comes a little after the founding.
        let founded = self.raft.is_initialized().await.map_err(super::stopped)?;
        if plan.own != Some(0) || !all_new || founded {
            return Ok(());
        }
        let mut voters = BTreeMap::from([(self.member().id, self.own.clone())]);
        for (listed, Greeting { member, .. }) in heard {
            let voter = Voter { directory: member.directory, host: listed.host.clone(), port: listed.port };
            if voters.insert(member.id, voter).is_some() {
                return Err(QuorumError::Plan(format!("two nodes of the quorum have the id {}", member.id)));
            }
        }
        info!(voters = ?voters.keys().collect::<Vec<_>>(), "founding the metadata quorum");
        self.raft.initialize(voters).await.map_err(super::stopped)
    }

    async fn ask_to_join(&self, host: &str, port: u16, plan: &Plan) -> Result<(), CallError> {
        let mut connection = Connection::open(&self.local, host, port, None).await?;
        let Voter { host, port, .. } = self.own.clone();
        let join = Join { member: self.member(), host, port, votes: plan.own.is_some() };
        let late = |_| CallError::Unreachable {
            address: "the leader".to_owned(),
            source: std::io::ErrorKind::TimedOut.into(),
        };
        let join = to_json(&join);
        let asking = connection.call(Kind::Join, &join);
        tokio::time::timeout(JOIN_MAX, asking).await.map_err(late).and_then(|answer| answer).map(drop)
    }

    /// Waits for a leader, or a while.
    async fn leader_or(&self, pause: Duration, is_member: bool) {
        let wait = self.raft.wait(Some(pause));
        let heard = wait.metrics(|metrics| metrics.current_leader.is_some(), "a leader").await;
        if heard.is_ok() && !is_member {
            tokio::time::sleep(ROUND).await;
        }
    }
}

/// What hinders a join, if waiting may help.
fn not_joined(error: CallError, since: Instant) -> Result<String, QuorumError> {
    match error {
        CallError::Refused { refusal, .. } if refusal.kind == RefusalKind::WrongCluster => {
            Err(QuorumError::Plan(refusal.message))
        }
        // The node itself, before it lost its disk, may have been heard a moment ago.
        CallError::Refused { refusal, .. }
            if refusal.kind == RefusalKind::DuplicateNode && since.elapsed() > DUPLICATE_FOR =>
        {
            Err(QuorumError::Plan(refusal.message))
        }
        other => Ok(other.to_string()),
    }
}

fn say_waiting(answers: &Answers<'_>, is_member: bool, hindrance: &str) {
    let silent: Vec<String> =
        answers.iter().filter_map(|(_, answer)| Some(answer.as_ref().err()?.to_string())).collect();
    let here: Vec<String> =
        answers.iter().filter_map(|(_, answer)| Some(answer.as_ref().ok()?.member.id.to_string())).collect();
    let what = if is_member { "a leader of the metadata quorum" } else { "the metadata quorum" };
    warn!(
        "waiting for {what}: not reached: [{}]; reached: nodes [{}]{}{hindrance}",
        silent.join("; "),
        here.join(", "),
        if hindrance.is_empty() { "" } else { "; " },
    );
}
