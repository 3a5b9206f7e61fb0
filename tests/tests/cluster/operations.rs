//! What operators do with a running cluster: move replicas, look at its health, hand over.

use std::process::Command;

use rkafka_tests::build;
use rkafka_tests::foreign::need;
use rkafka_tests::node::rkafka;
use rkafka_tests::process::{Outcome, Process};
use rkafka_tests::stock::{Stock, tool};
use rkafka_tests::wait;

use super::Cluster;

const REASSIGN: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";

/// A plan file that puts partition 0 of `t` on these brokers.
fn plan(cluster: &Cluster, replicas: &str) -> String {
    let file = cluster.dir.path().join(format!("plan-{}.json", replicas.replace(',', "-")));
    let text = format!(
        "{{\"version\":1,\"partitions\":[{{\"topic\":\"t\",\"partition\":0,\"replicas\":[{replicas}]}}]}}"
    );
    std::fs::write(&file, text).expect("a writable directory");
    file.display().to_string()
}

fn own(cluster: &Cluster, args: &[&str]) -> Outcome {
    rkafka(&[&["reassign-partitions", "--bootstrap-server", &cluster.address(0)], args].concat())
}

fn stock(cluster: &Cluster, args: &[&str]) -> Outcome {
    Stock::Kafka43.run(REASSIGN, &[&["--bootstrap-server", &cluster.address(0)], args].concat())
}

/// Both tools say the same.
fn same(cluster: &Cluster, args: &[&str]) -> String {
    let (own, stock) = (own(cluster, args), stock(cluster, args));
    assert_eq!(own.status.code(), stock.status.code(), "{args:?}: {}{}", own.both(), stock.both());
    assert_eq!(own.stdout, stock.stdout, "{args:?}");
    own.stdout
}

#[test]
fn a_reassignment_is_begun_slowed_down_and_cancelled() {
    let mut cluster = Cluster::start();
    let _ = cluster.topics(0, &["--create", "--topic", "t", "--replica-assignment", "0:1"]).success();
    let producer = tool::console_producer(Stock::Kafka43);
    let args = ["--bootstrap-server", &cluster.address(0), "--topic", "t"];
    let _ = Stock::Kafka43.run_with_input(producer, &args, "a\nb\nc\n").success();
    assert_eq!(same(&cluster, &["--list"]), "No partition reassignments found.\n");

    // Slowed down to nothing, it goes on until it is cancelled.
    let wanted = plan(&cluster, "2,1");
    let file = ["--reassignment-json-file", wanted.as_str()];
    let begun = own(&cluster, &[&["--execute", "--throttle", "0"], &file[..]].concat()).success().stdout;
    assert!(begun.contains("The inter-broker throttle limit was set to 0 B/s\n"), "{begun}");
    assert!(begun.ends_with("Successfully started partition reassignment for t-0\n"), "{begun}");
    let listed = same(&cluster, &["--list"]);
    assert_eq!(listed, "Current partition reassignments:\nt-0: replicas: 2,1,0. adding: 2. removing: 0.\n");
    let refused = same(&cluster, &[&["--execute"], &file[..]].concat());
    assert!(
        refused.starts_with("Cannot execute because there is an existing partition assignment."),
        "{refused}"
    );
    let verified = same(&cluster, &[&["--verify"], &file[..]].concat());
    assert!(verified.contains("Reassignment of partition t-0 is still in progress.\n"), "{verified}");
    the_wait_for_a_reassignment_is_shown_and_ends_with_ctrl_c(&cluster, &wanted);
    let cancelled = own(&cluster, &[&["--cancel"], &file[..]].concat()).success().stdout;
    assert!(cancelled.starts_with("Successfully cancelled partition reassignment for: t-0\n"), "{cancelled}");
    assert_eq!(same(&cluster, &["--list"]), "No partition reassignments found.\n");
    let verified = same(&cluster, &[&["--verify"], &file[..]].concat());
    assert!(verified.contains("replica set is 1,0 rather than 2,1."), "{verified}");

    let waited = own(&cluster, &[&["--execute", "--wait"], &file[..]].concat()).success().stdout;
    let end = "Successfully started partition reassignment for t-0\nStatus of partition reassignment:\n\
               Reassignment of partition t-0 is completed.\n";
    assert!(waited.contains(end), "{waited}");
    cluster.stop_all();
}

