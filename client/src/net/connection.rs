//! One connection to one broker.
//!
//! Requests are written in the order they are sent and answered in that order (Kafka's rule); callers wait each for
//! their own answer, so any number of them is in flight. Two tasks own the socket's halves; they end with the last
//! clone of the [`Connection`], or when the connection fails, which every waiting caller is told with the reason.

use std::collections::VecDeque;
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::protocol::Request;
use rkafka_config::HostPort;
use rkafka_wire::client::{
    best_version, correlation_id, decode_api_versions, decode_response, encode_request,
};
use rkafka_wire::frame::{SIZE_PREFIX_BYTES, frame_size};
use rkafka_wire::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ProduceRequest};
use rkafka_wire::produce::encode_produce_request;
use rkafka_wire::{ErrorCode, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::ClientConfig;
use crate::error::{ClientError, ConnectionError, ConnectionFault};
use crate::metrics::NetMeter;
use crate::net::pieces::Pieces;

/// Requests that wait to be written; senders beyond that wait themselves.
const QUEUE_MAX: usize = 64;

/// Once so many bytes are gathered for one write, no more are added.
const WRITE_BYTES: usize = 1 << 20;

/// How much room is made for an answer before its bytes arrive.
const READ_AHEAD_BYTES: usize = 64 << 10;

/// The ApiVersions version tried first: the newest that this client writes.
const API_VERSIONS_FIRST: i16 = 4;

/// What all connections of a client have in common.
#[derive(Debug, Clone)]
pub struct ConnectionOptions {
    client_id: StrBytes,
    connect_timeout: Duration,
    request_timeout: Duration,
    response_bytes_max: usize,
    meter: Arc<NetMeter>,
}

impl ConnectionOptions {
    /// What all connections with these options and clones of them do.
    pub(crate) fn meter(&self) -> &NetMeter {
        &self.meter
    }
}

impl From<&ClientConfig> for ConnectionOptions {
    fn from(config: &ClientConfig) -> ConnectionOptions {
        ConnectionOptions {
            client_id: StrBytes::from_string(config.client_id.clone()),
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            response_bytes_max: config.response_bytes_max,
            meter: Arc::default(),
        }
    }
}

/// An open connection; clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: HostPort,
    options: ConnectionOptions,
    versions: ApiVersionsResponse,
    queue: mpsc::Sender<Outgoing>,
    flight: Arc<Flight>,
    next_correlation_id: AtomicI32,
}

/// A frame to write, and who waits for its answer.
#[derive(Debug)]
struct Outgoing {
    frame: Frame,
    /// Absent for requests that are not answered (Produce with `acks=0`).
    waiter: Option<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    correlation_id: i32,
    key: i16,
    since: Instant,
    answer: oneshot::Sender<Bytes>,
}

/// A frame, in the pieces that it was made in.
#[derive(Debug)]
enum Frame {
    Whole(Bytes),
    Pieces(Vec<Bytes>),
}

/// Requests that were written and not answered, oldest first, and why there will be no more answers.
#[derive(Debug, Default)]
struct Flight {
    state: Mutex<FlightState>,
    ended: CancellationToken,
    meter: Arc<NetMeter>,
}

#[derive(Debug, Default)]
struct FlightState {
    waiters: VecDeque<Waiter>,
    fault: Option<ConnectionFault>,
}

impl Flight {
    fn lock(&self) -> MutexGuard<'_, FlightState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection; the first fault counts. Those who wait see their channel close and ask for it.
    fn fail(&self, fault: ConnectionFault) {
        let mut state = self.lock();
        if state.fault.is_none() {
            self.meter.closed();
        }
        state.fault.get_or_insert(fault);
        state.waiters.clear();
        drop(state);
        self.ended.cancel();
    }

    fn fault(&self) -> Option<ConnectionFault> {
        self.lock().fault.clone()
    }

    /// Notes who waits; false if the connection has ended.
    fn push(&self, waiter: Waiter) -> bool {
        let mut state = self.lock();
        let is_open = state.fault.is_none();
        if is_open {
            state.waiters.push_back(waiter);
        }
        is_open
    }

    /// Hands an answer to the oldest request, which it must be for.
    fn deliver(&self, frame: Bytes) -> Result<(), ConnectionFault> {
        let id = correlation_id(&frame).map_err(|error| ConnectionFault::NotKafka(error.to_string()))?;
        let waiter = self.lock().waiters.pop_front();
        match waiter {
            Some(waiter) if waiter.correlation_id == id => {
                self.meter.answered(waiter.key, waiter.since.elapsed());
                // Who stopped waiting does not want it.
                let _ = waiter.answer.send(frame);
                Ok(())
            }
            _ => Err(ConnectionFault::NotKafka(format!("answer with the unexpected correlation id {id}"))),
        }
    }
}

