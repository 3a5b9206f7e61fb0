//! The file channel on real files: waiting, restarts, what it refuses.

use super::*;
use crate::receipt::Ledger;

fn settings(folder: &std::path::Path) -> Settings {
    Settings {
        name: "c1".to_owned(),
        checkpoint: folder.join("checkpoint"),
        backup: None,
        data: vec![folder.join("data")],
        capacity: 3,
        transaction: 2,
        file_bytes: 1 << 20,
        free_bytes: 0,
        checkpoint_interval: Duration::from_secs(30),
        keep_alive: Duration::from_millis(50),
        sync_interval: None,
        checkpoint_on_close: true,
    }
}

fn batch(bodies: &[&'static str]) -> Vec<Event> {
    bodies.iter().map(|body| Event::new(*body)).collect()
}

fn bodies(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| String::from_utf8(event.body.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn a_put_is_acknowledged_when_it_is_on_disk_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let channel = FileChannel::open(&settings(folder.path())).unwrap();
    let ledger = Ledger::new(|| ());
    let receipt = ledger.open(2);
    let events = batch(&["a", "b"]).into_iter().map(|event| Event { receipt: receipt.clone(), ..event });
    channel.put(events.collect()).await.unwrap();
    assert_eq!(ledger.completed(), 1, "the source may go on");
    assert_eq!(bodies(&channel.take(1).await), ["a"]);
    drop(channel);
    let channel = FileChannel::open(&settings(folder.path())).unwrap();
    let taken = channel.take(9).await;
    assert_eq!(bodies(&taken), ["a", "b"], "what was not delivered is given out again");
    channel.commit(&taken);
    channel.shut();
    assert!(FileChannel::open(&settings(folder.path())).unwrap().is_empty());
}

#[tokio::test]
async fn its_bounds_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let channel = FileChannel::open(&settings(folder.path())).unwrap();
    channel.put(batch(&["a", "b"])).await.unwrap();
    let full = channel.put(batch(&["c", "d"])).await.unwrap_err();
    assert_eq!(full.to_string(), "channel c1 is full: no room for 2 events within 50ms");
    let taken = channel.take(9).await;
    assert_eq!(bodies(&taken), ["a", "b"], "transactionCapacity");
    channel.put(batch(&["c", "d"])).await.unwrap_err();
    let delivery = async { channel.commit(&taken) };
    let (put, ()) = tokio::join!(channel.put(full.batch), delivery);
    put.unwrap();
    drop(channel);
    let narrow = Settings { free_bytes: u64::MAX, ..settings(folder.path()) };
    let channel = FileChannel::open(&narrow).unwrap();
    assert_eq!(bodies(&channel.take(9).await), ["c", "d"]);
    let refused = channel.put(batch(&["e"])).await.unwrap_err().to_string();
    assert!(refused.contains("minimumRequiredSpace is 18446744073709551615"), "{refused}");
}

#[tokio::test]
async fn a_stop_leaves_events_for_the_next_run_and_an_end_drains_them() {
    let folder = tempfile::tempdir().unwrap();
    let channel = FileChannel::open(&settings(folder.path())).unwrap();
    channel.put(batch(&["a"])).await.unwrap();
    channel.close(false);
    assert!(channel.take(1).await.is_empty());
    drop(channel);
    let together = Settings { sync_interval: Some(Duration::from_secs(1)), ..settings(folder.path()) };
    let channel = FileChannel::open(&together).unwrap();
    channel.put(batch(&["b"])).await.unwrap();
    channel.close(true);
    assert_eq!(bodies(&channel.take(9).await), ["a", "b"]);
    assert!(channel.take(1).await.is_empty());
}
