//! Options of `rkafka configs`, and which go together, in the stock tool's words and order.

use std::ffi::OsString;
use std::net::ToSocketAddrs;
use std::path::PathBuf;

use clap::Args;
use rkafka_client::{ConfigResource, ResourceKind};

use super::changes::{self, Changes};
use super::quotas::Target;
use crate::common::connect::ConnectOptions;
use crate::common::failure::Failure;
use crate::common::output::OutputOptions;

const EXAMPLES: &str = "\
Examples:
  rkafka configs --bootstrap-server localhost:9092 --describe --topic orders --all
  rkafka configs --bootstrap-server localhost:9092 --alter --topic orders --add-config retention.ms=3600000
  rkafka configs --bootstrap-server localhost:9092 --alter --topic orders --add-config 'cleanup.policy=[compact,delete]'
  rkafka configs --bootstrap-server localhost:9092 --alter --broker-defaults --delete-config log.retention.ms
  rkafka configs --bootstrap-server localhost:9092 --alter --user alice --client-defaults --add-config producer_byte_rate=1048576
  rkafka configs --bootstrap-server localhost:9092 --alter --user alice --add-config 'SCRAM-SHA-512=[password=secret]'";

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) connect: ConnectOptions,
    /// Not served: rkafka's controllers are reached through its brokers.
    #[arg(long, value_name = "controller to connect to")]
    bootstrap_controller: Option<String>,
    /// Change settings.
    #[arg(long, help_heading = "Action")]
    pub(super) alter: bool,
    /// List settings.
    #[arg(long, help_heading = "Action")]
    pub(super) describe: bool,
    /// List all settings, those of files and built in ones too.
    #[arg(long)]
    pub(super) all: bool,
    /// The kind of entity: topics, brokers, broker-loggers, groups, client-metrics, users, clients or ips.
    #[arg(long, value_name = "String")]
    entity_type: Vec<String>,
    /// Its name: a topic's, group's or subscription's, or a broker's id.
    #[arg(long, value_name = "String")]
    entity_name: Vec<String>,
    /// The default of all brokers, users, clients or ips.
    #[arg(long, action = clap::ArgAction::Count)]
    entity_default: u8,
    /// Settings to add: k1=v1,k2=[v1,v2],k3=v3. Brackets keep commas together.
    #[arg(long, value_name = "String")]
    add_config: Option<String>,
    /// A property file with settings to add.
    #[arg(long, value_name = "String")]
    add_config_file: Option<PathBuf>,
    /// Settings to remove: k1,k2.
    #[arg(long, value_name = "String")]
    delete_config: Vec<String>,
    /// Accepted for old command lines: nothing is asked on the console.
    #[arg(long, hide = true)]
    force: bool,
    /// The topic.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    topic: Option<String>,
    /// The broker's id.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    broker: Option<String>,
    /// The default of all brokers.
    #[arg(long, help_heading = "Entity")]
    broker_defaults: bool,
    /// The id of the broker whose loggers are meant.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    broker_logger: Option<String>,
    /// The group.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    group: Option<String>,
    /// The subscription to clients' metrics.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    client_metrics: Option<String>,
    /// The user: quotas and SCRAM credentials.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    user: Option<String>,
    /// The default of all users.
    #[arg(long, help_heading = "Entity")]
    user_defaults: bool,
    /// The client id: quotas, alone or with --user.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    client: Option<String>,
    /// The default of all clients.
    #[arg(long, help_heading = "Entity")]
    client_defaults: bool,
    /// The IP address: quotas of connections.
    #[arg(long, value_name = "String", help_heading = "Entity")]
    ip: Option<String>,
    /// The default of all IP addresses.
    #[arg(long, help_heading = "Entity")]
    ip_defaults: bool,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// A kind of thing that has settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntityType {
    Topics,
    Clients,
    Users,
    Brokers,
    Ips,
    ClientMetrics,
    Groups,
    BrokerLoggers,
}

