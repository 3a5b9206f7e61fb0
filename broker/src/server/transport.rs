//! What a connection runs over: a TCP socket, or a pipe in memory in tests of whole brokers.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::sendfile;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, Interest};
use tokio::net::TcpStream;

use super::response::FileRange;

/// Bytes copied at a time where `sendfile` cannot go.
const COPY_BYTES: usize = 64 << 10;

/// A byte stream in both directions that can also send ranges of files.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Sends the slices in order, as much as goes at once; `more_follows` says that a file range comes right
    /// after, so that the network stack may put both into one packet.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more_follows: bool,
    ) -> Poll<io::Result<usize>>;

    /// Sends bytes of `file` from `skip` on, as much as goes at once; 0 if the file ends there.
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &dyn FileRange,
        skip: usize,
    ) -> Poll<io::Result<usize>> {
        poll_copy_file(Pin::new(self), cx, file, skip)
    }
}

/// Reads a piece of the file and writes it: for streams the kernel knows nothing of.
fn poll_copy_file<T: AsyncWrite + ?Sized>(
    transport: Pin<&mut T>,
    cx: &mut Context<'_>,
    file: &dyn FileRange,
    skip: usize,
) -> Poll<io::Result<usize>> {
    let mut buffer = vec![0; COPY_BYTES.min(file.length().saturating_sub(skip))];
    let read = file.read_at(skip, &mut buffer)?;
    if read == 0 {
        return Poll::Ready(Ok(0));
    }
    transport.poll_write(cx, &buffer[..read])
}

impl Transport for TcpStream {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        more_follows: bool,
    ) -> Poll<io::Result<usize>> {
        let mut flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        flags.set(SendFlags::MORE, more_follows);
        poll_socket(self, cx, || Ok(sendmsg(&*self, slices, &mut SendAncillaryBuffer::default(), flags)?))
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &dyn FileRange,
        skip: usize,
    ) -> Poll<io::Result<usize>> {
        let Some((descriptor, position)) = file.descriptor() else {
            return poll_copy_file(Pin::new(self), cx, file, skip);
        };
        let length = file.length() - skip;
        poll_socket(self, cx, || {
            let mut offset = position + skip as u64;
            Ok(sendfile(&*self, descriptor, Some(&mut offset), length)?)
        })
    }
}

/// Runs a non-blocking system call that writes, as soon as the socket is writable.
fn poll_socket(
    socket: &TcpStream,
    cx: &mut Context<'_>,
    mut call: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(socket.poll_write_ready(cx))?;
        match socket.try_io(Interest::WRITABLE, &mut call) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

impl Transport for DuplexStream {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        _more_follows: bool,
    ) -> Poll<io::Result<usize>> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(slice) => Pin::new(self).poll_write(cx, slice),
            None => Poll::Ready(Ok(0)),
        }
    }
}
