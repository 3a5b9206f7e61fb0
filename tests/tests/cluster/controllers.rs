//! Stock tools that talk to controllers (KIP-919, KIP-853), and starts of a whole cluster that go wrong.

use rkafka_tests::node::rkafka;
use rkafka_tests::process::Process;
use rkafka_tests::stock::Stock;
use rkafka_tests::wait;
use rustix::process::Signal;

use super::{Cluster, LIMIT};

const QUORUM: &str = "org.apache.kafka.tools.MetadataQuorumCommand";

#[test]
fn stock_tools_find_controllers() {
    let mut cluster = Cluster::start();
    let controllers = cluster.list();
    let asked = |args: &[&str]| {
        let args = [&["--bootstrap-controller", &controllers], args].concat();
        Stock::Kafka43.run(QUORUM, &args).success().stdout
    };
    // Leadership may change hands between the two questions.
    let (status, leader) = wait::until("both tools to name the same leader", || {
        let (status, leader) = (asked(&["describe", "--status"]), cluster.leader(0));
        status.contains(&format!("LeaderId:               {leader}")).then_some((status, leader))
    });
    let endpoint = format!("\"endpoints\": [\"CONTROLLER://127.0.0.1:{}\"]", cluster.quorum_port);
    assert!(status.contains(&endpoint), "{status}");
    let listed = Stock::Kafka43
        .run(
            "org.apache.kafka.tools.ClusterTool",
            &["list-endpoints", "--bootstrap-controller", &controllers],
        )
        .success()
        .stdout;
    assert_eq!(listed.lines().filter(|line| line.contains("controller")).count(), 3, "{listed}");

    // A voter goes and comes back, by the stock tool and the directory id that its meta.properties names.
    let away = (0..3).find(|node| *node != leader).expect("two follow");
    let meta = cluster.dir.path().join(format!("data-{away}/meta.properties"));
    let meta = std::fs::read_to_string(meta).expect("a formatted directory");
    let directory = meta.lines().find_map(|line| line.strip_prefix("directory.id=")).expect("it has an id");
    let id = away.to_string();
    let _ = asked(&["remove-controller", "--controller-id", &id, "--controller-directory-id", directory]);
    let voters = |cluster: &Cluster| {
        let server = cluster.address(leader);
        let status = rkafka(&["metadata-quorum", "--bootstrap-server", &server, "describe", "--status"]);
        status.stdout.lines().find(|line| line.starts_with("CurrentVoters:")).map(str::to_owned)
    };
    let member = format!("\"id\": {away}, \"directoryId\": \"{directory}\"");
    wait::until("the voter to be gone", || (!voters(&cluster)?.contains(&member)).then_some(()));
    let properties = format!(
        "node.id={away}\nprocess.roles=controller\ncontroller.listener.names=CONTROLLER\n\
         listeners=CONTROLLER://127.0.0.{}:{}\ncontroller.quorum.bootstrap.servers={controllers}\nlog.dirs={}\n",
        away + 1,
        cluster.quorum_port,
        cluster.dir.path().join(format!("data-{away}")).display(),
    );
    let file = cluster.dir.path().join("controller.properties");
    std::fs::write(&file, properties).expect("a writable directory");
    let file = file.display().to_string();
    let args = ["--command-config", &file, "--bootstrap-controller", &controllers, "add-controller"];
    let _ = Stock::Kafka43.run(QUORUM, &args).success();
    wait::until("the voter to be back", || voters(&cluster)?.contains(&member).then_some(()));
    cluster.stop_all();
}

#[test]
fn two_nodes_with_one_id_and_lists_that_name_a_host_twice_are_refused() {
    let mut cluster = Cluster::start();
    cluster.kill(2);
    // Node 1 once more, at node 2's address.
    let (file, data) = (cluster.dir.path().join("twin.properties"), cluster.dir.path().join("twin"));
    let text = format!(
        "broker.id=1\nlog.dirs={}\nzookeeper.connect={}\nlisteners=PLAINTEXT://{}\n",
        data.display(),
        cluster.list(),
        cluster.address(2)
    );
    std::fs::write(&file, text).expect("a writable directory");
    let mut command = std::process::Command::new(rkafka_tests::build::rkafka());
    command.arg("server").arg(&file);
    let twin = Process::run(command, "", LIMIT);
    assert!(!twin.status.success());
    assert!(twin.both().contains("two nodes have the id 1"), "{}", twin.both());

    let list = format!("127.0.0.1:{0},localhost:{0}", cluster.quorum_port);
    let twice = Process::run(Cluster::new().command(2, &list), "", LIMIT);
    assert!(!twice.status.success());
    let words = "are all this host, which must stand in the list once";
    assert!(twice.both().contains(words), "{}", twice.both());
    cluster.stop_all();
}

#[test]
fn a_node_that_lost_its_disk_comes_back_empty_handed_and_catches_up() {
    let mut cluster = Cluster::start();
    let _ = cluster.create(0, "kept").success();
    cluster.kill(2);
    std::fs::remove_dir_all(cluster.dir.path().join("data-2")).expect("it was there");
    cluster.launch(2);
    cluster.ready(2);
    assert_eq!(cluster.listed(2), ["kept"]);
    wait::until("all replicas to be in sync again", || {
        let described = cluster.topics(2, &["--describe", "--under-replicated-partitions"]).success().stdout;
        described.trim().is_empty().then_some(())
    });
    cluster.stop_all();
}

#[test]
fn all_nodes_stop_together_without_waiting_for_one_another() {
    let mut cluster = Cluster::start();
    let _ = cluster.create(0, "t").success();
    let running: Vec<Process> = cluster.nodes.iter_mut().filter_map(Option::take).collect();
    running.iter().for_each(|process| process.signal(Signal::TERM));
    for process in running {
        let ended = process.finish(LIMIT).success();
        assert!(!ended.both().contains("controlled shutdown did not end in time"), "{}", ended.both());
    }
    for node in 0..3 {
        let marker = cluster.dir.path().join(format!("data-{node}/.kafka_cleanshutdown"));
        assert!(marker.exists(), "node {node} did not stop in order");
    }
}