impl Connection {
    /// Connects and learns which requests the broker serves.
    ///
    /// # Errors
    /// Why `address` cannot be used: unresolved, refused, too slow, or not Kafka.
    pub async fn open(
        address: &HostPort,
        options: &ConnectionOptions,
    ) -> Result<Connection, ConnectionError> {
        let failed = |fault| ConnectionError { address: address.to_string(), fault };
        match timeout(options.connect_timeout, establish(address, options)).await {
            Ok(connected) => connected.map_err(failed),
            Err(_) => Err(failed(ConnectionFault::ConnectTimeout(options.connect_timeout))),
        }
    }

    /// The address it was opened with.
    #[must_use]
    pub fn address(&self) -> &HostPort {
        &self.inner.address
    }

    /// What the broker said of the requests it serves.
    #[must_use]
    pub fn api_versions(&self) -> &ApiVersionsResponse {
        &self.inner.versions
    }

    /// Whether it still works as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.inner.flight.ended.is_cancelled()
    }

    /// Requests that wait for an answer.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.flight.lock().waiters.len()
    }

    /// The newest version of `R` that both sides know.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] if there is none.
    pub fn version<R: Request>(&self) -> Result<i16, ClientError> {
        best_version::<R>(&self.inner.versions).ok_or_else(|| match ApiKey::try_from(R::KEY) {
            Ok(api) => ClientError::Unsupported { api, address: self.inner.address.to_string() },
            Err(()) => rkafka_wire::WireError::UnknownApiKey { key: R::KEY, version: 0 }.into(),
        })
    }

    /// Sends a request in `version` and waits for its answer.
    ///
    /// # Errors
    /// The connection's fault, also after `request.timeout.ms` without an answer, which closes it: what is stuck
    /// in front of one request is so for all.
    pub async fn call<R: Request>(&self, version: i16, body: &R) -> Result<R::Response, ClientError> {
        let deadline = Instant::now() + self.inner.options.request_timeout;
        match timeout_at(deadline, self.submit(version, body)).await {
            Ok(submitted) => submitted?.wait().await,
            Err(_) => Err(self.time_out::<R>()),
        }
    }

    /// [`Connection::call`] for a request that the broker may hold back for as long as `hold`, such as JoinGroup: the
    /// answer has that time on top.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_holding<R: Request>(
        &self,
        version: i16,
        body: &R,
        hold: Duration,
    ) -> Result<R::Response, ClientError> {
        let mut answer = self.submit(version, body).await?;
        answer.deadline += hold;
        answer.wait().await
    }

    /// Sends a request and hands out its answer to wait for: what is submitted one after the other is written in
    /// that order.
    ///
    /// # Errors
    /// The connection's fault, if it is known already.
    pub async fn submit<R: Request>(&self, version: i16, body: &R) -> Result<Answer<R>, ClientError> {
        let correlation_id = self.inner.next_id();
        let frame = encode_request(version, correlation_id, Some(&self.inner.options.client_id), body)?;
        self.submit_frame(version, correlation_id, Frame::Whole(frame)).await
    }

    /// [`Connection::submit`] of a Produce request, whose records are not copied.
    ///
    /// # Errors
    /// As [`Connection::submit`].
    pub(crate) async fn submit_produce(
        &self,
        version: i16,
        body: &ProduceRequest,
    ) -> Result<Answer<ProduceRequest>, ClientError> {
        let correlation_id = self.inner.next_id();
        let client_id = Some(&self.inner.options.client_id);
        let pieces = encode_produce_request(version, correlation_id, client_id, body)?;
        self.submit_frame(version, correlation_id, Frame::Pieces(pieces)).await
    }

    /// Sends a Produce request that the broker does not answer (`acks=0`).
    ///
    /// # Errors
    /// The connection's fault, if it is known already.
    pub(crate) async fn send_produce(&self, version: i16, body: &ProduceRequest) -> Result<(), ClientError> {
        let client_id = Some(&self.inner.options.client_id);
        let pieces = encode_produce_request(version, self.inner.next_id(), client_id, body)?;
        self.inner.enqueue(Outgoing { frame: Frame::Pieces(pieces), waiter: None }).await
    }

    async fn submit_frame<R: Request>(
        &self,
        version: i16,
        correlation_id: i32,
        frame: Frame,
    ) -> Result<Answer<R>, ClientError> {
        let since = Instant::now();
        let deadline = since + self.inner.options.request_timeout;
        let (answer, answered) = oneshot::channel();
        let waiter = Some(Waiter { correlation_id, key: R::KEY, since, answer });
        self.inner.enqueue(Outgoing { frame, waiter }).await?;
        Ok(Answer { connection: self.clone(), version, deadline, answered, request: PhantomData })
    }

    /// Closes it; who waits for an answer is told so.
    pub fn close(&self) {
        self.inner.flight.fail(ConnectionFault::Closed);
    }

    /// Closes the connection because a request was not answered in time, and says so.
    fn time_out<R: Request>(&self) -> ClientError {
        let api = ApiKey::try_from(R::KEY).unwrap_or(ApiKey::ApiVersions);
        let fault = ConnectionFault::RequestTimeout { api, after: self.inner.options.request_timeout };
        self.inner.flight.fail(fault.clone());
        self.inner.failed(fault).into()
    }
}