impl EntityType {
    /// In the order in which the stock tool names them.
    const ALL: [EntityType; 8] = [
        EntityType::Topics,
        EntityType::Clients,
        EntityType::Users,
        EntityType::Brokers,
        EntityType::Ips,
        EntityType::ClientMetrics,
        EntityType::Groups,
        EntityType::BrokerLoggers,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            EntityType::Topics => "topics",
            EntityType::Clients => "clients",
            EntityType::Users => "users",
            EntityType::Brokers => "brokers",
            EntityType::Ips => "ips",
            EntityType::ClientMetrics => "client-metrics",
            EntityType::Groups => "groups",
            EntityType::BrokerLoggers => "broker-loggers",
        }
    }

    /// As the stock tool makes it: without the last letter.
    pub(super) fn singular(self) -> &'static str {
        self.name().strip_suffix('s').unwrap_or(self.name())
    }

    /// The resource of this name; none for what has quotas instead.
    pub(super) fn resource(self, name: &str) -> Option<ConfigResource> {
        let kind = match self {
            EntityType::Topics => ResourceKind::Topic,
            EntityType::Brokers => ResourceKind::Broker,
            EntityType::BrokerLoggers => ResourceKind::BrokerLogger,
            EntityType::ClientMetrics => ResourceKind::ClientMetrics,
            EntityType::Groups => ResourceKind::Group,
            EntityType::Clients | EntityType::Users | EntityType::Ips => return None,
        };
        Some(ConfigResource { kind, name: name.to_owned() })
    }

    pub(super) fn has_quotas(self) -> bool {
        matches!(self, EntityType::Users | EntityType::Clients | EntityType::Ips)
    }

    fn has_default(self) -> bool {
        matches!(self, EntityType::Brokers | EntityType::Users | EntityType::Clients | EntityType::Ips)
    }
}

/// What a command line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) kind: EntityType,
    /// The name; empty for the default of all, none for every one.
    pub(super) name: Option<String>,
    /// All kinds and names of the command line: quotas are for a user and a client together, too.
    pub(super) target: Target,
}

impl Options {
    /// Finds the entity and refuses options that do not go together; `args` are those that the options were read from.
    pub(super) fn entity(&self, args: &[OsString]) -> Result<Entity, Failure> {
        if self.alter == self.describe {
            let problem = "Command must include exactly one action: --describe, --alter";
            return Err(Failure::usage(problem));
        }
        let clashes =
            [("add-config", self.add_config.is_some()), ("delete-config", !self.delete_config.is_empty())];
        if let (true, Some((option, _))) = (self.describe, clashes.iter().find(|(_, is_given)| *is_given)) {
            let problem = format!("Option \"[describe]\" can't be used with option \"[{option}]\"");
            return Err(Failure::usage(problem));
        }
        let kinds = self.kinds().map_err(Failure::message)?;
        let Some(kind) = kinds.first().copied() else {
            return Err(Failure::message("At least one entity type must be specified"));
        };
        let names = self.names(args);
        self.check(kind, &names).map_err(Failure::message)?;
        let name = names.first().cloned();
        Ok(Entity { kind, name, target: Target { kinds, names } })
    }

    /// Entities given by an option of their own, with their names.
    fn flags(&self) -> Vec<(EntityType, String)> {
        let named = [
            (EntityType::Topics, &self.topic),
            (EntityType::Clients, &self.client),
            (EntityType::Users, &self.user),
            (EntityType::Brokers, &self.broker),
            (EntityType::BrokerLoggers, &self.broker_logger),
            (EntityType::Ips, &self.ip),
            (EntityType::ClientMetrics, &self.client_metrics),
            (EntityType::Groups, &self.group),
        ];
        let defaults = [
            (EntityType::Clients, self.client_defaults),
            (EntityType::Users, self.user_defaults),
            (EntityType::Brokers, self.broker_defaults),
            (EntityType::Ips, self.ip_defaults),
        ];
        let named = named.into_iter().filter_map(|(kind, name)| Some((kind, name.clone()?)));
        let defaults = defaults.into_iter().filter(|(_, is_given)| *is_given);
        named.chain(defaults.map(|(kind, _)| (kind, String::new()))).collect()
    }

