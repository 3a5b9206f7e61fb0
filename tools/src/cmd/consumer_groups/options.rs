//! Options of `rkafka consumer-groups`, and which go together, in the stock tool's words and order.

use std::path::PathBuf;

use clap::Args;

use crate::common::connect::BootstrapOptions;
use crate::common::failure::Failure;
use crate::common::output::OutputOptions;

const EXAMPLES: &str = "\
Examples:
  rkafka consumer-groups --bootstrap-server localhost:9092 --list --state
  rkafka consumer-groups --bootstrap-server localhost:9092 --describe --group readers
  rkafka consumer-groups --bootstrap-server localhost:9092 --describe --all-groups --members --verbose
  rkafka consumer-groups --bootstrap-server localhost:9092 --reset-offsets --group readers --topic orders:0,1 --to-earliest --dry-run
  rkafka consumer-groups --bootstrap-server localhost:9092 --reset-offsets --group readers --all-topics --by-duration PT1H --execute
  rkafka consumer-groups --bootstrap-server localhost:9092 --delete --group readers";

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    #[command(flatten)]
    pub(super) connect: BootstrapOptions,
    /// List all groups.
    #[arg(long, help_heading = "Action")]
    list: bool,
    /// Describe groups: offsets and how far the group is behind.
    #[arg(long, help_heading = "Action")]
    describe: bool,
    /// Delete groups that have no members, with their offsets.
    #[arg(long, help_heading = "Action")]
    delete: bool,
    /// Move the offsets of groups that have no members: say for which partitions (--topic, --all-topics or
    /// --from-file) and where to (one of the options below).
    #[arg(long, help_heading = "Action")]
    reset_offsets: bool,
    /// Delete offsets of a group.
    #[arg(long, help_heading = "Action")]
    delete_offsets: bool,
    /// Check a regular expression.
    #[arg(long, help_heading = "Action", value_name = "String")]
    pub(super) validate_regex: Option<String>,
    /// The group; may be repeated.
    #[arg(long, value_name = "consumer group")]
    pub(super) group: Vec<String>,
    /// All groups.
    #[arg(long)]
    pub(super) all_groups: bool,
    /// The topic, or partitions of it as in orders:0,1; may be repeated.
    #[arg(long, value_name = "topic")]
    pub(super) topic: Vec<String>,
    /// All topics that the group has offsets of.
    #[arg(long)]
    pub(super) all_topics: bool,
    /// How long to wait for the cluster, in milliseconds.
    #[arg(long, value_name = "timeout (ms)")]
    pub(super) timeout: Option<u32>,
    /// Only show what would be done (the default).
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do it.
    #[arg(long)]
    pub(super) execute: bool,
    /// Print the new offsets as CSV, for --from-file.
    #[arg(long)]
    pub(super) export: bool,
    /// Reset to this offset.
    #[arg(long, value_name = "Long: offset", help_heading = "Where to reset to")]
    pub(super) to_offset: Option<i64>,
    /// Reset to the offsets in a CSV file: [group,]topic,partition,offset.
    #[arg(long, value_name = "path to CSV file", help_heading = "Where to reset to")]
    pub(super) from_file: Option<PathBuf>,
    /// Reset to the first record at or after a time: 2026-01-31T23:59:59.999, with Z or +08:00 behind it if not UTC.
    #[arg(long, value_name = "datetime", help_heading = "Where to reset to")]
    pub(super) to_datetime: Option<String>,
    /// Reset to the first record since so long ago: P1DT2H3M4S.
    #[arg(long, value_name = "duration", help_heading = "Where to reset to")]
    pub(super) by_duration: Option<String>,
    /// Reset to the first offset.
    #[arg(long, help_heading = "Where to reset to")]
    pub(super) to_earliest: bool,
    /// Reset to the end.
    #[arg(long, help_heading = "Where to reset to")]
    pub(super) to_latest: bool,
    /// Reset to the present offset.
    #[arg(long, help_heading = "Where to reset to")]
    pub(super) to_current: bool,
    /// Reset by so many offsets, forward or (negative) back.
    #[arg(long, value_name = "Long: number-of-offsets", help_heading = "Where to reset to")]
    pub(super) shift_by: Option<i64>,
    /// Describe the members.
    #[arg(long)]
    pub(super) members: bool,
    /// Describe more.
    #[arg(long)]
    pub(super) verbose: bool,
    /// Describe the offsets (the default).
    #[arg(long)]
    pub(super) offsets: bool,
    /// Describe the state; with --list, show the states, or only groups in these: --state stable,empty.
    #[arg(long, value_name = "String", num_args = 0..=1, default_missing_value = "")]
    pub(super) state: Option<String>,
    /// With --list, show the types, or only groups of these: --type classic,consumer.
    #[arg(long = "type", value_name = "String", num_args = 0..=1, default_missing_value = "")]
    pub(super) group_type: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    List,
    Describe,
    Delete,
    ResetOffsets,
    DeleteOffsets,
    ValidateRegex,
}

