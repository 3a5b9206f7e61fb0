//! Growing files on a real file system: rotation, emptying, restarts, Flume's positions.

use std::{fs::OpenOptions, io::Write, thread::JoinHandle};

use tempfile::TempDir;

use super::*;
use crate::{
    channel::{Channel, MemoryChannel, memory::Limits},
    event::Event,
    plan::testing::source,
};

struct Rig {
    folder: TempDir,
    more: String,
    runtime: tokio::runtime::Runtime,
}

struct Running {
    thread: JoinHandle<Result<(), SourceError>>,
    signal: Arc<Signal>,
    channel: Arc<Channel>,
}

impl Rig {
    fn new(more: &str) -> Rig {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        Rig { folder, more: more.to_owned(), runtime }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn position_file(&self) -> PathBuf {
        self.folder.path().join("taildir_position.json")
    }

    fn start(&self, once: bool) -> Running {
        let (tail, signal, channel) = self.open(once);
        Running { thread: std::thread::spawn(move || tail.run()), signal, channel }
    }

    fn open(&self, once: bool) -> (TailSource, Arc<Signal>, Arc<Channel>) {
        let text = format!(
            "type = TAILDIR\nchannels = c1\nfilegroups = g\nfilegroups.g = {}/logs/.*log.*\npositionFile = {}\n{}",
            self.folder.path().display(),
            self.position_file().display(),
            self.more
        );
        let limits = Limits { events: 10_000, bytes: usize::MAX, keep_alive: Duration::from_secs(3) };
        let channel = Arc::new(Channel::Memory(MemoryChannel::new("c1", limits)));
        let signal = Arc::new(Signal::default());
        let component = source(&text);
        let handle = self.runtime.handle().clone();
        let output = Output::new(&component, std::slice::from_ref(&channel), handle, signal.clone());
        (TailSource::open(&component, output, signal.clone(), once).unwrap(), signal, channel)
    }

    /// Delivers what comes until `count` events did, or the source has ended.
    fn deliver(&self, running: &Running, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count && !(running.thread.is_finished() && running.channel.is_empty()) {
            let take = async {
                tokio::time::timeout(Duration::from_millis(5), running.channel.take(100))
                    .await
                    .unwrap_or_default()
            };
            for event in self.runtime.block_on(take) {
                running.channel.commit(std::slice::from_ref(&event));
                events.push(event);
            }
        }
        events
    }

    fn once(&self) -> Vec<String> {
        let running = self.start(true);
        let events = self.deliver(&running, usize::MAX);
        running.thread.join().unwrap().unwrap();
        bodies(&events)
    }
}

fn bodies(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| String::from_utf8(event.body.to_vec()).unwrap()).collect()
}

fn stop(running: Running) {
    running.signal.stop();
    running.thread.join().unwrap().unwrap();
}

#[test]
fn a_growing_file_is_followed_through_its_rotation() {
    let rig = Rig::new("headers.g.app = web\nfileHeader = true\n");
    rig.append("a.log", "1\n2\n");
    let running = rig.start(false);
    let first = rig.deliver(&running, 2);
    assert_eq!(bodies(&first), ["1", "2"]);
    assert_eq!(first[0].headers.get("app").unwrap(), &"web".into());
    assert_eq!(first[0].headers.get("file").unwrap().as_ref(), rig.path("a.log").to_str().unwrap());
    rig.append("a.log", "3\nhal");
    assert_eq!(bodies(&rig.deliver(&running, 1)), ["3"]);
    // Within the group, and out of it: neither is read again, both to their ends.
    fs::rename(rig.path("a.log"), rig.path("a.log.1")).unwrap();
    rig.append("a.log.1", "f\n");
    rig.append("a.log", "new\n");
    let mut found = bodies(&rig.deliver(&running, 2));
    found.sort();
    assert_eq!(found, ["half", "new"]);
    fs::rename(rig.path("a.log"), rig.path("old")).unwrap();
    rig.append("old", "end of the old\n");
    rig.append("a.log", "newest\n");
    let mut found = bodies(&rig.deliver(&running, 2));
    found.sort();
    assert_eq!(found, ["end of the old", "newest"]);
    stop(running);
    assert_eq!(rig.once(), Vec::<String>::new(), "nothing is read twice");
}

