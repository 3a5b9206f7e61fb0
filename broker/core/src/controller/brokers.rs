//! Brokers come, live and go: registration, heartbeats, fencing (KIP-631).
//!
//! What the cluster must agree on (registered, fenced, leaving) is in the image. When a broker was last heard
//! of is the active controller's own knowledge: a new controller gives every broker a fresh session.

use std::collections::BTreeMap;

use crate::ids::BrokerId;
use crate::image::{BrokerChange, BrokerRegistration, MetadataRecord};
use serde::{Deserialize, Serialize};

use super::elections::{with_broker, without_broker};
use super::{ControllerError, ErrorKind, Outcome, View};

/// BrokerRegistration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterBroker {
    /// The cluster the broker believes to be in.
    pub cluster_id: String,
    /// Who it is. Epoch, fencing and shutdown state are the controller's and ignored here.
    pub broker: BrokerRegistration,
    /// The epoch it had when it last stopped cleanly; -1 if it did not (KIP-966).
    pub previous_epoch: i64,
}

/// BrokerHeartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Who.
    pub broker: BrokerId,
    /// The epoch of its registration.
    pub epoch: i64,
    /// The sequence of the image it has.
    pub sequence: u64,
    /// It can't serve and wants to be fenced.
    pub want_fence: bool,
    /// It wants to stop.
    pub want_shutdown: bool,
}

/// The reply to a [`Heartbeat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// Its image is recent enough to be unfenced.
    pub caught_up: bool,
    /// It is, or stays, fenced.
    pub fenced: bool,
    /// It may stop now.
    pub shut_down: bool,
}

/// When each broker was last heard of, and how far its image was. Owned by the active controller's task.
#[derive(Debug, Clone)]
pub struct Sessions {
    timeout_ms: u64,
    brokers: BTreeMap<BrokerId, Session>,
}

#[derive(Debug, Clone, Copy)]
struct Session {
    heard_ms: u64,
    sequence: u64,
    /// The sequence at which its controlled shutdown began: others must have seen that before it may stop.
    leaving_since: Option<u64>,
}

impl Sessions {
    /// Sessions of a controller that becomes active at `mono_ms`; `timeout_ms` is `broker.session.timeout.ms`.
    #[must_use]
    pub fn new(view: &View<'_>, timeout_ms: u64, mono_ms: u64) -> Self {
        let fresh = Session { heard_ms: mono_ms, sequence: 0, leaving_since: None };
        let brokers = view.image.brokers().alive().map(|broker| (broker.id, fresh)).collect();
        Sessions { timeout_ms, brokers }
    }

    fn heard(&mut self, broker: BrokerId, sequence: u64, mono_ms: u64) -> &mut Session {
        let session = Session { heard_ms: mono_ms, sequence, leaving_since: None };
        let session = self.brokers.entry(broker).or_insert(session);
        (session.heard_ms, session.sequence) = (mono_ms, sequence);
        session
    }

    /// Ends a broker's session now: it is known to be dead. [`fence_expired`] does the rest.
    pub fn forget(&mut self, broker: BrokerId) {
        self.brokers.remove(&broker);
    }

    fn is_valid(&self, broker: BrokerId, mono_ms: u64) -> bool {
        let heard = self.brokers.get(&broker);
        heard.is_some_and(|session| mono_ms <= session.heard_ms.saturating_add(self.timeout_ms))
    }

    /// When the first session ends if nobody is heard any more (monotonic milliseconds).
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        let earliest = self.brokers.values().map(|session| session.heard_ms).min()?;
        Some(earliest.saturating_add(self.timeout_ms).saturating_add(1))
    }

    /// The least sequence that a live, staying broker's image has.
    fn lowest_sequence(&self, view: &View<'_>) -> u64 {
        let staying = view.image.brokers().iter().filter(|broker| broker.is_active());
        let sequences = staying.filter_map(|broker| self.brokers.get(&broker.id)).map(|s| s.sequence);
        sequences.min().unwrap_or(u64::MAX)
    }
}

