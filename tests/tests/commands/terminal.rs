//! Commands on a terminal, which `script` of util-linux makes.

use std::process::Command;

use rkafka_tests::build;
use rkafka_tests::foreign::{kcat, need};
use rkafka_tests::node::Node;
use rkafka_tests::process::Process;
use rkafka_tests::wait::{self, PATIENCE};

/// The console producer on a terminal of its own.
fn producer(node: &Node, topic: &str) -> Process {
    need("script", "apt-get install -y bsdutils");
    let line = format!(
        "{} console-producer --bootstrap-server {} --topic {topic}",
        build::rkafka().display(),
        node.bootstrap()
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    let process = Process::start(command);
    wait::until("the prompt", || process.stdout().contains('>').then_some(()));
    process
}

fn stored(node: &Node, topic: &str) -> String {
    kcat(&["-C", "-b", &node.bootstrap(), "-t", topic, "-e", "-q"], "").success().stdout
}

/// Lines are edited with the keys that people know, also when they come all at once, as pasted; the one before comes
/// back; Ctrl-D ends it.
#[test]
fn lines_are_edited_and_come_back() {
    let node = Node::start(&[]);
    let mut process = producer(&node, "typed");
    let (left, up) = ("\u{1b}[D", "\u{1b}[A");
    process.write(&format!("abd{left}c\rk\tv\r{up}{up}\u{7f}X\r\u{4}"));
    let outcome = process.finish(PATIENCE);
    assert_eq!(outcome.status.code(), Some(0), "{}", outcome.both());
    assert_eq!(stored(&node, "typed"), "abcd\nk\tv\nabcX\n");
}

/// Ctrl-C drops the line that is being typed, sends those before, and ends with the code of a signal.
#[test]
fn an_interrupt_ends_it_after_what_was_sent() {
    let node = Node::start(&[]);
    let mut process = producer(&node, "typed");
    process.write("one\rtwo\rthr\u{3}");
    let outcome = process.finish(PATIENCE);
    assert_eq!(outcome.status.code(), Some(130), "{}", outcome.both());
    assert_eq!(stored(&node, "typed"), "one\ntwo\n");
}
