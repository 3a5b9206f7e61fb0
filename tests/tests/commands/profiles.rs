//! Clusters by name, from a file.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rkafka_tests::build;
use rkafka_tests::node::{Node, rkafka};
use rkafka_tests::process::{Outcome, Process};

/// Runs a program of rkafka's with these profiles, and with the cluster of the environment if there is one.
fn run(program: &Path, file: &Path, cluster: Option<&str>, args: &[&str]) -> Outcome {
    let mut command = Command::new(program);
    command.args(args).env("RKAFKA_CONFIG", file).env_remove("RKAFKA_CLUSTER");
    if let Some(cluster) = cluster {
        command.env("RKAFKA_CLUSTER", cluster);
    }
    Process::run(command, "", Duration::from_secs(60))
}

#[test]
fn commands_reach_the_cluster_of_a_profile() {
    let node = Node::start(&[]);
    let args = ["topics", "--bootstrap-server", &node.bootstrap(), "--create", "--topic", "orders"];
    let _ = rkafka(&args).success();
    let file = node.dir().join("clusters.toml");
    let text = format!(
        "[test]\nbootstrap.servers = \"{}\"\nclient.id = \"ops\"\n[down]\nbootstrap.servers = \"127.0.0.1:1\"\n",
        node.bootstrap()
    );
    std::fs::write(&file, text).expect("a writable directory");
    let own = |cluster, args: &[&str]| run(build::rkafka(), &file, cluster, args);

    let listed = own(None, &["--cluster", "test", "topics", "--list"]).success();
    assert_eq!(listed.stdout, "orders\n");
    let id = own(None, &["--cluster=test", "cluster", "cluster-id"]).success();
    assert!(id.stdout.starts_with("Cluster ID: "), "{}", id.stdout);
    let read = ["--cluster", "test", "console-consumer", "--topic", "orders", "--timeout-ms", "100"];
    assert!(own(None, &read).stderr.contains("Processed a total of 0 messages"));
    assert!(own(None, &["--cluster", "test", "cat", "-L"]).success().stdout.contains("topic \"orders\""));
    assert!(
        own(None, &["--cluster", "test", "check-health"]).success().stdout.contains("all replicas in sync")
    );
    // What is given on the command line wins.
    let args = [
        "--cluster",
        "down",
        "topics",
        "--bootstrap-server",
        &node.bootstrap(),
        "--list",
        "--exclude-internal",
    ];
    assert_eq!(own(None, &args).success().stdout, "orders\n");
    // Under the stock name the environment names the cluster.
    let script = node.dir().join("kafka-topics.sh");
    symlink(build::rkafka(), &script).expect("a writable directory");
    let listed = run(&script, &file, Some("test"), &["--list", "--exclude-internal"]).success();
    assert_eq!(listed.stdout, "orders\n");

    let check = |args: &[&str], expected: &str| {
        let outcome = own(None, args);
        assert_eq!(outcome.status.code(), Some(1), "{args:?}");
        assert_eq!(outcome.stderr.lines().next(), Some(expected), "{args:?}");
    };
    let known =
        format!("there is no cluster 'tst' in {} (did you mean test?); known: down, test", file.display());
    check(&["--cluster", "tst", "topics", "--list"], &known);
    check(&["--cluster", "test"], "no command after --cluster test");
    check(
        &["--cluster", "test", "man", "--out", "/nowhere"],
        "'rkafka man' connects to no cluster: --cluster test has no meaning",
    );
    let absent =
        run(build::rkafka(), Path::new("/nowhere/c.toml"), None, &["--cluster", "x", "topics", "--list"]);
    assert!(
        absent.stderr.starts_with("there is no cluster 'x': cannot read /nowhere/c.toml: "),
        "{}",
        absent.stderr
    );
}