const DRY_RUN_WARNING: &str = "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require \
     either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting \
     this command and want to keep the current default behavior without prompting.";

impl Options {
    /// Finds the one action and refuses options that do not go with it.
    pub(super) fn action(&self) -> Result<Action, Failure> {
        self.check_available()?;
        if self.validate_regex.is_none() {
            self.connect.check()?;
        }
        self.check_describe()?;
        self.check_delete()?;
        self.check_reset()?;
        let given = |option, is_given| (option, is_given);
        let levels = [
            given("list", self.list),
            given("describe", self.describe),
            given("delete", self.delete),
            given("reset-offsets", self.reset_offsets),
        ];
        let clash = |option: &str, allowed: &[&str]| {
            let with = levels.iter().find(|(level, is_given)| *is_given && !allowed.contains(level));
            with.map_or(Ok(()), |(with, _)| Err(clash(option, with)))
        };
        if !self.group.is_empty() {
            clash("group", &["describe", "delete", "reset-offsets"])?;
        }
        if !self.topic.is_empty() {
            clash("topic", &["delete", "reset-offsets"])?;
        }
        let actions = [
            (self.list, Action::List),
            (self.describe, Action::Describe),
            (self.delete, Action::Delete),
            (self.reset_offsets, Action::ResetOffsets),
            (self.delete_offsets, Action::DeleteOffsets),
            (self.validate_regex.is_some(), Action::ValidateRegex),
        ];
        let mut chosen = actions.into_iter().filter(|(is_given, _)| *is_given);
        match (chosen.next(), chosen.next()) {
            (Some((_, action)), None) => Ok(action),
            _ => Err(Failure::usage(
                "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, \
                 --delete-offsets, --validate-regex",
            )),
        }
    }

    /// Options that there are with some actions only.
    fn check_available(&self) -> Result<(), Failure> {
        let of_describe = [("members", self.members), ("verbose", self.verbose), ("offsets", self.offsets)];
        let mut unavailable: Vec<&str> = of_describe
            .into_iter()
            .filter(|(_, is_given)| *is_given && !self.describe)
            .map(|(option, _)| option)
            .collect();
        if self.state.is_some() && !self.describe && !self.list {
            unavailable.push("state");
        }
        if self.group_type.is_some() && !self.list {
            unavailable.push("type");
        }
        if unavailable.is_empty() {
            return Ok(());
        }
        unavailable.sort_unstable();
        let options = unavailable.join(", ");
        Err(Failure::usage(format!(
            "Option(s) [{options}] are unavailable given other options on the command line"
        )))
    }

    fn names_groups(&self) -> bool {
        self.all_groups || !self.group.is_empty()
    }

    fn check_describe(&self) -> Result<(), Failure> {
        if !self.describe {
            return Ok(());
        }
        if !self.names_groups() {
            return Err(one_of_groups("describe"));
        }
        let kinds = [self.members, self.offsets, self.state.is_some()];
        if kinds.iter().filter(|is_given| **is_given).count() > 1 {
            let kinds = "[members], [offsets], [state]";
            return Err(Failure::usage(format!(
                "Option [describe] takes at most one of these options: {kinds}"
            )));
        }
        match self.state.as_deref() {
            None | Some("") => Ok(()),
            Some(_) => Err(Failure::usage("Option [describe] does not take a value for [state]")),
        }
    }