/// The answer to a request that was sent, still to come.
#[derive(Debug)]
pub struct Answer<R> {
    connection: Connection,
    version: i16,
    deadline: Instant,
    answered: oneshot::Receiver<Bytes>,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> Answer<R> {
    /// Waits for it.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn wait(self) -> Result<R::Response, ClientError> {
        match timeout_at(self.deadline, self.answered).await {
            Ok(Ok(frame)) => Ok(decode_response::<R>(self.version, frame)?),
            Ok(Err(_)) => Err(self.connection.inner.ended().into()),
            Err(_) => Err(self.connection.time_out::<R>()),
        }
    }
}

impl Inner {
    fn next_id(&self) -> i32 {
        self.next_correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }

    async fn enqueue(&self, outgoing: Outgoing) -> Result<(), ClientError> {
        self.queue.send(outgoing).await.map_err(|_| self.ended().into())
    }

    fn failed(&self, fault: ConnectionFault) -> ConnectionError {
        ConnectionError { address: self.address.to_string(), fault }
    }

    fn ended(&self) -> ConnectionError {
        self.failed(self.flight.fault().unwrap_or(ConnectionFault::Closed))
    }
}

async fn establish(address: &HostPort, options: &ConnectionOptions) -> Result<Connection, ConnectionFault> {
    let stream = connect(address).await?;
    // Small requests must not wait for the answers to earlier ones.
    stream.set_nodelay(true).map_err(|error| fault_of(&error))?;
    let (reader, writer) = stream.into_split();
    let (queue, outgoing) = mpsc::channel(QUEUE_MAX);
    let meter = options.meter.clone();
    meter.opened();
    let flight = Arc::new(Flight { meter, ..Flight::default() });
    tokio::spawn(write_all(writer, outgoing, flight.clone()));
    tokio::spawn(read_all(BufReader::new(reader), options.response_bytes_max, flight.clone()));
    let mut inner = Inner {
        address: address.clone(),
        options: options.clone(),
        versions: ApiVersionsResponse::default(),
        queue,
        flight,
        next_correlation_id: AtomicI32::new(0),
    };
    inner.versions = inner.handshake().await?;
    Ok(Connection { inner: Arc::new(inner) })
}

async fn connect(address: &HostPort) -> Result<TcpStream, ConnectionFault> {
    let resolved = tokio::net::lookup_host((address.host.as_str(), address.port)).await;
    let resolved = resolved.map_err(|error| ConnectionFault::Unresolved(error.to_string()))?;
    let mut fault = ConnectionFault::Unresolved("the name has no addresses".to_owned());
    for socket_address in resolved {
        match TcpStream::connect(socket_address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => fault = fault_of(&error),
        }
    }
    Err(fault)
}

fn fault_of(error: &io::Error) -> ConnectionFault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectionFault::Refused,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            ConnectionFault::Closed
        }
        _ => ConnectionFault::Io(error.to_string()),
    }
}

