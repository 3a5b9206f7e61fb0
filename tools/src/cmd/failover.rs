//! `rkafka failover`: hands over now. What a node leads, others lead afterwards: its partitions where another replica is
//! in sync, and the metadata quorum if it leads that. The node goes on serving as a follower.
//!
//! Partitions come back to it by `rkafka leader-election --election-type preferred`, or by themselves after
//! `leader.imbalance.check.interval.seconds`.

use clap::Args;
use rkafka_broker::quorum::operator::hand_over;
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, OperatorOptions};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka failover --bootstrap-server localhost:9092
  rkafka failover --bootstrap-server localhost:9092 --node 2";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: OperatorOptions,
    /// The node that hands over; the active controller if it is not given.
    #[arg(long, value_name = "id")]
    node: Option<i32>,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("failover"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let config = options.connect.config("rkafka-failover")?;
    let (from, done) = connect::with_cluster(config, async |admin| {
        let quorum = admin.describe_quorum().await?;
        let addresses: Vec<(String, u16)> =
            quorum.endpoints.into_iter().map(|endpoint| (endpoint.host, endpoint.port)).collect();
        if addresses.is_empty() {
            let words = "this cluster is one node: there is nobody to hand over to";
            return Err(Failure::message(words).into());
        }
        let known = admin.describe_cluster().await?.brokers;
        if let Some(id) = options.node.filter(|id| !known.contains_key(id) && *id != quorum.leader) {
            return Err(Failure::message(format!("node {id} is not in service")).into());
        }
        let handed = hand_over(&addresses, options.node).await;
        Ok(handed.map_err(|error| Failure::message(error.to_string()))?)
    })
    .map_err(|problem| problem.told(|error| Failure::message(error.to_string())))?;
    let mut rows = Rows::new(&["node", "partitions_moved", "controller"]);
    rows.push([json!(from), json!(done.partitions), json!(done.controller)]);
    output::print(options.output.output, &rows, || {
        format!(
            "Node {from} handed over {} partition(s).\nNode {} leads the metadata quorum.\n",
            done.partitions, done.controller
        )
    })
}
