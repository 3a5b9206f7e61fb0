//! What [`SimDisk`] keeps and loses: the rules that the crash tests of the log rest on.

use std::io::IoSlice;

use super::*;

fn dir() -> &'static Path {
    Path::new("/data/topic-0")
}

fn path(name: &str) -> PathBuf {
    dir().join(name)
}

fn new_disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir(dir()).unwrap();
    for dir in ["/", "/data", "/data/topic-0"] {
        disk.sync_dir(Path::new(dir)).unwrap();
    }
    disk
}

fn write(disk: &SimDisk, name: &str, bytes: &[u8], position: u64) -> Arc<dyn DiskFile> {
    let file = disk.open(&path(name), OpenMode::Create).unwrap();
    file.pwritev(&[IoSlice::new(bytes)], position).unwrap();
    file
}

/// Contents of a file after a crash; `None` if its name is gone.
fn after(disk: &SimDisk, crash: Crash, seed: u64, name: &str) -> Option<Vec<u8>> {
    SimDisk::from_state(disk.state().crashed(crash, None, seed)).contents(&path(name)).ok()
}

#[test]
fn contents_need_sync_data_and_names_need_sync_dir() {
    let disk = new_disk();
    let file = write(&disk, "a", b"one", 0);
    assert_eq!(after(&disk, Crash::Kill { eighths: 8 }, 0, "a").as_deref(), Some(&b"one"[..]));
    assert_eq!(after(&disk, Crash::PowerCutNone, 0, "a").as_deref(), Some(&b"one"[..]));
    assert_eq!(after(&disk, Crash::PowerCutAll, 0, "a"), None);
    file.sync_data().unwrap();
    assert_eq!(after(&disk, Crash::PowerCutAll, 0, "a"), None, "the name was not synced");
    disk.sync_dir(dir()).unwrap();
    assert_eq!(after(&disk, Crash::PowerCutAll, 0, "a").as_deref(), Some(&b"one"[..]));
    write(&disk, "a", b"two", 3);
    assert_eq!(after(&disk, Crash::PowerCutAll, 0, "a").as_deref(), Some(&b"one"[..]));
    assert_eq!(disk.contents(&path("a")).unwrap(), b"onetwo");
}

#[test]
fn an_unsynced_rename_leaves_the_old_file_and_both_outcomes_occur() {
    let disk = new_disk();
    write(&disk, "a", b"old", 0).sync_data().unwrap();
    disk.sync_dir(dir()).unwrap();
    write(&disk, "a.tmp", b"new", 0).sync_data().unwrap();
    disk.rename(&path("a.tmp"), &path("a")).unwrap();
    let found: std::collections::BTreeSet<_> = (0..50)
        .map(|seed| (after(&disk, Crash::PowerCut, seed, "a"), after(&disk, Crash::PowerCut, seed, "a.tmp")))
        .collect();
    let text = |bytes: &str| Some(bytes.as_bytes().to_vec());
    let expected = [(text("new"), None), (text("old"), None), (text("old"), text("new"))];
    assert_eq!(found, expected.into());
    disk.sync_dir(dir()).unwrap();
    assert_eq!(after(&disk, Crash::PowerCutAll, 0, "a"), text("new"));
}

#[test]
fn a_write_in_flight_is_cut() {
    let disk = new_disk();
    let file = write(&disk, "a", b"", 0);
    disk.start_recording();
    let before = disk.state();
    file.pwritev(&[IoSlice::new(b"0123"), IoSlice::new(b"4567")], 0).unwrap();
    let changes = disk.take_recording();
    assert_eq!(changes.len(), 1);
    for eighths in 0..=8 {
        let found = before.crashed(Crash::Kill { eighths }, changes.first(), 0);
        let found = SimDisk::from_state(found).contents(&path("a")).unwrap();
        assert_eq!(found, &b"01234567"[..usize::from(eighths)]);
    }
}

