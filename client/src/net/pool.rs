//! The connections of one client: a way into the cluster, then one connection a broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rkafka_config::HostPort;
use rkafka_wire::messages::MetadataRequest;
use tokio::task::JoinSet;

use super::connection::{Connection, ConnectionOptions};
use crate::config::ClientConfig;
use crate::error::{ClientError, ConnectionError, ConnectionFault};
use crate::metadata::Broker;
use crate::metrics::NetMeter;

/// The head start of an address over the next one in the bootstrap list.
const HEAD_START: Duration = Duration::from_millis(250);

/// Connections by broker. Cheap locks only; connecting happens outside them, one task a broker at a time.
#[derive(Debug)]
pub struct Pool {
    bootstrap: Vec<HostPort>,
    options: ConnectionOptions,
    entrance: Slot,
    nodes: Mutex<BTreeMap<i32, Arc<Node>>>,
}

#[derive(Debug)]
struct Node {
    address: HostPort,
    slot: Slot,
}

/// Room for one connection; the lock is held while it is being made, so that callers share the try.
type Slot = tokio::sync::Mutex<Option<Connection>>;

impl Pool {
    /// A pool without connections yet.
    #[must_use]
    pub fn new(config: &ClientConfig) -> Pool {
        Pool {
            bootstrap: config.bootstrap_servers.clone(),
            options: ConnectionOptions::from(config),
            entrance: Slot::default(),
            nodes: Mutex::default(),
        }
    }

    /// What goes over its connections.
    pub(crate) fn meter(&self) -> &NetMeter {
        self.options.meter()
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<i32, Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over where the brokers are; connections to brokers that moved or left are dropped.
    pub fn set_brokers<'a>(&self, brokers: impl IntoIterator<Item = &'a Broker>) {
        let mut nodes = self.nodes();
        let mut known = std::mem::take(&mut *nodes);
        for broker in brokers {
            let kept = known.remove(&broker.id).filter(|node| node.address == broker.address);
            let node = kept
                .unwrap_or_else(|| Arc::new(Node { address: broker.address.clone(), slot: Slot::default() }));
            nodes.insert(broker.id, node);
        }
    }

    /// Takes over where one broker is: leader hints (KIP-951) name brokers that the metadata may not have yet.
    pub fn set_broker(&self, id: i32, address: &HostPort) {
        let mut nodes = self.nodes();
        if nodes.get(&id).is_none_or(|node| node.address != *address) {
            nodes.insert(id, Arc::new(Node { address: address.clone(), slot: Slot::default() }));
        }
    }

    /// A connection to whichever broker: an open one, else by the bootstrap list, else to any broker known.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] with the reason for each bootstrap address.
    pub async fn any(&self) -> Result<Connection, ClientError> {
        let mut entrance = self.entrance.lock().await;
        if let Some(open) = entrance.as_ref().filter(|connection| connection.is_open()) {
            return Ok(open.clone());
        }
        let unreachable = match self.enter(&self.bootstrap).await {
            Ok(connection) => return Ok(entrance.insert(connection).clone()),
            Err(errors) => errors,
        };
        let known: Vec<HostPort> = self.nodes().values().map(|node| node.address.clone()).collect();
        let others: Vec<HostPort> =
            known.into_iter().filter(|address| !self.bootstrap.contains(address)).collect();
        match self.enter(&others).await {
            Ok(connection) => Ok(entrance.insert(connection).clone()),
            Err(_) => Err(ClientError::Unreachable(unreachable)),
        }
    }

    /// The connection to the broker of this id, opened if need be.
    ///
    /// # Errors
    /// [`ClientError::NoSuchBroker`] if the metadata has none, [`ClientError::Advertised`] if it cannot be reached.
    pub async fn node(&self, id: i32) -> Result<Connection, ClientError> {
        let node = self.nodes().get(&id).cloned().ok_or(ClientError::NoSuchBroker(id))?;
        let mut slot = node.slot.lock().await;
        if let Some(open) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(open.clone());
        }
        let opened = Connection::open(&node.address, &self.options).await;
        let connection = opened.map_err(|error| ClientError::Advertised { id, error })?;
        Ok(slot.insert(connection).clone())
    }

    /// A connection of its own to the broker of this id: requests that a broker holds back, such as JoinGroup, keep
    /// those behind them waiting.
    ///
    /// # Errors
    /// As [`Pool::node`].
    pub(crate) async fn own(&self, id: i32) -> Result<Connection, ClientError> {
        let node = self.nodes().get(&id).cloned().ok_or(ClientError::NoSuchBroker(id))?;
        let opened = Connection::open(&node.address, &self.options).await;
        opened.map_err(|error| ClientError::Advertised { id, error })
    }

    /// Tries all addresses, each a little after the one before; the first that answers wins.
    async fn enter(&self, addresses: &[HostPort]) -> Result<Connection, Vec<ConnectionError>> {
        let mut attempts = JoinSet::new();
        for (at, address) in addresses.iter().cloned().enumerate() {
            let options = self.options.clone();
            attempts.spawn(async move {
                tokio::time::sleep(HEAD_START * u32::try_from(at).unwrap_or(u32::MAX)).await;
                (at, open_entrance(&address, &options).await)
            });
        }
        let mut errors: BTreeMap<usize, ConnectionError> = BTreeMap::new();
        while let Some(attempt) = attempts.join_next().await {
            match attempt {
                Ok((_, Ok(connection))) => return Ok(connection),
                Ok((at, Err(error))) => drop(errors.insert(at, error)),
                // A panic in a connection's task is reported as such by the runtime.
                Err(ended) => {
                    let fault = ConnectionFault::Io(ended.to_string());
                    errors.insert(usize::MAX, ConnectionError { address: "a connection".into(), fault });
                }
            }
        }
        Err(errors.into_values().collect())
    }
}

/// Opens a connection and makes sure that it leads into the cluster: a controller's own port does not.
async fn open_entrance(
    address: &HostPort,
    options: &ConnectionOptions,
) -> Result<Connection, ConnectionError> {
    let connection = Connection::open(address, options).await?;
    if connection.version::<MetadataRequest>().is_err() {
        let fault =
            ConnectionFault::NotKafka("it serves no Metadata requests; a controller's port?".to_owned());
        return Err(ConnectionError { address: address.to_string(), fault });
    }
    Ok(connection)
}
