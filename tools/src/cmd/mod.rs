//! The table of commands, and how one is chosen.

mod agent;
mod broker_api_versions;
mod cat;
mod check_health;
mod client_metrics;
mod cluster;
mod completions;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod consumer_perf_test;
mod delete_records;
mod dev_cluster;
mod dump_log;
mod e2e_latency;
mod failover;
mod features;
mod get_offsets;
mod groups;
mod leader_election;
mod log_dirs;
mod man;
mod metadata_quorum;
mod producer_perf_test;
mod reassign_partitions;
mod replica_verification;
mod server;
mod server_stop;
mod storage;
mod streams_application_reset;
mod topics;
mod verifiable_consumer;
mod verifiable_producer;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use crate::common::args;
use crate::common::failure::Failure;
use crate::common::profile;

/// One command of the family.
pub(crate) struct Entry {
    /// Its name after `rkafka `.
    name: &'static str,
    /// The name of its stock script without `kafka-` and `.sh`, where that differs.
    stock_name: &'static str,
    /// One line for the list of commands.
    about: &'static str,
    /// Its options.
    definition: fn() -> clap::Command,
    /// Its work.
    run: fn(&Invocation) -> Result<(), Failure>,
}

/// A command line about to be run.
pub(crate) struct Invocation {
    /// The options as defined, under the name that was typed.
    command: clap::Command,
    /// The arguments without the program's or command's name.
    args: Vec<OsString>,
    /// Whether the program was called by the stock script's name.
    as_script: bool,
}

impl Invocation {
    /// Reads the arguments.
    pub(crate) fn parse<A: clap::FromArgMatches>(&self) -> Result<A, Failure> {
        args::parse(&self.command, &self.args)
    }

    /// Refuses an empty command line with what the command is for, as stock tools do.
    pub(crate) fn expect_args(&self, about: &str) -> Result<(), Failure> {
        if self.args.is_empty() { Err(Failure::usage(about).or_hint(|| self.hint())) } else { Ok(()) }
    }

    /// Where to read on after a mistake.
    pub(crate) fn hint(&self) -> String {
        args::hint(&self.command)
    }
}

/// The ingest agent.
const AGENT: Entry = Entry {
    name: "agent",
    stock_name: "agent",
    about: "Run an ingest agent: Flume's files, a spooling directory to a topic",
    definition: agent::definition,
    run: agent::run,
};

