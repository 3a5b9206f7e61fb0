//! One connection that sends single requests, well-formed or not, and hands the answers back untouched.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Request;
use rkafka_wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use rkafka_wire::{StrBytes, client};

/// How long an answer may take: longer than any wait that a test asks a broker for.
const PATIENCE: Duration = Duration::from_secs(60);

/// The largest answer that is read: everything beyond is damage.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// What came back.
#[derive(Debug)]
pub enum Answer<T> {
    /// An answer that reads well.
    Decoded(T),
    /// Bytes that do not read as the answer that was asked for.
    Undecodable(String),
    /// The broker closed the connection.
    Closed,
    /// Nothing came within the limit.
    Silence,
}

impl<T> Answer<T> {
    /// The answer.
    ///
    /// # Panics
    /// When there is none; the message names what came instead.
    pub fn expect(self, what: &str) -> T {
        match self {
            Self::Decoded(answer) => answer,
            Self::Undecodable(reason) => panic!("{what}: {reason}"),
            Self::Closed => panic!("{what}: the connection was closed"),
            Self::Silence => panic!("{what}: no answer"),
        }
    }
}

/// A connection to a broker. Requests are sent and answered one at a time, or by hand with [`Self::send`]
/// and [`Self::receive`].
pub struct Connection {
    stream: TcpStream,
    client_id: StrBytes,
    correlation_id: i32,
}

impl Connection {
    /// Connects to `bootstrap` (`host:port`).
    ///
    /// # Panics
    /// When nobody listens there.
    #[must_use]
    pub fn open(bootstrap: &str) -> Self {
        let stream = TcpStream::connect(bootstrap)
            .unwrap_or_else(|error| panic!("cannot connect to {bootstrap}: {error}"));
        stream.set_nodelay(true).expect("a socket option");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket option");
        Self { stream, client_id: StrBytes::from_static_str("wire"), correlation_id: 0 }
    }

    /// The same connection, whose requests carry another client id.
    #[must_use]
    pub fn named(mut self, client_id: &'static str) -> Self {
        self.client_id = StrBytes::from_static_str(client_id);
        self
    }

    /// Sends `request` and waits for its answer.
    pub fn ask<R: Request + Debug>(&mut self, version: i16, request: &R) -> Answer<R::Response> {
        self.send_request(version, request);
        self.receive_answer::<R>(version)
    }

    /// Sends an `ApiVersions` request, whose answer may come in another version.
    pub fn ask_api_versions(
        &mut self,
        version: i16,
        request: &ApiVersionsRequest,
    ) -> Answer<ApiVersionsResponse> {
        self.send_request(version, request);
        decode(self.receive(PATIENCE), |frame| client::decode_api_versions(version, frame))
    }

    /// Sends `request` without waiting.
    ///
    /// # Panics
    /// When the request has values that its version cannot carry: the test is wrong then.
    pub fn send_request<R: Request + Debug>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let frame = client::encode_request(version, self.correlation_id, Some(&self.client_id), request)
            .unwrap_or_else(|error| panic!("{request:?} in version {version}: {error}"));
        let _ = self.send(&frame);
    }

    /// Waits for the answer to a request `R`.
    pub fn receive_answer<R: Request>(&mut self, version: i16) -> Answer<R::Response> {
        self.receive_answer_within::<R>(version, PATIENCE)
    }

    /// [`Self::receive_answer`] with a limit of the caller's.
    pub fn receive_answer_within<R: Request>(
        &mut self,
        version: i16,
        limit: Duration,
    ) -> Answer<R::Response> {
        decode(self.receive(limit), |frame| client::decode_response::<R>(version, frame))
    }

    /// Sends any body under a request header v1 (or v2 with `flexible`) and waits for the raw answer.
    pub fn ask_raw(&mut self, key: i16, version: i16, flexible: bool, body: &[u8]) -> Answer<Bytes> {
        self.correlation_id += 1;
        let _ = self.send(&frame(key, version, self.correlation_id, flexible, body));
        self.receive(PATIENCE)
    }

    /// Writes bytes as they are; `false` when the broker does not take them any more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Tells the broker that nothing more comes.
    pub fn finish_sending(&mut self) {
        // A connection that is closed already is as good.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits for one frame and returns it without its size.
    pub fn receive(&mut self, limit: Duration) -> Answer<Bytes> {
        self.stream.set_read_timeout(Some(limit)).expect("a socket option");
        let mut size = [0; 4];
        match self.read_exact(&mut size) {
            Answer::Decoded(()) => {}
            other => return other.into_failure(),
        }
        let size = u32::from_be_bytes(size) as usize;
        if size > FRAME_BYTES_MAX {
            return Answer::Undecodable(format!("an answer of {size} bytes"));
        }
        let mut frame = vec![0; size];
        match self.read_exact(&mut frame) {
            Answer::Decoded(()) => Answer::Decoded(frame.into()),
            other => other.into_failure(),
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Answer<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Answer::Decoded(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Answer::Silence
            }
            Err(_) => Answer::Closed,
        }
    }
}

impl Answer<()> {
    fn into_failure<T>(self) -> Answer<T> {
        match self {
            Self::Silence => Answer::Silence,
            _ => Answer::Closed,
        }
    }
}

fn decode<T, E: std::fmt::Display>(
    frame: Answer<Bytes>,
    decode: impl FnOnce(Bytes) -> Result<T, E>,
) -> Answer<T> {
    match frame {
        Answer::Decoded(frame) => match decode(frame) {
            Ok(answer) => Answer::Decoded(answer),
            Err(error) => Answer::Undecodable(error.to_string()),
        },
        Answer::Undecodable(reason) => Answer::Undecodable(reason),
        Answer::Closed => Answer::Closed,
        Answer::Silence => Answer::Silence,
    }
}

/// A whole frame with its size: a request header and `body`, both unchecked.
#[must_use]
pub fn frame(key: i16, version: i16, correlation_id: i32, flexible: bool, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(correlation_id);
    frame.put_i16(4);
    frame.put_slice(b"wire");
    if flexible {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    let size = u32::try_from(frame.len() - 4).expect("a small frame");
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame.freeze()
}