impl Inner {
    /// ApiVersions, first in the newest version. An older broker answers in version 0 that it does not know that
    /// one (KIP-511); then the best it named is asked, or 0.
    async fn handshake(&self) -> Result<ApiVersionsResponse, ConnectionFault> {
        let answer = self.ask_versions(API_VERSIONS_FIRST).await?;
        let answer = match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::UnsupportedVersion) => {
                self.ask_versions(best_version::<ApiVersionsRequest>(&answer).unwrap_or(0)).await?
            }
            _ => answer,
        };
        match answer.error_code {
            0 => Ok(answer),
            code => Err(ConnectionFault::NotKafka(format!("it answered ApiVersions with error {code}"))),
        }
    }

    async fn ask_versions(&self, version: i16) -> Result<ApiVersionsResponse, ConnectionFault> {
        let not_kafka = |reason: String| ConnectionFault::NotKafka(reason);
        let body = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("rkafka"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let correlation_id = self.next_id();
        let frame = encode_request(version, correlation_id, Some(&self.options.client_id), &body)
            .map_err(|error| not_kafka(error.to_string()))?;
        let (answer, answered) = oneshot::channel();
        let frame = Frame::Whole(frame);
        let waiter = Waiter { correlation_id, key: ApiVersionsRequest::KEY, since: Instant::now(), answer };
        let outgoing = Outgoing { frame, waiter: Some(waiter) };
        let closed = |fault: Option<ConnectionFault>| match fault {
            Some(ConnectionFault::Closed) | None => {
                not_kafka("it closed the connection instead of answering an ApiVersions request".to_owned())
            }
            Some(fault) => fault,
        };
        self.queue.send(outgoing).await.map_err(|_| closed(self.flight.fault()))?;
        let frame = answered.await.map_err(|_| closed(self.flight.fault()))?;
        decode_api_versions(version, frame).map_err(|error| not_kafka(error.to_string()))
    }
}

/// Writes what is queued, as many requests a system call as are ready.
async fn write_all(mut socket: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Outgoing>, flight: Arc<Flight>) {
    let written = flight.ended.run_until_cancelled(async {
        let mut pieces = Pieces::default();
        while let Some(next) = outgoing.recv().await {
            let mut next = Some(next);
            while let Some(Outgoing { frame, waiter }) = next {
                // Noted before it is written: the answer may come at once.
                if !waiter.is_none_or(|waiter| flight.push(waiter)) {
                    return Ok(());
                }
                flight.meter.sent();
                match frame {
                    Frame::Whole(bytes) => pieces.push(bytes),
                    Frame::Pieces(all) => all.into_iter().for_each(|piece| pieces.push(piece)),
                }
                next = if pieces.remaining() < WRITE_BYTES { outgoing.try_recv().ok() } else { None };
            }
            let bytes = pieces.remaining();
            socket.write_all_buf(&mut pieces).await?;
            flight.meter.wrote(bytes);
        }
        Ok::<(), io::Error>(())
    });
    match written.await {
        Some(Err(error)) => flight.fail(fault_of(&error)),
        // The last clone of the connection is gone.
        Some(Ok(())) => flight.fail(ConnectionFault::Closed),
        None => {}
    }
}

/// Reads answers and hands them out.
async fn read_all(mut socket: BufReader<OwnedReadHalf>, limit: usize, flight: Arc<Flight>) {
    let read = flight.ended.run_until_cancelled(async {
        loop {
            let frame = read_frame(&mut socket, limit).await?;
            flight.meter.read(SIZE_PREFIX_BYTES + frame.len());
            flight.deliver(frame)?;
        }
    });
    if let Some(fault) = read.await.and_then(|ended: Result<(), ConnectionFault>| ended.err()) {
        flight.fail(fault);
    }
}

