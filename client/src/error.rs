//! What can go wrong between a program and a cluster.

use std::fmt;
use std::time::Duration;

use rkafka_wire::messages::ApiKey;
use rkafka_wire::{ErrorCode, WireError};

/// Any failure of a client's call.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// None of the bootstrap addresses leads to a broker; one reason for each.
    #[error("cannot reach a Kafka broker: {}", joined(.0))]
    Unreachable(Vec<ConnectionError>),
    /// A connection failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The broker does not serve this request, or in no version that this client knows.
    #[error("the broker at {address} does not support {api:?} requests")]
    Unsupported {
        /// The request.
        api: ApiKey,
        /// The broker.
        address: String,
    },
    /// The broker serves the request, but in no version with what it needs.
    #[error("the broker at {address} is too old for {feature}")]
    TooOld {
        /// The broker.
        address: String,
        /// What it does not know yet.
        feature: String,
    },
    /// The broker refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Retries went on until `default.api.timeout.ms` was over.
    #[error("{what} did not succeed within {} ms: {last}", after.as_millis())]
    Deadline {
        /// What was tried.
        what: &'static str,
        /// `default.api.timeout.ms`.
        after: Duration,
        /// How the last try ended.
        last: Box<ClientError>,
    },
    /// A broker cannot be reached where the cluster says that it is (`advertised.listeners`).
    #[error("broker {id} cannot be reached at the address it advertises, {error}")]
    Advertised {
        /// The broker.
        id: i32,
        /// The address and why.
        error: ConnectionError,
    },
    /// The cluster's metadata names no such broker.
    #[error("the cluster has no broker {0} at present")]
    NoSuchBroker(i32),
    /// The cluster has no controller at present.
    #[error("the cluster has no controller at present")]
    NoController,
    /// A request that cannot be written, or an answer that cannot be read.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// An answer that leaves out what was asked for.
    #[error("the answer to {api:?} has nothing about {about}")]
    Incomplete {
        /// The request.
        api: ApiKey,
        /// What is missing.
        about: String,
    },
    /// The settings cannot work.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
}

impl ClientError {
    /// The broker's error code, if the broker refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Api(error) => Some(error.code),
            ClientError::Deadline { last, .. } => last.code(),
            _ => None,
        }
    }

    /// Whether the same call may succeed a little later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Connection(_)
            | ClientError::Advertised { .. }
            | ClientError::NoController
            | ClientError::NoSuchBroker(_) => true,
            ClientError::Api(error) => error.code.is_retriable(),
            _ => false,
        }
    }
}

fn joined(errors: &[ConnectionError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A broker's refusal: its code, and its words or the code's usual ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The error code; [`ErrorCode::UnknownServerError`] stands for numbers that nobody knows.
    pub code: ErrorCode,
    /// The broker's message, else the text that stock clients show for the code.
    pub message: String,
}

impl ApiError {
    /// Reads the pair that most answers carry; nothing for success.
    pub(crate) fn check(code: i16, message: Option<&str>) -> Result<(), ApiError> {
        let known = ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError);
        if known.is_none() {
            return Ok(());
        }
        let message = message.filter(|text| !text.is_empty()).unwrap_or(known.message()).to_owned();
        Err(ApiError { code: known, message })
    }
}

/// A connection that failed, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address}: {fault}")]
pub struct ConnectionError {
    /// `host:port` as configured or as the cluster names it.
    pub address: String,
    /// Why.
    pub fault: ConnectionFault,
}

/// Why a connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionFault {
    /// The host's name leads to no address.
    Unresolved(String),
    /// Nobody listens there.
    Refused,
    /// No connection within this time.
    ConnectTimeout(Duration),
    /// Something other than a Kafka broker listens there.
    NotKafka(String),
    /// The broker closed the connection.
    Closed,
    /// No answer within `request.timeout.ms`.
    RequestTimeout {
        /// The request.
        api: ApiKey,
        /// `request.timeout.ms`.
        after: Duration,
    },
    /// Another error of the operating system.
    Io(String),
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionFault::Unresolved(reason) => write!(f, "the host name cannot be resolved ({reason})"),
            ConnectionFault::Refused => f.write_str("connection refused, nothing listens there"),
            ConnectionFault::ConnectTimeout(after) => {
                write!(f, "no connection within {} ms", after.as_millis())
            }
            ConnectionFault::NotKafka(reason) => write!(f, "not a Kafka broker ({reason})"),
            ConnectionFault::Closed => f.write_str("the broker closed the connection"),
            ConnectionFault::RequestTimeout { api, after } => {
                write!(f, "no answer to {api:?} within {} ms", after.as_millis())
            }
            ConnectionFault::Io(reason) => f.write_str(reason),
        }
    }
}

/// A setting that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{key}={value}: {reason}")]
pub struct ConfigProblem {
    /// `file:line: `, or empty.
    pub place: String,
    /// The setting by its Java name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What is wrong and what is accepted.
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let refused = ConnectionError { address: "a:1".into(), fault: ConnectionFault::Refused };
        let unresolved = ConnectionError {
            address: "b:2".into(),
            fault: ConnectionFault::Unresolved("no such host".into()),
        };
        assert_eq!(
            ClientError::Unreachable(vec![refused, unresolved]).to_string(),
            "cannot reach a Kafka broker: a:1: connection refused, nothing listens there; b:2: the host name \
             cannot be resolved (no such host)"
        );
        assert_eq!(ApiError::check(0, None), Ok(()));
        let own = ApiError::check(36, Some("Topic 'test' already exists.")).unwrap_err();
        assert_eq!(
            (own.code, own.to_string().as_str()),
            (ErrorCode::TopicAlreadyExists, "Topic 'test' already exists.")
        );
        let usual = ApiError::check(41, Some("")).unwrap_err();
        assert_eq!(usual.message, ErrorCode::NotController.message());
        assert_eq!(ApiError::check(31_000, None).unwrap_err().code, ErrorCode::UnknownServerError);
    }
}
