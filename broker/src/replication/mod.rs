//! Replication between brokers: fetching what others lead, and telling the controller who is in sync here.
//!
//! ```text
//! fetcher.rs    one task per source broker, over all partitions followed from it, in one fetch session
//! connection.rs the connection to a source, with the Kafka protocol
//! throttles.rs  how fast replicas that are being moved are copied
//! isr.rs        proposals of leaders, batched, one request under way (AlterPartition)
//! ```
//! What is fetched and what is proposed the machines of `rkafka_core::replica` decide; the simulator runs the same
//! ones. Whom to follow comes from the image that has been acted on: every partition has been told its role.

mod connection;
mod fetcher;
mod isr;
#[cfg(test)]
mod tests;
mod throttles;

use std::collections::BTreeMap;
use std::sync::Arc;

use rkafka_core::ids::{BrokerId, PartitionId};
use rkafka_core::image::Image;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;

pub use isr::IsrChanges;
pub use throttles::Throttles;

/// The partitions to follow from one source, each with its leader epoch.
pub(crate) type Followed = Arc<BTreeMap<PartitionId, i32>>;

/// Starts replication; its tasks end with `stop`.
pub(crate) fn start(broker: &Arc<Broker>, tasks: &TaskTracker, stop: &CancellationToken) {
    tasks.spawn(isr::run(broker.clone(), stop.clone()));
    tasks.spawn(follow(broker.clone(), tasks.clone(), stop.clone()));
}

/// Keeps one fetcher per source, each told what to follow by every image.
async fn follow(broker: Arc<Broker>, tasks: TaskTracker, stop: CancellationToken) {
    let mut images = broker.metadata.images();
    let mut sources: BTreeMap<BrokerId, watch::Sender<Followed>> = BTreeMap::new();
    loop {
        let image = images.borrow_and_update().clone();
        let mut wanted = followed_by(broker.id, &image);
        for (source, sender) in &sources {
            let followed = Arc::new(wanted.remove(source).unwrap_or_default());
            sender.send_if_modified(|known| {
                let changed = *known != followed;
                *known = followed;
                changed
            });
        }
        for (source, followed) in wanted {
            let (sender, receiver) = watch::channel(Arc::new(followed));
            sources.insert(source, sender);
            tasks.spawn(fetcher::run(broker.clone(), source, receiver, stop.clone()));
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = images.changed() => if changed.is_err() { return },
        }
    }
}

/// What `local` follows, by leader.
fn followed_by(local: BrokerId, image: &Image) -> BTreeMap<BrokerId, BTreeMap<PartitionId, i32>> {
    let mut followed: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for topic in image.topics().iter() {
        for (state, index) in topic.partitions.iter().zip(0..) {
            if let Some(leader) = state.leader.filter(|leader| *leader != local)
                && state.replicas.contains(&local)
            {
                let id = PartitionId { topic: topic.id, index };
                followed.entry(leader).or_default().insert(id, state.leader_epoch);
            }
        }
    }
    followed
}
