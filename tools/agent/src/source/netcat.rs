//! The netcat source: lines that connections send are events, each answered `OK`.
//!
//! Flume answers when the channel has the event. Here the answer waits until it has been delivered (with a file
//! channel, until it is on disk): a sender that repeats what was not answered loses nothing.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, mpsc, oneshot},
};

use super::{Output, Signal, SourceError};
use crate::{
    event::Event,
    plan::{Component, keys::streams as keys},
    receipt::Ledger,
    text::{StreamLine, StreamLines},
};

/// Connections served at a time; more wait.
const MOST_CONNECTIONS: usize = 1_024;
/// Lines of a connection that are handed on together.
const MOST_LINES: usize = 100;
/// Pieces of work of all connections that wait.
const MOST_WAITING: usize = 64;
/// How long a stopping source waits for what is under way.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long connections have to write their last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Lines of one connection, and whom to tell when they have arrived.
struct Received {
    lines: Vec<Bytes>,
    arrived: oneshot::Sender<()>,
}

/// Listens. Runs on a thread of its own; connections are tasks.
pub struct NetcatSource {
    name: String,
    listener: TcpListener,
    rules: Rules,
    output: Output,
    signal: Arc<Signal>,
    once: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rules {
    most: usize,
    answers: bool,
}

impl NetcatSource {
    /// Listens on the address of checked properties.
    ///
    /// # Errors
    /// The address cannot be had.
    pub fn open(
        component: &Component,
        output: Output,
        signal: Arc<Signal>,
        once: bool,
    ) -> Result<NetcatSource, SourceError> {
        let host = component.text(&keys::BIND).unwrap_or_default();
        let port = u16::try_from(component.integer(&keys::PORT).unwrap_or_default()).unwrap_or_default();
        let listen = || {
            let listener = std::net::TcpListener::bind((&*host, port))?;
            listener.set_nonblocking(true)?;
            let _entered = output.runtime().enter();
            TcpListener::from_std(listener)
        };
        let listener = listen().map_err(|error| {
            SourceError::new(&component.name, format!("cannot listen on {host}:{port}: {error}"))
        })?;
        let rules = Rules {
            most: component.count(&keys::NETCAT_MAX_LINE),
            answers: component.flag(&keys::ACK_EVERY_EVENT),
        };
        Ok(NetcatSource { name: component.name.clone(), listener, rules, output, signal, once })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Passes lines on until it is to stop.
    ///
    /// # Errors
    /// None at present.
    pub fn run(self) -> Result<(), SourceError> {
        if self.once {
            tracing::warn!(source = self.name, "netcat has nothing to read once");
            return Ok(());
        }
        if let Ok(address) = self.address() {
            tracing::info!(source = self.name, "listening on {address}");
        }
        let NetcatSource { listener, rules, output, signal, .. } = self;
        let runtime = output.runtime().clone();
        let (sender, received) = mpsc::channel(MOST_WAITING);
        let accepting = runtime.spawn(accept(listener, rules, sender, signal.clone()));
        let progress = Arc::new(Notify::new());
        let waker = progress.clone();
        let ledger = Ledger::new(move || waker.notify_one());
        let mut passing =
            Passing { received, progress, ledger, settled: 0, under_way: VecDeque::new(), unsent: 0, signal };
        passing.run(&output);
        runtime.block_on(async {
            // What does not arrive in time is not answered: its sender has it still.
            let _ = tokio::time::timeout(PATIENCE, passing.drain()).await;
            drop(passing);
            let _ = tokio::time::timeout(LAST_ANSWERS, accepting).await;
        });
        Ok(())
    }
}

/// Lines on their way from connections into channels, and answers on their way back.
struct Passing {
    received: mpsc::Receiver<Received>,
    progress: Arc<Notify>,
    ledger: Ledger,
    settled: u64,
    under_way: VecDeque<Vec<oneshot::Sender<()>>>,
    /// Batches that no channel took before the source had to stop.
    unsent: usize,
    signal: Arc<Signal>,
}

impl Passing {
    fn run(&mut self, output: &Output) {
        loop {
            let mut work = Vec::new();
            let stopping = output.runtime().block_on(async {
                tokio::select! {
                    biased;
                    () = self.signal.stopped() => true,
                    () = self.progress.notified() => false,
                    count = self.received.recv_many(&mut work, MOST_WAITING) => count == 0,
                }
            });
            self.settle();
            if stopping {
                return;
            }
            let (lines, answers): (Vec<_>, Vec<_>) =
                work.into_iter().map(|received| (received.lines, received.arrived)).unzip();
            let lines: Vec<Bytes> = lines.into_iter().flatten().collect();
            if lines.is_empty() {
                continue;
            }
            let receipt = self.ledger.open(lines.len());
            self.under_way.push_back(answers);
            let events = lines.into_iter().map(|line| Event { receipt: receipt.clone(), ..Event::new(line) });
            if output.put(events.collect()).is_err() {
                self.unsent += 1;
                return;
            }
            self.settle();
        }
    }

    /// Tells connections whose lines have arrived.
    fn settle(&mut self) {
        let completed = self.ledger.completed();
        while self.settled < completed {
            self.settled += 1;
            for answer in self.under_way.pop_front().unwrap_or_default() {
                // A connection that has gone does not care.
                let _ = answer.send(());
            }
        }
    }

