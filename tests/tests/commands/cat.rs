//! `rkafka cat` beside kcat: the same command lines on the same broker.

use std::process::Command;
use std::time::Duration;

use rkafka_tests::build;
use rkafka_tests::foreign::kcat;
use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::{Outcome, Process};

fn cat(args: &[&str], input: &str) -> Outcome {
    let mut command = Command::new(build::rkafka());
    command.arg("cat").args(args);
    Process::run(command, input, Duration::from_secs(60))
}

fn node_with(topic: &str, partitions: &str) -> Node {
    let node = Node::start(&[]);
    let args = ["topics", "--bootstrap-server", &node.bootstrap(), "--create", "--topic", topic];
    let _ = rkafka(&[&args[..], &["--partitions", partitions]].concat()).success();
    node
}

/// Everything that is stored, with all that a format string can show.
fn stored(node: &Node, topic: &str) -> String {
    let format = "%p %o %K '%k' %S '%s' %h\n";
    kcat(&["-b", &node.bootstrap(), "-C", "-t", topic, "-e", "-q", "-Z", "-f", format], "").success().stdout
}

#[test]
fn what_is_produced_is_what_kcat_produces() {
    let node = node_with("warm-up", "1");
    let bootstrap = node.bootstrap();
    let check = |name: &str, args: &[&str], input: &str| {
        let both = [format!("{name}-theirs"), format!("{name}-ours")];
        let to = |topic| [&["-P", "-b", &bootstrap, "-t", topic], args].concat();
        let theirs = kcat(&to(&both[0]), input);
        let ours = cat(&to(&both[1]), input);
        assert_eq!(ours.status.code(), theirs.status.code(), "{name}: {}", ours.both());
        assert_eq!(ours.stdout, theirs.stdout, "{name}");
        assert_eq!(stored(&node, &both[1]), stored(&node, &both[0]), "{name}");
        assert!(!stored(&node, &both[1]).is_empty(), "{name}: nothing was produced");
    };
    check("lines", &[], "订单!0\n\nb\nc without end");
    check("keys", &["-K", ":"], "k:v\nnone\nk:x:y\n:w\nk:\n");
    check("nulls", &["-K:", "-Z"], "k:\n:v\nk:v\n");
    check("headers", &["-H", "a=1", "-H", "来源=店", "-H", "b", "-k", "fixed", "-p0"], "x\ny\n");
    check("delimiter", &["-D", "\\x3b", "-K\\t"], "k\tv;l\tw;m\tx");
    check("count", &["-c", "2", "-T"], "a\nb\nc\n");
    check("codec", &["-z", "gzip", "-X", "topic.request.required.acks=1"], "a\nb\n");
    let file = node.dir().join("message");
    std::fs::write(&file, "a\nb\n").expect("a writable directory");
    let file = file.display().to_string();
    check("file", &[&file], "");
    check("lines-of-file", &["-l", &file], "");
}

#[test]
fn what_is_consumed_is_what_kcat_consumes() {
    let node = node_with("orders", "2");
    let bootstrap = node.bootstrap();
    for (partition, time) in [("0", "a"), ("1", "b")] {
        let lines: String = (0..5).map(|number| format!("k{number}:订单\"{time}{number}\n")).collect();
        let args = ["-P", "-b", &bootstrap, "-t", "orders", "-p", partition, "-K:", "-H", "h=1", "-Z"];
        let _ = kcat(&args, &(lines + ":\n")).success();
    }
    let check = |line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        let args = [&["-C", "-b", &bootstrap, "-t", "orders"], &args[..]].concat();
        let (theirs, ours) = (kcat(&args, ""), cat(&args, ""));
        assert_eq!(ours.status.code(), theirs.status.code(), "{line}: {}", ours.both());
        // Which partition comes first is chance.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&ours.stdout), sorted(&theirs.stdout), "{line}");
        let ends = |text: &str| sorted(&text.replace(": exiting", ""));
        assert_eq!(ends(&ours.stderr), ends(&theirs.stderr), "{line}");
        ours.stdout.lines().count()
    };
    assert_eq!(check("-e"), 12);
    assert_eq!(check("-e -K: -Z -q"), 12);
    assert_eq!(check("-e -J"), 12);
    assert_eq!(check("-p 1 -o -2 -e -f %t|%p|%o|%k|%K|%s|%S|%T|%h|%%\\n"), 2);
    assert_eq!(check("-p 0 -o 3 -c 2"), 2);
    assert_eq!(check("-o end -e"), 0);
    assert_eq!(check("-o beginning -e -D ;"), 1);
    assert_eq!(check("-o s@1 -e -q"), 12);
    assert_eq!(check("-o s@1 -o e@2 -e -q"), 0);
    let group = ["-b", &bootstrap, "-G", "g", "-X", "auto.offset.reset=smallest", "-c", "12", "-q", "^ord.*"];
    assert_eq!(cat(&group, "").success().stdout.lines().count(), 12);
}

