//! Answers on their way to the socket.
//!
//! An answer is a list of parts: bytes (the encoded fields) and ranges of files (the records of a fetch).
//! The writer sends everything that is ready with one `sendmsg` up to the next file range, and file ranges
//! with `sendfile`, so records never pass through user space on a plain socket.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use rkafka_wire::response::Parts;
use rkafka_wire::{FilePart, Response};
use smallvec::smallvec;

use super::transport::Transport;

/// `IOV_MAX` is 1024; more than this many small answers in one call gain nothing.
const SLICES_MAX: usize = 64;

/// Bytes of an answer that lie in a file.
pub trait FileRange: Send + Sync {
    /// Bytes in the range.
    fn length(&self) -> usize;

    /// The file and the position of the first byte in it, where there is a real file to `sendfile` from.
    fn descriptor(&self) -> Option<(BorrowedFd<'_>, u64)>;

    /// Fills the front of `into` with the bytes from `skip` on; how many were read. 0 only at the end.
    fn read_at(&self, skip: usize, into: &mut [u8]) -> io::Result<usize>;
}

impl FilePart for Box<dyn FileRange> {
    fn size(&self) -> usize {
        self.length()
    }
}

type Part = rkafka_wire::Part<Box<dyn FileRange>>;

/// A whole answer, its 4-byte size first.
#[derive(Default)]
pub struct Reply {
    parts: Parts<Box<dyn FileRange>>,
}

impl From<Response<Box<dyn FileRange>>> for Reply {
    fn from(response: Response<Box<dyn FileRange>>) -> Self {
        Self { parts: response.into_parts() }
    }
}

impl From<Bytes> for Reply {
    fn from(bytes: Bytes) -> Self {
        Self { parts: smallvec![Part::Bytes(bytes)] }
    }
}

impl Reply {
    /// An answer of several parts.
    pub fn from_parts(parts: Parts<Box<dyn FileRange>>) -> Self {
        Self { parts }
    }

    /// Bytes that the answer holds in memory; file ranges count nothing.
    pub fn memory_bytes(&self) -> usize {
        let in_memory = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::File(_) => 0,
        };
        self.parts.iter().map(in_memory).sum()
    }
}

/// The write side of one connection: parts that wait for the socket, in order.
#[derive(Default)]
pub(crate) struct ResponseWriter {
    parts: VecDeque<Part>,
    /// Bytes of the first part that are sent already; file ranges only.
    file_bytes_sent: usize,
    memory_bytes: usize,
}

impl ResponseWriter {
    pub(crate) fn push(&mut self, reply: Reply) {
        self.memory_bytes += reply.memory_bytes();
        self.parts.extend(reply.parts);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes in memory that the client has not taken yet.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Sends until nothing is left (ready) or the socket takes no more (pending).
    /// Ready with how many bytes went out since the call began.
    pub(crate) fn poll_flush<T: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<usize>> {
        let mut sent = 0;
        while let Some(front) = self.parts.front() {
            sent += match front {
                Part::Bytes(_) => ready!(self.poll_send_bytes(cx, transport))?,
                Part::File(_) => ready!(self.poll_send_file(cx, transport))?,
            };
        }
        Poll::Ready(Ok(sent))
    }

    fn poll_send_bytes<T: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let mut file_follows = false;
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) if count < SLICES_MAX => {
                    slices[count] = IoSlice::new(bytes);
                    count += 1;
                }
                Part::Bytes(_) => break,
                Part::File(_) => {
                    file_follows = true;
                    break;
                }
            }
        }
        let sent = ready!(transport.poll_send(cx, &slices[..count], file_follows))?;
        if sent == 0 && slices[..count].iter().any(|slice| !slice.is_empty()) {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.consume_bytes(sent);
        Poll::Ready(Ok(sent))
    }

    /// Removes `sent` bytes, and empty parts behind them, from the front.
    fn consume_bytes(&mut self, mut sent: usize) {
        self.memory_bytes -= sent;
        while let Some(Part::Bytes(bytes)) = self.parts.front_mut() {
            if bytes.len() > sent {
                bytes.advance(sent);
                return;
            }
            sent -= bytes.len();
            self.parts.pop_front();
        }
    }

    fn poll_send_file<T: Transport>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<usize>> {
        let Some(Part::File(file)) = self.parts.front() else { return Poll::Ready(Ok(0)) };
        let length = file.length();
        let mut sent = 0;
        if self.file_bytes_sent < length {
            sent = ready!(transport.poll_send_file(cx, file.as_ref(), self.file_bytes_sent))?;
            if sent == 0 {
                // The file became shorter beneath us. The answer's length is announced already and cannot
                // be taken back, so this connection has nothing right left to say.
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file is shorter than the range being sent",
                )));
            }
        }
        self.file_bytes_sent += sent;
        if self.file_bytes_sent >= length {
            self.parts.pop_front();
            self.file_bytes_sent = 0;
        }
        Poll::Ready(Ok(sent))
    }
}
