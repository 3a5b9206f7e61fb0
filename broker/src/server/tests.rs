//! A connection with a scripted service, over a pipe and over real sockets.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use smallvec::smallvec;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::listener::{ConnectionCount, ServerShared};
use super::*;

/// Answers by the first byte of a request: `w`ait until told (the rest names the wait), `e`cho, `s`ilence,
/// `c`lose, `m`ute for a second, `f`ile.
#[derive(Clone, Default)]
struct Script {
    waits: Arc<parking_lot::Mutex<HashMap<Vec<u8>, oneshot::Receiver<()>>>>,
    calls: Arc<parking_lot::Mutex<Vec<Bytes>>>,
}

impl Script {
    /// A request `w` + `name` waits until the returned sender is used.
    fn wait(&self, name: &str) -> oneshot::Sender<()> {
        let (sender, receiver) = oneshot::channel();
        self.waits.lock().insert(name.as_bytes().to_vec(), receiver);
        sender
    }
}

impl Service for Script {
    fn call(&mut self, _connection: &Arc<ConnectionInfo>, frame: Bytes) -> Stage {
        self.calls.lock().push(frame.clone());
        let echo = Outcome::reply(framed(&frame).into());
        match frame.first() {
            Some(b'w') => match self.waits.lock().remove(&frame[1..]) {
                Some(receiver) => Stage::Waiting(Box::pin(async move {
                    let _ = receiver.await;
                    echo
                })),
                None => Stage::Waiting(Box::pin(std::future::pending())),
            },
            Some(b's') => Stage::Done(Outcome::Silence),
            Some(b'c') => Stage::Done(Outcome::Close(CloseReason::UnacknowledgedFailure("c".into()))),
            Some(b'm') => {
                Stage::Done(Outcome::Reply { reply: framed(&frame).into(), throttle: Duration::from_secs(1) })
            }
            Some(b'f') => Stage::Done(Outcome::reply(file_reply())),
            _ => Stage::Done(echo),
        }
    }
}

const FILE_BYTES: usize = 3 << 20;

struct WholeFile {
    file: std::fs::File,
    length: usize,
}

impl FileRange for WholeFile {
    fn length(&self) -> usize {
        self.length
    }

    fn descriptor(&self) -> Option<(BorrowedFd<'_>, u64)> {
        Some((self.file.as_fd(), 0))
    }

    fn read_at(&self, skip: usize, into: &mut [u8]) -> std::io::Result<usize> {
        self.file.read_at(into, skip as u64)
    }
}

fn file_reply() -> Reply {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&vec![7; FILE_BYTES]).expect("room for 3 MiB");
    let size = u32::try_from(FILE_BYTES).expect("small");
    let range: Box<dyn FileRange> = Box::new(WholeFile { file, length: FILE_BYTES });
    Reply::from_parts(smallvec![
        rkafka_wire::Part::Bytes(Bytes::copy_from_slice(&size.to_be_bytes())),
        rkafka_wire::Part::File(range),
    ])
}

fn framed(body: &[u8]) -> Bytes {
    let mut bytes = u32::try_from(body.len()).expect("small").to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    bytes.into()
}

fn limits() -> ConnectionLimits {
    ConnectionLimits {
        request_bytes_max: 1 << 20,
        idle_max: Duration::from_secs(600),
        requests_in_flight_max: 8,
        queued_bytes_max: 64 << 10,
    }
}

fn start_on_pipe(script: &Script, shutdown: &CancellationToken) -> (DuplexStream, Serving) {
    let (client, server) = tokio::io::duplex(4 << 10);
    let info = Arc::new(ConnectionInfo {
        is_controller: false,
        id: 0,
        listener: "TEST".into(),
        peer: SocketAddr::from(([127, 0, 0, 1], 1)),
    });
    let budget = MemoryBudget::new(4 << 20);
    let serving = serve(server, script.clone(), info, limits(), budget, shutdown.clone());
    (client, tokio::spawn(serving))
}

type Serving = tokio::task::JoinHandle<CloseReason>;