/// Every command, in the order of the list.
const COMMANDS: &[Entry] = &[
    AGENT,
    Entry {
        name: "server",
        stock_name: "server-start",
        about: "Start the broker",
        definition: server::definition,
        run: server::run,
    },
    Entry {
        name: "server-stop",
        stock_name: "server-stop",
        about: "Stop the brokers of this installation",
        definition: server_stop::definition,
        run: server_stop::run,
    },
    Entry {
        name: "storage",
        stock_name: "storage",
        about: "Format log directories, tell what they are, make ids",
        definition: storage::definition,
        run: storage::run,
    },
    Entry {
        name: "dump-log",
        stock_name: "dump-log",
        about: "Print what a partition's files hold",
        definition: dump_log::definition,
        run: dump_log::run,
    },
    Entry {
        name: "console-consumer",
        stock_name: "console-consumer",
        about: "Show messages of topics",
        definition: console_consumer::definition,
        run: console_consumer::run,
    },
    Entry {
        name: "consumer-perf-test",
        stock_name: "consumer-perf-test",
        about: "Measure how fast messages are read",
        definition: consumer_perf_test::definition,
        run: consumer_perf_test::run,
    },
    Entry {
        name: "e2e-latency",
        stock_name: "e2e-latency",
        about: "Measure how long messages take",
        definition: e2e_latency::definition,
        run: e2e_latency::run,
    },
    Entry {
        name: "verifiable-consumer",
        stock_name: "verifiable-consumer",
        about: "Read a topic and tell what happens as JSON",
        definition: verifiable_consumer::definition,
        run: verifiable_consumer::run,
    },
    Entry {
        name: "dev-cluster",
        stock_name: "dev-cluster",
        about: "Start several brokers on this machine, for trying things out",
        definition: dev_cluster::definition,
        run: dev_cluster::run,
    },
    Entry {
        name: "metadata-quorum",
        stock_name: "metadata-quorum",
        about: "Show and change who votes on the cluster's metadata",
        definition: metadata_quorum::definition,
        run: metadata_quorum::run,
    },
    Entry {
        name: "topics",
        stock_name: "topics",
        about: "Create, list, describe, change and delete topics",
        definition: topics::definition,
        run: topics::run,
    },
    Entry {
        name: "configs",
        stock_name: "configs",
        about: "Describe and change settings of topics, brokers and groups",
        definition: configs::definition,
        run: configs::run,
    },
    Entry {
        name: "consumer-groups",
        stock_name: "consumer-groups",
        about: "List, describe and delete consumer groups, reset their offsets",
        definition: consumer_groups::definition,
        run: consumer_groups::run,
    },
    Entry {
        name: "get-offsets",
        stock_name: "get-offsets",
        about: "Print offsets of partitions by time",
        definition: get_offsets::definition,
        run: get_offsets::run,
    },
    Entry {
        name: "delete-records",
        stock_name: "delete-records",
        about: "Delete the oldest records of partitions",
        definition: delete_records::definition,
        run: delete_records::run,
    },
    Entry {
        name: "log-dirs",
        stock_name: "log-dirs",
        about: "Print what lies in the brokers' log directories",
        definition: log_dirs::definition,
        run: log_dirs::run,
    },
    Entry {
        name: "groups",
        stock_name: "groups",
        about: "List groups of every type",
        definition: groups::definition,
        run: groups::run,
    },
    Entry {
        name: "leader-election",
        stock_name: "leader-election",
        about: "Elect leaders of partitions",
        definition: leader_election::definition,
        run: leader_election::run,
    },
    Entry {
        name: "reassign-partitions",
        stock_name: "reassign-partitions",
        about: "Move replicas of partitions to other brokers",
        definition: reassign_partitions::definition,
        run: reassign_partitions::run,
    },
    Entry {
        name: "features",
        stock_name: "features",
        about: "Show and set levels of features that all brokers agree on",
        definition: features::definition,
        run: features::run,
    },
    Entry {
        name: "check-health",
        stock_name: "check-health",
        about: "Tell, also by the exit code, whether the cluster or a node is well",
        definition: check_health::definition,
        run: check_health::run,
    },
    Entry {
        name: "failover",
        stock_name: "failover",
        about: "Let other nodes lead what a node leads",
        definition: failover::definition,
        run: failover::run,
    },
    Entry {
        name: "cluster",
        stock_name: "cluster",
        about: "Print the cluster's id and endpoints, forget a broker",
        definition: cluster::definition,
        run: cluster::run,
    },
    Entry {
        name: "broker-api-versions",
        stock_name: "broker-api-versions",
        about: "Print which requests each broker serves",
        definition: broker_api_versions::definition,
        run: broker_api_versions::run,
    },
    Entry {
        name: "completions",
        stock_name: "completions",
        about: "Print completions for bash, zsh or fish",
        definition: completions::definition,
        run: completions::run,
    },
    Entry {
        name: "console-producer",
        stock_name: "console-producer",
        about: "Send lines of standard input to a topic",
        definition: console_producer::definition,
        run: console_producer::run,
    },
    Entry {
        name: "producer-perf-test",
        stock_name: "producer-perf-test",
        about: "Measure how fast records are stored",
        definition: producer_perf_test::definition,
        run: producer_perf_test::run,
    },
    Entry {
        name: "verifiable-producer",
        stock_name: "verifiable-producer",
        about: "Send numbers and report each as JSON",
        definition: verifiable_producer::definition,
        run: verifiable_producer::run,
    },
    Entry {
        name: "cat",
        stock_name: "cat",
        about: "Produce, consume, list and query in one line, as kcat does",
        definition: cat::definition,
        run: cat::run,
    },
    Entry {
        name: "client-metrics",
        stock_name: "client-metrics",
        about: "List, describe, change and delete subscriptions to clients' metrics",
        definition: client_metrics::definition,
        run: client_metrics::run,
    },
    Entry {
        name: "replica-verification",
        stock_name: "replica-verification",
        about: "Compare what the replicas of partitions hold",
        definition: replica_verification::definition,
        run: replica_verification::run,
    },
    Entry {
        name: "streams-application-reset",
        stock_name: "streams-application-reset",
        about: "Let a Kafka Streams application begin anew",
        definition: streams_application_reset::definition,
        run: streams_application_reset::run,
    },
    Entry {
        name: "man",
        stock_name: "man",
        about: "Write the manual pages of all commands",
        definition: man::definition,
        run: man::run,
    },
];

