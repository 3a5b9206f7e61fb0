//! The connection to a source broker: one request at a time, in the Kafka protocol.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rkafka_core::image::Endpoint;
use rkafka_wire::client::{correlation_id, decode_response, encode_request};
use rkafka_wire::messages::{FetchRequest, FetchResponse};
use rkafka_wire::{StrBytes, WireError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The version of Fetch between brokers: topic ids, diverging epochs, the follower's broker epoch.
const FETCH_VERSION: i16 = 17;

/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Why a fetch brought no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchFailure {
    /// No connection, or it broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no answer to a fetch.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The frame is longer than any answer may be.
    #[error("an answer of {size} bytes is announced, {limit} is the limit")]
    TooLarge {
        /// Announced.
        size: u32,
        /// Believed.
        limit: usize,
    },
    /// The answer is to another request.
    #[error("the answer is to request {found}, not {expected}")]
    OutOfStep {
        /// Its correlation id.
        found: i32,
        /// The request's.
        expected: i32,
    },
}

/// A connection to a source.
pub(super) struct Connection {
    stream: TcpStream,
    sent: i32,
    client_id: StrBytes,
    answer_bytes_max: usize,
}

impl Connection {
    /// Connects to a broker's listener for brokers.
    pub(super) async fn open(
        endpoint: &Endpoint,
        client_id: &str,
        answer_bytes_max: usize,
    ) -> Result<Self, FetchFailure> {
        let connecting = TcpStream::connect((&*endpoint.host, endpoint.port));
        let stream = tokio::time::timeout(CONNECT_MAX, connecting).await.map_err(io::Error::from)??;
        stream.set_nodelay(true)?;
        let client_id = StrBytes::from_string(client_id.to_owned());
        Ok(Connection { stream, sent: 0, client_id, answer_bytes_max })
    }

    /// Sends a fetch and waits for its answer, for at most `limit`.
    pub(super) async fn fetch(
        &mut self,
        request: &FetchRequest,
        limit: Duration,
    ) -> Result<FetchResponse, FetchFailure> {
        let exchanged = tokio::time::timeout(limit, self.exchange(request)).await;
        exchanged.map_err(io::Error::from)?
    }

    async fn exchange(&mut self, request: &FetchRequest) -> Result<FetchResponse, FetchFailure> {
        let expected = self.sent;
        self.sent = self.sent.wrapping_add(1);
        let frame = encode_request(FETCH_VERSION, expected, Some(&self.client_id), request)?;
        self.stream.write_all(&frame).await?;
        let size = self.stream.read_u32().await?;
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        if length > self.answer_bytes_max {
            return Err(FetchFailure::TooLarge { size, limit: self.answer_bytes_max });
        }
        let mut frame = BytesMut::zeroed(length);
        self.stream.read_exact(&mut frame).await?;
        let frame: Bytes = frame.freeze();
        let found = correlation_id(&frame)?;
        if found != expected {
            return Err(FetchFailure::OutOfStep { found, expected });
        }
        Ok(decode_response::<FetchRequest>(FETCH_VERSION, frame)?)
    }
}
