//! `rkafka groups`: groups of every type, as `kafka-groups.sh` of Kafka 4.3 lists them.

use clap::Args;
use rkafka_client::GroupListing;
use serde_json::json;

use super::Invocation;
use crate::common::connect::{self, BootstrapOptions};
use crate::common::failure::Failure;
use crate::common::output::{self, OutputOptions, Rows};

const EXAMPLES: &str = "\
Examples:
  rkafka groups --bootstrap-server localhost:9092 --list
  rkafka groups --bootstrap-server localhost:9092 --list --consumer --output table";

const TYPES: [&str; 4] = ["classic", "consumer", "share", "streams"];

/// The narrowest column of the stock tool.
const WIDTH: usize = 20;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    #[command(flatten)]
    connect: BootstrapOptions,
    /// List the groups.
    #[arg(long, help_heading = "Action")]
    list: bool,
    /// Only groups of this type: classic, consumer, share or streams.
    #[arg(long, value_name = "String: type")]
    group_type: Option<String>,
    /// Only groups of this protocol.
    #[arg(long, value_name = "String: protocol")]
    protocol: Option<String>,
    /// Only groups of consumers, of either protocol.
    #[arg(long)]
    consumer: bool,
    /// Only share groups.
    #[arg(long)]
    share: bool,
    /// Only streams groups.
    #[arg(long)]
    streams: bool,
    #[command(flatten)]
    output: OutputOptions,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("groups"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args("This tool helps to list groups of all types.")?;
    let options: Options = invocation.parse()?;
    options.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let config = options.connect.config("rkafka-groups")?;
    let mut groups = connect::with_cluster(config, async |admin| Ok(admin.list_groups(&[], &[]).await?))
        .map_err(|problem| problem.told(|error| Failure::message(connect::described(error))))?;
    groups.retain(|group| options.shows(group));
    let mut rows = Rows::new(&["group", "type", "protocol", "state"]);
    for group in &groups {
        let group_type = json!(group.group_type);
        rows.push([json!(group.id), group_type, json!(group.protocol_type), json!(group.state)]);
    }
    output::print(options.output.output, &rows, || plain(&groups))
}

impl Options {
    fn check(&self) -> Result<(), Failure> {
        if self.connect.bootstrap_server.is_none() {
            return Err(Failure::usage("Missing required option(s) [bootstrap-server]"));
        }
        if !self.list {
            return Err(Failure::usage("Command must include exactly one action: --list."));
        }
        let clash = |option: &str, with: &str| {
            Err(Failure::usage(format!("Option \"[{option}]\" can't be used with option \"[{with}]\"")))
        };
        let shorthands = [("consumer", self.consumer), ("share", self.share), ("streams", self.streams)];
        let longhands = [("group-type", self.group_type.is_some()), ("protocol", self.protocol.is_some())];
        for (option, is_given) in shorthands {
            let others = shorthands.iter().filter(|(other, _)| *other != option);
            let with = longhands.iter().chain(others).find(|(_, is_given)| *is_given);
            if let (true, Some((with, _))) = (is_given, with) {
                return clash(option, with);
            }
        }
        match self.group_type.as_deref().map(str::to_ascii_lowercase) {
            Some(given) if !TYPES.contains(&given.as_str()) => {
                Err(Failure::message("--group-type must be a valid group type."))
            }
            _ => Ok(()),
        }
    }

    fn shows(&self, group: &GroupListing) -> bool {
        let is_of =
            |name: &str| group.group_type.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
        if self.consumer {
            let is_of_consumers = matches!(group.protocol_type.as_str(), "" | "consumer");
            return is_of("consumer") || (is_of("classic") && is_of_consumers);
        }
        if self.share {
            return is_of("share");
        }
        if self.streams {
            return is_of("streams");
        }
        self.group_type.as_deref().is_none_or(is_of)
            && self.protocol.as_deref().is_none_or(|wanted| wanted == group.protocol_type)
    }
}

/// `Classic` of `classic`.
pub(super) fn capitalised(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn plain(groups: &[GroupListing]) -> String {
    let cells = |group: &GroupListing| {
        let group_type = capitalised(group.group_type.as_deref().unwrap_or_default());
        [group.id.clone(), group_type, group.protocol_type.clone()]
    };
    let width = groups.iter().flat_map(cells).map(|cell| cell.chars().count()).fold(WIDTH, usize::max);
    let mut text = format!("{:<width$} {:<width$} {:<width$}\n", "GROUP", "TYPE", "PROTOCOL");
    for group in groups {
        let cells = cells(group).map(|cell| format!("{cell:<width$} "));
        text.push_str(&cells.concat());
        text.push('\n');
    }
    text
}
