//! Brokers of the image: who is registered, where they listen, who is fenced.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::ids::BrokerId;

/// How a listener is protected; the numbers are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SecurityProtocol {
    /// No TLS, no authentication.
    Plaintext = 0,
    /// TLS.
    Ssl = 1,
    /// SASL over plain TCP.
    SaslPlaintext = 2,
    /// SASL over TLS.
    SaslSsl = 3,
}

/// One advertised listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The listener's name, as `PLAINTEXT`.
    pub listener: Arc<str>,
    /// The advertised host.
    pub host: Arc<str>,
    /// The advertised port.
    pub port: u16,
    /// How it is protected.
    pub security: SecurityProtocol,
}

/// What a broker said when it registered, and what the controller thinks of it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerRegistration {
    /// The broker's id.
    pub id: BrokerId,
    /// The epoch of this registration: the sequence of the record that made it, so it only rises.
    pub epoch: i64,
    /// Drawn at each start of the process: tells a restart from a repeated request.
    pub incarnation: [u8; 16],
    /// Advertised listeners.
    pub endpoints: Vec<Endpoint>,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// Features and the levels (lowest, highest) this broker can run at.
    pub features: Vec<(Arc<str>, i16, i16)>,
    /// A fenced broker leads nothing, is in no ISR and is not shown to clients.
    pub fenced: bool,
    /// It asked to leave: it gets no new leaderships.
    pub in_controlled_shutdown: bool,
}

impl BrokerRegistration {
    /// The endpoint of the listener of that name.
    #[must_use]
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| &*endpoint.listener == listener)
    }

    /// Whether it may be put in an ISR or lead: neither fenced nor leaving.
    #[must_use]
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

/// All registered brokers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Brokers {
    by_id: OrdMap<BrokerId, Arc<BrokerRegistration>>,
}

impl Brokers {
    /// One broker's registration.
    #[must_use]
    pub fn get(&self, id: BrokerId) -> Option<&Arc<BrokerRegistration>> {
        self.by_id.get(&id)
    }

    /// All registrations by id, fenced ones included.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.by_id.values()
    }

    /// Those that are not fenced: what clients are shown.
    pub fn alive(&self) -> impl Iterator<Item = &Arc<BrokerRegistration>> {
        self.iter().filter(|broker| !broker.fenced)
    }

    /// Whether the broker may be put in an ISR or lead.
    #[must_use]
    pub fn is_active(&self, id: BrokerId) -> bool {
        self.get(id).is_some_and(|broker| broker.is_active())
    }

    pub(super) fn insert(&mut self, broker: BrokerRegistration) {
        self.by_id.insert(broker.id, Arc::new(broker));
    }

    pub(super) fn get_mut(&mut self, id: BrokerId) -> Option<&mut BrokerRegistration> {
        self.by_id.get_mut(&id).map(Arc::make_mut)
    }

    pub(super) fn remove(&mut self, id: BrokerId) -> Option<Arc<BrokerRegistration>> {
        self.by_id.remove(&id)
    }
}