    fn kinds(&self) -> Result<Vec<EntityType>, String> {
        let flags = self.flags();
        let given: Vec<&str> = self
            .entity_type
            .iter()
            .map(String::as_str)
            .chain(flags.iter().map(|(kind, _)| kind.name()))
            .collect();
        let twice: Vec<&str> =
            (1..given.len()).filter(|at| given[..*at].contains(&given[*at])).map(|at| given[at]).collect();
        if !twice.is_empty() {
            return Err(format!("Duplicate entity type(s) specified: {}", twice.join(",")));
        }
        let mut kinds = Vec::new();
        for name in given {
            let known = EntityType::ALL.into_iter().find(|kind| kind.name() == name);
            kinds.push(known.ok_or_else(|| {
                let all = EntityType::ALL.map(EntityType::name).join(", ");
                format!(
                    "Invalid entity type {name}, the entity type must be one of {all} with a --bootstrap-server or \
                     --bootstrap-controller argument"
                )
            })?);
        }
        let only_users_and_clients = "Only 'users' and 'clients' entity types may be specified together";
        let together = |kind: &EntityType| matches!(kind, EntityType::Users | EntityType::Clients);
        match kinds.as_slice() {
            [] => return Err("At least one entity type must be specified".to_owned()),
            [_] => {}
            several if several.len() == 2 && several.iter().all(together) => {}
            _ => return Err(only_users_and_clients.to_owned()),
        }
        let has_general =
            !self.entity_type.is_empty() || !self.entity_name.is_empty() || self.entity_default > 0;
        if has_general && !flags.is_empty() {
            return Err(
                "--entity-{type,name,default} should not be used in conjunction with specific entity flags"
                    .to_owned(),
            );
        }
        Ok(kinds)
    }

    /// The names in the order of the command line: `--entity-name` and `--entity-default` are for the kinds in theirs.
    fn names(&self, args: &[OsString]) -> Vec<String> {
        let mut named = self.entity_name.iter();
        let general = args.iter().filter_map(|arg| {
            let option = arg.to_str()?.split('=').next()?;
            let begins = |name: &str| option.len() > "--entity-".len() && name.starts_with(option);
            match () {
                () if begins("--entity-default") => Some(String::new()),
                () if begins("--entity-name") => named.next().cloned(),
                () => None,
            }
        });
        let flags = self.flags().into_iter().map(|(_, name)| name);
        general.chain(flags).collect()
    }

