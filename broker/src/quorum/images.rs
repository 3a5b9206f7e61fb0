//! The way of an image from the state machine to this node's reconciler.
//!
//! A slow reconciler must not slow the quorum down, and must not miss what changed between two images it sees:
//! changes are merged until it takes them. They are sets of ids, so their size is bounded by the cluster's.

use std::sync::Arc;

use parking_lot::Mutex;
use rkafka_core::image::{Changes, Image};
use tokio::sync::watch;

/// The state machine's end.
#[derive(Debug)]
pub(crate) struct ImageSender {
    images: watch::Sender<Arc<Image>>,
    changes: Arc<Mutex<Changes>>,
}

/// The reconciler's end: every change comes out of it once.
#[derive(Debug)]
pub struct ImageReceiver {
    images: watch::Receiver<Arc<Image>>,
    changes: Arc<Mutex<Changes>>,
}

/// A channel whose first image is `image`.
pub(crate) fn channel(image: Image) -> (ImageSender, ImageReceiver) {
    let (sender, receiver) = watch::channel(Arc::new(image));
    let changes = Arc::new(Mutex::new(Changes::default()));
    (
        ImageSender { images: sender, changes: Arc::clone(&changes) },
        ImageReceiver { images: receiver, changes },
    )
}

impl ImageSender {
    /// The newest image.
    pub(crate) fn image(&self) -> Arc<Image> {
        Arc::clone(&self.images.borrow())
    }

    /// Replaces the image; `changes` is what differs from the one before.
    pub(crate) fn publish(&self, image: Image, changes: Changes) {
        // Held across the send: a receiver that sees the image finds its changes, and none of a later one.
        let mut merged = self.changes.lock();
        merged.topics.extend(changes.topics);
        merged.brokers.extend(changes.brokers);
        merged.configs.extend(changes.configs);
        self.images.send_replace(Arc::new(image));
    }

    /// Replaces the image by one that does not follow from the one before (a snapshot of another node).
    pub(crate) fn publish_snapshot(&self, image: Image) {
        let old = self.image();
        let mut changes = Changes::default();
        for side in [&*old, &image] {
            changes.topics.extend(side.topics().iter().map(|topic| topic.id));
            changes.brokers.extend(side.brokers().iter().map(|broker| broker.id));
            changes.configs.extend(side.configs().iter().map(|(resource, _)| resource.clone()));
        }
        self.publish(image, changes);
    }
}

impl ImageReceiver {
    /// The newest image; changes up to it are no longer reported.
    pub fn start(&mut self) -> Arc<Image> {
        self.take().0
    }

    /// Waits for a newer image; `None` once the quorum has stopped.
    pub async fn next(&mut self) -> Option<(Arc<Image>, Changes)> {
        self.images.changed().await.ok()?;
        Some(self.take())
    }

    /// The images alone, for those who only look.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Image>> {
        self.images.clone()
    }

    fn take(&mut self) -> (Arc<Image>, Changes) {
        let mut merged = self.changes.lock();
        let image = Arc::clone(&self.images.borrow_and_update());
        (image, std::mem::take(&mut *merged))
    }
}