/// Little-endian numbers are left out: kcat 1.7 reads them as big-endian.
#[test]
fn binary_keys_and_values_are_unpacked_as_kcat_does() {
    let node = node_with("binary", "1");
    let bootstrap = node.bootstrap();
    let messages = "\0k=\0\u{1}\0\0\0\u{2}ab;\0k=\0\u{7}\0\0\0\u{8}c;";
    let _ = kcat(&["-P", "-b", &bootstrap, "-t", "binary", "-D", ";", "-K", "="], messages).success();
    let _ = kcat(&["-P", "-b", &bootstrap, "-t", "binary", "-D", ";"], "\0\u{9}").success();
    let check = |code: i32, args: &[&str]| {
        let args = [&["-C", "-b", &bootstrap, "-t", "binary", "-e", "-q"], args].concat();
        let (theirs, ours) = (kcat(&args, ""), cat(&args, ""));
        assert_eq!(theirs.status.code(), Some(code), "{args:?}: {}", theirs.both());
        assert_eq!(ours.status.code(), Some(code), "{args:?}: {}", ours.both());
        assert_eq!(ours.stdout, theirs.stdout, "{args:?}");
        // Mistakes in the options have no such beginning with us.
        let first = |text: &str| {
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("% ERROR: ").to_owned()
        };
        assert_eq!(first(&ours.stderr), first(&theirs.stderr), "{args:?}");
    };
    check(0, &["-s", "value=h", "-s", "key=b c", "-K:"]);
    check(0, &["-s", "B b", "-K", ":", "-Z", "-c", "1"]);
    check(0, &["-s", "value=>His", "-c", "2", "-f", "%k|%s|%o\\n"]);
    check(0, &["-J", "-s", "h"]);
    check(0, &["-O", "-s", "value=H", "-E"]);
    check(1, &["-s", "value=hi", "-f", "%o %s\\n"]);
    check(1, &["-s", "value=h$"]);
    check(1, &["-s", "value=hx"]);
    check(1, &["-s", "key="]);
    check(0, &["-E", "-s", "value=q", "-D;"]);
}

#[test]
fn lists_and_queries_as_kcat() {
    let node = node_with("orders", "2");
    let bootstrap = node.bootstrap();
    let _ = kcat(&["-P", "-b", &bootstrap, "-t", "orders", "-p", "1"], "a\nb\n").success();
    let both = |args: &[&str]| {
        let args = [&["-b", &bootstrap], args].concat();
        (cat(&args, "").success().stdout, kcat(&args, "").success().stdout)
    };
    for args in [&["-L"][..], &["-L", "-t", "orders"]] {
        let (ours, theirs) = both(args);
        // Any broker, or the bootstrap address, may be named as the source.
        let list = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(list(&ours), list(&theirs));
        let head = |text: &str| text.split(" (").next().unwrap_or_default().to_owned();
        assert_eq!(head(&ours), head(&theirs));
    }
    let (ours, theirs) = both(&["-L", "-J"]);
    let parsed =
        |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("kcat and rkafka print JSON");
    for part in ["query", "controllerid", "brokers", "topics"] {
        assert_eq!(parsed(&ours)[part], parsed(&theirs)[part], "{part}");
    }
    let (ours, theirs) = both(&["-Q", "-t", "orders:1:-1", "-t", "orders:0:-2"]);
    assert_eq!(ours, theirs);
    let (ours, theirs) = both(&["-Q", "-t", "orders:1:1"]);
    assert_eq!(ours, theirs);
}

#[test]
fn mistakes_and_unreachable_brokers() {
    let check = |args: &[&str], expected: &str| {
        let outcome = cat(args, "");
        assert_eq!(outcome.status.code(), Some(1), "{args:?}");
        assert_eq!(outcome.stderr.lines().next(), Some(expected), "{args:?}");
        assert!(outcome.stderr.lines().count() <= 2, "{args:?}: {}", outcome.stderr);
    };
    check(&["-C", "-b", "127.0.0.1:1"], "-t <topic> missing");
    check(&["-L"], "-b <broker,..> missing");
    check(&["-C", "-L"], "only one of -P, -C, -G, -L and -Q may be given");
    let refused =
        "% ERROR: cannot reach a Kafka broker: 127.0.0.1:1: connection refused, nothing listens there";
    check(&["-L", "-b", "127.0.0.1:1"], refused);
    check(&["-C", "-t", "t", "-b", "127.0.0.1:1"], refused);
    let node = node_with("orders", "1");
    let unknown = "% ERROR: This server does not host this topic-partition. (did you mean 'orders'?)";
    check(&["-C", "-t", "ordrs", "-b", &node.bootstrap()], unknown);
}