#[test]
fn an_emptied_file_is_read_from_its_beginning() {
    let rig = Rig::new("");
    rig.append("a.log", "one\ntwo\n");
    let running = rig.start(false);
    assert_eq!(bodies(&rig.deliver(&running, 2)), ["one", "two"]);
    fs::write(rig.path("a.log"), "three\nfour\nfive\n").unwrap();
    assert_eq!(bodies(&rig.deliver(&running, 3)), ["three", "four", "five"]);
    stop(running);
    rig.append("a.log", "six\n");
    assert_eq!(rig.once(), ["six"]);
}

#[test]
fn a_kill_repeats_only_what_was_not_acknowledged() {
    let rig = Rig::new("batchSize = 2\n");
    rig.append("a.log", "1\n2\n3\n4\n5");
    let running = rig.start(false);
    let taken = rig.runtime.block_on(running.channel.take(2));
    running.channel.commit(&taken);
    let journal = rig.folder.path().join("taildir_position.json.rkafka");
    while !fs::read_to_string(&journal).unwrap_or_default().contains("\"offset\":4") {
        std::thread::yield_now();
    }
    // As after a kill: the rest is never acknowledged, and the positions are where they were.
    let kept = fs::read(&journal).unwrap();
    running.signal.stop();
    let rest = rig.deliver(&running, usize::MAX);
    assert_eq!(bodies(&rest), ["3", "4"]);
    running.thread.join().unwrap().unwrap();
    fs::write(&journal, kept).unwrap();
    assert_eq!(rig.once(), ["3", "4", "5"], "once, the last line is taken without an end");
}

#[test]
fn positions_of_flume_are_taken_over_and_given_back() {
    let rig = Rig::new("");
    rig.append("a.log", "read by Flume\nnot yet\n");
    rig.append("b.log", "new to both\n");
    let inode = fs::metadata(rig.path("a.log")).unwrap().ino();
    let file = rig.path("a.log").display().to_string();
    position_json::write(&rig.position_file(), &[Entry { inode, pos: 14, file: file.clone() }]).unwrap();
    let mut found = rig.once();
    found.sort();
    assert_eq!(found, ["new to both", "not yet"]);
    let left = position_json::read(&rig.position_file());
    assert!(left.contains(&Entry { inode, pos: 22, file }), "{left:?}");
    assert_eq!(left.len(), 2);
}

#[test]
fn an_idle_file_gives_its_last_line_and_goes_on() {
    let rig = Rig::new("idleTimeout = 50\n");
    rig.append("a.log", "whole\nno end");
    let running = rig.start(false);
    assert_eq!(bodies(&rig.deliver(&running, 2)), ["whole", "no end"]);
    rig.append("a.log", " after all\n");
    assert_eq!(bodies(&rig.deliver(&running, 1)), [" after all"]);
    stop(running);
}

/// Both between two looks: before, what was written then was not read.
#[test]
fn what_is_written_into_an_idle_file_before_it_is_moved_away_is_read() {
    for most_open in [MOST_OPEN, 0] {
        let rig = Rig::new("idleTimeout = 0\n");
        rig.append("a.log", "whole\n");
        let (mut source, _, channel) = rig.open(false);
        source.most_open = most_open;
        let look = |source: &mut TailSource| {
            source.look().unwrap();
            while source.read_round().unwrap() {}
            let mut found = Vec::new();
            while !channel.is_empty() {
                let events = rig.runtime.block_on(channel.take(9));
                found.extend(bodies(&events));
                channel.commit(&events);
            }
            source.settle().unwrap();
            source.close_idle().unwrap();
            found
        };
        assert_eq!(look(&mut source), ["whole"]);
        assert_eq!(source.tails[0].is_open(), most_open > 0);
        rig.append("a.log", "just before\n");
        // No group names it any more.
        fs::rename(rig.path("a.log"), rig.path("a.old")).unwrap();
        assert_eq!(look(&mut source), ["just before"]);
        assert!(source.tails.is_empty(), "it is forgotten then");
    }
}

#[test]
fn from_the_end_and_what_is_refused() {
    let rig = Rig::new("skipToEnd = true\n");
    rig.append("a.log", "old\n");
    let running = rig.start(false);
    while !rig.position_file().exists() {
        running.signal.raise();
        std::thread::yield_now();
    }
    rig.append("a.log", "new\n");
    assert_eq!(bodies(&rig.deliver(&running, 1)), ["new"]);
    stop(running);
    let refused = |more: &str| {
        let component = source(&format!("type = TAILDIR\nchannels = c1\n{more}"));
        Settings::new(&component).err().unwrap()
    };
    assert!(refused("filegroups = g").contains("filegroups.g must be set"));
    assert!(refused("filegroups = g\nfilegroups.g = /x/(").contains("is no regular expression"));
}