    async fn drain(&mut self) {
        while self.ledger.open_batches() > self.unsent {
            self.progress.notified().await;
            self.settle();
        }
        self.settle();
    }
}

async fn accept(listener: TcpListener, rules: Rules, sender: mpsc::Sender<Received>, signal: Arc<Signal>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, place))
        };
        let accepted = tokio::select! {
            () = signal.stopped() => None,
            accepted = accepted => accepted,
        };
        match accepted {
            Some((Ok((stream, _)), place)) => {
                let (sender, signal) = (sender.clone(), signal.clone());
                connections.spawn(async move {
                    // A connection that breaks off is no failure.
                    let _ = serve(stream, rules, &sender, &signal).await;
                    drop(place);
                });
            }
            Some((Err(error), _)) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None => break,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(
    mut stream: TcpStream,
    rules: Rules,
    sender: &mpsc::Sender<Received>,
    signal: &Signal,
) -> std::io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut incoming = StreamLines::new(reading, rules.most);
    loop {
        let mut lines = Vec::new();
        let mut too_long = false;
        let mut next = tokio::select! {
            biased;
            () = signal.stopped() => return Ok(()),
            line = incoming.next() => line?,
        };
        let ended = next.is_none();
        while let Some(line) = next {
            match line {
                StreamLine::Whole(line) => lines.push(line),
                StreamLine::TooLong(_) => {
                    too_long = true;
                    break;
                }
            }
            next = if lines.len() < MOST_LINES { incoming.ready() } else { None };
        }
        let count = lines.len();
        if count > 0 {
            let (arrived, answer) = oneshot::channel();
            if sender.send(Received { lines, arrived }).await.is_err() {
                return Ok(());
            }
            if rules.answers {
                if answer.await.is_err() {
                    return Ok(());
                }
                writing.write_all("OK\n".repeat(count).as_bytes()).await?;
            }
        }
        if too_long {
            let most = rules.most;
            let text =
                format!("FAILED: Event exceeds the maximum length ({most} chars, including newline)\n");
            return writing.write_all(text.as_bytes()).await;
        }
        if ended {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net,
        thread::JoinHandle,
    };

    use super::*;
    use crate::{
        channel::{Channel, MemoryChannel, memory::Limits},
        plan::testing::source,
    };

    struct Running {
        runtime: tokio::runtime::Runtime,
        channel: Arc<Channel>,
        signal: Arc<Signal>,
        thread: JoinHandle<Result<(), SourceError>>,
        address: SocketAddr,
    }

    fn start(settings: &str) -> Running {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let limits = Limits { events: 1_000, bytes: usize::MAX, keep_alive: Duration::from_secs(3) };
        let channel = Arc::new(Channel::Memory(MemoryChannel::new("c1", limits)));
        let component =
            source(&format!("type = netcat\nchannels = c1\nbind = 127.0.0.1\nport = 0\n{settings}"));
        let signal = Arc::new(Signal::default());
        let handle = runtime.handle().clone();
        let output = Output::new(&component, std::slice::from_ref(&channel), handle, signal.clone());
        let netcat = NetcatSource::open(&component, output, signal.clone(), false).unwrap();
        let address = netcat.address().unwrap();
        Running { runtime, channel, signal, thread: std::thread::spawn(move || netcat.run()), address }
    }

    impl Running {
        fn take(&self, count: usize) -> Vec<Event> {
            let mut events = Vec::new();
            while events.len() < count {
                events.extend(self.runtime.block_on(self.channel.take(count - events.len())));
            }
            events
        }

        fn connect(&self) -> BufReader<net::TcpStream> {
            BufReader::new(net::TcpStream::connect(self.address).unwrap())
        }

        fn stop(self) {
            self.signal.stop();
            self.thread.join().unwrap().unwrap();
        }
    }

    fn answer(connection: &mut BufReader<net::TcpStream>) -> String {
        let mut line = String::new();
        connection.read_line(&mut line).unwrap();
        line
    }

    #[test]
    fn a_line_is_answered_when_it_has_arrived() {
        let running = start("");
        let mut connection = running.connect();
        connection.get_mut().write_all("订单\r\nsecond\n".as_bytes()).unwrap();
        let events = running.take(2);
        let bodies: Vec<_> = events.iter().map(|event| std::str::from_utf8(&event.body).unwrap()).collect();
        assert_eq!(bodies, ["订单", "second"]);
        connection.get_ref().set_nonblocking(true).unwrap();
        let early = connection.fill_buf().map(<[u8]>::len).map_err(|error| error.kind());
        assert_eq!(early, Err(std::io::ErrorKind::WouldBlock), "nothing is answered before");
        connection.get_ref().set_nonblocking(false).unwrap();
        running.channel.commit(&events);
        assert_eq!((answer(&mut connection), answer(&mut connection)), ("OK\n".into(), "OK\n".into()));
        running.stop();
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_as_by_flume() {
        let running = start("max-line-length = 8");
        let mut connection = running.connect();
        connection.get_mut().write_all(b"short\nmuch too long\n").unwrap();
        running.channel.commit(&running.take(1));
        assert_eq!(answer(&mut connection), "OK\n");
        let expected = "FAILED: Event exceeds the maximum length (8 chars, including newline)\n";
        assert_eq!(answer(&mut connection), expected);
        running.stop();
    }

    #[test]
    fn a_stop_answers_what_arrives_and_ends_connections() {
        let running = start("");
        let mut connection = running.connect();
        connection.get_mut().write_all(b"last\n").unwrap();
        let events = running.take(1);
        running.signal.stop();
        running.channel.commit(&events);
        assert_eq!(answer(&mut connection), "OK\n");
        assert_eq!(answer(&mut connection), "", "then the connection ends");
        running.stop();
    }

    #[test]
    fn without_answers() {
        let running = start("ack-every-event = false");
        let mut connection = running.connect();
        connection.get_mut().write_all(b"a\nb\nno end").unwrap();
        connection.get_ref().shutdown(net::Shutdown::Write).unwrap();
        assert_eq!(running.take(3).len(), 3);
        assert_eq!(answer(&mut connection), "");
        running.stop();
    }
}
