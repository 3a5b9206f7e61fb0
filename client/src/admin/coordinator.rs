//! Calls to the coordinators of groups and transactions, wherever they move meanwhile (FindCoordinator).

use std::future::Future;

use rkafka_wire::messages::{ApiKey, FindCoordinatorRequest};

use super::{Admin, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::net::Connection;

/// The first version of FindCoordinator that takes several keys (KIP-699).
const FIRST_WITH_SEVERAL_KEYS: i16 = 4;

/// What is coordinated, by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinated<'a> {
    Group(&'a str),
    Transactions(&'a str),
}

impl Coordinated<'_> {
    /// The key and its type, as FindCoordinator has them.
    fn key(self) -> (String, i8) {
        match self {
            Coordinated::Group(id) => (id.to_owned(), 0),
            Coordinated::Transactions(id) => (id.to_owned(), 1),
        }
    }
}

impl Admin {
    /// Runs `work` at the coordinator, which is looked for again with every try.
    pub(super) async fn at_coordinator<T, F>(
        &self,
        what: &'static str,
        of: Coordinated<'_>,
        work: impl Fn(Connection, i32) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let attempt = |entrance: Connection| {
            let work = &work;
            async move {
                let coordinator = find_coordinator(&entrance, of).await?;
                work(self.cluster.connection(Route::Node(coordinator)).await?, coordinator).await
            }
        };
        self.cluster.retry(what, Route::Any, attempt).await
    }
}

/// A refusal of one thing does not end a call for several.
pub(super) fn per_thing<T>(result: Result<T, ClientError>) -> Result<Result<T, ApiError>, ClientError> {
    match result {
        Ok(done) => Ok(Ok(done)),
        Err(ClientError::Api(error)) => Ok(Err(error)),
        Err(other) => Err(other),
    }
}

async fn find_coordinator(connection: &Connection, of: Coordinated<'_>) -> Result<i32, ClientError> {
    let version = connection.version::<FindCoordinatorRequest>()?;
    let (key, kind) = of.key();
    let request = FindCoordinatorRequest::default().with_key_type(kind);
    let request = if version >= FIRST_WITH_SEVERAL_KEYS {
        request.with_coordinator_keys(vec![text(&key)])
    } else {
        request.with_key(text(&key))
    };
    let answer = connection.call(version, &request).await?;
    if version < FIRST_WITH_SEVERAL_KEYS {
        ApiError::check(answer.error_code, answer.error_message.as_deref())?;
        return Ok(answer.node_id.0);
    }
    let found = answer.coordinators.first();
    let found = found.ok_or(ClientError::Incomplete { api: ApiKey::FindCoordinator, about: key })?;
    ApiError::check(found.error_code, found.error_message.as_deref())?;
    Ok(found.node_id.0)
}
