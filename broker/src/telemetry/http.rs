//! Pages for machines, on `metrics.http.address`: `/metrics` (Prometheus text), `/healthz` (the process answers and a
//! log directory works) and `/readyz` (200 once clients are served, 503 before: partitions may be loading).
//!
//! The pages are there from the first moments of a start, so that a probe sees a node that loads rather than none.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, info};

use super::Telemetry;
use crate::broker::Broker;

/// Connections served at one time; scrapers and probes need one each.
const CONNECTIONS_MAX: usize = 32;
/// A client that has not sent a whole request after this long is cut off.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How often recorded times are moved into their buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(1);
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const PLAIN_TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be had.
    #[error("metrics.http.address: cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// A fault of this build.
    #[error("metrics cannot be recorded: {0}")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}

/// The running pages; they end when this is dropped.
#[derive(Debug)]
pub struct HttpPages {
    pages: Pages,
    address: Option<SocketAddr>,
    _stop: DropGuard,
}

impl HttpPages {
    /// Serves the pages on `address` (`host:port`); without one there are none, and nothing is recorded.
    ///
    /// # Errors
    /// [`HttpError::Listen`].
    pub fn start(address: Option<&str>) -> Result<Self, HttpError> {
        let stop = CancellationToken::new();
        let Some(address) = address else {
            let pages = Pages::new(Telemetry::off());
            return Ok(Self { pages, address: None, _stop: stop.drop_guard() });
        };
        let pages = Pages::new(Telemetry::recording()?);
        let failed = |source| HttpError::Listen { address: address.to_owned(), source };
        let listener = listen(address).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        info!(address = %bound, "metrics and health over HTTP");
        tokio::spawn(stop.clone().run_until_cancelled_owned(pages.clone().accept(listener)));
        tokio::spawn(stop.clone().run_until_cancelled_owned(pages.clone().keep_up()));
        Ok(Self { pages, address: Some(bound), _stop: stop.drop_guard() })
    }

    /// Where to record.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.pages.telemetry
    }

    /// The address that was bound.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The broker serves clients from now on.
    pub fn ready(&self, broker: &Arc<Broker>) {
        let _ = self.pages.broker.set(Arc::downgrade(broker));
        self.pages.is_ready.store(true, Ordering::Relaxed);
    }

    /// The broker is about to stop.
    pub fn stopping(&self) {
        self.pages.is_ready.store(false, Ordering::Relaxed);
    }
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

#[derive(Debug, Clone)]
struct Pages {
    telemetry: Arc<Telemetry>,
    broker: Arc<OnceLock<Weak<Broker>>>,
    is_ready: Arc<AtomicBool>,
}

impl Pages {
    fn new(telemetry: Telemetry) -> Self {
        Self { telemetry: Arc::new(telemetry), broker: Arc::default(), is_ready: Arc::default() }
    }

    async fn keep_up(self) {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            self.telemetry.upkeep();
        }
    }

    async fn accept(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let pages = self.clone();
                    tokio::spawn(async move {
                        pages.serve(stream).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    debug!(%error, "cannot accept a connection for metrics");
                    tokio::time::sleep(UPKEEP_EVERY).await;
                }
            }
        }
    }

    async fn serve(self, stream: TcpStream) {
        let service = service_fn(|request| {
            let answer = self.answer(&request);
            async move { Ok::<_, Infallible>(answer) }
        });
        let mut http = http1::Builder::new();
        let http = http.timer(TokioTimer::new()).header_read_timeout(REQUEST_MAX).keep_alive(false);
        if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
            debug!(%error, "a connection for metrics ended");
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let broker = self.broker.get().and_then(Weak::upgrade);
        match request.uri().path() {
            "/metrics" => page(StatusCode::OK, PROMETHEUS_TEXT, self.telemetry.render(broker.as_deref())),
            "/healthz" => match broker {
                Some(broker) if has_no_log_dir(&broker) => unavailable("all log directories are offline\n"),
                _ => page(StatusCode::OK, PLAIN_TEXT, "ok\n".to_owned()),
            },
            "/readyz" if self.is_ready.load(Ordering::Relaxed) => {
                page(StatusCode::OK, PLAIN_TEXT, "ready\n".to_owned())
            }
            "/readyz" => unavailable("not ready: starting or stopping\n"),
            _ => page(StatusCode::NOT_FOUND, PLAIN_TEXT, "/metrics, /healthz or /readyz\n".to_owned()),
        }
    }
}

fn has_no_log_dir(broker: &Broker) -> bool {
    broker.log_dirs.dirs().iter().all(|dir| dir.health().check().is_err())
}

fn unavailable(why: &str) -> Response<Full<Bytes>> {
    page(StatusCode::SERVICE_UNAVAILABLE, PLAIN_TEXT, why.to_owned())
}

fn page(status: StatusCode, kind: HeaderValue, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
