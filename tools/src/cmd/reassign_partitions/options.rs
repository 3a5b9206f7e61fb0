//! The options of `reassign-partitions`, and which of them go together.

use std::path::PathBuf;

use clap::Args;

use crate::common::connect;
use crate::common::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  rkafka reassign-partitions --bootstrap-server localhost:9092 --generate \\
    --topics-to-move-json-file topics.json --broker-list 1,2,3
  rkafka reassign-partitions --bootstrap-server localhost:9092 --execute --reassignment-json-file plan.json \\
    --throttle 50000000
  rkafka reassign-partitions --bootstrap-server localhost:9092 --verify --reassignment-json-file plan.json \\
    --wait";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Verify,
    Generate,
    Execute,
    Cancel,
    List,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Suggest an assignment of some topics to some brokers; nothing is moved.
    #[arg(long)]
    generate: bool,
    /// Begin the reassignment of --reassignment-json-file.
    #[arg(long)]
    execute: bool,
    /// Tell whether it is through; if so, remove its throttles.
    #[arg(long)]
    verify: bool,
    /// Take back a reassignment that is going on.
    #[arg(long)]
    cancel: bool,
    /// List the reassignments that are going on.
    #[arg(long)]
    list: bool,
    /// REQUIRED: The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(long, value_name = "Server(s) to use for bootstrapping")]
    bootstrap_server: Option<String>,
    /// DEPRECATED: the address of the metadata quorum, where old command lines name ZooKeeper.
    #[arg(long, value_name = "urls")]
    zookeeper: Option<String>,
    /// The controllers to connect to instead, with --cancel and --list.
    #[arg(long, value_name = "bootstrap controller to connect to")]
    bootstrap_controller: Option<String>,
    /// Property file with settings of the client.
    #[arg(long, value_name = "Admin client property file")]
    pub(super) command_config: Option<PathBuf>,
    /// The plan: {"partitions": [{"topic": "foo", "partition": 1, "replicas": [1,2,3]}], "version": 1}.
    #[arg(long, value_name = "manual assignment json file path")]
    pub(super) reassignment_json_file: Option<PathBuf>,
    /// The topics to move, with --generate: {"topics": [{"topic": "foo"}], "version": 1}.
    #[arg(long, value_name = "topics to reassign json file path")]
    pub(super) topics_to_move_json_file: Option<PathBuf>,
    /// The brokers to move them to, with --generate: 0,1,2.
    #[arg(long, value_name = "brokerlist")]
    pub(super) broker_list: Option<String>,
    /// Suggest without looking at racks, with --generate.
    #[arg(long)]
    pub(super) disable_rack_aware: bool,
    /// Bytes a second at which replicas are copied, with --execute. Run --verify afterwards: it removes the throttle.
    #[arg(long, value_name = "throttle")]
    pub(super) throttle: Option<i64>,
    /// Bytes a second at which replicas move between the directories of a broker, with --execute.
    #[arg(long, value_name = "replicaAlterLogDirsThrottle")]
    pub(super) replica_alter_log_dirs_throttle: Option<i64>,
    /// How long in ms to wait until moves between directories begin.
    #[arg(long, value_name = "timeout")]
    pub(super) timeout: Option<i64>,
    /// Reassign in addition to what is going on, or change its throttle, with --execute.
    #[arg(long)]
    pub(super) additional: bool,
    /// Leave throttles as they are, with --verify and --cancel.
    #[arg(long)]
    pub(super) preserve_throttles: bool,
    /// Refuse plans that change the number of replicas, with --execute.
    #[arg(long)]
    pub(super) disallow_replication_factor_change: bool,
    /// Wait until the reassignment is through, with --execute and --verify; a terminal shows how far it is.
    #[arg(long)]
    pub(super) wait: bool,
}

impl Options {
    /// Where to connect to; `--bootstrap-server` counts if ZooKeeper is named besides, as 2.2 had it for directories.
    pub(super) fn servers(&self) -> Option<String> {
        let given = self.bootstrap_server.clone().or_else(|| self.bootstrap_controller.clone());
        given.or_else(|| self.zookeeper.as_deref().map(connect::quorum_addresses))
    }

    /// What is to be done.
    ///
    /// # Errors
    /// Not exactly one thing, or options that do not belong to it; in the stock tool's words.
    pub(super) fn check(&self) -> Result<Action, Failure> {
        let actions = [
            (self.generate, Action::Generate),
            (self.execute, Action::Execute),
            (self.verify, Action::Verify),
            (self.cancel, Action::Cancel),
            (self.list, Action::List),
        ];
        let mut chosen = actions.iter().filter(|(given, _)| *given).map(|(_, action)| *action);
        let (Some(action), None) = (chosen.next(), chosen.next()) else {
            return Err(Failure::usage(
                "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list",
            ));
        };
        match (self.bootstrap_server.as_ref().or(self.zookeeper.as_ref()), &self.bootstrap_controller) {
            (Some(_), Some(_)) => {
                let words = "Please don't specify both --bootstrap-server and --bootstrap-controller";
                return Err(Failure::usage(words));
            }
            (None, None) => {
                let words = "Please specify either --bootstrap-server or --bootstrap-controller";
                return Err(Failure::usage(words));
            }
            _ => {}
        }
        self.check_required(action)?;
        self.check_permitted(action)?;
        Ok(action)
    }

    fn check_required(&self, action: Action) -> Result<(), Failure> {
        let plan = ("reassignment-json-file", self.reassignment_json_file.is_some());
        let required = match action {
            Action::List => vec![],
            Action::Generate => vec![
                ("topics-to-move-json-file", self.topics_to_move_json_file.is_some()),
                ("broker-list", self.broker_list.is_some()),
            ],
            Action::Verify | Action::Execute | Action::Cancel => vec![plan],
        };
        match required.iter().find(|(_, given)| !given) {
            Some((name, _)) => Err(Failure::usage(format!("Missing required argument \"[{name}]\""))),
            None => Ok(()),
        }
    }

    fn check_permitted(&self, action: Action) -> Result<(), Failure> {
        use Action::{Cancel, Execute, Generate, List, Verify};
        let table: [(&str, bool, &[Action]); 12] = [
            ("bootstrap-controller", self.bootstrap_controller.is_some(), &[Cancel, List]),
            ("reassignment-json-file", self.reassignment_json_file.is_some(), &[Verify, Execute, Cancel]),
            ("topics-to-move-json-file", self.topics_to_move_json_file.is_some(), &[Generate]),
            ("broker-list", self.broker_list.is_some(), &[Generate]),
            ("disable-rack-aware", self.disable_rack_aware, &[Generate]),
            ("throttle", self.throttle.is_some(), &[Execute]),
            ("replica-alter-log-dirs-throttle", self.replica_alter_log_dirs_throttle.is_some(), &[Execute]),
            ("timeout", self.timeout.is_some(), &[Execute, Cancel]),
            ("additional", self.additional, &[Execute]),
            ("preserve-throttles", self.preserve_throttles, &[Verify, Cancel]),
            ("disallow-replication-factor-change", self.disallow_replication_factor_change, &[Execute]),
            ("wait", self.wait, &[Verify, Execute]),
        ];
        let name = match action {
            Verify => "verify",
            Generate => "generate",
            Execute => "execute",
            Cancel => "cancel",
            List => "list",
        };
        match table.iter().find(|(_, given, of)| *given && !of.contains(&action)) {
            Some((option, ..)) => {
                Err(Failure::usage(format!("Option \"[{option}]\" can't be used with action \"[{name}]\"")))
            }
            None => Ok(()),
        }
    }
}
