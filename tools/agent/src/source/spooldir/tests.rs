//! A whole spooling directory on real files: what becomes of them, whatever happens to them meanwhile.

use std::{
    collections::BTreeMap, fs::OpenOptions, io::Write, os::unix::fs::PermissionsExt, thread::JoinHandle,
};

use tempfile::TempDir;

use super::*;
use crate::{
    channel::{Channel, MemoryChannel, memory::Limits},
    plan::testing::source,
};

/// A source over a folder, and the channel it fills.
struct Rig {
    folder: TempDir,
    settings: String,
    runtime: tokio::runtime::Runtime,
}

struct Running {
    thread: JoinHandle<Result<(), SpoolError>>,
    signal: Arc<Signal>,
    channel: Arc<Channel>,
    progress: Arc<Progress>,
}

impl Rig {
    fn new(settings: &str) -> Rig {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        Rig { folder: tempfile::tempdir().unwrap(), settings: settings.to_owned(), runtime }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that was left alone long ago.
    fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let aside = self.path(&format!(".{name}"));
        fs::write(&aside, contents).unwrap();
        let old = SystemTime::now() - Duration::from_secs(60);
        File::open(&aside).unwrap().set_modified(old).unwrap();
        fs::rename(aside, self.path(name)).unwrap();
    }

    fn start(&self, once: bool) -> Running {
        let text = format!(
            "type = spooldir\nchannels = c1\nspoolDir = {}\n{}",
            self.folder.path().display(),
            self.settings
        );
        let limits = Limits { events: 1_000_000, bytes: usize::MAX, keep_alive: Duration::from_secs(3) };
        let channel = Arc::new(Channel::Memory(MemoryChannel::new("c1", limits)));
        let (signal, progress) = (Arc::new(Signal::default()), Arc::new(Progress::default()));
        let component = source(&text);
        let handle = self.runtime.handle().clone();
        let output = Output::new(&component, std::slice::from_ref(&channel), handle, signal.clone());
        let spool = SpoolSource::open(&component, output, signal.clone(), progress.clone(), once).unwrap();
        Running { thread: std::thread::spawn(move || spool.run()), signal, channel, progress }
    }

    /// Runs until everything there is has arrived; gives the bodies.
    fn run(&self) -> Vec<String> {
        let running = self.start(true);
        let bodies = self.deliver_until(&running, |running| running.thread.is_finished());
        running.thread.join().unwrap().unwrap();
        bodies
    }

    /// Delivers what comes until `enough`.
    fn deliver_until(&self, running: &Running, enough: impl Fn(&Running) -> bool) -> Vec<String> {
        let mut bodies = Vec::new();
        while !(enough(running) && running.channel.is_empty()) {
            for event in self.take(running, Duration::from_millis(5)) {
                bodies.push(String::from_utf8(event.body.to_vec()).unwrap());
                running.channel.commit(&[event]);
            }
        }
        bodies
    }

    /// Runs until everything there is has arrived; gives how many events that were, text or not.
    fn run_raw(&self) -> usize {
        let running = self.start(true);
        let mut count = 0;
        while !(running.thread.is_finished() && running.channel.is_empty()) {
            let events = self.take(&running, Duration::from_millis(5));
            running.channel.commit(&events);
            count += events.len();
        }
        running.thread.join().unwrap().unwrap();
        count
    }

    fn take(&self, running: &Running, wait: Duration) -> Vec<crate::event::Event> {
        let take = async { tokio::time::timeout(wait, running.channel.take(1000)).await.unwrap_or_default() };
        self.runtime.block_on(take)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != ".flumespool")
            .collect();
        names.sort();
        names
    }
}

fn stop(running: Running) {
    running.signal.stop();
    running.thread.join().unwrap().unwrap();
}

#[test]
fn files_become_events_in_order_and_are_renamed() {
    let rig = Rig::new("inputCharset = GBK\nbatchSize = 2");
    rig.write("a.txt", b"\xD6\xD0\xCE\xC4\nsecond\nthird");
    rig.write("b.txt", b"fourth\n");
    let earlier = SystemTime::now() - Duration::from_secs(3_600);
    File::open(rig.path("b.txt")).unwrap().set_modified(earlier).unwrap();
    rig.write("c.tmp", "kept out\n");
    let rig = Rig { settings: format!("{}\nignorePattern = ^(.)*\\\\.tmp$", rig.settings), ..rig };
    assert_eq!(rig.run(), ["fourth", "中文", "second", "third"]);
    assert_eq!(rig.names(), ["a.txt.COMPLETED", "b.txt.COMPLETED", "c.tmp"]);
    assert_eq!(rig.run(), Vec::<String>::new(), "nothing is read twice");
}

