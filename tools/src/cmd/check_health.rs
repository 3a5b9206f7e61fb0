//! `rkafka check-health`: is the cluster, or one node of it, well? The exit code tells load balancers and scripts.
//!
//! | | well (0) | not well (1) |
//! |---|---|---|
//! | a node | it answers, is not fenced, and all its log directories work | otherwise |
//! | the cluster | every registered broker is well, the metadata quorum has a leader, every partition has one | otherwise |
//!
//! Partitions with fewer replicas in sync than they have are told, and are no failure: they serve.

use std::time::Duration;

use clap::Args;
use rkafka_client::{Admin, Broker, TopicDescription};
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, OperatorOptions, Problem};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka check-health
  rkafka check-health --bootstrap-server host1:9092,host2:9092,host3:9092
  rkafka check-health --bootstrap-server host1:9092 --node 2 && echo take it into service";

/// Partitions in one answer of DescribeTopicPartitions.
const PARTITIONS_MAX: i32 = 2000;

/// Topics asked about in one request.
const TOPICS_MAX: usize = 500;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: OperatorOptions,
    /// Look at this node alone.
    #[arg(long, value_name = "id")]
    node: Option<i32>,
    /// How long a node may take to answer, in ms.
    #[arg(long, value_name = "ms", default_value_t = 5000)]
    timeout: u64,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("check-health"))
}

/// One thing that was looked at.
struct Finding {
    what: String,
    /// Why it is not well.
    problem: Option<String>,
    /// What there is to know besides.
    note: String,
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let limit = Duration::from_millis(options.timeout);
    let mut config = options.connect.config("rkafka-check-health")?;
    config.request_timeout = config.request_timeout.min(limit);
    config.default_api_timeout = config.default_api_timeout.min(limit);
    let findings = connect::with_cluster(config, async |admin| match options.node {
        Some(id) => look_at_node(&admin, id).await,
        None => look_at_cluster(&admin).await,
    })
    .map_err(|problem| problem.told(|error| Failure::message(format!("not well: {error}"))))?;
    let mut rows = Rows::new(&["what", "well", "problem", "note"]);
    let mut text = String::new();
    for Finding { what, problem, note } in &findings {
        let state = problem.as_deref().map_or("well".to_owned(), |problem| format!("NOT WELL: {problem}"));
        let note_shown = if note.is_empty() { String::new() } else { format!(" ({note})") };
        text.push_str(&format!("{what}: {state}{note_shown}\n"));
        rows.push([json!(what), json!(problem.is_none()), json!(problem), json!(note)]);
    }
    output::print(options.output.output, &rows, || text)?;
    if findings.iter().all(|finding| finding.problem.is_none()) { Ok(()) } else { Err(Failure::Said) }
}

async fn look_at_node(admin: &Admin, id: i32) -> Result<Vec<Finding>, Problem> {
    let brokers = admin.describe_cluster().await?.brokers;
    match brokers.get(&id) {
        Some(broker) => Ok(vec![broker_finding(admin, broker).await]),
        None => Ok(vec![Finding {
            what: format!("node {id}"),
            problem: Some("it is not in service: not registered, or fenced".to_owned()),
            note: String::new(),
        }]),
    }
}

async fn broker_finding(admin: &Admin, broker: &Broker) -> Finding {
    let problem = match admin.describe_log_dirs(broker.id).await {
        Err(error) => Some(format!("it does not answer: {error}")),
        Ok(_) if broker.is_fenced => Some("it is fenced".to_owned()),
        Ok(directories) => {
            let offline =
                directories.iter().find_map(|directory| Some((directory, directory.error.as_ref()?)));
            offline.map(|(directory, error)| format!("log directory {}: {}", directory.path, error.message))
        }
    };
    Finding { what: format!("node {} at {}", broker.id, broker.address), problem, note: String::new() }
}

async fn look_at_cluster(admin: &Admin) -> Result<Vec<Finding>, Problem> {
    let cluster = admin.describe_cluster().await?;
    let mut findings = Vec::new();
    for broker in cluster.brokers.values() {
        findings.push(broker_finding(admin, broker).await);
    }
    let quorum = admin.describe_quorum().await?;
    let behind = quorum.voters.iter().filter(|voter| voter.log_end_offset < quorum.high_watermark).count();
    findings.push(Finding {
        what: "metadata quorum".to_owned(),
        problem: (quorum.leader < 0).then(|| "it has no leader".to_owned()),
        note: match behind {
            0 => format!("node {} leads {} voter(s)", quorum.leader, quorum.voters.len()),
            behind => format!("node {} leads; {behind} voter(s) are behind", quorum.leader),
        },
    });
    findings.push(partitions_finding(admin).await?);
    Ok(findings)
}

async fn partitions_finding(admin: &Admin) -> Result<Finding, Problem> {
    let names: Vec<String> = admin.list_topics().await?.into_iter().map(|topic| topic.name).collect();
    let (mut partitions, mut not_in_sync, mut leaderless) = (0, 0, Vec::new());
    for some in names.chunks(TOPICS_MAX) {
        // One that was deleted in between needs no looking after.
        let described = admin.describe_topics(some, PARTITIONS_MAX).await?;
        for TopicDescription { name, partitions: of_topic, .. } in
            described.into_iter().filter_map(|one| one.1.ok())
        {
            partitions += of_topic.len();
            not_in_sync += of_topic.iter().filter(|one| one.isr.len() < one.replicas.len()).count();
            let without = of_topic.iter().filter(|one| one.leader.is_none());
            leaderless.extend(without.map(|one| format!("{name}-{}", one.index)));
        }
    }
    let shown = leaderless.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    Ok(Finding {
        what: format!("{partitions} partition(s)"),
        problem: (!leaderless.is_empty()).then(|| format!("{} have no leader: {shown}", leaderless.len())),
        note: match not_in_sync {
            0 => "all replicas in sync".to_owned(),
            count => format!("{count} have replicas that are not in sync"),
        },
    })
}
