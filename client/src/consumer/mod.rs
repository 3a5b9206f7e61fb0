//! The consumer: reads the records of topics, alone or sharing them with a group.
//!
//! | file | what it does |
//! |---|---|
//! | `config.rs` | settings, by the names of the Java client |
//! | `calls.rs` | the calls of [`Consumer`] beside polling |
//! | `core.rs` | the whole consumer without its sockets: what to ask, what answers mean (pure) |
//! | `subscription.rs` | assigned partitions and their positions (pure) |
//! | `membership/` | a member of a group: joins, shares, beats, leaves (pure) |
//! | `assignor/`, `protocol.rs` | who gets which partitions, compatible with Java's (pure) |
//! | `fetch/` | sessions, prefetch with bounded memory, records out of fetched bytes (pure) |
//! | `view.rs` | leaders of partitions (pure) |
//! | `task.rs` | the background task |
//! | `metrics.rs` | what it did so far |
//! | `remote.rs`, `remote_group.rs` | the requests |
//!
//! One background task does all the talking: heartbeats, fetches ahead of the program, metadata. The
//! program's part happens in [`Consumer::poll`]: rebalances begin and listeners run there, as in Java.

mod assignor;
mod calls;
mod config;
mod core;
mod error;
mod fetch;
mod listener;
mod membership;
mod metrics;
mod offsets;
mod protocol;
mod record;
mod remote;
mod remote_group;
mod subscription;
mod task;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::Stream;
use tokio_util::sync::DropGuard;
use tracing::Instrument;

pub use self::assignor::AssignorKind;
pub use self::calls::ConsumerGroupMetadata;
pub use self::config::{AutoOffsetReset, ConsumerConfig, IsolationLevel};
pub use self::error::ConsumerError;
pub use self::listener::RebalanceListener;
pub use self::offsets::{OffsetAndMetadata, OffsetAndTimestamp, Position};
pub use self::record::{ConsumerRecord, ConsumerRecords, Header};
pub use rkafka_record::TimestampType;

use self::core::Core;
use self::membership::Notice;
use self::remote::Remote;
use self::subscription::Interest;
use self::task::Shared;
use crate::cluster::Cluster;
use crate::topic_partition::TopicPartition;

/// Reads records. Cheap to poll; one consumer is one member of its group. All calls take `&self`, but only
/// one poll runs at a time.
///
/// Dropping it ends its background task at once: the group notices after the session timeout.
/// [`Consumer::close`] commits, leaves the group and is over in no time.
pub struct Consumer {
    shared: Arc<Shared>,
    /// Held by the poll that runs; it owns the listener.
    polling: tokio::sync::Mutex<Option<Box<dyn RebalanceListener>>>,
    _background: DropGuard,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("assignment", &self.assignment()).finish_non_exhaustive()
    }
}

impl Consumer {
    /// Finds the cluster and starts the background task, which runs on the current tokio runtime.
    ///
    /// # Errors
    /// Settings that contradict each other, or [`ClientError::Unreachable`](crate::ClientError::Unreachable)
    /// with the reason for each address.
    pub async fn connect(config: ConsumerConfig) -> Result<Consumer, ConsumerError> {
        config.check()?;
        let cluster = Arc::new(Cluster::connect(config.client.clone()).await?);
        let config = Arc::new(config);
        let core = Core::new(config.clone(), Instant::now());
        let client_id = config.client.client_id.clone();
        let group = config.group_id.clone().unwrap_or_default();
        let shared = Arc::new(Shared::new(Remote::new(cluster, config), core));
        let span = tracing::info_span!("consumer", client_id, group);
        tokio::spawn(task::run(shared.clone()).instrument(span));
        let background = shared.ended.clone().drop_guard();
        Ok(Consumer { shared, polling: tokio::sync::Mutex::default(), _background: background })
    }