/// Registers a broker. A new incarnation starts fenced, with a new epoch; the same incarnation amends what it
/// said before and keeps both.
pub fn register_broker(
    view: &View<'_>,
    sessions: &mut Sessions,
    request: &RegisterBroker,
    mono_ms: u64,
) -> Result<Outcome<i64>, ControllerError> {
    let cluster_id = view.image.cluster_id().unwrap_or_default();
    if request.cluster_id != cluster_id {
        return Err(ControllerError::new(
            ErrorKind::InconsistentClusterId,
            format!("Expected cluster ID {cluster_id}, but got cluster ID {}", request.cluster_id),
        ));
    }
    let id = request.broker.id;
    let existing = view.image.brokers().get(id);
    let same = existing.filter(|old| old.incarnation == request.broker.incarnation);
    let alive = existing.is_some_and(|old| !old.fenced) && sessions.is_valid(id, mono_ms);
    if alive && same.is_none() {
        return Err(ControllerError::new(
            ErrorKind::DuplicateBrokerRegistration,
            "Another broker is registered with that broker id.",
        ));
    }
    check_features(view, &request.broker)?;
    let mut broker = request.broker.clone();
    let mut records = Vec::new();
    if let Some(same) = same {
        (broker.epoch, broker.fenced) = (same.epoch, same.fenced);
        broker.in_controlled_shutdown = same.in_controlled_shutdown;
    } else {
        let clean = existing.is_some_and(|old| old.epoch == request.previous_epoch);
        without_broker(view, id, !clean, &mut records);
        broker.epoch = i64::try_from(view.image.sequence() + records.len() as u64).unwrap_or(i64::MAX);
        (broker.fenced, broker.in_controlled_shutdown) = (true, false);
        sessions.brokers.remove(&id);
    }
    let reply = broker.epoch;
    records.push(MetadataRecord::RegisterBroker { broker: Box::new(broker) });
    Ok(Outcome { records, reply })
}

fn check_features(view: &View<'_>, broker: &BrokerRegistration) -> Result<(), ControllerError> {
    for (name, finalized) in view.image.features() {
        let offered = broker.features.iter().find(|(feature, ..)| &**feature == name);
        let (lowest, highest) = offered.map_or((0, 0), |(_, lowest, highest)| (*lowest, *highest));
        if !(lowest..=highest).contains(&finalized) {
            return Err(ControllerError::new(
                ErrorKind::UnsupportedVersion,
                format!(
                    "Unable to register because the broker does not support finalized version {finalized} of \
                     {name}. The broker wants a version between {lowest} and {highest}, inclusive."
                ),
            ));
        }
    }
    Ok(())
}

/// The registration of a broker that speaks for `epoch`.
pub(super) fn check_epoch<'a>(
    view: &View<'a>,
    broker: BrokerId,
    epoch: i64,
) -> Result<&'a BrokerRegistration, ControllerError> {
    let stale = |message: String| ControllerError::new(ErrorKind::StaleBrokerEpoch, message);
    let registration = view
        .image
        .brokers()
        .get(broker)
        .ok_or_else(|| stale(format!("No broker registration found for broker id {broker}")))?;
    if registration.epoch != epoch {
        let expected = registration.epoch;
        return Err(stale(format!("Expected broker epoch {expected}, but got broker epoch {epoch}")));
    }
    Ok(registration)
}

