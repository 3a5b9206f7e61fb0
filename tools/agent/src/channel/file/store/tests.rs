//! The store on a disk in memory: order, restarts, and crashes at every change it makes.

use std::path::Path;

use rkafka_log::disk::mem::{Crash, DiskState, SimDisk};

use super::*;
use crate::receipt;

const NOW_MS: i64 = 1_700_000_000_000;

fn settings(file_bytes: u64) -> Settings {
    Settings {
        name: "c1".to_owned(),
        checkpoint: "/checkpoint".into(),
        backup: None,
        data: vec!["/data".into()],
        capacity: 1_000,
        transaction: 1_000,
        file_bytes,
        free_bytes: 0,
        checkpoint_interval: std::time::Duration::from_secs(30),
        keep_alive: std::time::Duration::ZERO,
        sync_interval: None,
        checkpoint_on_close: true,
    }
}

fn open(disk: &SimDisk) -> Store {
    Store::open(Arc::new(disk.clone()), &settings(4_096), NOW_MS).unwrap()
}

fn put(store: &mut Store, bodies: impl IntoIterator<Item = u32>) {
    let events: Vec<Event> = bodies
        .into_iter()
        .map(|number| Event {
            headers: Headers::from_iter([("number", number.to_string())]),
            ..Event::new(format!("event {number}"))
        })
        .collect();
    store.append(&events, NOW_MS).unwrap();
    if let Some(job) = store.prepare_sync() {
        let flushed = job.run().unwrap();
        store.synced(flushed, NOW_MS);
    }
}

fn numbers(events: &[Event]) -> Vec<u32> {
    let number = |event: &Event| {
        let number: u32 = event.headers.get("number").unwrap().parse().unwrap();
        assert_eq!(event.body, format!("event {number}"));
        number
    };
    events.iter().map(number).collect()
}

fn all(store: &mut Store) -> Vec<u32> {
    let mut found = Vec::new();
    loop {
        let taken = store.take(7).unwrap();
        if taken.is_empty() {
            return found;
        }
        found.extend(numbers(&taken));
    }
}

#[test]
fn events_come_out_in_order_with_headers_and_once() {
    let disk = SimDisk::new();
    let mut store = open(&disk);
    put(&mut store, 0..5);
    put(&mut store, 5..8);
    let first = store.take(3).unwrap();
    assert_eq!((numbers(&first), store.held()), (vec![0, 1, 2], 8), "what is on its way still counts");
    let second = store.take(4).unwrap();
    receipt::acknowledge(&second);
    assert!(!store.settle().unwrap(), "those before are still on their way");
    store.give_back(first);
    let again = store.take(2).unwrap();
    assert_eq!(numbers(&again), [0, 1]);
    receipt::acknowledge(&again);
    assert!(!store.settle().unwrap());
    let last = store.take(9).unwrap();
    assert_eq!(numbers(&last), [2, 7], "what came back is next, then what was never given out");
    receipt::acknowledge(&last);
    assert!(store.settle().unwrap());
    assert_eq!(store.held(), 0);
}

#[test]
fn a_restart_goes_on_behind_what_was_delivered() {
    let disk = SimDisk::new();
    let mut store = open(&disk);
    put(&mut store, 0..10);
    let taken = store.take(4).unwrap();
    receipt::acknowledge(&taken);
    store.settle().unwrap();
    let _ = store.take(3).unwrap();
    drop(store);
    let mut store = open(&disk);
    assert_eq!((store.held(), all(&mut store)), (6, (4..10).collect()));
    store.close(true, NOW_MS).unwrap();
    assert_eq!(open(&disk).held(), 6);
}

#[test]
fn delivered_files_are_deleted() {
    let disk = SimDisk::new();
    let mut store = open(&disk);
    for round in 0..50 {
        put(&mut store, round * 10..(round + 1) * 10);
    }
    let full = disk.used_bytes();
    let taken = store.take(500).unwrap();
    receipt::acknowledge(&taken);
    while let taken = store.take(500).unwrap()
        && !taken.is_empty()
    {
        receipt::acknowledge(&taken);
    }
    store.settle().unwrap();
    store.clean(NOW_MS).unwrap();
    let names = disk.list(Path::new("/data/events-0")).unwrap();
    assert_eq!(names.iter().filter(|entry| entry.name.ends_with(".log")).count(), 1, "{names:?}");
    assert!(disk.used_bytes() < full, "{} of {full} bytes", disk.used_bytes());
    put(&mut store, 500..503);
    drop(store);
    assert_eq!(all(&mut open(&disk)), [500, 501, 502]);
}

