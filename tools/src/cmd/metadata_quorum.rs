//! `rkafka metadata-quorum`: who votes on the metadata, who leads, and how far all are, as
//! `kafka-metadata-quorum.sh` of Kafka 4.3 shows it (KIP-595, KIP-836, KIP-853).
//!
//! Differences, all intended: `add-controller` takes the node's id instead of its property file (the quorum knows the
//! rest since the node follows it), and `remove-controller` looks the directory id up where it is not given.

use chrono::Utc;
use clap::{Args, Subcommand};
use rkafka_client::{Admin, QuorumEndpoint, QuorumInfo, QuorumReplica, TopicId};
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, ConnectOptions, Tool};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

/// The stock tool this stands for.
const TOOL: Tool =
    Tool { what: "metadata-quorum command", class: "org.apache.kafka.tools.MetadataQuorumCommand" };

#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    connect: ConnectOptions,
    #[command(flatten)]
    output: OutputOptions,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Describe the metadata quorum info
    Describe {
        /// A short summary of the quorum status.
        #[arg(long)]
        status: bool,
        /// Detailed information about the status of replication.
        #[arg(long)]
        replication: bool,
        /// Times as "… ms ago".
        #[arg(long)]
        human_readable: bool,
    },
    /// Let a node that follows the quorum vote
    AddController {
        /// The id of the node.
        #[arg(long, short = 'i', value_name = "node id")]
        controller_id: i32,
        /// The directory id of the node; looked up where it is not given.
        #[arg(long, short = 'd', value_name = "directory id")]
        controller_directory_id: Option<String>,
    },
    /// Take the vote from a node
    RemoveController {
        /// The id of the controller to remove.
        #[arg(long, short = 'i', value_name = "node id")]
        controller_id: i32,
        /// The directory id of the controller to remove; looked up where it is not given.
        #[arg(long, short = 'd', value_name = "directory id")]
        controller_directory_id: Option<String>,
    },
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("metadata-quorum"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    if !options.connect.is_addressed() {
        return Err(Failure::usage("one of --bootstrap-server or --zookeeper is required")
            .or_hint(|| invocation.hint()));
    }
    let config = options.connect.config("rkafka-metadata-quorum")?;
    match options.action {
        Action::Describe { status: true, replication: true, .. } => Err(Failure::message(
            "Only one of --status or --replication should be specified with describe sub-command",
        )),
        Action::Describe { status: false, replication: false, .. } => Err(Failure::message(
            "One of --status or --replication must be specified with describe sub-command",
        )),
        Action::Describe { status: true, human_readable: true, .. } => {
            Err(Failure::message("The option --human-readable is only supported along with --replication"))
        }
        Action::Describe { replication, human_readable, .. } => {
            let (cluster_id, quorum) = connect::with_admin(TOOL, config, async |admin| {
                let cluster = admin.describe_cluster().await.map_err(|error| TOOL.client_error(&error))?;
                let quorum = admin.describe_quorum().await.map_err(|error| TOOL.client_error(&error))?;
                Ok((cluster.cluster_id.unwrap_or_default(), quorum))
            })?;
            output::print(options.output.output, &rows(&quorum), || match replication {
                true => replication_text(&quorum, human_readable, Utc::now().timestamp_millis()),
                false => status_text(&cluster_id, &quorum),
            })
        }
        Action::AddController { controller_id, controller_directory_id } => {
            let given = directory(controller_directory_id.as_deref())?;
            connect::with_admin(TOOL, config, async |admin| {
                let found = find(&admin, controller_id, given, |quorum| &quorum.observers).await?;
                admin.add_voter(controller_id, found).await.map_err(|error| TOOL.client_error(&error))?;
                println!("Added controller {controller_id} with directory id {found}.");
                Ok(())
            })
        }
        Action::RemoveController { controller_id, controller_directory_id } => {
            let given = directory(controller_directory_id.as_deref())?;
            connect::with_admin(TOOL, config, async |admin| {
                let found = find(&admin, controller_id, given, |quorum| &quorum.voters).await?;
                admin.remove_voter(controller_id, found).await.map_err(|error| TOOL.client_error(&error))?;
                println!("Removed KRaft controller {controller_id} with directory id {found}");
                Ok(())
            })
        }
    }
}