/// The stock script that runs any tool by its Java class, as blog posts have it for tools without a script of their
/// own: `kafka-run-class.sh kafka.tools.GetOffsetShell …`.
const RUN_CLASS: &str = "run-class";

/// Classes of tools, without their packages, and the commands that they are.
const CLASSES: &[(&str, &str)] = &[
    ("BrokerApiVersionsCommand", "broker-api-versions"),
    ("ClientMetricsCommand", "client-metrics"),
    ("ClusterTool", "cluster"),
    ("ConfigCommand", "configs"),
    ("ConsoleConsumer", "console-consumer"),
    ("ConsoleProducer", "console-producer"),
    ("ConsumerGroupCommand", "consumer-groups"),
    ("ConsumerPerformance", "consumer-perf-test"),
    ("DeleteRecordsCommand", "delete-records"),
    ("DumpLogSegments", "dump-log"),
    ("EndToEndLatency", "e2e-latency"),
    ("GetOffsetShell", "get-offsets"),
    ("GroupsCommand", "groups"),
    ("Kafka", "server"),
    ("LeaderElectionCommand", "leader-election"),
    ("LogDirsCommand", "log-dirs"),
    ("MetadataQuorumCommand", "metadata-quorum"),
    ("ProducerPerformance", "producer-perf-test"),
    ("ReassignPartitionsCommand", "reassign-partitions"),
    ("ReplicaVerificationTool", "replica-verification"),
    ("StorageTool", "storage"),
    ("StreamsResetter", "streams-application-reset"),
    ("TopicCommand", "topics"),
    ("VerifiableConsumer", "verifiable-consumer"),
    ("VerifiableProducer", "verifiable-producer"),
];

/// Flume's script: `flume-ng agent …`, `flume-ng version`, `flume-ng help`.
const FLUME: &str = "flume-ng";

/// A command line taken apart.
struct Chosen {
    entry: &'static Entry,
    /// What was typed for the command, for messages.
    typed: String,
    args: Vec<OsString>,
    as_script: bool,
}

