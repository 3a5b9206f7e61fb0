//! `client-metrics`.

use rkafka_tests::node::Node;

use super::compare::{Row, Sides, same, sorted};

const ROWS: &[Row] = &[
    same("--bootstrap-server {broker} --list"),
    same("--bootstrap-server {broker} --alter --name m --interval 1000 --metrics a.b,c --match client_id=x"),
    same("--bootstrap-server {broker} --list"),
    sorted("--bootstrap-server {broker} --describe --name m"),
    sorted("--bootstrap-server {broker} --describe"),
    same("--bootstrap-server {broker} --alter --name m --interval 2000"),
    sorted("--bootstrap-server {broker} --describe --name m"),
    same("--bootstrap-server {broker} --alter --name m --interval 1"),
    same("--bootstrap-server {broker} --alter --name m --match foo=1"),
    same("--bootstrap-server {broker} --describe --name nobody"),
    same("--bootstrap-server {broker} --delete --name m"),
    sorted("--bootstrap-server {broker} --describe --name m"),
    same("--bootstrap-server {broker} --alter --name m --generate-name"),
    same("--bootstrap-server {broker} --alter"),
    same("--bootstrap-server {broker} --delete"),
    same("--bootstrap-server {broker} --delete --name m --interval 1"),
    same("--bootstrap-server {broker} --list --name m"),
    same("--bootstrap-server {broker} --list --describe"),
    same("--bootstrap-server {broker} --alter --name m --interval x"),
    same("--bootstrap-server {broker} --bogus"),
    same("--list"),
    same(""),
];

#[test]
fn client_metrics() {
    let nodes = [(); 2].map(|()| Node::start(&[]));
    Sides::with_nodes(&nodes).check("client-metrics", ROWS);
}