#[test]
fn nothing_is_finished_before_it_has_arrived() {
    let rig = Rig::new("batchSize = 2");
    rig.write("a.txt", "1\n2\n3\n4\n5\n");
    let running = rig.start(false);
    let mut taken = Vec::new();
    while taken.len() < 5 {
        taken.extend(rig.take(&running, Duration::from_millis(5)));
    }
    assert_eq!(rig.names(), ["a.txt"]);
    // Three of five arrive, then the agent is "killed": nothing more is delivered and nothing is waited for.
    running.channel.commit(&taken[..3]);
    let positions = Path::new(".flumespool/.rkafka-positions");
    let noted = || fs::read_to_string(rig.folder.path().join(positions)).unwrap_or_default();
    while !noted().contains(r#""events":2"#) {
        std::thread::yield_now();
    }
    // Another agent, with the positions as they are now; a rename keeps the file's identity.
    let killed = Rig::new("batchSize = 2");
    fs::create_dir(killed.path(".flumespool")).unwrap();
    fs::copy(rig.folder.path().join(positions), killed.folder.path().join(positions)).unwrap();
    fs::rename(rig.path("a.txt"), killed.path("a.txt")).unwrap();
    assert_eq!(
        killed.run(),
        ["3", "4", "5"],
        "a batch that had arrived in part is sent again, the one before not"
    );
    assert_eq!(killed.names(), ["a.txt.COMPLETED"]);
    running.channel.commit(&taken[3..]);
    stop(running);
}

#[test]
fn a_bad_file_is_set_aside_and_the_others_go_on() {
    let rig = Rig::new("inputCharset = GBK\nbatchSize = 10");
    rig.write("bad", b"good one\ngood two\nbad \xB0\nnever\n");
    rig.write("other", "fine\n");
    rig.write("secret", "x");
    let mut bodies = rig.run();
    bodies.sort();
    assert_eq!(bodies, ["fine", "good one", "good two", "x"]);
    assert_eq!(rig.names(), ["bad.ERROR", "bad.ERROR.json", "other.COMPLETED", "secret.COMPLETED"]);
    let reason: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&fs::read(rig.path("bad.ERROR.json")).unwrap()).unwrap();
    assert_eq!(reason["reason"], "line 3 has bytes at position 22 that are no GBK text (B0)");
    assert_eq!((reason["sent_up_to"].as_u64(), reason["events_sent"].as_u64()), (Some(18), Some(2)));
}

/// The line that is named counts from the file's beginning, also when an earlier run has read a part of it.
#[test]
fn a_bad_line_behind_a_restart_is_named_rightly() {
    let rig = Rig::new("batchSize = 2");
    rig.write("a.txt", b"1\n2\n3\n4\nbad \xFF\n");
    let running = rig.start(false);
    let taken = rig.take(&running, Duration::from_secs(10));
    running.channel.commit(&taken[..2]);
    let positions = rig.path(".flumespool/.rkafka-positions");
    while !fs::read_to_string(&positions).unwrap_or_default().contains("\"lines\":2") {
        std::thread::yield_now();
    }
    // As after a kill: the rest is never acknowledged here.
    let killed = Rig::new("batchSize = 2");
    fs::create_dir(killed.path(".flumespool")).unwrap();
    fs::copy(positions, killed.path(".flumespool/.rkafka-positions")).unwrap();
    fs::rename(rig.path("a.txt"), killed.path("a.txt")).unwrap();
    assert_eq!(killed.run(), ["3", "4"]);
    let reason = fs::read_to_string(killed.path("a.txt.ERROR.json")).unwrap();
    assert!(reason.contains("line 5 has bytes at position 12"), "{reason}");
    running.channel.commit(&taken[2..]);
    stop(running);
}

#[test]
fn undecodable_bytes_are_replaced_or_dropped_where_the_policy_says_so() {
    for (policy, expected) in [("REPLACE", "a\u{fffd}b"), ("IGNORE", "ab")] {
        let rig = Rig::new(&format!("decodeErrorPolicy = {policy}"));
        rig.write("f", b"a\xFFb\n");
        assert_eq!(rig.run(), [expected]);
        assert_eq!(rig.names(), ["f.COMPLETED"]);
    }
}

#[test]
fn a_file_that_grows_is_read_to_its_end() {
    let rig = Rig::new("");
    fs::write(rig.path("log"), "first\nhal").unwrap();
    let running = rig.start(false);
    let first =
        rig.deliver_until(&running, |running| running.progress.files().iter().any(|file| file.offset == 6));
    assert_eq!(first, ["first"]);
    OpenOptions::new().append(true).open(rig.path("log")).unwrap().write_all(b"f a line\nlast\n").unwrap();
    let rest = rig.deliver_until(&running, |running| running.progress.totals().finished == 1);
    assert_eq!(rest, ["half a line", "last"]);
    assert_eq!(rig.names(), ["log.COMPLETED"]);
    stop(running);
}

