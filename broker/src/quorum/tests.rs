//! The quorum on its disk: openraft's own conformance suite, restarts, and crashes at every moment.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openraft::StorageError;
use openraft::errors::ErrorSource;
use openraft::impls::BoxedErrorSource;
use openraft::raft::VoteRequest;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::vote::{RaftLeaderId, RaftVote};
use rkafka_core::image::{Image, MetadataBatch, MetadataRecord};
use rkafka_log::disk::Disk;
use rkafka_log::disk::mem::{Crash, SimDisk};

use super::log_store::LogStore;
use super::snapshot::SnapshotFiles;
use super::state_machine::StateMachine;
use super::types::{LogId, Metadata, Vote};
use super::{Quorum, Settings, writer};

const DIR: &str = "/quorum";

fn no_clock() -> i64 {
    0
}

struct Builder;

impl StoreBuilder<Metadata, LogStore, StateMachine> for Builder {
    async fn build(&self) -> Result<((), LogStore, StateMachine), StorageError<Metadata>> {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        let store = || -> io::Result<_> {
            let (shared, handle, _thread) = writer::open(Arc::clone(&disk), Path::new(DIR), no_clock)?;
            let (machine, _images) =
                StateMachine::load(SnapshotFiles::new(Arc::clone(&disk), Path::new(DIR)))?;
            Ok(((), LogStore::new(shared, handle), machine))
        };
        store().map_err(|error| StorageError::read(BoxedErrorSource::from_error(&error)))
    }
}

#[tokio::test]
async fn conforms_to_openraft() {
    Suite::test_all(Builder).await.expect("openraft's conformance suite");
}

async fn start(disk: &SimDisk) -> Arc<Quorum> {
    let settings = Settings {
        node_id: 1,
        host: String::new(),
        port: 0,
        alone: true,
        remembered_cluster: None,
        clock: no_clock,
    };
    let (quorum, _images) =
        Quorum::open(Arc::new(disk.clone()), Path::new(DIR), settings).await.expect("starts");
    quorum.lead_alone().await.expect("leads");
    quorum
}

/// Commits one feature level; returns the image's sequence.
async fn commit(quorum: &Quorum, level: i16) -> u64 {
    let records = vec![MetadataRecord::Feature { name: "test.version".to_owned(), level }];
    let previous_sequence = quorum.image().sequence();
    quorum.propose(MetadataBatch { previous_sequence, records }).await.expect("a leader commits")
}

fn level(image: &Image) -> i16 {
    image.feature_level("test.version")
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let disk = SimDisk::new();
    let quorum = start(&disk).await;
    quorum.form_cluster("the-cluster").await.expect("forms");
    for level in 1..=20 {
        commit(&quorum, level).await;
    }
    let before = quorum.image();
    quorum.shutdown().await.expect("stops");

    let quorum = start(&disk).await;
    assert_eq!(*quorum.image(), *before);
    quorum.form_cluster("another").await.expect("a cluster keeps its id");
    assert_eq!(quorum.image().cluster_id(), Some("the-cluster"));
    quorum.shutdown().await.expect("stops");
}

#[tokio::test]
async fn a_batch_for_an_old_image_is_refused() {
    let quorum = start(&SimDisk::new()).await;
    commit(&quorum, 1).await;
    let records = vec![MetadataRecord::Feature { name: "test.version".to_owned(), level: 9 }];
    let stale = quorum.propose(MetadataBatch { previous_sequence: 0, records }).await;
    assert!(matches!(stale, Err(super::QuorumError::Stale)), "{stale:?}");
    assert_eq!(level(&quorum.image()), 1);
    quorum.shutdown().await.expect("stops");
}

/// P9, P2: whatever was acknowledged survives a power cut right after the acknowledgement, with unsynced blocks,
/// sizes and names lost at random.
#[tokio::test]
async fn acknowledged_batches_survive_a_power_cut() {
    for seed in 0..40 {
        let disk = SimDisk::new();
        let quorum = start(&disk).await;
        let acknowledged = i16::try_from(1 + seed % 7).expect("small");
        for level in 1..=acknowledged {
            commit(&quorum, level).await;
        }
        let after_cut = SimDisk::from_state(disk.state());
        after_cut.crash(Crash::PowerCut, seed);
        quorum.shutdown().await.expect("stops");

        let quorum = start(&after_cut).await;
        assert_eq!(level(&quorum.image()), acknowledged, "seed {seed}");
        // It goes on from there.
        commit(&quorum, 99).await;
        quorum.shutdown().await.expect("stops");
    }
}

/// Snapshots bound the log: with many more entries than one holds, little is left, and a restart finds all.
#[tokio::test]
async fn snapshots_take_over_from_the_log() {
    let disk = SimDisk::new();
    let quorum = start(&disk).await;
    for round in 0..6500 {
        commit(&quorum, 1 + round % 1000).await;
    }
    let last = quorum.image();
    quorum.shutdown().await.expect("stops");
    assert!(disk.files().iter().any(|file| file.extension().is_some_and(|kind| kind == "checkpoint")));
    let quorum = start(&disk).await;
    assert_eq!(*quorum.image(), *last);
    quorum.shutdown().await.expect("stops");
}

/// A vote waits for room on the disk for longer than raft's queues can hold the ticks of its clock.
#[tokio::test]
async fn a_vote_waits_for_room_and_raft_goes_on() {
    let disk = SimDisk::new();
    let quorum = start(&disk).await;
    let mut waiting = quorum.writer.lock().as_ref().expect("it runs").waiting();
    disk.set_capacity(Some(0));
    let candidate = <Metadata as openraft::RaftTypeConfig>::LeaderId::new(99, 2);
    let request = VoteRequest {
        vote: Vote::from_leader_id(candidate, false),
        last_log_id: Some(LogId::new_term_index(98, 1000)),
        leadership_transfer: true,
    };
    let raft = quorum.raft().clone();
    let vote = tokio::spawn(async move { raft.vote(request).await });
    waiting.wait_for(|waits| *waits).await.expect("the writer lives");
    tokio::time::pause();
    for _ in 0..3 * super::QUEUED_MAX {
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(super::ALONE_HEARTBEAT_MS)).await;
    }
    tokio::time::resume();
    disk.set_capacity(None);
    let goes_on = Duration::from_secs(30);
    let answer = tokio::time::timeout(goes_on, vote).await.expect("raft goes on").expect("no panic");
    assert!(answer.expect("raft lives").vote_granted);
    tokio::time::timeout(goes_on, quorum.lead_alone()).await.expect("raft goes on").expect("leads");
    commit(&quorum, 7).await;
    assert_eq!(level(&quorum.image()), 7);
    quorum.shutdown().await.expect("stops");
}
