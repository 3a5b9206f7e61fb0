//! `storage`, on directories of each side.

use std::collections::BTreeMap;
use std::path::Path;

use rkafka_tests::node::{Node, rkafka};

use super::compare::{Part, Row, Sides, differs, same};

const BOOTSTRAP: &str = "Kafka's own bootstrap records are not listed: rkafka writes none";

const ROWS: &[Row] = &[
    same("info --config {files}/static.properties"),
    differs(
        Part::Out,
        "format --config {files}/static.properties --cluster-id MkU3OEVBNTcwNTJENDM2Qg",
        BOOTSTRAP,
    ),
    same("info -c {files}/static.properties"),
    same("format -c {files}/static.properties -t MkU3OEVBNTcwNTJENDM2Qg"),
    same("format -c {files}/static.properties -t MkU3OEVBNTcwNTJENDM2Qg -g"),
    same("format -c {files}/static.properties -t AkU3OEVBNTcwNTJENDM2Qg -g"),
    same("format -c {files}/static.properties -t MkU3OEVBNTcwNTJENDM2Qg -g --standalone"),
    same("info -c {files}/dynamic.properties"),
    same("format -c {files}/dynamic.properties -t MkU3OEVBNTcwNTJENDM2Qg"),
    same("format -c {files}/dynamic.properties -t MkU3OEVBNTcwNTJENDM2Qg -I foo"),
    differs(
        Part::Out,
        "format -c {files}/dynamic.properties -t MkU3OEVBNTcwNTJENDM2Qg -I 5@localhost:19393:JEXY6aqzQY-32P5TStzaFg",
        BOOTSTRAP,
    ),
    same("info -c {files}/dynamic.properties"),
    differs(Part::Out, "format -c {files}/other.properties -t MkU3OEVBNTcwNTJENDM2Qg -N", BOOTSTRAP),
    differs(
        Part::Err,
        "format -c {files}/static.properties -t MkU3OEVBNTcwNTJENDM2Qg -g -r 9.0",
        "only the features of 4.3 are served",
    ),
    differs(Part::Err, "info -c {files}/nowhere.properties", "the file that cannot be read is named"),
    differs(Part::Err, "format -c {files}/static.properties", "one line instead of the usage"),
];

fn prepare(dir: &Path) {
    let text = |quorum: &str, name: &str| {
        format!(
            "process.roles=broker,controller\nnode.id=5\n{quorum}\ncontroller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:19394,CONTROLLER://127.0.0.1:19393\n\
             log.dirs={0}/{name}/a,{0}/{name}/b\n",
            dir.display()
        )
    };
    let bootstrap = "controller.quorum.bootstrap.servers=localhost:19393";
    for (name, quorum) in [
        ("static", "controller.quorum.voters=5@localhost:19393"),
        ("dynamic", bootstrap),
        ("other", bootstrap),
    ] {
        let file = dir.join(format!("{name}.properties"));
        std::fs::write(file, text(quorum, name)).expect("a writable directory");
    }
}

#[test]
fn storage() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    dirs.iter().for_each(|dir| prepare(dir.path()));
    let words = [0, 1].map(|side| {
        let dir: &tempfile::TempDir = &dirs[side];
        BTreeMap::from([("files", dir.path().display().to_string())])
    });
    Sides::new(words).check("storage", ROWS);
}

/// A broker takes over the cluster's id that its directories were formatted with.
#[test]
fn a_broker_starts_on_formatted_directories() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let config = dir.path().join("format.properties");
    let data = dir.path().join("data");
    std::fs::write(&config, format!("broker.id=1\nlog.dirs={}\n", data.display())).expect("writable");
    let id = rkafka(&["storage", "random-uuid"]).success().stdout.trim().to_owned();
    let config = config.display().to_string();
    let _ = rkafka(&["storage", "format", "-c", &config, "-t", &id]).success();
    let node = Node::start_in(dir, &[]);
    let bootstrap = node.bootstrap();
    let shown = rkafka(&["cluster", "cluster-id", "--bootstrap-server", &bootstrap]).success();
    assert_eq!(shown.stdout, format!("Cluster ID: {id}\n"));
}