/// On a terminal; what goes on is not touched.
fn the_wait_for_a_reassignment_is_shown_and_ends_with_ctrl_c(cluster: &Cluster, plan: &str) {
    need("script", "apt-get install -y bsdutils");
    let line = format!(
        "{} reassign-partitions --bootstrap-server {} --verify --wait --reassignment-json-file {plan}",
        build::rkafka().display(),
        cluster.address(0)
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    let mut process = Process::start(command);
    wait::until("the bar", || process.stdout().contains("0 of 1 partitions moved").then_some(()));
    process.write("\u{3}");
    let outcome = process.finish(wait::PATIENCE);
    assert_eq!(outcome.status.code(), Some(130), "{}", outcome.both());
    let words = "The reassignment of 1 partition goes on; --verify tells how far it is.";
    assert!(outcome.stdout.contains(words), "{}", outcome.stdout);
}

/// Where each partition of a plan goes, as `--generate` prints it.
fn replicas_of(plan: &str) -> Vec<Vec<i64>> {
    let plan: serde_json::Value = serde_json::from_str(plan).expect(plan);
    let ids = |one: &serde_json::Value| {
        let ids = one["replicas"].as_array().expect("a list of brokers").iter();
        ids.filter_map(serde_json::Value::as_i64).collect()
    };
    plan["partitions"].as_array().expect("a list of partitions").iter().map(ids).collect()
}

/// Broker 0 is left by a whole topic: the plan is made, carried out and verified, and the records
/// are on the others.
#[test]
fn a_generated_plan_is_carried_out() {
    let mut cluster = Cluster::start();
    let _ = cluster.topics(0, &["--create", "--topic", "t", "--replica-assignment", "0:1,1:0,0:1"]).success();
    let producer = tool::console_producer(Stock::Kafka43);
    let args = ["--bootstrap-server", &cluster.address(0), "--topic", "t"];
    let _ = Stock::Kafka43.run_with_input(producer, &args, "a\nb\nc\n").success();

    let topics = cluster.dir.path().join("topics.json");
    std::fs::write(&topics, "{\"topics\":[{\"topic\":\"t\"}],\"version\":1}").expect("a writable directory");
    let topics = topics.display().to_string();
    let generate = ["--generate", "--topics-to-move-json-file", &topics, "--broker-list", "1,2"];
    // What is proposed begins at a broker that is drawn by lot.
    let [proposed, of_stock] = [own(&cluster, &generate), stock(&cluster, &generate)].map(|said| {
        let said = said.success().stdout;
        let (before, plan) = said.trim_end().rsplit_once('\n').expect("a plan");
        (before.to_owned(), plan.to_owned())
    });
    assert_eq!(proposed.0, of_stock.0);
    let plan = proposed.1;
    for mut replicas in [replicas_of(&plan), replicas_of(&of_stock.1)].concat() {
        replicas.sort_unstable();
        assert_eq!(replicas, [1, 2], "{plan}");
    }

    let file = cluster.dir.path().join("plan.json").display().to_string();
    std::fs::write(&file, plan).expect("a writable directory");
    let file = ["--reassignment-json-file", file.as_str()];
    let begun = own(&cluster, &[&["--execute"], &file[..]].concat()).success().stdout;
    assert!(begun.ends_with("Successfully started partition reassignments for t-0,t-1,t-2\n"), "{begun}");
    wait::until("the reassignment to end", || {
        let verified = own(&cluster, &[&["--verify"], &file[..]].concat()).success().stdout;
        (!verified.contains("in progress")).then_some(())
    });
    let verified = same(&cluster, &[&["--verify"], &file[..]].concat());
    assert!(verified.contains("Reassignment of partition t-2 is completed.\n"), "{verified}");
    assert_eq!(same(&cluster, &["--list"]), "No partition reassignments found.\n");
    cluster.kill(0);
    let read = rkafka(&[
        "console-consumer",
        "--bootstrap-server",
        &cluster.address(2),
        "--topic",
        "t",
        "--from-beginning",
        "--max-messages",
        "3",
    ]);
    let mut lines: Vec<_> = read.success().stdout.lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "b", "c"]);
    cluster.stop_all();
}