#[test]
fn a_file_that_is_being_copied_is_not_finished_too_early() {
    let rig = Rig::new("");
    let running = rig.start(false);
    let mut copy = File::create(rig.path("copy")).unwrap();
    let mut bodies = Vec::new();
    for part in ["one\n", "two\n", "three"] {
        // Each part has been read, and has arrived, before the next is written.
        copy.write_all(part.as_bytes()).unwrap();
        let line = part.trim_end();
        if part.ends_with('\n') {
            while bodies.last().map(String::as_str) != Some(line) {
                bodies.extend(rig.deliver_until(&running, |_| true));
            }
        }
        assert!(rig.path("copy").exists(), "{:?}", rig.names());
    }
    copy.set_modified(SystemTime::now() - Duration::from_secs(9)).unwrap();
    bodies.extend(rig.deliver_until(&running, |running| running.progress.totals().finished == 1));
    assert_eq!(bodies, ["one", "two", "three"]);
    assert_eq!(rig.names(), ["copy.COMPLETED"]);
    stop(running);
}

#[test]
fn a_file_that_is_rewritten_while_it_is_read_is_set_aside() {
    let rig = Rig::new("batchSize = 1");
    rig.write("log", "first\nsecond\n");
    let running = rig.start(false);
    let mut taken = Vec::new();
    while taken.len() < 2 {
        taken.extend(rig.take(&running, Duration::from_millis(5)));
    }
    fs::write(rig.path("log"), "other\nthings\n").unwrap();
    running.channel.commit(&taken);
    rig.deliver_until(&running, |running| running.progress.totals().failed == 1);
    assert_eq!(rig.names(), ["log.ERROR", "log.ERROR.json"]);
    let reason = fs::read_to_string(rig.path("log.ERROR.json")).unwrap();
    assert!(reason.contains("its beginning was changed while it was read"), "{reason}");
    // The source is alive.
    rig.write("next", "alive\n");
    let next = rig.deliver_until(&running, |running| running.progress.totals().finished == 1);
    assert_eq!(next, ["alive"]);
    stop(running);
}

#[test]
fn a_file_that_is_modified_and_does_not_grow_is_set_aside() {
    let rig = Rig::new("");
    rig.write("log", "first\n");
    let running = rig.start(false);
    let mut taken = Vec::new();
    while taken.is_empty() {
        taken.extend(rig.take(&running, Duration::from_millis(5)));
    }
    let a_while_ago = SystemTime::now() - Duration::from_secs(9);
    File::open(rig.path("log")).unwrap().set_modified(a_while_ago).unwrap();
    running.channel.commit(&taken);
    rig.deliver_until(&running, |running| running.progress.totals().failed == 1);
    let reason = fs::read_to_string(rig.path("log.ERROR.json")).unwrap();
    assert!(reason.contains("it was modified while it was read"), "{reason}");
    stop(running);
}

#[test]
fn a_file_taken_away_or_unreadable_stops_nothing() {
    let rig = Rig::new("");
    rig.write("gone", "1\n");
    let running = rig.start(false);
    let mut taken = Vec::new();
    while taken.is_empty() {
        taken.extend(rig.take(&running, Duration::from_millis(5)));
    }
    fs::remove_file(rig.path("gone")).unwrap();
    running.channel.commit(&taken);
    // A link to nowhere looks like a file that cannot be opened.
    std::os::unix::fs::symlink("/nonexistent/nowhere", rig.path("dangling")).unwrap();
    rig.write("next", "2\n");
    assert_eq!(rig.deliver_until(&running, |running| running.progress.totals().finished == 1), ["2"]);
    assert_eq!(rig.names(), ["dangling", "next.COMPLETED"]);
    stop(running);
}