/// Takes a heartbeat: unfences a broker that has caught up, moves leaders away from one that wants to stop and
/// lets it go once it leads nothing and all others know.
pub fn heartbeat(
    view: &View<'_>,
    sessions: &mut Sessions,
    request: &Heartbeat,
    mono_ms: u64,
) -> Result<Outcome<HeartbeatReply>, ControllerError> {
    let broker = check_epoch(view, request.broker, request.epoch)?;
    let caught_up = i64::try_from(request.sequence).unwrap_or(i64::MAX) > broker.epoch;
    let state = next_state(view, sessions, request, broker, caught_up);
    let mut records = Vec::new();
    let change = |change| MetadataRecord::BrokerChange { id: broker.id, epoch: broker.epoch, change };
    match state {
        State::Fenced | State::ShutDown if !broker.fenced => {
            without_broker(view, broker.id, false, &mut records);
            records.push(change(BrokerChange { fenced: Some(true), ..BrokerChange::default() }));
        }
        State::Unfenced if broker.fenced => {
            records.push(change(BrokerChange { fenced: Some(false), ..BrokerChange::default() }));
            with_broker(view, broker.id, &mut records);
        }
        State::Leaving if !broker.in_controlled_shutdown => {
            let leaving = BrokerChange { in_controlled_shutdown: Some(true), ..BrokerChange::default() };
            records.push(change(leaving));
            without_broker(view, broker.id, false, &mut records);
        }
        State::Fenced | State::Unfenced | State::Leaving | State::ShutDown => {}
    }
    let session = sessions.heard(broker.id, request.sequence, mono_ms);
    if state == State::Leaving && session.leaving_since.is_none() {
        session.leaving_since = Some(view.image.sequence() + records.len() as u64);
    }
    if matches!(state, State::Fenced | State::ShutDown) {
        sessions.brokers.remove(&broker.id);
    }
    let fenced = matches!(state, State::Fenced | State::ShutDown);
    let reply = HeartbeatReply { caught_up, fenced, shut_down: state == State::ShutDown };
    Ok(Outcome { records, reply })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fenced,
    Unfenced,
    /// In controlled shutdown.
    Leaving,
    /// May stop.
    ShutDown,
}

fn next_state(
    view: &View<'_>,
    sessions: &Sessions,
    request: &Heartbeat,
    broker: &BrokerRegistration,
    caught_up: bool,
) -> State {
    let leads = || {
        let mut partitions = view.image.topics().iter().flat_map(|topic| &topic.partitions);
        partitions.any(|partition| partition.leader == Some(broker.id))
    };
    if broker.fenced {
        return match (request.want_shutdown, request.want_fence || !caught_up) {
            (true, _) => State::ShutDown,
            (false, true) => State::Fenced,
            (false, false) => State::Unfenced,
        };
    }
    if broker.in_controlled_shutdown {
        let since = sessions.brokers.get(&broker.id).and_then(|session| session.leaving_since);
        let all_know = since.is_some_and(|since| sessions.lowest_sequence(view) >= since);
        return if !leads() && all_know { State::ShutDown } else { State::Leaving };
    }
    match (request.want_fence, request.want_shutdown) {
        (true, true) => State::ShutDown,
        (true, false) => State::Fenced,
        (false, true) if leads() => State::Leaving,
        (false, true) => State::ShutDown,
        (false, false) => State::Unfenced,
    }
}

/// Fences one broker whose session has ended, if there is one. One at a time, so that the next is judged by an
/// image in which the first is gone.
#[must_use]
pub fn fence_expired(view: &View<'_>, sessions: &mut Sessions, mono_ms: u64) -> Option<Outcome<BrokerId>> {
    let silent = view.image.brokers().alive().find(|broker| !sessions.is_valid(broker.id, mono_ms))?;
    let mut records = Vec::new();
    without_broker(view, silent.id, false, &mut records);
    records.push(MetadataRecord::BrokerChange {
        id: silent.id,
        epoch: silent.epoch,
        change: BrokerChange { fenced: Some(true), ..BrokerChange::default() },
    });
    sessions.brokers.remove(&silent.id);
    Some(Outcome { records, reply: silent.id })
}

/// UnregisterBroker: takes a broker out of the cluster for good.
pub fn unregister_broker(view: &View<'_>, broker: BrokerId) -> Result<Outcome<()>, ControllerError> {
    let registration = view.image.brokers().get(broker).ok_or_else(|| {
        let message = format!("Broker ID {broker} is not currently registered");
        ControllerError::new(ErrorKind::BrokerIdNotRegistered, message)
    })?;
    let mut records = Vec::new();
    without_broker(view, broker, true, &mut records);
    records.push(MetadataRecord::UnregisterBroker { id: broker, epoch: registration.epoch });
    Ok(Outcome { records, reply: () })
}

#[cfg(test)]
mod tests;
