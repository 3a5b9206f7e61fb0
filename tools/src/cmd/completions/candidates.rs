//! What may stand at the cursor of a command line.

use std::ffi::OsStr;

use clap::{Arg, Command};

use super::super::{COMMANDS, by_program};
use super::live::{self, Names};
use crate::common::{args, profile};

/// Options that take names of topics, also several with commas between.
const OF_TOPICS: &[&str] = &[
    "topic",
    "topics",
    "input-topics",
    "intermediate-topics",
    "internal-topics",
    "topics-include",
    "include",
];

/// Options that take names of groups.
const OF_GROUPS: &[&str] = &["group", "group-id", "application-id"];

/// Options that say where the cluster is.
const OF_SERVERS: &[&str] = &["--bootstrap-server", "--broker-list", "-b"];

/// A command line with the cursor in one of its words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The words before the cursor's; the first is the program.
    before: Vec<String>,
    /// The cursor's word as far as it is there.
    current: String,
    /// How much of it, in bytes, the shell has taken for words of their own.
    taken: usize,
}

/// A word that may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) value: String,
    /// What it means; may be empty.
    pub(super) about: String,
}

impl Line {
    /// The words, with the number of the cursor's; a number behind the last one means an empty word.
    pub(super) fn new(words: &[String], at: usize) -> Line {
        let before = words.iter().take(at).cloned().collect();
        Line { before, current: words.get(at).cloned().unwrap_or_default(), taken: 0 }
    }

    /// Bash makes words of their own of `=` and `:`. They are put together again.
    pub(super) fn of_bash(words: &[String], at: usize) -> Line {
        let is_separator = |word: &str| word == "=" || word == ":";
        let mut merged: Vec<String> = Vec::new();
        let mut joins = false;
        let mut taken = 0;
        for (number, word) in words.iter().take(at + 1).enumerate() {
            let continues = number > 1 && (joins || is_separator(word));
            match merged.last_mut().filter(|_| continues) {
                Some(last) => {
                    taken = if is_separator(word) { last.len() + word.len() } else { last.len() };
                    last.push_str(word);
                }
                None => {
                    taken = 0;
                    merged.push(word.clone());
                }
            }
            joins = number > 0 && is_separator(word);
        }
        if at >= words.len() {
            return Line { before: merged, current: String::new(), taken: 0 };
        }
        let current = merged.pop().unwrap_or_default();
        Line { before: merged, current, taken }
    }

    /// What may stand at the cursor; nothing means files.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut found = self.all();
        found.retain(|candidate| candidate.value.starts_with(&self.current));
        for candidate in &mut found {
            candidate.value.drain(..self.taken.min(candidate.value.len()));
        }
        found
    }

    fn all(&self) -> Vec<Candidate> {
        let mut words = self.before.iter().map(String::as_str);
        let program = words.next().unwrap_or_default();
        let mut words: Vec<&str> = words.collect();
        let mut cluster = None;
        let entry = match by_program(OsStr::new(program)) {
            Some((entry, _)) => entry,
            None => {
                match words[..] {
                    [profile::OPTION] => return profile::names().into_iter().map(bare).collect(),
                    [profile::OPTION, name, ..] => {
                        cluster = Some(name);
                        words.drain(..2);
                    }
                    _ => {}
                }
                let Some(name) = words.first().copied() else { return commands() };
                let Some(entry) = super::super::by_name(name) else { return Vec::new() };
                words.remove(0);
                entry
            }
        };
        let definition = args::finish_definition((entry.definition)().name(entry.name));
        let mut command = &definition;
        for word in &words {
            command = command.find_subcommand(word).unwrap_or(command);
        }
        self.of_command(command, &words, cluster)
    }

    fn of_command(&self, command: &Command, words: &[&str], cluster: Option<&str>) -> Vec<Candidate> {
        if let Some((option, _)) = self.current.split_once('=').filter(|(option, _)| option.starts_with("--"))
        {
            let values =
                option_of(command, option).map(|arg| values(arg, words, cluster)).unwrap_or_default();
            let whole = |one: Candidate| Candidate { value: format!("{option}={}", one.value), ..one };
            return values.into_iter().map(whole).collect();
        }
        let waiting = words.last().and_then(|last| option_of(command, last));
        if let Some(arg) = waiting.filter(|arg| arg.get_action().takes_values()) {
            // Behind a comma another one may follow.
            let first = self.current.rfind(',').map_or("", |comma| &self.current[..=comma]);
            let next = |one: Candidate| Candidate { value: format!("{first}{}", one.value), ..one };
            return values(arg, words, cluster).into_iter().map(next).collect();
        }
        let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
        let subcommands = subcommands.map(|one| described(one.get_name(), one.get_about()));
        let positional = command.get_positionals().flat_map(Arg::get_possible_values);
        let positional = positional.map(|value| bare(value.get_name().to_owned()));
        subcommands.chain(positional).chain(options(command)).collect()
    }
}

fn bare(value: String) -> Candidate {
    Candidate { value, about: String::new() }
}