#[test]
fn empty_files_blobs_headers_and_long_lines() {
    let rig = Rig::new("");
    rig.write("empty", "");
    assert_eq!(rig.run(), [""], "as Flume: one empty event");
    let rig = Rig::new("emptyFileEvent = false\nskipEmpty = true\nstripCR = true\nstripBOM = true");
    rig.write("empty", "");
    rig.write("lines", "\u{feff}a\r\n\r\nb\r\n");
    assert_eq!(rig.run(), ["a", "b"]);
    assert_eq!(rig.names(), ["empty.COMPLETED", "lines.COMPLETED"]);
    let rig = Rig::new("deserializer.maxLineLength = 3\nlongLine = truncate\nbatchSize = 1");
    rig.write("long", "abcdefgh\nxy\n");
    assert_eq!(rig.run(), ["abc", "xy"]);
    let rig = Rig::new("deserializer = BLOB\ndeserializer.maxBlobLength = 4");
    rig.write("blob", "one\ntwo\n");
    assert_eq!(rig.run(), ["one\n", "two\n"]);
    let rig = Rig::new("fileHeader = true\nbasenameHeader = true\nbasenameHeaderKey = name");
    rig.write("a.log", "x\n");
    let running = rig.start(false);
    let event = std::iter::repeat_with(|| rig.take(&running, Duration::from_millis(5)))
        .find_map(|mut events| events.pop());
    let event = event.unwrap();
    assert_eq!(event.headers.get("file").map(|path| PathBuf::from(&**path)), Some(rig.path("a.log")));
    assert_eq!(event.headers.get("name").map(|name| &**name), Some("a.log"));
    running.channel.commit(&[event]);
    stop(running);
}

#[test]
fn compressed_files_are_resumed_in_their_text() {
    let rig = Rig::new("batchSize = 1");
    rig.write("log.zst", zstd::encode_all(&b"1\n2\n3\n"[..], 1).unwrap());
    let running = rig.start(false);
    let mut taken = Vec::new();
    while taken.len() < 3 {
        taken.extend(rig.take(&running, Duration::from_millis(5)));
    }
    running.channel.commit(&taken[..2]);
    running.signal.stop();
    // What is not delivered within the time a stop waits is sent again; deliver it late, to end the wait.
    while running.progress.files()[0].offset < 6 {
        std::thread::yield_now();
    }
    let receipts = taken.split_off(2);
    running.channel.commit(&receipts);
    running.thread.join().unwrap().unwrap();
    assert!(rig.names() == ["log.zst"] || rig.names() == ["log.zst.COMPLETED"], "{:?}", rig.names());
    assert_eq!(rig.run(), Vec::<String>::new());
    assert_eq!(rig.names(), ["log.zst.COMPLETED"]);
}

#[test]
fn an_unusable_directory_is_refused_at_start() {
    let rig = Rig::new("");
    let open = |folder: &Path| {
        let component = source(&format!("type = spooldir\nchannels = c1\nspoolDir = {}", folder.display()));
        let output = Output::new(&component, &[], rig.runtime.handle().clone(), Arc::default());
        SpoolSource::open(&component, output, Arc::default(), Arc::default(), true)
            .err()
            .map(|error| error.to_string())
    };
    let missing = rig.path("missing");
    let expected = format!(
        "source r1: spoolDir {}: No such file or directory (os error 2); make it, or correct the path",
        missing.display()
    );
    assert_eq!(open(&missing), Some(expected));
    rig.write("file", "");
    assert!(open(&rig.path("file")).is_some_and(|error| error.ends_with("it is no directory")));
    fs::set_permissions(rig.path("file"), fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn avro_files_go_on_where_they_had_arrived_and_damaged_ones_are_set_aside() {
    let file = include_bytes!("../../../fixtures/orders.avro");
    let rig = Rig::new("deserializer = AVRO\ndeserializer.schemaType = LITERAL\nbatchSize = 2");
    rig.write("a.avro", file);
    let running = rig.start(false);
    let mut first = Vec::new();
    while first.len() < 2 {
        let take = async { running.channel.take(2).await };
        first.extend(rig.runtime.block_on(take));
    }
    let schema = first[0].headers.get("flume.avro.schema.literal").unwrap();
    assert!(schema.starts_with(r#"{"type": "record", "name": "Order""#), "{schema}");
    running.channel.commit(&first);
    let positions = rig.path(".flumespool/.rkafka-positions");
    while !fs::read_to_string(&positions).unwrap_or_default().contains("\"events\":2") {
        std::thread::yield_now();
    }
    // As after a kill: nothing else is acknowledged, and the positions are where they were.
    let kept = fs::read(&positions).unwrap();
    running.signal.stop();
    while !running.thread.is_finished() || !running.channel.is_empty() {
        running.channel.commit(&rig.take(&running, Duration::from_millis(5)));
    }
    running.thread.join().unwrap().unwrap();
    let _ = fs::rename(rig.path("a.avro.COMPLETED"), rig.path("a.avro"));
    fs::write(&positions, kept).unwrap();
    assert_eq!(rig.run_raw(), 23);
    rig.write("b.avro", &file[..file.len() - 1]);
    rig.write("c.avro", "");
    assert!((1..25).contains(&rig.run_raw()), "whole blocks of it");
    assert_eq!(rig.names(), ["a.avro.COMPLETED", "b.avro.ERROR", "b.avro.ERROR.json", "c.avro.COMPLETED"]);
}