    fn check_delete(&self) -> Result<(), Failure> {
        if self.delete && !self.names_groups() {
            return Err(one_of_groups("delete"));
        }
        if self.delete && !self.topic.is_empty() {
            return Err(Failure::usage(
                "The consumer does not support topic-specific offset deletion from a consumer group.",
            ));
        }
        if self.delete_offsets && (self.group.is_empty() || self.topic.is_empty()) {
            return Err(Failure::usage(
                "Option [delete-offsets] takes the following options: [topic], [group]",
            ));
        }
        Ok(())
    }

    fn check_reset(&self) -> Result<(), Failure> {
        if !self.reset_offsets {
            return Ok(());
        }
        if self.dry_run && self.execute {
            return Err(Failure::usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
        }
        if !self.dry_run && !self.execute {
            eprintln!("{DRY_RUN_WARNING}");
        }
        if !self.names_groups() {
            return Err(one_of_groups("reset-offsets"));
        }
        let scenarios = self.scenarios();
        let mut given = scenarios.iter().filter(|(_, is_given)| *is_given).map(|(option, _)| option);
        match (given.next(), given.next()) {
            (Some(one), Some(other)) => Err(clash(one, other)),
            _ => Ok(()),
        }
    }

    /// Where to reset to, in the order in which the stock tool looks.
    fn scenarios(&self) -> [(&'static str, bool); 8] {
        [
            ("to-offset", self.to_offset.is_some()),
            ("to-datetime", self.to_datetime.is_some()),
            ("by-duration", self.by_duration.is_some()),
            ("to-earliest", self.to_earliest),
            ("to-latest", self.to_latest),
            ("to-current", self.to_current),
            ("shift-by", self.shift_by.is_some()),
            ("from-file", self.from_file.is_some()),
        ]
    }
}

fn one_of_groups(action: &str) -> Failure {
    Failure::usage(format!("Option [{action}] takes one of these options: [all-groups], [group]"))
}

fn clash(option: &str, with: &str) -> Failure {
    Failure::usage(format!("Option \"[{option}]\" can't be used with option \"[{with}]\""))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::common::args;

    fn action(line: &str) -> Result<Action, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let command = args::finish_definition(Options::augment_args(clap::Command::new("consumer-groups")));
        let options: Options = args::parse(&command, &words).unwrap();
        options.action().map_err(|failure| match failure {
            Failure::Usage { message, .. } => message,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn actions() {
        let check = |line: &str, expected| {
            assert_eq!(action(&format!("--bootstrap-server a:1 {line}")), Ok(expected), "{line}");
        };
        check("--list --state --type classic", Action::List);
        check("--describe --group g --members --verbose", Action::Describe);
        check("--describe --all-groups --state", Action::Describe);
        check("--reset-offsets --group g --topic t --shift-by -5 --execute", Action::ResetOffsets);
        check("--delete --group a --group b", Action::Delete);
        assert_eq!(action("--validate-regex a.*"), Ok(Action::ValidateRegex));
    }

    #[test]
    fn mistakes() {
        let check = |line: &str, expected: &str| {
            assert_eq!(action(&format!("--bootstrap-server a:1 {line}")).unwrap_err(), expected, "{line}");
        };
        check("--describe", "Option [describe] takes one of these options: [all-groups], [group]");
        check(
            "--list --members",
            "Option(s) [members] are unavailable given other options on the command line",
        );
        check("--list --group g", "Option \"[group]\" can't be used with option \"[list]\"");
        check(
            "--describe --group g --topic t",
            "Option \"[topic]\" can't be used with option \"[describe]\"",
        );
        check(
            "--reset-offsets --group g --topic t --to-latest --to-earliest",
            "Option \"[to-earliest]\" can't be used with option \"[to-latest]\"",
        );
        assert_eq!(action("--list").unwrap_err(), "Missing required argument \"[bootstrap-server]\"");
    }
}