fn described(value: &str, about: Option<&clap::builder::StyledStr>) -> Candidate {
    let about = about.map(ToString::to_string).unwrap_or_default();
    Candidate { value: value.to_owned(), about: about.lines().next().unwrap_or_default().to_owned() }
}

fn commands() -> Vec<Candidate> {
    let own = COMMANDS.iter().map(|entry| (entry.name, entry.about));
    let shared =
        [(profile::OPTION, "The cluster, by its name in clusters.toml"), ("--help", "List the commands")];
    own.chain(shared).map(|(value, about)| Candidate { value: value.into(), about: about.into() }).collect()
}

fn options(command: &Command) -> impl Iterator<Item = Candidate> + '_ {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    shown.filter_map(|arg| {
        let name = match (arg.get_long(), arg.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => return None,
        };
        Some(described(&name, arg.get_help()))
    })
}

/// The option of this exact name.
fn option_of<'a>(command: &'a Command, typed: &str) -> Option<&'a Arg> {
    let long = typed.strip_prefix("--");
    let short =
        typed.strip_prefix('-').and_then(|rest| Some(rest.chars().next()?).filter(|_| rest.len() == 1));
    command.get_arguments().find(|arg| match (long, short) {
        (Some(long), _) => arg.get_long() == Some(long),
        (None, Some(short)) => arg.get_short() == Some(short),
        (None, None) => false,
    })
}

fn values(arg: &Arg, words: &[&str], cluster: Option<&str>) -> Vec<Candidate> {
    let option = arg.get_long().unwrap_or(match arg.get_short() {
        Some('t') => "topic",
        Some('G') => "group",
        _ => "",
    });
    let after =
        |option: &str| words.iter().rposition(|word| *word == option).and_then(|at| words.get(at + 1));
    let kind = after("--entity-type").copied().filter(|_| option == "entity-name");
    let what = if OF_TOPICS.contains(&option) || kind == Some("topics") {
        Names::Topics
    } else if OF_GROUPS.contains(&option) || kind == Some("groups") {
        Names::Groups
    } else {
        let possible = arg.get_possible_values().into_iter();
        return possible.map(|value| described(value.get_name(), value.get_help())).collect();
    };
    let joined = words
        .iter()
        .find_map(|word| OF_SERVERS.iter().find_map(|option| word.strip_prefix(option)?.strip_prefix('=')));
    let servers = OF_SERVERS.iter().find_map(|option| after(option)).copied().or(joined);
    live::names(what, servers, cluster).into_iter().map(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    /// The candidates for the last word of the line.
    fn complete(line: &str) -> Vec<String> {
        let words = words(line);
        let found = Line::new(&words, words.len() - 1).candidates();
        found.into_iter().map(|candidate| candidate.value).collect()
    }

    #[test]
    fn commands_and_options() {
        assert_eq!(complete("rkafka consumer-g"), ["consumer-groups"]);
        assert_eq!(complete("rkafka topics --replication"), ["--replication-factor"]);
        assert_eq!(complete("kafka-topics.sh --replication"), ["--replication-factor"]);
        assert_eq!(complete("/opt/bin/rkafka-topics --replication"), ["--replication-factor"]);
        assert_eq!(complete("rkafka --cluster prod topics --replication"), ["--replication-factor"]);
        assert_eq!(complete("rkafka metadata-quorum desc"), ["describe"]);
        assert_eq!(complete("rkafka nonsense --"), [""; 0]);
        assert!(complete("rkafka topics --zoo").contains(&"--zookeeper".to_owned()));
        assert!(
            !complete("rkafka topics --").contains(&"--broker-list".to_owned()),
            "what is hidden stays so"
        );
    }

    #[test]
    fn values_of_options() {
        assert_eq!(complete("rkafka topics --output "), ["plain", "table", "json"]);
        assert_eq!(complete("rkafka topics --output=t"), ["--output=table"]);
        assert_eq!(complete("rkafka topics --command-config "), [""; 0], "files");
    }

    #[test]
    fn nobody_answers() {
        assert_eq!(complete("rkafka topics --bootstrap-server 127.0.0.1:1 --topic "), [""; 0]);
    }

    #[test]
    fn words_of_bash() {
        let check = |line: &str, before: &str, current: &str, taken: usize| {
            let typed = words(line);
            let found = Line::of_bash(&typed, typed.len() - 1);
            assert_eq!(found, Line { before: words(before), current: current.to_owned(), taken }, "{line}");
        };
        check("rkafka topics --bootstrap-server a : 1 --t", "rkafka topics --bootstrap-server a:1", "--t", 0);
        check("rkafka topics --topic = ord", "rkafka topics", "--topic=ord", 8);
        check("rkafka topics --topic =", "rkafka topics", "--topic=", 8);
        check("rkafka topics --topic ", "rkafka topics --topic", "", 0);
        let typed = words("rkafka topics --output = t");
        let found = Line::of_bash(&typed, 4).candidates();
        assert_eq!(found.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(), ["table"]);
    }
}
