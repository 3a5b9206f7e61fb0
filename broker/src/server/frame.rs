//! Requests cut out of the byte stream of one connection.
//!
//! Every request is a 4-byte length and that many bytes. Several of them usually arrive with one read; each
//! leaves as a `Bytes` that shares the read buffer, so the records of a produce request lie, untouched, where
//! the socket put them until `pwritev` takes them to the log. The length is checked against
//! `socket.request.max.bytes`, and paid for in the shared budget, before the buffer grows for it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rkafka_wire::WireError;
use rkafka_wire::frame::{SIZE_PREFIX_BYTES, frame_size};
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

use super::memory::{MemoryBudget, MemoryGrant, PendingGrant};

/// What a new or idle connection holds.
const READ_BYTES_MIN: usize = 4 << 10;
/// The buffer grows to this without asking the budget, as long as reads fill it; larger requests pay.
pub(crate) const READ_BYTES_MAX: usize = 64 << 10;
/// A buffer up to this size stays with its connection for the next large request, as long as memory is
/// plenty.
const KEPT_BYTES_MAX: usize = 1280 << 10;

/// One request without its length prefix.
#[derive(Debug)]
pub(super) struct Frame {
    /// Header and body; shares the connection's read buffer.
    pub(super) bytes: Bytes,
    /// Keeps the bytes paid for while the request is worked on; `None` for small ones.
    pub(super) grant: Option<Arc<MemoryGrant>>,
}

/// The read side of one connection.
pub(crate) struct FrameReader {
    buffer: BytesMut,
    /// How much one read asks for while requests are small; follows what the client sends.
    read_bytes: usize,
    /// What the buffer has been paid for beyond `READ_BYTES_MAX`, and how many bytes that is.
    grant: Option<(Arc<MemoryGrant>, usize)>,
    pending_grant: Option<PendingGrant>,
    budget: MemoryBudget,
    request_bytes_max: usize,
}

