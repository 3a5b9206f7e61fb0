//! Calls to the cluster that go to the right broker and are tried again as Java's AdminClient does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rkafka_wire::ErrorCode;
use tokio::time::Instant;

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::metadata::MetadataCache;
use crate::net::{Connection, Pool};

/// How long a broker that the cluster names may be unreachable: enough for its restart, too short to wonder.
const UNREACHABLE_MAX: Duration = Duration::from_secs(5);

/// Where a request has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Any broker knows.
    Any,
    /// The broker that takes requests for the controller.
    Controller,
    /// This broker.
    Node(i32),
}

/// Connections, metadata and the patience of one client.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) config: ClientConfig,
    pub(crate) pool: Arc<Pool>,
    pub(crate) metadata: MetadataCache,
}

impl Cluster {
    /// Finds the cluster.
    pub(crate) async fn connect(config: ClientConfig) -> Result<Cluster, ClientError> {
        config.check()?;
        let cluster = Cluster::unconnected(config);
        cluster.metadata.brokers().await?;
        Ok(cluster)
    }

    /// A cluster to be found by the first call.
    pub(crate) fn unconnected(config: ClientConfig) -> Cluster {
        let pool = Arc::new(Pool::new(&config));
        let metadata = MetadataCache::new(pool.clone(), config.metadata_max_age);
        Cluster { config, pool, metadata }
    }

    pub(crate) async fn connection(&self, route: Route) -> Result<Connection, ClientError> {
        match route {
            Route::Any => self.pool.any().await,
            Route::Node(id) => {
                self.metadata.brokers().await?;
                self.pool.node(id).await
            }
            Route::Controller => {
                let metadata = self.metadata.brokers().await?;
                self.pool.node(metadata.controller.ok_or(ClientError::NoController)?).await
            }
        }
    }

    /// Runs `attempt` on a connection of `route` until it succeeds, fails for good, or `default.api.timeout.ms`
    /// and `retries` are used up.
    pub(crate) async fn retry<T, F>(
        &self,
        what: &'static str,
        route: Route,
        attempt: impl Fn(Connection) -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let start = Instant::now();
        let deadline = start + self.config.default_api_timeout;
        let mut tries: u32 = 0;
        loop {
            let tried = async { attempt(self.connection(route).await?).await }.await;
            let error = match tried {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let pause = self.pause(tries);
            tries = tries.saturating_add(1);
            let gives_up =
                matches!(error, ClientError::Advertised { .. }) && start.elapsed() > UNREACHABLE_MAX;
            if !error.is_retriable() || gives_up || tries > self.config.retries {
                return Err(error);
            }
            if Instant::now() + pause >= deadline {
                let (after, last) = (self.config.default_api_timeout, Box::new(error));
                return Err(ClientError::Deadline { what, after, last });
            }
            tracing::debug!(what, %error, ?pause, "trying again");
            if moves_leaders(&error) {
                self.metadata.invalidate();
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Doubles from `retry.backoff.ms` to `retry.backoff.max.ms`, give or take a fifth so that clients spread.
    fn pause(&self, tries: u32) -> Duration {
        let doubled = self.config.retry_backoff.saturating_mul(1 << tries.min(16));
        doubled.min(self.config.retry_backoff_max).mul_f64(0.8 + 0.4 * fastrand::f64())
    }
}

/// Whether the error says that somebody else is to be asked.
fn moves_leaders(error: &ClientError) -> bool {
    match error {
        ClientError::Api(error) => matches!(
            error.code,
            ErrorCode::NotController | ErrorCode::NotLeaderOrFollower | ErrorCode::LeaderNotAvailable
        ),
        _ => true,
    }
}