    fn check(&self, kind: EntityType, names: &[String]) -> Result<(), String> {
        if self.bootstrap_controller.is_some() {
            return Err(
                "--bootstrap-controller is not served: name a broker with --bootstrap-server".to_owned()
            );
        }
        if !self.connect.is_addressed() {
            return Err("Either --bootstrap-server or --bootstrap-controller must be specified.".to_owned());
        }
        if let (EntityType::Topics, Some(name)) = (kind, names.first().filter(|name| !name.is_empty())) {
            check_topic(name)?;
        }
        let what = kind.name();
        let has_name = names.iter().any(|name| !name.is_empty());
        let has_default = names.iter().any(String::is_empty);
        if let EntityType::Brokers | EntityType::BrokerLoggers = kind {
            let is_id = |name: &&String| name.is_empty() || name.parse::<i32>().is_ok();
            if let Some(wrong) = names.iter().find(|name| !is_id(name)) {
                return Err(format!(
                    "The entity name for {what} must be a valid integer broker id, but it is: {wrong}"
                ));
            }
        }
        if let EntityType::Ips = kind {
            // As the stock tool does it: names are resolved.
            let is_host = |name: &&String| {
                name.is_empty()
                    || (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
            };
            if let Some(wrong) = names.iter().find(|name| !is_host(name)) {
                return Err(format!(
                    "The entity name for ips must be a valid IP or resolvable host, but it is: {wrong}"
                ));
            }
        }
        if self.describe && has_default && !kind.has_default() {
            return Err(format!("--entity-default must not be specified with --describe of {what}"));
        }
        if self.describe {
            return if kind == EntityType::BrokerLoggers && !has_name {
                Err(format!("An entity name must be specified with --describe of {what}"))
            } else {
                Ok(())
            };
        }
        if kind.has_default() && !has_name && !has_default {
            return Err(
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips"
                    .to_owned(),
            );
        }
        if !kind.has_default() && !has_name {
            return Err(format!("An entity name must be specified with --alter of {what}"));
        }
        match (&self.add_config, &self.add_config_file) {
            (Some(_), Some(_)) => {
                Err("Only one of --add-config or --add-config-file must be specified".to_owned())
            }
            (None, None) if self.delete_config.is_empty() => Err(
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// What `--alter` is to change.
    pub(super) fn changes(&self) -> Result<Changes, String> {
        changes::read(self.add_config.as_deref(), self.add_config_file.as_deref(), &self.delete_config)
    }
}

/// The rules for names of topics.
fn check_topic(name: &str) -> Result<(), String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name == "." || name == ".." {
        return Err("Topic name is invalid: Topic name cannot be \".\" or \"..\"".to_owned());
    }
    if !name.chars().all(is_allowed) {
        let allowed = "ASCII alphanumerics, '.', '_' and '-'";
        return Err(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than {allowed}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::args;

    fn entity(line: &str) -> Result<Entity, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let command = args::finish_definition(Options::augment_args(clap::Command::new("configs")));
        let options: Options = args::parse(&command, &words).unwrap();
        options.entity(&words).map_err(|failure| match failure {
            Failure::Usage { message, .. } | Failure::Message(message) => message,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn entities() {
        let check = |line: &str, kind, name: Option<&str>| {
            let found = entity(&format!("--bootstrap-server a:1 {line}")).unwrap();
            assert_eq!((found.kind, found.name.as_deref()), (kind, name), "{line}");
        };
        check("--describe --topic t", EntityType::Topics, Some("t"));
        check("--describe --entity-type topics", EntityType::Topics, None);
        check("--describe --entity-type brokers --entity-default", EntityType::Brokers, Some(""));
        check("--alter --broker-defaults --add-config a=b", EntityType::Brokers, Some(""));
        check("--describe --broker 1", EntityType::Brokers, Some("1"));
    }

    #[test]
    fn users_and_clients_together() {
        let check = |line: &str, kinds: &[EntityType], names: &[&str]| {
            let found = entity(&format!("--bootstrap-server a:1 {line}")).unwrap().target;
            assert_eq!(found.kinds, kinds, "{line}");
            assert_eq!(found.names, names, "{line}");
        };
        let (users, clients) = (EntityType::Users, EntityType::Clients);
        check("--describe --user u --client c", &[clients, users], &["c", "u"]);
        check("--describe --user u --client-defaults", &[users, clients], &["u", ""]);
        let types = "--describe --entity-type users --entity-type clients";
        check(&format!("{types} --entity-name u --entity-default"), &[users, clients], &["u", ""]);
        check(&format!("{types} --entity-default --entity-name=c"), &[users, clients], &["", "c"]);
        check(&format!("{types} --entity-default --entity-default"), &[users, clients], &["", ""]);
        check(types, &[users, clients], &[]);
    }

    #[test]
    fn mistakes() {
        let check = |line: &str, expected: &str| assert_eq!(entity(line).unwrap_err(), expected, "{line}");
        check("--describe --alter", "Command must include exactly one action: --describe, --alter");
        check("--describe --entity-type topics --topic a", "Duplicate entity type(s) specified: topics");
        check(
            "--describe --entity-type users --topic a",
            "Only 'users' and 'clients' entity types may be specified together",
        );
        check(
            "--describe --entity-name a --topic a",
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        );
        check(
            "--describe --topic a",
            "Either --bootstrap-server or --bootstrap-controller must be specified.",
        );
        check(
            "--bootstrap-server a:1 --alter --broker-defaults",
            "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
        );
    }
}
