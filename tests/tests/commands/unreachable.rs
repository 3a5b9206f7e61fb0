//! Nobody at the address: every command says within seconds which address failed and why, and ends with 1.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rkafka_tests::node::rkafka;

const COMMANDS: &[&[&str]] = &[
    &["broker-api-versions"],
    &["cluster", "cluster-id"],
    &["configs", "--describe", "--topic", "orders"],
    &["consumer-groups", "--describe", "--all-groups"],
    &["get-offsets", "--topic", "orders"],
    &["groups", "--list"],
    &["leader-election", "--election-type", "preferred", "--all-topic-partitions"],
    &["log-dirs", "--describe"],
    &["topics", "--list"],
];

#[test]
fn unreachable_brokers_are_named_at_once() {
    // Bound and closed again: nobody listens there.
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.local_addr().expect("a bound listener has an address").to_string()
    };
    for command in COMMANDS {
        let start = Instant::now();
        let ended = rkafka(&[command, &["--bootstrap-server", &address][..]].concat());
        assert!(start.elapsed() < Duration::from_secs(20), "{command:?} took {:?}", start.elapsed());
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {}", ended.both());
        let reason = format!("{address}: connection refused");
        assert!(ended.stderr.contains(&reason), "{command:?}: {}", ended.both());
        assert!(ended.stderr.lines().count() <= 2, "{command:?}: {}", ended.stderr);
    }
}
