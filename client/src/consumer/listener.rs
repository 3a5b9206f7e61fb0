//! What a program can do when partitions come and go.

use futures_util::future::BoxFuture;

use super::Consumer;
use crate::topic_partition::TopicPartition;

/// Told of partitions that come and go, within [`Consumer::poll`], [`Consumer::unsubscribe`] and
/// [`Consumer::close`]. The rebalance waits for it, so `max.poll.interval.ms` applies. Commits and seeks are
/// fine, polling is not.
///
/// If the future of a poll is dropped while the listener runs, the next poll tells it anew.
///
/// ```
/// use futures_util::future::BoxFuture;
/// use rkafka_client::{Consumer, RebalanceListener, TopicPartition};
///
/// /// Commits before others take over.
/// struct CommitFirst;
///
/// impl RebalanceListener for CommitFirst {
///     fn partitions_revoked<'a>(
///         &'a mut self,
///         consumer: &'a Consumer,
///         _partitions: &'a [TopicPartition],
///     ) -> BoxFuture<'a, ()> {
///         Box::pin(async move {
///             if let Err(error) = consumer.commit().await {
///                 eprintln!("some records will be read again: {error}");
///             }
///         })
///     }
/// }
/// ```
pub trait RebalanceListener: Send + 'static {
    /// These partitions are about to be given up; offsets can still be committed.
    fn partitions_revoked<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// These partitions came; nothing has been read from them yet.
    fn partitions_assigned<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// These partitions may be somebody else's by now: the group moved on without this member. Their offsets
    /// cannot be committed any more. By default the same as when they are revoked, as in Java.
    fn partitions_lost<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a, ()> {
        self.partitions_revoked(consumer, partitions)
    }
}