    /// The next records, at most `max.poll.records`; none if `timeout` passes without any. Commits positions
    /// every `auto.commit.interval.ms` if `enable.auto.commit`, and takes part in rebalances: a member of a
    /// group has to poll at least every `max.poll.interval.ms`. Dropping the future loses nothing.
    ///
    /// # Errors
    /// What the background met since the last poll: no offset to begin at, an unreadable batch (it fails
    /// again until one seeks past it), a group that refuses this member. Passing errors, such as brokers that
    /// are away, are retried instead.
    pub async fn poll(&self, timeout: Duration) -> Result<ConsumerRecords, ConsumerError> {
        let mut listener = self.polling.try_lock().map_err(|_| ConsumerError::PollIsRunning)?;
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            let mut progress = pin!(self.shared.progress.notified());
            progress.as_mut().enable();
            while let Some(notice) = self.begin_poll()? {
                self.tell(&mut listener, &notice).await;
            }
            if let Some(records) = self.take_records()? {
                return Ok(records);
            }
            if tokio::time::timeout_at(deadline, progress).await.is_err() {
                return Ok(ConsumerRecords::default());
            }
        }
    }

    /// The records as a stream that never ends; each error is an item of it.
    ///
    /// ```no_run
    /// use futures_util::{StreamExt, pin_mut};
    /// # async fn example(consumer: &rkafka_client::Consumer) -> Result<(), rkafka_client::ConsumerError> {
    /// let records = consumer.stream();
    /// pin_mut!(records);
    /// while let Some(record) = records.next().await {
    ///     println!("{:?}", record?.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self) -> impl Stream<Item = Result<ConsumerRecord, ConsumerError>> + Send + '_ {
        let waiting = ConsumerRecords::default().into_iter();
        futures_util::stream::unfold((self, waiting), |(consumer, mut waiting)| async move {
            loop {
                if let Some(record) = waiting.next() {
                    return Some((Ok(record), (consumer, waiting)));
                }
                match consumer.poll(STREAM_POLL).await {
                    Ok(records) => waiting = records.into_iter(),
                    Err(error) => return Some((Err(error), (consumer, waiting))),
                }
            }
        })
    }

    /// What a poll does first; the notice that the listener is to be told, if any.
    fn begin_poll(&self) -> Result<Option<Notice>, ConsumerError> {
        let mut core = self.shared.core();
        if let Some(error) = core.errors.pop_front() {
            return Err(error);
        }
        if matches!(core.subscriptions.interest, Interest::Nothing) {
            return Err(ConsumerError::NotSubscribed);
        }
        if core.polled(Instant::now()) {
            self.shared.wake.notify_one();
        }
        Ok(core.notice())
    }

    /// Commits before partitions go, runs the listener, and lets the group go on.
    async fn tell(&self, listener: &mut Option<Box<dyn RebalanceListener>>, notice: &Notice) {
        let list = |partitions: &BTreeSet<TopicPartition>| partitions.iter().cloned().collect::<Vec<_>>();
        match notice {
            Notice::Revoked(gone) => {
                tracing::info!(?gone, "partitions revoked");
                self.commit_automatically().await;
                if let Some(listener) = listener {
                    listener.partitions_revoked(self, &list(gone)).await;
                }
            }
            Notice::Lost(gone) => {
                tracing::info!(?gone, "partitions lost");
                if let Some(listener) = listener {
                    listener.partitions_lost(self, &list(gone)).await;
                }
            }
            Notice::Assigned(added) => {
                tracing::info!(?added, "partitions assigned");
                if let Some(listener) = listener {
                    listener.partitions_assigned(self, &list(added)).await;
                }
            }
        }
        self.shared.core().noticed(notice);
        self.shared.wake.notify_one();
    }

    /// With `enable.auto.commit`: commits what was polled, and only says what goes wrong.
    async fn commit_automatically(&self) {
        let consumed = {
            let core = self.shared.core();
            let wanted = core.config.enable_auto_commit && core.membership.is_some();
            if wanted { core.subscriptions.consumed() } else { BTreeMap::new() }
        };
        if !consumed.is_empty()
            && let Err(error) = self.commit_offsets(&consumed).await
        {
            tracing::warn!(%error, "offsets were not committed before partitions were given up");
        }
    }

    fn take_records(&self) -> Result<Option<ConsumerRecords>, ConsumerError> {
        let mut core = self.shared.core();
        let core = &mut *core;
        if !core.ahead.has_records(&core.subscriptions) {
            return Ok(None);
        }
        let before = core.ahead.bytes();
        let taken = core.ahead.take(&mut core.subscriptions, core.config.max_poll_records);
        if core.ahead.bytes() != before {
            // There is room to fetch more.
            self.shared.wake.notify_one();
            core.counts.bytes += (before - core.ahead.bytes()) as u64;
        }
        let records = taken.map_err(|(partition, offset, error)| {
            let reason = error.to_string();
            ConsumerError::Corrupt { partition, offset, reason }
        })?;
        core.counts.records += records.len() as u64;
        Ok((!records.is_empty()).then_some(ConsumerRecords { records }))
    }

    /// Commits if `enable.auto.commit`, tells the listener, leaves the group and ends the background task. It
    /// takes no longer than `timeout`: what is not done by then is left to the session timeout.
    ///
    /// # Errors
    /// [`ConsumerError::Timeout`].
    pub async fn close(self, timeout: Duration) -> Result<(), ConsumerError> {
        match tokio::time::timeout(timeout, self.unsubscribe()).await {
            Ok(closed) => closed,
            Err(_) => Err(ConsumerError::Timeout { what: "the consumer was closed".into(), after: timeout }),
        }
    }
}

/// How long one poll of a stream waits.
const STREAM_POLL: Duration = Duration::from_secs(1);
