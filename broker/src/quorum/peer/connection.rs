//! One connection to another node. It begins with a greeting: who is there, on which disk, of which cluster.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::RwLock;
use rkafka_core::image::Image;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::messages::{DONE, Greeting, Hello, Kind, Member, Refusal, from_json, request_frame, to_json};

/// The largest answer that is believed: a reply to the creation of many thousand topics.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why a call did not bring an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No connection, or it broke.
    #[error("{address}: {source}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The other node refused.
    #[error("{address}: {refusal}")]
    Refused {
        /// Where.
        address: String,
        /// Its words.
        refusal: Refusal,
    },
}

/// This node, as it presents itself.
#[derive(Debug)]
pub(crate) struct Local {
    /// Who it is.
    pub(crate) member: Member,
    /// The newest image: it knows the cluster's id once the cluster is formed.
    pub(crate) image: watch::Receiver<Arc<Image>>,
    /// What the log directories say of the cluster, or what another node said before the cluster was formed.
    pub(crate) remembered: RwLock<Option<String>>,
}

impl Local {
    /// The cluster this node is in, or was in.
    pub(crate) fn cluster_id(&self) -> Option<String> {
        let known = self.image.borrow().cluster_id().map(str::to_owned);
        known.or_else(|| self.remembered.read().clone())
    }
}

/// A connection that was greeted.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    address: String,
    correlation_id: i32,
    /// What the other node said of itself.
    pub(crate) greeting: Greeting,
}

impl Connection {
    /// Connects and greets. With `to`, only that very node on that very disk will do.
    ///
    /// # Errors
    /// [`CallError`]; among them that the two are in different clusters.
    pub(crate) async fn open(
        local: &Local,
        host: &str,
        port: u16,
        to: Option<Member>,
    ) -> Result<Connection, CallError> {
        let address = format!("{host}:{port}");
        let failed = |source| CallError::Unreachable { address: address.clone(), source };
        let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let nobody = Greeting { cluster_id: None, member: local.member, formed: false, leader: None };
        let mut connection = Connection { stream, address, correlation_id: 0, greeting: nobody };
        let hello = Hello { cluster_id: local.cluster_id(), from: local.member, to };
        let greeting = connection.call(Kind::Hello, &to_json(&hello)).await?;
        connection.greeting = from_json(&greeting).map_err(|refusal| connection.refused(refusal))?;
        Ok(connection)
    }

    /// One call. A connection whose call was not seen to its end must not be used again.
    ///
    /// # Errors
    /// [`CallError`].
    pub(crate) async fn call(&mut self, kind: Kind, body: &[u8]) -> Result<Bytes, CallError> {
        self.exchange(kind, body)
            .await
            .map_err(|source| self.unreachable(source))?
            .map_err(|r| self.refused(r))
    }

    async fn exchange(&mut self, kind: Kind, body: &[u8]) -> io::Result<Result<Bytes, Refusal>> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let frame =
            request_frame(self.correlation_id, kind, body).ok_or_else(|| invalid("request too large"))?;
        self.stream.write_all(&frame).await?;
        let size = usize::try_from(self.stream.read_i32().await?).unwrap_or(usize::MAX);
        if !(5..=ANSWER_BYTES_MAX).contains(&size) {
            return Err(invalid("the answer has an impossible size"));
        }
        let mut frame = BytesMut::new();
        let mut rest = (&mut self.stream).take(size as u64);
        while frame.len() < size {
            if rest.read_buf(&mut frame).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut frame = frame.freeze();
        if frame.get_i32() != self.correlation_id {
            return Err(invalid("the answer is to another request"));
        }
        if frame.get_u8() == DONE {
            return Ok(Ok(frame));
        }
        from_json(&frame).map(Err).map_err(|_| invalid("the answer is none of this version"))
    }

    fn unreachable(&self, source: io::Error) -> CallError {
        CallError::Unreachable { address: self.address.clone(), source }
    }

    fn refused(&self, refusal: Refusal) -> CallError {
        CallError::Refused { address: self.address.clone(), refusal }
    }
}