#[test]
fn a_second_channel_is_kept_out() {
    let disk = SimDisk::new();
    let _store = open(&disk);
    let error = Store::open(Arc::new(disk.clone()), &settings(4_096), NOW_MS).err().unwrap();
    let expected = "channel c1: /checkpoint: another channel uses it; each needs directories of its own";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn without_its_checkpoint_everything_there_is_given_out_again() {
    let disk = SimDisk::new();
    let mut store = open(&disk);
    put(&mut store, 0..5);
    let taken = store.take(5).unwrap();
    receipt::acknowledge(&taken);
    store.settle().unwrap();
    drop(store);
    disk.remove_file(Path::new("/checkpoint/checkpoint")).unwrap();
    assert_eq!(all(&mut open(&disk)), [0, 1, 2, 3, 4]);
    let with_backup = Settings { backup: Some("/backup".into()), ..settings(4_096) };
    let reopen = || Store::open(Arc::new(disk.clone()), &with_backup, NOW_MS).unwrap();
    let mut store = reopen();
    let taken = store.take(5).unwrap();
    receipt::acknowledge(&taken);
    store.settle().unwrap();
    store.close(true, NOW_MS).unwrap();
    disk.remove_file(Path::new("/checkpoint/checkpoint")).unwrap();
    assert_eq!(reopen().held(), 0, "the backup knows");
}

/// What is certain after so many changes of the disk.
#[derive(Clone, Copy)]
struct Certain {
    changes: usize,
    /// Events whose put has returned.
    put: u32,
    /// Events begun to be put.
    tried: u32,
    /// Events given out and acknowledged, without a gap.
    delivered: u32,
}

/// Puts, takes, deliveries out of order and cleanings, with what is certain after each.
fn workload(disk: &SimDisk) -> Vec<Certain> {
    let mut store = open(disk);
    disk.start_recording();
    let mut now = Certain { changes: 0, put: 0, tried: 0, delivered: 0 };
    let mut steps = vec![now];
    let mut under_way: VecDeque<Vec<Event>> = VecDeque::new();
    for round in 0..12 {
        now.tried += 9;
        steps.push(Certain { changes: disk.recorded(), ..now });
        put(&mut store, now.put..now.tried);
        now.put = now.tried;
        steps.push(Certain { changes: disk.recorded(), ..now });
        under_way.push_back(store.take(4).unwrap());
        under_way.push_back(store.take(4).unwrap());
        if round % 3 == 2 {
            // The younger one first: it does not count before the older one.
            for taken in under_way.drain(..).rev() {
                receipt::acknowledge(&taken);
                now.delivered += taken.len() as u32;
            }
            store.settle().unwrap();
            store.clean(NOW_MS).unwrap();
            steps.push(Certain { changes: disk.recorded(), ..now });
        }
    }
    steps
}

/// Every change the channel makes is cut short in every way a disk can: nothing that was put is lost, nothing comes
/// out of order or twice, and what was delivered and synced does not come back.
#[test]
fn no_crash_loses_an_event() {
    let disk = SimDisk::new();
    drop(open(&disk));
    let mut state = disk.state();
    let steps = workload(&disk);
    let changes = disk.take_recording();
    let mut images = 0;
    for (at, change) in changes.iter().enumerate() {
        let before = steps.iter().rev().find(|step| step.changes <= at).unwrap();
        let crashes = [
            Crash::Kill { eighths: 0 },
            Crash::Kill { eighths: 3 },
            Crash::Kill { eighths: 8 },
            Crash::PowerCutAll,
            Crash::PowerCut,
            Crash::Torn,
            Crash::ZeroTail,
            Crash::Garbage,
        ];
        for crash in crashes {
            check_image(&state.crashed(crash, Some(change), at as u64), before, crash, at);
            images += 1;
        }
        state.apply(change);
    }
    assert!(images > 200, "{images} images");
}

fn check_image(image: &DiskState, certain: &Certain, crash: Crash, at: usize) {
    let disk = SimDisk::from_state(image.clone());
    let mut store = open(&disk);
    let found = all(&mut store);
    let what = format!("{crash:?} at change {at}: {found:?}");
    assert!(found.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{what}");
    let first = found.first().copied().unwrap_or(certain.put);
    let end = found.last().map_or(certain.put, |last| last + 1);
    assert!(end >= certain.put, "events were lost: {what}");
    assert!(end <= certain.tried.max(certain.put) + 9, "{what}");
    assert!(first >= certain.delivered, "delivered and synced events came back: {what}");
    // It goes on as if nothing had happened.
    put(&mut store, end..end + 2);
    assert_eq!(all(&mut store), [end, end + 1], "{what}");
}