fn directory(text: Option<&str>) -> Result<Option<TopicId>, Failure> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| Failure::message(format!("Unable to parse directory ID {text}: not 22 characters")))
    };
    text.map(parse).transpose()
}

/// The directory id of a member of the quorum, unless it was given.
async fn find(
    admin: &Admin,
    id: i32,
    given: Option<TopicId>,
    among: impl Fn(&QuorumInfo) -> &Vec<QuorumReplica>,
) -> Result<TopicId, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    let quorum = admin.describe_quorum().await.map_err(|error| TOOL.client_error(&error))?;
    let found = among(&quorum).iter().find(|replica| replica.id == id).map(|replica| replica.directory);
    found.ok_or_else(|| {
        let known: Vec<String> = among(&quorum).iter().map(|replica| replica.id.to_string()).collect();
        Failure::message(format!(
            "the metadata quorum has no such member {id}; it could be one of [{}]",
            known.join(", ")
        ))
    })
}

fn leader_end(quorum: &QuorumInfo) -> i64 {
    let leader = quorum.voters.iter().find(|voter| voter.id == quorum.leader);
    leader.map_or(quorum.high_watermark, |leader| leader.log_end_offset)
}

fn status_text(cluster_id: &str, quorum: &QuorumInfo) -> String {
    let leader = quorum.voters.iter().find(|voter| voter.id == quorum.leader);
    let slowest = quorum.voters.iter().min_by_key(|voter| voter.log_end_offset);
    let lag = slowest.map_or(0, |slowest| leader_end(quorum) - slowest.log_end_offset);
    let lag_ms = match (leader, slowest) {
        (Some(leader), Some(slowest)) if leader.id == slowest.id => 0,
        (Some(leader), Some(slowest)) if leader.last_caught_up_ms >= 0 && slowest.last_caught_up_ms >= 0 => {
            leader.last_caught_up_ms - slowest.last_caught_up_ms
        }
        _ => -1,
    };
    format!(
        "ClusterId:              {cluster_id}\nLeaderId:               {}\nLeaderEpoch:            {}\n\
         HighWatermark:          {}\nMaxFollowerLag:         {lag}\nMaxFollowerLagTimeMs:   {lag_ms}\n\
         CurrentVoters:          {}\nCurrentObservers:       {}\n",
        quorum.leader,
        quorum.leader_epoch,
        quorum.high_watermark,
        members(quorum, &quorum.voters),
        members(quorum, &quorum.observers),
    )
}