impl FrameReader {
    pub(crate) fn new(budget: MemoryBudget, request_bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
            grant: None,
            pending_grant: None,
            budget,
            request_bytes_max,
        }
    }

    /// The next whole request that is already here.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, WireError> {
        let Some(whole) = self.announced_size()? else { return Ok(None) };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let mut bytes = self.buffer.split_to(whole).freeze();
        bytes.advance(SIZE_PREFIX_BYTES);
        let grant = self.grant.as_ref().map(|(grant, _)| grant.clone());
        if self
            .grant
            .as_ref()
            .is_some_and(|(_, granted)| *granted > KEPT_BYTES_MAX || self.budget.is_scarce())
        {
            self.shrink();
        }
        Ok(Some(Frame { bytes, grant }))
    }

    /// Reads once from the socket, after making room for the request at the front.
    /// Ready with the number of bytes read; 0 is the end of the stream.
    pub(crate) fn poll_fill<T: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<usize>> {
        let wanted = ready!(self.poll_room(cx))?;
        self.buffer.reserve(wanted);
        let read = ready!(poll_read_buf(Pin::new(transport), cx, &mut (&mut self.buffer).limit(wanted)))?;
        if read == wanted {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        }
        Poll::Ready(Ok(read))
    }

    /// Whether part of a request is here and the rest is awaited.
    pub(crate) fn mid_frame(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Whether the buffer is larger than an idle connection should keep.
    pub(crate) fn is_grown(&self) -> bool {
        self.buffer.capacity() > READ_BYTES_MIN || self.grant.is_some()
    }

    /// Falls back to the smallest buffer, keeping what is in it; the larger one goes with its last request.
    pub(crate) fn shrink(&mut self) {
        self.buffer = BytesMut::from(&self.buffer[..]);
        self.read_bytes = READ_BYTES_MIN;
        self.grant = None;
    }

    /// How many bytes the next read asks for, once they are paid for. At least 1.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let whole = self.announced_size().map_err(io::Error::other)?.unwrap_or(SIZE_PREFIX_BYTES);
        let here = self.buffer.len();
        debug_assert!(here < whole, "a whole request waits to be taken");
        if whole <= READ_BYTES_MAX {
            // Whatever else has arrived behind this request comes along with the same read.
            return Poll::Ready(Ok(self.read_bytes.max(whole) - here.min(whole - 1)));
        }
        // A large request pays only when a good part of a buffer is really here: announcing costs nothing.
        // It is then read to its end and no further, so that nothing has to be moved for the next one.
        if here < READ_BYTES_MAX / 2 {
            return Poll::Ready(Ok(READ_BYTES_MAX - here));
        }
        ready!(self.poll_grant(cx, whole))?;
        Poll::Ready(Ok(whole - here))
    }

    fn poll_grant(&mut self, cx: &mut Context<'_>, whole: usize) -> Poll<io::Result<()>> {
        if self.grant.as_ref().is_some_and(|(_, granted)| *granted >= whole) {
            return Poll::Ready(Ok(()));
        }
        // What a smaller request paid is given back first: nobody waits for memory while holding some.
        self.grant = None;
        let granted = match &mut self.pending_grant {
            Some(pending) => ready!(pending.poll(cx)),
            None => match self.budget.try_take(whole) {
                Some(grant) => Some(grant),
                None => ready!(self.pending_grant.insert(self.budget.take_later(whole)).poll(cx)),
            },
        };
        self.pending_grant = None;
        let grant = granted.ok_or_else(|| io::Error::other("the request memory budget is closed"))?;
        self.grant = Some((Arc::new(grant), whole));
        Poll::Ready(Ok(()))
    }

    /// Bytes of the request at the front with its length field, if that has arrived.
    fn announced_size(&self) -> Result<Option<usize>, WireError> {
        let Some(length) = self.buffer.first_chunk::<SIZE_PREFIX_BYTES>() else { return Ok(None) };
        Ok(Some(SIZE_PREFIX_BYTES + frame_size(*length, self.request_bytes_max)?))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    fn framed(body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(body.len()).expect("small").to_be_bytes().to_vec();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Feeds `input` in pieces of `piece` bytes and collects the frames.
    async fn read_all(input: Vec<u8>, piece: usize, budget: &MemoryBudget) -> Result<Vec<Bytes>, WireError> {
        let (mut client, mut server) = tokio::io::duplex(256 << 10);
        let feed = tokio::spawn(async move {
            for part in input.chunks(piece) {
                if client.write_all(part).await.is_err() {
                    break;
                }
            }
        });
        let mut reader = FrameReader::new(budget.clone(), 8 << 20);
        let mut frames = Vec::new();
        loop {
            while let Some(frame) = reader.next()? {
                frames.push(frame.bytes);
            }
            match poll_fn(|cx| reader.poll_fill(cx, &mut server)).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => panic!("reading failed: {error}"),
            }
        }
        feed.await.expect("the feeding task ends");
        Ok(frames)
    }

    #[tokio::test]
    async fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let bodies: Vec<Vec<u8>> = [0usize, 1, 3, 5000, 70_000, 12, 200_000, 65_532, 65_533, 2_000_000, 7]
            .iter()
            .map(|size| (0..*size).map(|at| (at % 251) as u8).collect())
            .collect();
        let input: Vec<u8> = bodies.iter().flat_map(|body| framed(body)).collect();
        for piece in [1 << 20, 65_536, 4_096, 1_000, 7] {
            let budget = MemoryBudget::new(4 << 20);
            let frames = read_all(input.clone(), piece, &budget).await.expect("all sizes are legal");
            assert_eq!(frames.len(), bodies.len());
            for (frame, body) in frames.iter().zip(&bodies) {
                assert_eq!(frame, body, "pieces of {piece}");
            }
            drop(frames);
            assert_eq!(budget.bytes_free(), budget.bytes_total(), "everything was given back");
        }
    }

    #[tokio::test]
    async fn illegal_lengths_name_what_they_are() {
        let budget = MemoryBudget::new(1 << 20);
        for (start, text) in [
            (&b"\x16\x03\x01\x02"[..], "TLS"),
            (&b"GET / HTTP/1.1"[..], "HTTP"),
            (&b"\xff\xff\xff\xff"[..], "-1 bytes"),
            (&b"\x7f\xff\xff\xff"[..], "2147483647 bytes"),
        ] {
            let error = read_all(start.to_vec(), 64, &budget).await.expect_err("not a request");
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[tokio::test]
    async fn an_announced_size_alone_costs_nothing_and_a_large_request_waits_for_memory() {
        let budget = MemoryBudget::new(1 << 20);
        let (mut client, mut server) = tokio::io::duplex(1 << 20);
        let mut reader = FrameReader::new(budget.clone(), 8 << 20);
        client.write_all(&500_000u32.to_be_bytes()).await.expect("room in the pipe");
        poll_fn(|cx| reader.poll_fill(cx, &mut server)).await.expect("four bytes");
        assert!(reader.next().expect("legal").is_none());
        assert_eq!(budget.bytes_free(), budget.bytes_total());

        let others = budget.try_take(900_000).expect("free");
        client.write_all(&vec![0; 500_000]).await.expect("room in the pipe");
        poll_fn(|cx| reader.poll_fill(cx, &mut server)).await.expect("the free part");
        let blocked = poll_fn(|cx| Poll::Ready(reader.poll_fill(cx, &mut server).is_pending())).await;
        assert!(blocked, "900,000 of 1 MiB are taken by others");
        drop(others);
        while reader.next().expect("legal").is_none() {
            poll_fn(|cx| reader.poll_fill(cx, &mut server)).await.expect("paid now");
        }
    }
}
