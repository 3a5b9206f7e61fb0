//! Applies committed entries to the image and publishes every new image.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::alias::SnapshotOf;
use rkafka_core::image::{ApplyError, Image};

use super::images::{ImageReceiver, ImageSender, channel};
use super::snapshot::{self, SnapshotFiles};
use super::types::{Applied, LogId, Membership, Metadata, Payload, SnapshotMeta};

/// The image under the quorum's log. Owned by openraft's state machine task; everyone else watches.
#[derive(Debug)]
pub(crate) struct StateMachine {
    images: ImageSender,
    applied: Option<LogId>,
    membership: Membership,
    snapshots: SnapshotFiles,
}

impl StateMachine {
    /// The state of the newest snapshot; raft applies what the log has beyond it.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn load(snapshots: SnapshotFiles) -> io::Result<(StateMachine, ImageReceiver)> {
        let (meta, image) = match snapshots.newest()? {
            Some((meta, image, _)) => (meta, image),
            None => (SnapshotMeta::default(), Image::default()),
        };
        let (images, receiver) = channel(image);
        let SnapshotMeta { last_log_id: applied, last_membership: membership } = meta;
        Ok((StateMachine { images, applied, membership, snapshots }, receiver))
    }

    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }

    fn apply_payload(&mut self, id: &LogId, payload: Payload) -> io::Result<Applied> {
        match payload {
            Payload::Blank => {}
            Payload::Membership(membership) => {
                self.membership = Membership::new(Some(*id), membership);
            }
            Payload::Normal(proposal) => {
                match self.images.image().apply(&proposal.0) {
                    Ok((image, changes)) => self.images.publish(image, changes),
                    Err(ApplyError::OutOfSequence { .. }) => return Ok(Applied::Refused),
                    // A batch that was made for this very image and does not fit it: this node's history is
                    // not the cluster's. Going on would spread wrong answers.
                    Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
                }
            }
        }
        Ok(Applied::At(self.images.image().sequence()))
    }
}

impl RaftStateMachine<Metadata> for StateMachine {
    type SnapshotData = Bytes;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, Membership)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Metadata>>> + Unpin + Send,
    {
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let answer = self.apply_payload(&entry.log_id, entry.payload)?;
            self.applied = Some(entry.log_id);
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { meta: self.meta(), image: self.images.image(), snapshots: self.snapshots.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, bytes: Bytes) -> io::Result<()> {
        let (_, image) = snapshot::decode(&bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
        let (snapshots, saved) = (self.snapshots.clone(), meta.clone());
        blocking(move || snapshots.save(&saved, &bytes)).await?;
        self.applied.clone_from(&meta.last_log_id);
        self.membership = meta.last_membership.clone();
        self.images.publish_snapshot(image);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Metadata, Bytes>>> {
        let snapshots = self.snapshots.clone();
        let newest = blocking(move || snapshots.newest()).await?;
        Ok(newest.map(|(meta, _, snapshot)| openraft::Snapshot { meta, snapshot }))
    }
}

/// Turns one image into a snapshot file while the state machine goes on.
#[derive(Debug)]
pub(crate) struct Builder {
    meta: SnapshotMeta,
    image: Arc<Image>,
    snapshots: SnapshotFiles,
}

impl RaftSnapshotBuilder<Metadata> for Builder {
    type SnapshotData = Bytes;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Metadata, Bytes>> {
        let (meta, image, snapshots) = (self.meta.clone(), Arc::clone(&self.image), self.snapshots.clone());
        let bytes = blocking(move || {
            let bytes =
                snapshot::encode(&meta, &image).map_err(|error| io::Error::other(error.to_string()))?;
            snapshots.save(&meta, &bytes)?;
            Ok(bytes)
        });
        Ok(openraft::Snapshot { meta: self.meta.clone(), snapshot: bytes.await? })
    }
}

/// Runs file work off the async workers.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