async fn send(client: &mut (impl AsyncWriteExt + Unpin), requests: &[&str]) {
    let bytes: Vec<u8> = requests.iter().flat_map(|request| framed(request.as_bytes()).to_vec()).collect();
    client.write_all(&bytes).await.expect("the connection is open");
}

async fn receive(client: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    let size = client.read_u32().await.ok()?;
    let mut body = vec![0; size as usize];
    client.read_exact(&mut body).await.ok()?;
    Some(body)
}

async fn receive_text(client: &mut (impl AsyncReadExt + Unpin)) -> String {
    String::from_utf8(receive(client).await.expect("an answer")).expect("text")
}

#[tokio::test]
async fn answers_keep_the_order_of_requests_while_they_overlap() {
    let script = Script::default();
    let (slow, slower) = (script.wait("slow"), script.wait("slower"));
    let (mut client, _serving) = start_on_pipe(&script, &CancellationToken::new());
    send(&mut client, &["wslow", "e1", "s", "wslower", "e2"]).await;
    // All five ran their stage 1 although the first is not answered.
    while script.calls.lock().len() < 5 {
        tokio::task::yield_now().await;
    }
    slower.send(()).expect("waits");
    slow.send(()).expect("waits");
    for expected in ["wslow", "e1", "wslower", "e2"] {
        assert_eq!(receive_text(&mut client).await, expected);
    }
}