fn members(quorum: &QuorumInfo, replicas: &[QuorumReplica]) -> String {
    let one = |replica: &QuorumReplica| {
        let directory = match replica.directory.is_zero() {
            true => String::new(),
            false => format!(", \"directoryId\": \"{}\"", replica.directory),
        };
        let endpoints = quorum.endpoints.iter().filter(|endpoint| endpoint.id == replica.id);
        let endpoints: Vec<String> = endpoints.map(|one| format!("\"{}\"", shown(one))).collect();
        let endpoints = match endpoints.is_empty() {
            true => String::new(),
            false => format!(", \"endpoints\": [{}]", endpoints.join(", ")),
        };
        format!("{{\"id\": {}{directory}{endpoints}}}", replica.id)
    };
    format!("[{}]", replicas.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn shown(QuorumEndpoint { name, host, port, .. }: &QuorumEndpoint) -> String {
    match host.contains(':') {
        true => format!("{name}://[{host}]:{port}"),
        false => format!("{name}://{host}:{port}"),
    }
}

/// Leader, followers, observers, each with its role.
fn with_roles(quorum: &QuorumInfo) -> impl Iterator<Item = (&QuorumReplica, &'static str)> {
    let is_leader = |voter: &&QuorumReplica| voter.id == quorum.leader;
    let leader = quorum.voters.iter().filter(is_leader).map(|voter| (voter, "Leader"));
    let followers =
        quorum.voters.iter().filter(move |voter| !is_leader(voter)).map(|voter| (voter, "Follower"));
    leader.chain(followers).chain(quorum.observers.iter().map(|observer| (observer, "Observer")))
}

fn replication_text(quorum: &QuorumInfo, human_readable: bool, now_ms: i64) -> String {
    let time = |ms: i64| match ms {
        ms if ms >= 0 && human_readable => format!("{} ms ago", now_ms.saturating_sub(ms).max(0)),
        ms => ms.to_string(),
    };
    let mut table = vec![
        [
            "NodeId",
            "DirectoryId",
            "LogEndOffset",
            "Lag",
            "LastFetchTimestamp",
            "LastCaughtUpTimestamp",
            "Status",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    let end = leader_end(quorum);
    table.extend(with_roles(quorum).map(|(replica, role)| {
        vec![
            replica.id.to_string(),
            replica.directory.to_string(),
            replica.log_end_offset.to_string(),
            (end - replica.log_end_offset).to_string(),
            time(replica.last_fetch_ms),
            time(replica.last_caught_up_ms),
            role.to_owned(),
        ]
    }));
    aligned(&table)
}

/// Each column as wide as its widest cell, followed by a tab, as the stock tools print tables.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|at| table.iter().filter_map(|row| Some(row.get(at)?.chars().count())).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}\t")).collect::<String>() + "\n"
    };
    table.iter().map(line).collect()
}

fn rows(quorum: &QuorumInfo) -> Rows {
    let mut rows = Rows::new(&[
        "node",
        "directory_id",
        "log_end_offset",
        "lag",
        "last_fetch_ms",
        "last_caught_up_ms",
        "status",
    ]);
    let end = leader_end(quorum);
    for (replica, role) in with_roles(quorum) {
        rows.push([
            json!(replica.id),
            json!(replica.directory.to_string()),
            json!(replica.log_end_offset),
            json!(end - replica.log_end_offset),
            json!(replica.last_fetch_ms),
            json!(replica.last_caught_up_ms),
            json!(role),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quorum() -> QuorumInfo {
        let replica = |id: i32, end: i64, ms: i64| QuorumReplica {
            id,
            directory: format!("AAAAAAAAAAAAAAAAAAAAA{}", if id == 1 { 'Q' } else { 'g' }).parse().unwrap(),
            log_end_offset: end,
            last_fetch_ms: ms,
            last_caught_up_ms: ms,
        };
        QuorumInfo {
            leader: 2,
            leader_epoch: 7,
            high_watermark: 40,
            voters: vec![replica(1, 38, 900), replica(2, 40, 1000)],
            observers: vec![replica(5, 40, -1)],
            endpoints: vec![QuorumEndpoint {
                id: 2,
                name: "CONTROLLER".to_owned(),
                host: "h".to_owned(),
                port: 9,
            }],
        }
    }

    #[test]
    fn status_as_the_stock_tool_prints_it() {
        let expected = "\
ClusterId:              abc
LeaderId:               2
LeaderEpoch:            7
HighWatermark:          40
MaxFollowerLag:         2
MaxFollowerLagTimeMs:   100
CurrentVoters:          [{\"id\": 1, \"directoryId\": \"AAAAAAAAAAAAAAAAAAAAAQ\"}, {\"id\": 2, \"directoryId\": \
                        \"AAAAAAAAAAAAAAAAAAAAAg\", \"endpoints\": [\"CONTROLLER://h:9\"]}]
CurrentObservers:       [{\"id\": 5, \"directoryId\": \"AAAAAAAAAAAAAAAAAAAAAg\"}]
";
        assert_eq!(status_text("abc", &quorum()), expected);
    }

    #[test]
    fn replication_in_columns() {
        let text = replication_text(&quorum(), true, 1005);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].starts_with("NodeId\tDirectoryId           \tLogEndOffset\tLag\t"), "{}", lines[0]);
        let cells: Vec<&str> = lines[1].split('\t').map(str::trim).collect();
        assert_eq!(cells, ["2", "AAAAAAAAAAAAAAAAAAAAAg", "40", "0", "5 ms ago", "5 ms ago", "Leader", ""]);
        assert!(lines[2].contains("Follower") && lines[3].contains("Observer") && lines[3].contains("\t-1 "));
    }
}
