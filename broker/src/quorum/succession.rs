//! An election at once when the leader's process has ended; no waiting for one when most voters have.
//!
//! Raft waits for a silent leader: its followers elect nobody before the lease they gave it and an election timeout are
//! over, half a second. A process that was killed is not silent: its connections break and its address refuses new
//! ones. Both together show a voter that there is nobody whose lease must be respected any more; it forgets
//! that lease and asks for votes. Pre-votes are as ever: whoever has not seen the same keeps to the lease and grants
//! none, so no leader that a majority still hears is deposed by what one voter believes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use openraft::raft::TransferLeaderRequest;
use tokio::sync::watch;
use tracing::{debug, info};

use super::{ELECTION_MS, Quorum};

/// Between the turns of two voters: long enough for one of them to be elected.
const TURN: Duration = Duration::from_millis(30);

/// How often to try to connect before the traces are taken for a hiccup.
const ATTEMPTS: usize = 30;

/// Between two attempts: the sockets of an ending process close one after the other.
const PAUSE: Duration = Duration::from_millis(10);

/// How often a node that leaves looks for the other voters.
const LOOK: Duration = Duration::from_millis(50);

/// When one of the voters that are left asks for votes: first at once or after those with lower ids, then again after
/// a turn of everybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Turns {
    first: Duration,
    between: Duration,
}

impl Turns {
    /// The turns of `own` after the end of `leader`; nothing for one that does not vote, or leads itself.
    fn of(own: u64, leader: u64, voters: impl Iterator<Item = u64>) -> Option<Turns> {
        let mut left: Vec<u64> = voters.filter(|id| *id != leader).collect();
        left.sort_unstable();
        let rank = left.iter().position(|id| *id == own)?;
        let turns = |count: usize| TURN.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        Some(Turns { first: turns(rank), between: turns(left.len()) })
    }

    /// When they are, counted from the end of the leader, until raft's own clock takes over.
    fn all(self) -> impl Iterator<Item = Duration> {
        let next = move |before: &Duration| Some(before.saturating_add(self.between));
        std::iter::successors(Some(self.first), next)
            .take_while(|at| *at < Duration::from_millis(ELECTION_MS.1))
    }
}

/// Looks after the leader whenever a connection from it broke, until the quorum is dropped.
pub(super) async fn watch_leader(quorum: Weak<Quorum>, mut broken: watch::Receiver<()>) {
    while broken.changed().await.is_ok() {
        let Some(quorum) = quorum.upgrade() else { return };
        quorum.succeed().await;
    }
}

impl Quorum {
    /// Has a leader elected if the present one has ended.
    async fn succeed(self: &Arc<Self>) {
        let metrics = self.metrics();
        let (own, vote) = (self.member().id, metrics.vote);
        let Some(leader) = metrics.current_leader else { return };
        let Some(turns) = Turns::of(own, leader, metrics.membership_config.voter_ids()) else { return };
        if !self.has_ended(leader).await {
            return;
        }
        let ended = tokio::time::Instant::now();
        info!(leader, "the leader of the metadata quorum has ended; another one is elected at once");
        // Raft forgets the lease of a leader that hands over; this is what one that is dead would say.
        let farewell = TransferLeaderRequest::new(vote, leader, None);
        if let Err(error) = self.raft.handle_transfer_leader(farewell).await {
            debug!(%error, "no election");
            return;
        }
        for at in turns.all() {
            tokio::time::sleep_until(ended + at).await;
            // Another vote, given or asked for: somebody else was first.
            if self.metrics().vote != vote || self.raft.trigger().elect(true).await.is_err() {
                return;
            }
        }
    }

    /// Whether a node's process has ended: nobody listens at its address, or another node. Ask only when its connections
    /// broke: that nothing answers may have many reasons.
    pub(crate) async fn has_ended(&self, id: u64) -> bool {
        for _ in 0..ATTEMPTS {
            match self.refuses_connections(id).await {
                Some(refused) => return refused,
                // Neither taken nor refused yet.
                None => tokio::time::sleep(PAUSE).await,
            }
        }
        false
    }

    /// Whether so many voters have ended that there can be no leader.
    pub(crate) async fn has_no_majority(&self) -> bool {
        let metrics = self.metrics();
        let own = self.member().id;
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        let others = voters.iter().filter(|id| **id != own);
        let looks = join_all(others.map(|id| self.refuses_connections(*id))).await;
        let ended = looks.into_iter().filter(|refused| *refused == Some(true)).count();
        2 * (voters.len() - ended) <= voters.len()
    }

    /// Returns once so many voters have ended that there can be no leader, which is looked for now and then.
    pub(crate) async fn lost_majority(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if self.has_no_majority().await {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_voters_ask_at_the_same_time() {
        let voters = [5, 1, 4, 2, 3];
        let turns = |own| Turns::of(own, 2, voters.into_iter()).map(|turns| turns.all().collect::<Vec<_>>());
        let all: Vec<Duration> =
            [1, 3, 4, 5].into_iter().flat_map(|own| turns(own).expect("it votes")).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
        assert_eq!(turns(1).expect("it votes").first(), Some(&Duration::ZERO));
        assert_eq!(turns(3).expect("it votes").first(), Some(&TURN));
        assert!(all.iter().all(|at| at.as_millis() < u128::from(ELECTION_MS.1)));
    }

    #[test]
    fn who_does_not_vote_or_leads_has_no_turn() {
        assert_eq!(Turns::of(9, 2, [1, 2, 3].into_iter()), None);
        assert_eq!(Turns::of(2, 2, [1, 2, 3].into_iter()), None);
    }

    #[test]
    fn each_voter_has_more_than_one_turn() {
        // One whose log is behind is elected by nobody: the next must be, and the first again if that one dies too.
        let turns = Turns::of(1, 2, [1, 2, 3].into_iter()).expect("it votes");
        assert!(turns.all().count() > 1);
    }
}