#[tokio::test]
async fn no_more_requests_are_taken_than_may_be_in_flight() {
    let script = Script::default();
    let slow = script.wait("slow");
    let (mut client, _serving) = start_on_pipe(&script, &CancellationToken::new());
    send(&mut client, &["wslow"]).await;
    for _ in 0..20 {
        send(&mut client, &["e"]).await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(script.calls.lock().len(), limits().requests_in_flight_max);
    slow.send(()).expect("waits");
    for _ in 0..21 {
        receive(&mut client).await.expect("an answer");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from() {
    let script = Script::default();
    let (mut client, _serving) = start_on_pipe(&script, &CancellationToken::new());
    let big = "e".repeat(30_000);
    let (mut reading, mut writing) = tokio::io::split(client);
    let requests = 40;
    let sending = tokio::spawn(async move {
        for _ in 0..requests {
            send(&mut writing, &[big.as_str()]).await;
        }
        writing
    });
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    let taken = script.calls.lock().len();
    assert!(taken <= 4, "{taken} requests of 30,000 bytes taken with 64 KiB of answers allowed");
    for _ in 0..requests {
        assert_eq!(receive(&mut reading).await.map(|body| body.len()), Some(30_000));
    }
    client = reading.unsplit(sending.await.expect("all was sent"));
    drop(client);
}

#[tokio::test]
async fn a_failing_request_ends_the_connection_after_the_answers_before_it() {
    let script = Script::default();
    let slow = script.wait("slow");
    let (mut client, serving) = start_on_pipe(&script, &CancellationToken::new());
    send(&mut client, &["wslow", "e1", "c", "e2"]).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    slow.send(()).expect("waits");
    assert_eq!(receive_text(&mut client).await, "wslow");
    assert_eq!(receive_text(&mut client).await, "e1");
    assert_eq!(receive(&mut client).await, None);
    assert_eq!(serving.await.expect("ended"), CloseReason::UnacknowledgedFailure("c".into()));
    assert!(script.calls.lock().iter().all(|call| call != "e2"), "nothing is served after a close");
}

#[tokio::test]
async fn an_illegal_size_closes_without_an_answer() {
    let (mut client, serving) = start_on_pipe(&Script::default(), &CancellationToken::new());
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("open");
    assert_eq!(receive(&mut client).await, None);
    let reason = serving.await.expect("ended").to_string();
    assert!(reason.contains("HTTP"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_client_is_answered_at_once_and_then_not_read() {
    let script = Script::default();
    let (mut client, _serving) = start_on_pipe(&script, &CancellationToken::new());
    let start = tokio::time::Instant::now();
    send(&mut client, &["m"]).await;
    assert_eq!(receive_text(&mut client).await, "m");
    assert!(start.elapsed() < Duration::from_millis(100));
    send(&mut client, &["e"]).await;
    assert_eq!(receive_text(&mut client).await, "e");
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn idle_and_stalled_connections_end_but_waiting_ones_do_not() {
    let (mut idle, serving) = start_on_pipe(&Script::default(), &CancellationToken::new());
    assert_eq!(receive(&mut idle).await, None);
    assert_eq!(serving.await.expect("ended"), CloseReason::Idle);

    let (mut stalled, serving) = start_on_pipe(&Script::default(), &CancellationToken::new());
    stalled.write_all(&[0, 0, 1, 0, 1, 2, 3]).await.expect("open");
    assert_eq!(receive(&mut stalled).await, None);
    assert_eq!(serving.await.expect("ended"), CloseReason::Stalled);

    let script = Script::default();
    let slow = script.wait("slow");
    let (mut waiting, _serving) = start_on_pipe(&script, &CancellationToken::new());
    send(&mut waiting, &["wslow"]).await;
    tokio::time::sleep(Duration::from_secs(2000)).await;
    slow.send(()).expect("still served");
    assert_eq!(receive_text(&mut waiting).await, "wslow");
}

#[tokio::test]
async fn shutdown_sends_what_is_ready_and_ends_long_polls() {
    let script = Script::default();
    let shutdown = CancellationToken::new();
    let (mut client, serving) = start_on_pipe(&script, &shutdown);
    send(&mut client, &["e1", "wnever", "e2"]).await;
    assert_eq!(receive_text(&mut client).await, "e1");
    while script.calls.lock().len() < 3 {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    assert_eq!(receive(&mut client).await, None);
    assert_eq!(serving.await.expect("ended"), CloseReason::Shutdown);
}

async fn start_listener(script: &Script) -> (SocketAddr, ServerShared) {
    let listener = Listener::bind(ListenerConfig {
        name: "PLAINTEXT".into(),
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        backlog: 50,
        send_buffer_bytes: None,
        receive_buffer_bytes: None,
        limits: limits(),
    })
    .expect("a free port");
    let shared = ServerShared {
        budget: MemoryBudget::new(4 << 20),
        connections: Arc::new(ConnectionCount::new(2, 2, HashMap::new())),
        shutdown: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    let address = listener.address();
    let script = script.clone();
    shared.tasks.spawn(listener.run(shared.clone(), move || script.clone()));
    (address, shared)
}

#[tokio::test]
async fn sockets_carry_files_between_answers_and_limits_hold() {
    let (address, shared) = start_listener(&Script::default()).await;
    let mut client = TcpStream::connect(address).await.expect("listening");
    send(&mut client, &["e1", "f", "e2", "f"]).await;
    assert_eq!(receive_text(&mut client).await, "e1");
    assert_eq!(receive(&mut client).await, Some(vec![7; FILE_BYTES]));
    assert_eq!(receive_text(&mut client).await, "e2");
    assert_eq!(receive(&mut client).await, Some(vec![7; FILE_BYTES]));

    let mut second = TcpStream::connect(address).await.expect("listening");
    send(&mut second, &["e"]).await;
    assert_eq!(receive_text(&mut second).await, "e");
    let mut third = TcpStream::connect(address).await.expect("the backlog takes it");
    assert_eq!(receive(&mut third).await, None, "max.connections is 2");
    assert_eq!(shared.connections.open(), 2);

    shared.shutdown.cancel();
    shared.tasks.close();
    tokio::time::timeout(Duration::from_secs(5), shared.tasks.wait()).await.expect("everything ends");
    assert_eq!(shared.connections.open(), 0);
}

#[tokio::test]
async fn a_pipe_carries_files_too() {
    let (mut client, _serving) = start_on_pipe(&Script::default(), &CancellationToken::new());
    send(&mut client, &["f", "e"]).await;
    assert_eq!(receive(&mut client).await, Some(vec![7; FILE_BYTES]));
    assert_eq!(receive_text(&mut client).await, "e");
}
