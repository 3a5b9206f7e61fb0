//! One connection: reads requests, hands each to the service, sends the answers in order.
//!
//! A connection is one task and one `poll`: every wake-up takes whatever arrived, runs stage 1 of each whole
//! request in arrival order, lets waiting requests go on, and sends all answers whose turn it is with one
//! system call. Nothing is handed to another task on the way, so a pipelined produce costs one `recv`, one
//! `pwritev` a batch and a share of one `sendmsg`.
//!
//! Back-pressure: as long as too many requests or too many answer bytes are on their way, nothing is read,
//! and TCP tells the client.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::Service;
use super::frame::{Frame, FrameReader};
use super::memory::MemoryBudget;
use super::pipeline::{CloseReason, Outcome, Pipeline, Stage};
use super::response::ResponseWriter;
use super::transport::Transport;

/// Bounds of one connection.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// `connections.max.idle.ms`.
    pub idle_max: Duration,
    /// Requests that may wait for their answer at one time. Java clients use 5.
    pub requests_in_flight_max: usize,
    /// Answer bytes in memory that the client has not taken, above which no more is read.
    pub queued_bytes_max: usize,
}

impl ConnectionLimits {
    /// Requests in flight unless said otherwise: librdkafka keeps many more than Java clients.
    pub const REQUESTS_IN_FLIGHT_MAX: usize = 128;
    /// Queued answer bytes unless said otherwise.
    pub const QUEUED_BYTES_MAX: usize = 1 << 20;
}

/// Who is at the other end, for handlers and the log.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// Counts connections since the start of the node.
    pub id: u64,
    /// The listener it came in on, as in `listeners`.
    pub listener: Arc<str>,
    /// The client's address.
    pub peer: SocketAddr,
    /// It is a listener of the metadata quorum: clients may ask for controllers here (KIP-919).
    pub is_controller: bool,
}

/// A large buffer is given back after this long without a byte; part of a large request may take this long
/// between two bytes.
const CALM_AFTER: Duration = Duration::from_secs(10);
/// A client that has sent part of a request and then nothing for this long is cut off.
const STALL_MAX: Duration = Duration::from_secs(60);
/// How long answers that are already made may take to be sent when the broker stops.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Serves one connection until it ends; returns why it did.
pub async fn serve<T: Transport, S: Service>(
    transport: T,
    service: S,
    info: Arc<ConnectionInfo>,
    limits: ConnectionLimits,
    budget: MemoryBudget,
    shutdown: CancellationToken,
) -> CloseReason {
    let now = Instant::now();
    let mut connection = Connection {
        transport,
        service,
        reader: FrameReader::new(budget, limits.request_bytes_max),
        pipeline: Pipeline::default(),
        writer: ResponseWriter::default(),
        last_activity: now,
        tick: Box::pin(sleep_until(now + CALM_AFTER.min(limits.idle_max))),
        muted: None,
        last_taken: false,
        ending: None,
        shutdown: Box::pin(shutdown.cancelled_owned()),
        info,
        limits,
    };
    std::future::poll_fn(|cx| connection.poll(cx)).await
}

struct Connection<T, S> {
    transport: T,
    service: S,
    reader: FrameReader,
    pipeline: Pipeline,
    writer: ResponseWriter,
    last_activity: Instant,
    /// Looks, now and then, at what time alone brings about; never reset by a request.
    tick: Pin<Box<Sleep>>,
    /// KIP-219: nothing is read before this moment.
    muted: Option<Pin<Box<Sleep>>>,
    /// A request was taken that will end the connection when its turn comes.
    last_taken: bool,
    /// Nothing is read any more; what is owed goes out first.
    ending: Option<CloseReason>,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    info: Arc<ConnectionInfo>,
    limits: ConnectionLimits,
}

