//! What an operator's command asks of a cluster where Kafka's protocol has no request for it: to hand over.
//!
//! It greets a controller as nodes do, under an id that no node can have.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use rkafka_core::controller::{ControllerError, ErrorKind};
use rkafka_core::ids::BrokerId;
use rkafka_core::image::Image;
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::peer::{CallError, Connection, Kind, Local, Member, NodeAddress};
use crate::controller::ForwardedReply;
use crate::metadata_store::{ControllerReply, ControllerRequest, HandOverLeaderships};

/// Of no node: ids of nodes are 32-bit numbers.
const OPERATOR: u64 = u64::MAX;

/// How long a controller is looked for.
const SEARCH_MAX: Duration = Duration::from_secs(10);
/// How long one attempt to connect may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Between two attempts.
const RETRY: Duration = Duration::from_millis(50);

/// Why nothing was handed over.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// None of the controllers could be reached, or none leads.
    #[error("no active controller found at {addresses}: {reason}")]
    NoController {
        /// Where it was looked for.
        addresses: String,
        /// What the last attempt met.
        reason: String,
    },
    /// The controller refuses.
    #[error("the controller refuses: {0}")]
    Refused(String),
}

/// What was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandedOver {
    /// Partitions that another broker leads now.
    pub partitions: usize,
    /// The node that leads the metadata quorum now.
    pub controller: i32,
}

/// Takes the leaderships of partitions from node `id`, or, without one, from the active controller, and the lead of
/// the metadata quorum where it has that. `controllers` are addresses of quorum listeners.
///
/// # Errors
/// [`OperatorError`].
pub async fn hand_over(
    controllers: &[(String, u16)],
    id: Option<i32>,
) -> Result<(i32, HandedOver), OperatorError> {
    let (mut connection, leader) = find_leader(controllers, None).await?;
    let from = id.unwrap_or_else(|| node_id(leader.id));
    let partitions = move_partitions(&mut connection, from).await?;
    if node_id(leader.id) != from {
        return Ok((from, HandedOver { partitions, controller: node_id(leader.id) }));
    }
    let handed = connection.call(Kind::HandOver, &[]).await;
    handed.map_err(|error| OperatorError::Refused(error.to_string()))?;
    let (_, leader) = find_leader(controllers, Some(leader.id)).await?;
    Ok((from, HandedOver { partitions, controller: node_id(leader.id) }))
}

fn node_id(id: u64) -> i32 {
    i32::try_from(id).unwrap_or(-1)
}

async fn move_partitions(connection: &mut Connection, from: i32) -> Result<usize, OperatorError> {
    let refused = |error: String| OperatorError::Refused(error);
    let request = ControllerRequest::from(HandOverLeaderships { broker: BrokerId(from) });
    let body = serde_json::to_vec(&request).map_err(|error| refused(error.to_string()))?;
    let answer = connection.call(Kind::Control, &body).await.map_err(|error| refused(error.to_string()))?;
    let reply: ForwardedReply =
        serde_json::from_slice(&answer).map_err(|error| refused(error.to_string()))?;
    match reply.result {
        Ok(ControllerReply::HandOverLeaderships(partitions)) => Ok(partitions),
        Ok(_) => Err(refused("it answered another request".to_owned())),
        Err(ControllerError { kind: ErrorKind::NotController, .. }) => {
            Err(refused("another controller became active meanwhile; try again".to_owned()))
        }
        Err(error) => Err(refused(error.to_string())),
    }
}

/// A connection to the node that leads, other than `not`.
async fn find_leader(
    controllers: &[(String, u16)],
    not: Option<u64>,
) -> Result<(Connection, NodeAddress), OperatorError> {
    let until = Instant::now() + SEARCH_MAX;
    let mut reason = "none was named".to_owned();
    loop {
        for (host, port) in controllers {
            let found = match open(host, *port).await {
                Ok(connection) => connection.greeting.leader.clone(),
                Err(error) => {
                    reason = error.to_string();
                    None
                }
            };
            let Some(leader) = found.filter(|leader| Some(leader.id) != not) else { continue };
            match open(&leader.host, leader.port).await {
                Ok(connection) if connection.greeting.member.id == leader.id => {
                    return Ok((connection, leader));
                }
                Ok(_) => {}
                Err(error) => reason = error.to_string(),
            }
        }
        if Instant::now() >= until {
            let addresses: Vec<String> =
                controllers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
            return Err(OperatorError::NoController { addresses: addresses.join(","), reason });
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn open(host: &str, port: u16) -> Result<Connection, CallError> {
    let local = Local {
        member: Member { id: OPERATOR, directory: Uuid::nil() },
        image: watch::channel(Arc::new(Image::default())).1,
        remembered: RwLock::default(),
    };
    let late = |_| CallError::Unreachable {
        address: format!("{host}:{port}"),
        source: std::io::ErrorKind::TimedOut.into(),
    };
    let opening = Connection::open(&local, host, port, None);
    tokio::time::timeout(CONNECT_MAX, opening).await.map_err(late)?
}
