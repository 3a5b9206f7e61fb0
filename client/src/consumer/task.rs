//! The background task: sends what the core asks, hands back what comes, and wakes the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::core::{Answer, Core, Question};
use super::membership::GroupRequest;
use super::remote::Remote;
use crate::metadata::Interest;

/// What the program's calls and the background task share. The core's lock is held for short work only, never
/// across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) remote: Remote,
    core: Mutex<Core>,
    /// The core has something to ask.
    pub(crate) wake: Notify,
    /// Something came back.
    pub(crate) progress: Notify,
    pub(crate) ended: CancellationToken,
}

impl Shared {
    pub(crate) fn new(remote: Remote, core: Core) -> Shared {
        let (wake, progress, ended) = (Notify::new(), Notify::new(), CancellationToken::new());
        Shared { remote, core: Mutex::new(core), wake, progress, ended }
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that the coordinator has to be looked for again, without waiting for a search that is under way.
#[derive(Debug, Default)]
pub(crate) struct Lost(AtomicBool);

impl Lost {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Runs until the consumer is closed or dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut flight = FuturesUnordered::new();
    loop {
        let (questions, deadline) = {
            let mut core = shared.core();
            let now = Instant::now();
            if std::mem::take(&mut core.coordinator_lost) {
                shared.remote.lost.set();
            }
            (core.step(now), core.next_deadline(now))
        };
        for question in questions {
            tracing::trace!(?question);
            flight.push(ask(&shared.remote, question));
        }
        let at = deadline.map(tokio::time::Instant::from_std);
        let alarm = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.ended.cancelled() => return,
            () = shared.wake.notified() => {}
            Some(answer) = flight.next() => {
                shared.core().answer(Instant::now(), answer);
                shared.progress.notify_waiters();
            }
            () = alarm => {}
        }
    }
}

async fn ask(remote: &Remote, question: Question) -> Answer {
    match question {
        Question::Metadata(topics) => {
            let names: Option<Vec<String>> = topics.as_ref().map(|topics| topics.iter().cloned().collect());
            let interest = match &names {
                None => Interest::All,
                Some(names) if remote.config.allow_auto_create_topics => Interest::NamesOrCreate(names),
                Some(names) => Interest::Names(names),
            };
            let metadata = remote.cluster.metadata.fetch(interest).await;
            Answer::Metadata(topics, metadata)
        }
        Question::Group(GroupRequest::Join(join)) => {
            Answer::Joined(join.identity.attempt, remote.join(&join).await)
        }
        Question::Group(GroupRequest::Sync(sync)) => {
            Answer::Synced(sync.identity.attempt, remote.sync(&sync).await)
        }
        Question::Group(GroupRequest::Heartbeat(identity)) => {
            Answer::Heartbeat(identity.attempt, remote.heartbeat(&identity).await)
        }
        Question::Group(GroupRequest::Leave(identity)) => {
            if let Err(error) = remote.leave(&identity).await {
                tracing::debug!(%error, "the group was left without an answer");
            }
            Answer::Left
        }
        Question::Committed(asked) => {
            let partitions: Vec<_> = asked.iter().map(|(partition, _)| partition.clone()).collect();
            let told = remote.committed(&partitions).await;
            Answer::Committed(asked, told)
        }
        Question::Offsets(node, lookups) => {
            let told = remote.offsets(node, &lookups).await;
            Answer::Offsets(lookups, told)
        }
        Question::Epochs(node, lookups) => {
            let told = remote.epochs(node, &lookups).await;
            Answer::Epochs(lookups, told)
        }
        Question::Fetch(plan) => {
            let fetched = remote.fetch(plan.node, &plan.asked).await;
            Answer::Fetched(plan, fetched)
        }
        Question::Commit(identity, offsets) => {
            let told = remote.commit(&identity, &offsets).await;
            Answer::Commit(identity, told)
        }
    }
}