/// The stock tool moves a replica to another broker and into one of its directories, and then between its directories.
#[test]
fn a_reassignment_names_log_directories() {
    let mut cluster = Cluster::start_with(|_| "log.dirs={data},{data}-b\n".to_owned());
    let _ = cluster.topics(0, &["--create", "--topic", "t", "--replica-assignment", "0:1"]).success();
    let producer = tool::console_producer(Stock::Kafka43);
    let write = |cluster: &Cluster, text: &str| {
        let args =
            ["--bootstrap-server", &cluster.address(0), "--topic", "t", "--producer-property", "acks=all"];
        let _ = Stock::Kafka43.run_with_input(producer, &args, text).success();
    };
    write(&cluster, "a\nb\nc\n");
    for place in ["data-2-b", "data-2"] {
        let directory = cluster.dir.path().join(place);
        let file = cluster.dir.path().join(format!("{place}.json")).display().to_string();
        let text = format!(
            "{{\"version\":1,\"partitions\":[{{\"topic\":\"t\",\"partition\":0,\"replicas\":[2,1],\
             \"log_dirs\":[\"{}\",\"any\"]}}]}}",
            directory.display()
        );
        std::fs::write(&file, text).expect("a writable directory");
        let file = ["--reassignment-json-file", file.as_str()];
        let begun = stock(&cluster, &[&["--execute"], &file[..]].concat()).success().stdout;
        let started = format!("Successfully started moving log directory to {}", directory.display());
        assert!(begun.contains(&started), "{begun}");
        wait::until("the moves to end", || {
            let verified = own(&cluster, &[&["--verify"], &file[..]].concat()).success().stdout;
            (!verified.contains("in progress")).then_some(())
        });
        let verified = same(&cluster, &[&["--verify"], &file[..]].concat());
        assert!(verified.contains("Reassignment of replica t-0-2 completed successfully.\n"), "{verified}");
        assert!(directory.join("t-0").is_dir(), "{place}");
        write(&cluster, &format!("{place}\n"));
    }
    let server = cluster.address(0);
    let read = ["console-consumer", "--bootstrap-server", &server, "--topic", "t", "--from-beginning"];
    let read = rkafka(&[&read[..], &["--max-messages", "5"]].concat());
    assert_eq!(read.success().stdout, "a\nb\nc\ndata-2-b\ndata-2\n");
    cluster.stop_all();
}

#[test]
fn health_is_told_and_leaderships_are_handed_over() {
    let mut cluster = Cluster::start();
    let _ = cluster
        .topics(0, &["--create", "--topic", "t", "--partitions", "6", "--replication-factor", "3"])
        .success();
    let health = |cluster: &Cluster, asked: usize, more: &[&str]| {
        let server = cluster.address(asked);
        rkafka(&[&["check-health", "--bootstrap-server", &server], more].concat())
    };
    let well = health(&cluster, 0, &[]).success().stdout;
    assert!(well.contains("6 partition(s): well (all replicas in sync)"), "{well}");
    let _ = health(&cluster, 1, &["--node", "2"]).success();

    let from = cluster.leader(0);
    let id = from.to_string();
    let handed = rkafka(&["failover", "--bootstrap-server", &cluster.address(0), "--node", &id]).success();
    assert!(handed.stdout.contains(&format!("Node {from} handed over 2 partition(s).")), "{}", handed.stdout);
    assert_ne!(cluster.leader(0), from);
    wait::until("the hand-over to be known", || {
        let described = cluster.topics((from + 1) % 3, &["--describe", "--topic", "t"]).success().stdout;
        (!described.contains(&format!("Leader: {from}\t"))).then_some(())
    });
    let _ = health(&cluster, from, &["--node", &id]).success();

    let other = (from + 1) % 3;
    cluster.kill(from);
    wait::until("the dead node to be told", || {
        let told = health(&cluster, other, &["--node", &id]);
        (!told.status.success() && told.stdout.contains("NOT WELL")).then_some(())
    });
    wait::until("what is left of the cluster to serve", || {
        let rest = health(&cluster, other, &[]);
        (rest.status.success() && rest.stdout.contains("have replicas that are not in sync")).then_some(())
    });
    cluster.stop_all();
}

#[test]
fn features_are_told_and_set_as_by_the_stock_tool() {
    let mut cluster = Cluster::start();
    let server = cluster.address(0);
    let own = |args: &[&str]| rkafka(&[&["features", "--bootstrap-server", &server], args].concat());
    let stock = |args: &[&str]| {
        let args = [&["--bootstrap-server", &server], args].concat();
        Stock::Kafka43.run("org.apache.kafka.tools.FeatureCommand", &args)
    };
    let raise = ["upgrade", "--feature", "eligible.leader.replicas.version=1"];
    for args in [&["describe"][..], &[&raise[..], &["--dry-run"]].concat(), &["upgrade"], &raise] {
        let (own, stock) = (own(args), stock(args));
        assert_eq!(own.status.code(), stock.status.code(), "{args:?}: {}{}", own.both(), stock.both());
        // Every committed change raises the epoch.
        let said = |text: &str| text.split("  Epoch:").next().map(str::to_owned);
        assert_eq!(said(&own.stdout), said(&stock.stdout), "{args:?}");
    }
    let refused = ["upgrade", "--feature", "eligible.leader.replicas.version=9"];
    let (own, stock) = (own(&refused), stock(&refused));
    assert_eq!((own.status.code(), own.stdout), (stock.status.code(), stock.stdout));
    cluster.stop_all();
}