/// Chooses the command by the program's name, else by the first argument, and runs it.
pub(crate) fn dispatch(program: &OsStr, mut args: Vec<OsString>) -> ExitCode {
    let cluster = match by_program(program).map_or_else(|| profile::take_name(&mut args), |_| Ok(None)) {
        Ok(cluster) => cluster,
        Err(failure) => return failure.report(),
    };
    let first = args.first().map(|first| first.to_string_lossy().into_owned()).unwrap_or_default();
    if let (Some(name), None) = (&cluster, args.first()) {
        // Without a command the broker would start.
        let message = format!("no command after {} {name}", profile::OPTION);
        return Failure::Usage { message, hint: "'rkafka --help' lists all commands.".to_owned() }.report();
    }
    let second = args.get(1).map(|second| second.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(chosen) = choose(program, args) {
        return run(chosen, cluster);
    }
    let first = if first == RUN_CLASS { second } else { first };
    match first.as_str() {
        "--help" | "-h" | "help" => Failure::Print(overview()).report(),
        "--version" | "-V" | "version" => {
            Failure::Print(format!("rkafka {}\n", env!("CARGO_PKG_VERSION"))).report()
        }
        _ => unknown(&first).report(),
    }
}

/// The arguments for the command `name` of a command line that is for it: that of another process, too.
pub(crate) fn args_of(name: &str, program: &OsStr, args: Vec<OsString>) -> Option<Vec<OsString>> {
    choose(program, args).filter(|chosen| chosen.entry.name == name).map(|chosen| chosen.args)
}

fn choose(program: &OsStr, mut args: Vec<OsString>) -> Option<Chosen> {
    if program_name(program) == FLUME {
        let entry = args.first().filter(|first| *first == "agent").and_then(|_| by_name("agent"))?;
        args.remove(0);
        return Some(Chosen { entry, typed: format!("{FLUME} agent"), args, as_script: true });
    }
    let is_run_class = matches!(program_name(program).as_str(), "kafka-run-class.sh" | "kafka-run-class");
    if is_run_class || args.first().is_some_and(|first| first == RUN_CLASS) {
        let at = usize::from(!is_run_class);
        let typed = args.get(at)?.to_str()?.to_owned();
        let entry = by_class(&typed)?;
        args.drain(..=at);
        return Some(Chosen { entry, typed, args, as_script: true });
    }
    if let Some((entry, as_script)) = by_program(program) {
        return Some(Chosen { entry, typed: program_name(program), args, as_script });
    }
    let (name, typed) = match args.first() {
        Some(first) => (first.to_str()?.to_owned(), format!("rkafka {}", first.to_string_lossy())),
        None => ("server".to_owned(), "rkafka server".to_owned()),
    };
    let entry = by_name(&name)?;
    args.drain(..args.len().min(1));
    Some(Chosen { entry, typed, args, as_script: false })
}

/// Runs the command of this name.
pub(crate) fn run_named(name: &str, args: Vec<OsString>) -> ExitCode {
    match by_name(name) {
        Some(entry) => run(Chosen { entry, typed: format!("rkafka {name}"), args, as_script: false }, None),
        None => unknown(name).report(),
    }
}

/// Runs the agent, without reference to any other command: a program that does only this has no code of the others.
/// Called as Flume's script it takes that one's first word.
pub(crate) fn run_agent(program: &OsStr, mut args: Vec<OsString>) -> ExitCode {
    let as_script = program_name(program) == FLUME;
    if as_script {
        let word = if args.is_empty() { OsString::from("help") } else { args.remove(0) };
        match word.to_string_lossy().as_ref() {
            "agent" => {}
            "version" => return Failure::Print(format!("rkafka {}\n", env!("CARGO_PKG_VERSION"))).report(),
            "help" | "--help" | "-h" => args = vec!["--help".into()],
            other => {
                let message = format!("{FLUME} has no command '{other}'.");
                let hint =
                    format!("'{FLUME} agent' runs an agent; '{FLUME} version' and '{FLUME} help' tell more.");
                return Failure::Usage { message, hint }.report();
            }
        }
    }
    let typed = if as_script { format!("{FLUME} agent") } else { program_name(program) };
    run(Chosen { entry: &AGENT, typed, args, as_script }, None)
}

/// Runs it, in the cluster of this name if there is one.
fn run(chosen: Chosen, cluster: Option<String>) -> ExitCode {
    let Chosen { entry, typed, args, as_script } = chosen;
    let command =
        (entry.definition)().name(entry.name).display_name(&typed).bin_name(&typed).about(entry.about);
    let command = args::finish_definition(command);
    let args = profile::apply(cluster, &command, args::with_plain_dashes(args));
    let invocation = args.map(|args| Invocation { command, args, as_script });
    match invocation.and_then(|invocation| (entry.run)(&invocation)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// `rkafka-topics`, `kafka-topics.sh` and `kafka-topics` are the command `topics`. The flag says that it is a
/// stock name.
fn by_program(program: &OsStr) -> Option<(&'static Entry, bool)> {
    let name = program_name(program);
    if let Some(own) = name.strip_prefix("rkafka-") {
        return by_name(own).map(|entry| (entry, false));
    }
    let stock = name.strip_prefix("kafka-")?;
    let stock = stock.strip_suffix(".sh").unwrap_or(stock);
    COMMANDS.iter().find(|entry| entry.stock_name == stock).map(|entry| (entry, true))
}

/// A command by the Java class of the stock tool, in any package.
fn by_class(class: &str) -> Option<&'static Entry> {
    let simple = class.rsplit('.').next()?;
    let (_, name) = CLASSES.iter().find(|(known, _)| *known == simple)?;
    by_name(name)
}

fn program_name(program: &OsStr) -> String {
    Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Commands go by their own and by their stock names.
fn by_name(name: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| entry.name == name || entry.stock_name == name)
}

fn unknown(name: &str) -> Failure {
    if name.contains('.') {
        let message = format!("rkafka has no tool of the class '{name}'.");
        return Failure::Usage { message, hint: "'rkafka --help' lists all commands.".to_owned() };
    }
    let nearest = rkafka_config::nearest(name, COMMANDS.iter().map(|entry| entry.name));
    let hint = match nearest {
        Some(nearest) => format!("Did you mean 'rkafka {nearest}'? 'rkafka --help' lists all commands."),
        None => "'rkafka --help' lists all commands.".to_owned(),
    };
    Failure::Usage { message: format!("rkafka has no command '{name}'."), hint }
}

fn overview() -> String {
    let width = COMMANDS.iter().map(|entry| entry.name.len()).max().unwrap_or_default();
    let lines = COMMANDS.iter().map(|entry| format!("  {:width$}  {}\n", entry.name, entry.about));
    format!(
        "rkafka {}: a broker that speaks Kafka's protocol, and its commands\n\n\
         Usage: rkafka [--cluster name] [command] [options]\n\n\
         Without a command the broker starts: data in ./data, port 9092. '--cluster name' takes the address and the \
         client's settings from [name] in $RKAFKA_CONFIG or ~/.config/rkafka/clusters.toml.\n\n\
         Commands:\n{}\n\
         'rkafka <command> --help' lists a command's options. Every command also answers to its stock name \
         (kafka-topics.sh).\n",
        env!("CARGO_PKG_VERSION"),
        lines.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_program() {
        let check = |program: &str, expected: Option<(&str, bool)>| {
            let found = by_program(OsStr::new(program)).map(|(entry, as_script)| (entry.name, as_script));
            assert_eq!(found, expected, "{program}");
        };
        check("/opt/rkafka/bin/kafka-server-start.sh", Some(("server", true)));
        check("kafka-server-start", Some(("server", true)));
        check("bin/rkafka-server", Some(("server", false)));
        check("rkafka-server-start", Some(("server", false)));
        check("rkafka", None);
        check("/usr/bin/rkafka-nonsense", None);
        check("kafka-nonsense.sh", None);
        check("", None);
    }

    #[test]
    fn tools_by_their_classes() {
        for (class, name) in CLASSES {
            assert!(by_name(name).is_some(), "{class} is no command");
        }
        let check = |program: &str, line: &[&str], name: &str, rest: &[&str]| {
            let args = line.iter().map(OsString::from).collect();
            let chosen = choose(OsStr::new(program), args).unwrap();
            assert_eq!(chosen.entry.name, name);
            assert_eq!(chosen.args, rest.iter().map(OsString::from).collect::<Vec<_>>());
        };
        let class = "kafka.tools.GetOffsetShell";
        check("bin/kafka-run-class.sh", &[class, "--topic", "t"], "get-offsets", &["--topic", "t"]);
        check(
            "rkafka",
            &["run-class", "org.apache.kafka.tools.TopicCommand", "--list"],
            "topics",
            &["--list"],
        );
        assert!(choose(OsStr::new("kafka-run-class.sh"), vec!["com.example.Mine".into()]).is_none());
    }

    #[test]
    fn every_definition_is_sound() {
        for entry in COMMANDS {
            args::finish_definition((entry.definition)().name(entry.name)).debug_assert();
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = COMMANDS.iter().map(|entry| entry.name).collect();
        names.extend(COMMANDS.iter().map(|entry| entry.stock_name).filter(|name| by_name(name).is_some()));
        names.sort_unstable();
        names.dedup();
        let stock_differs = COMMANDS.iter().filter(|entry| entry.name != entry.stock_name).count();
        assert_eq!(names.len(), COMMANDS.len() + stock_differs);
    }

    #[test]
    fn misspelt_commands() {
        let Failure::Usage { message, hint } = unknown("servr") else { panic!("a usage mistake") };
        assert_eq!(message, "rkafka has no command 'servr'.");
        assert_eq!(hint, "Did you mean 'rkafka server'? 'rkafka --help' lists all commands.");
    }
}