async fn read_frame(socket: &mut BufReader<OwnedReadHalf>, limit: usize) -> Result<Bytes, ConnectionFault> {
    let mut prefix = [0; SIZE_PREFIX_BYTES];
    socket.read_exact(&mut prefix).await.map_err(|error| fault_of(&error))?;
    let size = frame_size(prefix, limit).map_err(|error| ConnectionFault::NotKafka(error.to_string()))?;
    // A size is only a claim: room grows with the bytes that really come.
    let mut frame = BytesMut::with_capacity(size.min(READ_AHEAD_BYTES));
    let mut rest = socket.take(size as u64);
    while frame.len() < size {
        if rest.read_buf(&mut frame).await.map_err(|error| fault_of(&error))? == 0 {
            return Err(ConnectionFault::Closed);
        }
    }
    Ok(frame.freeze())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::Encodable;
    use rkafka_wire::messages::api_versions_response::ApiVersion;
    use rkafka_wire::messages::{MetadataRequest, MetadataResponse};
    use tokio::net::TcpListener;

    use super::*;

    /// The ApiVersions answer of a broker that serves Metadata 4 to 7, in version 0 as 2.2 gives it when asked for
    /// a version that it does not know.
    fn versions_answer(correlation_id: i32, error_code: i16) -> Vec<u8> {
        let metadata = ApiVersion::default().with_api_key(3).with_min_version(4).with_max_version(7);
        let keys = if error_code == 0 { vec![metadata] } else { Vec::new() };
        let answer = ApiVersionsResponse::default().with_error_code(error_code).with_api_keys(keys);
        framed(correlation_id, &answer, 0)
    }

    fn framed(correlation_id: i32, answer: &impl Encodable, version: i16) -> Vec<u8> {
        let mut body = BytesMut::new();
        answer.encode(&mut body, version).unwrap();
        let size = i32::try_from(4 + body.len()).unwrap();
        [&size.to_be_bytes()[..], &correlation_id.to_be_bytes(), &body].concat()
    }

    async fn listener() -> (TcpListener, HostPort) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, HostPort { host: "127.0.0.1".into(), port })
    }

    fn options() -> ConnectionOptions {
        let mut config = ClientConfig::new("localhost:1").unwrap();
        config.request_timeout = Duration::from_millis(200);
        ConnectionOptions::from(&config)
    }

    async fn request(socket: &mut TcpStream) -> (i16, i16, i32) {
        let size = socket.read_u32().await.unwrap();
        let mut frame = vec![0; size as usize];
        socket.read_exact(&mut frame).await.unwrap();
        let at = |at: usize| i16::from_be_bytes([frame[at], frame[at + 1]]);
        (at(0), at(2), i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]))
    }

    /// Opens a connection to a peer that reads one request and answers with `bytes`.
    async fn fault_at(bytes: &'static [u8]) -> ConnectionFault {
        let (listener, address) = listener().await;
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            request(&mut socket).await;
            socket.write_all(bytes).await.unwrap();
        });
        Connection::open(&address, &options()).await.unwrap_err().fault
    }

    #[tokio::test]
    async fn who_is_no_broker() {
        let (listener, address) = listener().await;
        drop(listener);
        let error = Connection::open(&address, &options()).await.unwrap_err();
        assert_eq!(error, ConnectionError { address: address.to_string(), fault: ConnectionFault::Refused });
        let not_kafka = |reason: &str| ConnectionFault::NotKafka(reason.into());
        assert_eq!(
            fault_at(b"").await,
            not_kafka("it closed the connection instead of answering an ApiVersions request")
        );
        let ConnectionFault::NotKafka(reason) = fault_at(b"HTTP/1.1 400 Bad Request\r\n\r\n").await else {
            panic!("HTTP is not Kafka");
        };
        assert!(reason.starts_with("frame of 1213486160 bytes refused"), "{reason}");
        assert_eq!(
            fault_at(&[0, 0, 0, 4, 0, 0, 0, 99]).await,
            not_kafka("answer with the unexpected correlation id 99")
        );
    }

    /// A broker of 2.2: falls back to ApiVersions 0, then answers Metadata requests as `answer` says.
    async fn old_broker(listener: TcpListener, metadata_answers: usize) {
        let (mut socket, _) = listener.accept().await.unwrap();
        let (key, version, id) = request(&mut socket).await;
        assert_eq!((key, version), (18, 4));
        socket.write_all(&versions_answer(id, 35)).await.unwrap();
        let (key, version, id) = request(&mut socket).await;
        assert_eq!((key, version), (18, 0));
        socket.write_all(&versions_answer(id, 0)).await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..metadata_answers {
            let (key, version, id) = request(&mut socket).await;
            assert_eq!((key, version), (3, 7));
            ids.push(id);
        }
        for id in ids {
            let answer = MetadataResponse::default().with_controller_id(id.into());
            socket.write_all(&framed(id, &answer, 7)).await.unwrap();
        }
        // Reads on until the other side closes; what comes is not answered.
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    }

    #[tokio::test]
    async fn many_requests_in_flight_and_then_silence() {
        let (listener, address) = listener().await;
        tokio::spawn(old_broker(listener, 3));
        let connection = Connection::open(&address, &options()).await.unwrap();
        let version = connection.version::<MetadataRequest>().unwrap();
        let body = MetadataRequest::default();
        let call = || connection.call(version, &body);
        // The peer answers only when all three have arrived; each caller gets its own answer.
        let (one, two, three) = tokio::join!(call(), call(), call());
        let ids: Vec<i32> =
            [one, two, three].into_iter().map(|answer| answer.unwrap().controller_id.0).collect();
        assert_eq!(ids, [2, 3, 4]);
        assert!(connection.is_open() && connection.in_flight() == 0);

        let timeout =
            ConnectionFault::RequestTimeout { api: ApiKey::Metadata, after: Duration::from_millis(200) };
        let (first, second) = tokio::join!(call(), call());
        for failed in [first, second] {
            let Err(ClientError::Connection(error)) = failed else { panic!("{failed:?}") };
            assert_eq!(error.fault, timeout);
        }
        assert!(!connection.is_open(), "what is stuck in front of one request is so for all");
        assert!(connection.call(version, &body).await.is_err());
    }
}