#[test]
fn blocks_are_lost_independently_but_synced_bytes_never() {
    let disk = new_disk();
    let file = write(&disk, "a", &[1; 5000], 0);
    file.sync_data().unwrap();
    disk.sync_dir(dir()).unwrap();
    file.pwritev(&[IoSlice::new(&[2; 30_000])], 5000).unwrap();
    let mut distinct = std::collections::BTreeSet::new();
    for crash in [Crash::PowerCut, Crash::Torn, Crash::ZeroTail, Crash::Garbage] {
        for seed in 0..30 {
            let found = after(&disk, crash, seed, "a").unwrap();
            assert!(found.len() >= 5000 && found[..5000].iter().all(|byte| *byte == 1), "{crash:?} {seed}");
            assert_eq!(found, after(&disk, crash, seed, "a").unwrap(), "the same again");
            distinct.insert(found);
        }
    }
    assert!(distinct.len() > 50, "{}", distinct.len());
}

#[test]
fn what_a_failed_sync_dropped_stays_lost() {
    let disk = new_disk();
    let file = write(&disk, "a", b"gone", 0);
    disk.sync_dir(dir()).unwrap();
    disk.fail_nth(CallKind::Sync, 1, Failure::Io);
    assert_eq!(file.sync_data().map_err(|error| error.raw_os_error()), Err(Some(5)));
    file.sync_data().unwrap();
    assert_eq!(disk.contents(&path("a")).unwrap(), b"gone");
    assert_eq!(after(&disk, Crash::Kill { eighths: 8 }, 0, "a").as_deref(), Some(&b"gone"[..]));
    assert_eq!(after(&disk, Crash::PowerCutNone, 0, "a").as_deref(), Some(&b""[..]));
    file.pwritev(&[IoSlice::new(b"more")], 4).unwrap();
    file.sync_data().unwrap();
    assert_eq!(after(&disk, Crash::PowerCutAll, 0, "a").as_deref(), Some(&b"\0\0\0\0more"[..]));
}

#[test]
fn a_short_write_and_a_full_disk_are_errors() {
    let disk = new_disk();
    let file = write(&disk, "a", b"", 0);
    disk.fail_nth(CallKind::Write, 2, Failure::ShortWrite);
    file.pwritev(&[IoSlice::new(b"1234")], 0).unwrap();
    assert!(disk.has_faults());
    let error = file.pwritev(&[IoSlice::new(b"5678")], 4).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(disk.contents(&path("a")).unwrap(), b"123456");
    assert!(!disk.has_faults());
    disk.set_capacity(Some(10));
    assert_eq!(file.reserve(11).map_err(|error| error.kind()), Err(io::ErrorKind::StorageFull));
    file.reserve(10).unwrap();
    file.pwritev(&[IoSlice::new(b"7890")], 6).unwrap();
    assert!(file.pwritev(&[IoSlice::new(b"x")], 10).is_err());
    disk.set_capacity(None);
    file.pwritev(&[IoSlice::new(b"x")], 10).unwrap();
}

#[test]
fn open_files_outlive_their_names() {
    let disk = new_disk();
    let file = write(&disk, "a", b"abcdef", 0);
    disk.remove_file(&path("a")).unwrap();
    let mut found = [0; 3];
    assert_eq!(file.pread(&mut found, 1).unwrap(), 3);
    assert_eq!(&found, b"bcd");
    file.truncate(2).unwrap();
    assert_eq!(file.len().unwrap(), 2);
    assert!(disk.files().is_empty());
}

#[test]
fn replaying_a_recording_gives_the_same_disk() {
    let disk = new_disk();
    let mut replayed = disk.state();
    disk.start_recording();
    let file = write(&disk, "a", b"abcdef", 0);
    file.truncate(3).unwrap();
    file.truncate(16).unwrap();
    file.pwritev(&[IoSlice::new(b"zz")], 4).unwrap();
    disk.rename(&path("a"), &path("b")).unwrap();
    disk.sync_dir(dir()).unwrap();
    for change in disk.take_recording() {
        replayed.apply(&change);
    }
    let replayed = SimDisk::from_state(replayed);
    assert_eq!(replayed.contents(&path("b")).unwrap(), disk.contents(&path("b")).unwrap());
    assert_eq!(disk.contents(&path("b")).unwrap(), b"abc\0zz\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(after(&replayed, Crash::PowerCutAll, 0, "b").as_deref(), Some(&b""[..]));
}