impl<T: Transport, S: Service> Connection<T, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            if let Poll::Ready(reason) = self.poll_clocks(cx) {
                return Poll::Ready(reason);
            }
            self.pipeline.poll_waiting(cx);
            self.collect_answers();
            match self.writer.poll_flush(cx, &mut self.transport) {
                Poll::Ready(Ok(0)) | Poll::Pending => {}
                Poll::Ready(Ok(_)) => self.last_activity = Instant::now(),
                Poll::Ready(Err(error)) => return Poll::Ready(CloseReason::Socket(error.to_string())),
            }
            if let Some(reason) = &self.ending
                && self.pipeline.is_empty()
                && self.writer.is_empty()
            {
                return Poll::Ready(reason.clone());
            }
            // Reading last: what it brings is answered in the next turn, all in one call.
            if !self.poll_requests(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Moves the answers whose turn it is to the writer.
    fn collect_answers(&mut self) {
        while let Some(outcome) = self.pipeline.pop_done() {
            match outcome {
                Outcome::Silence => {}
                Outcome::Reply { reply, throttle } => {
                    self.writer.push(reply);
                    if !throttle.is_zero() {
                        self.muted = Some(Box::pin(sleep_until(Instant::now() + throttle)));
                    }
                }
                Outcome::Close(reason) => {
                    self.pipeline = Pipeline::default();
                    self.ending = Some(reason);
                }
            }
        }
    }

    /// Takes requests that are here, or else reads once and takes what came. Whether there were any.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ending.is_some() || self.is_muted(cx) {
            return false;
        }
        let taken = self.take_requests();
        if taken > 0 || self.ending.is_some() || !self.has_room() {
            return taken > 0 || self.ending.is_some();
        }
        match self.reader.poll_fill(cx, &mut self.transport) {
            Poll::Pending => return false,
            Poll::Ready(Ok(0)) => self.end(CloseReason::EndOfStream),
            Poll::Ready(Ok(_)) => {
                self.last_activity = Instant::now();
                self.take_requests();
            }
            Poll::Ready(Err(error)) => self.end(socket_end(&error)),
        }
        true
    }

    /// Runs stage 1 of every request that is whole, in order, as long as there is room; how many.
    fn take_requests(&mut self) -> usize {
        let mut taken = 0;
        while self.ending.is_none() && self.has_room() {
            match self.reader.next() {
                Ok(Some(Frame { bytes, grant })) => {
                    let stage = self.service.call(&self.info, bytes);
                    self.last_taken = matches!(stage, Stage::Done(Outcome::Close(_)));
                    self.pipeline.push(stage, grant);
                    taken += 1;
                }
                Ok(None) => break,
                Err(error) => self.end(CloseReason::BadRequest(error.to_string())),
            }
        }
        taken
    }

    /// Nothing behind a request that ends the connection is looked at.
    fn has_room(&self) -> bool {
        !self.last_taken
            && self.pipeline.len() < self.limits.requests_in_flight_max
            && self.pipeline.memory_bytes() + self.writer.memory_bytes() < self.limits.queued_bytes_max
    }

    /// Reads no more. The client has gone: what waits is dropped, what is ready still goes out.
    fn end(&mut self, reason: CloseReason) {
        if reason == CloseReason::EndOfStream {
            self.pipeline.drop_waiting();
        }
        self.ending = Some(reason);
    }

    fn is_muted(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(until) = &mut self.muted {
            if until.as_mut().poll(cx).is_pending() {
                return true;
            }
            self.muted = None;
        }
        false
    }

    /// What time and shutdown bring about.
    fn poll_clocks(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        if self.ending.is_none() && self.shutdown.as_mut().poll(cx).is_ready() {
            // Long polls would keep the broker from stopping; their clients ask again elsewhere.
            self.pipeline.drop_waiting();
            self.end(CloseReason::Shutdown);
            self.tick.as_mut().reset(Instant::now() + DRAIN_MAX);
        }
        while self.tick.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let quiet = now - self.last_activity;
            if let Some(reason) = &self.ending {
                return Poll::Ready(reason.clone());
            }
            let waiting = !self.pipeline.is_empty() || !self.writer.is_empty() || self.muted.is_some();
            if !waiting && quiet >= self.limits.idle_max {
                return Poll::Ready(CloseReason::Idle);
            }
            if !waiting && self.reader.mid_frame() && quiet >= STALL_MAX {
                return Poll::Ready(CloseReason::Stalled);
            }
            if quiet >= CALM_AFTER && self.reader.is_grown() && !self.reader.mid_frame() {
                self.reader.shrink();
            }
            let idle_at = (self.last_activity + self.limits.idle_max).max(now + Duration::from_millis(10));
            let calm = !self.reader.is_grown() && !self.reader.mid_frame() && !waiting;
            let next = if calm { idle_at } else { idle_at.min(now + CALM_AFTER) };
            self.tick.as_mut().reset(next);
        }
        Poll::Pending
    }
}

/// How a failing read is told: a reset by the client is no error of ours.
fn socket_end(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => CloseReason::EndOfStream,
        _ => CloseReason::Socket(error.to_string()),
    }
}
