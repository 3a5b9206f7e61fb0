//! Sinks and their groups: everything is delivered, failed sinks are passed over.

use std::{path::Path, time::Duration};

use super::*;
use crate::{
    channel::{MemoryChannel, memory::Limits},
    plan::testing,
    receipt::Ledger,
};

fn channel() -> Arc<Channel> {
    let limits = Limits { events: 1_000, bytes: usize::MAX, keep_alive: Duration::from_secs(3) };
    Arc::new(Channel::Memory(MemoryChannel::new("c1", limits)))
}

fn rolling(folder: &Path) -> Member {
    let settings = format!(
        "type = file_roll\nchannel = c1\nsink.batchSize = 2\nsink.directory = {}\n",
        folder.display()
    );
    Member::new(&testing::sink(&settings)).unwrap()
}

fn lines(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn everything_is_delivered_and_acknowledged_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let channel = channel();
    let ledger = Ledger::new(|| ());
    let receipt = ledger.open(5);
    let events = (0..5).map(|number| Event { receipt: receipt.clone(), ..Event::new(number.to_string()) });
    channel.put(events.collect()).await.unwrap();
    channel.close(true);
    let runner = Runner::single(channel, rolling(folder.path()));
    let (_, counters) = runner.counters().next().unwrap();
    runner.run().await;
    assert_eq!(lines(folder.path()), ["0", "1", "2", "3", "4"]);
    assert_eq!(ledger.completed(), 1);
    assert_eq!(
        (counters.delivered.load(Ordering::Relaxed), counters.complete_batches.load(Ordering::Relaxed)),
        (5, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_sink_is_passed_over_in_favour_of_the_next() {
    let (broken, working) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let members = vec![
        Member { priority: 0, name: "backup".to_owned(), ..rolling(working.path()) },
        Member { priority: 0, name: "main".to_owned(), ..rolling(broken.path()) },
    ];
    // The directory vanishes after the start.
    std::fs::remove_dir(broken.path()).unwrap();
    let group = testing::group(
        "sinks = k1\nprocessor.type = failover\nprocessor.priority.main = 10\nprocessor.priority.backup = 5\n",
    );
    let channel = channel();
    channel.put((0..3).map(|number| Event::new(number.to_string())).collect()).await.unwrap();
    channel.close(true);
    let runner = Runner::group(channel, members, &group);
    let counters: Vec<_> = runner.counters().collect();
    runner.run().await;
    assert_eq!(counters[0].0, "main", "the highest priority comes first");
    assert!(counters[0].1.rollbacks.load(Ordering::Relaxed) > 0);
    assert_eq!(lines(working.path()), ["0", "1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn load_is_balanced_in_turn() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let members = folders.iter().map(|folder| rolling(folder.path())).collect();
    let group = testing::group("sinks = k1\nprocessor.type = load_balance\n");
    let channel = channel();
    channel.put((0..6).map(|number| Event::new(number.to_string())).collect()).await.unwrap();
    channel.close(true);
    Runner::group(channel, members, &group).run().await;
    assert_eq!(lines(folders[0].path()), ["0", "1", "4", "5"]);
    assert_eq!(lines(folders[1].path()), ["2", "3"]);
}
