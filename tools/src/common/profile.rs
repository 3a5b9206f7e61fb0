//! Profiles: clusters by name, so that `rkafka --cluster prod topics --list` needs no address.
//!
//! They stand in `$RKAFKA_CONFIG`, else in `rkafka/clusters.toml` of `$XDG_CONFIG_HOME`, else of `~/.config`: a
//! table a cluster, with the address and any other settings of the client by their Java names.
//!
//! ```toml
//! [prod]
//! bootstrap.servers = "kafka1:9092,kafka2:9092"
//! client.id = "ops"
//! ```
//!
//! `$RKAFKA_CLUSTER` names the cluster where `--cluster` does not. An address on the command line wins over the
//! profile's, a setting of `--command-config` over its others.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::parser::ValueSource;
use toml::{Table, Value};

use super::args::with_plain_dashes;
use super::failure::Failure;

/// The option before the command.
pub(crate) const OPTION: &str = "--cluster";

/// Names the cluster where the option does not.
const VARIABLE: &str = "RKAFKA_CLUSTER";

const ADDRESS: &str = "bootstrap.servers";

/// Options that say where the cluster is.
const ADDRESS_OPTIONS: [&str; 4] = ["bootstrap_server", "bootstrap_controller", "broker_list", "zookeeper"];

/// The client's other settings of the profile in use: set once, before the command runs, and read wherever a
/// client's settings are put together.
static SETTINGS: OnceLock<Vec<(String, String)>> = OnceLock::new();

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// `bootstrap.servers`.
    pub(crate) servers: String,
    settings: Vec<(String, String)>,
}

/// The profile's settings beside the address, for the client of the command that runs.
pub(crate) fn settings() -> &'static [(String, String)] {
    SETTINGS.get().map_or(&[], Vec::as_slice)
}

/// Takes `--cluster <name>` from the front of the arguments.
///
/// # Errors
/// The option without a name.
pub(crate) fn take_name(args: &mut Vec<OsString>) -> Result<Option<String>, Failure> {
    let Some(first) = args.first().cloned() else { return Ok(None) };
    let first = with_plain_dashes(vec![first]).pop().unwrap_or_default().to_string_lossy().into_owned();
    let (name, count) = match first.strip_prefix(OPTION) {
        Some("") => (args.get(1).map(|name| name.to_string_lossy().into_owned()), 2),
        Some(rest) if rest.starts_with('=') => (rest.strip_prefix('=').map(str::to_owned), 1),
        _ => return Ok(None),
    };
    let Some(name) = name.filter(|name| !name.is_empty() && !name.starts_with('-')) else {
        let hint = format!("An example: rkafka {OPTION} prod topics --list");
        return Err(Failure::Usage { message: format!("{OPTION} needs the name of a cluster"), hint });
    };
    args.drain(..count);
    Ok(Some(name))
}

impl Profile {
    /// The profile of this name, else the environment's, if there is one.
    ///
    /// # Errors
    /// A file that cannot be read, or has no such cluster: with the clusters it has.
    pub(crate) fn find(name: Option<String>) -> Result<Option<Profile>, Failure> {
        let of_environment = || std::env::var(VARIABLE).ok().filter(|name| !name.is_empty());
        let Some(name) = name.or_else(of_environment) else { return Ok(None) };
        let file = file().ok_or_else(|| Failure::message(format!("{OPTION} {name}: $HOME is not set")))?;
        let text = std::fs::read_to_string(&file).map_err(|error| {
            Failure::message(format!(
                "there is no cluster '{name}': cannot read {}: {error}\nAn example of that file: [{name}] and, on the \
                 next line, {ADDRESS} = \"kafka1:9092,kafka2:9092\"",
                file.display()
            ))
        })?;
        Profile::read(&file, &text, &name).map(Some).map_err(Failure::message)
    }

    fn read(file: &Path, text: &str, name: &str) -> Result<Profile, String> {
        let place = file.display();
        let clusters = parse(file, text)?;
        let Some(cluster) = clusters.get(name) else {
            let known: Vec<&str> = clusters.keys().map(String::as_str).collect();
            let meant = rkafka_config::nearest(name, known.iter().copied());
            let meant = meant.map(|meant| format!(" (did you mean {meant}?)")).unwrap_or_default();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("there is no cluster '{name}' in {place}{meant}; known: {known}"));
        };
        let Value::Table(cluster) = cluster else {
            return Err(format!("{place}: '{name}' is no cluster; a cluster begins with [{name}]"));
        };
        let mut settings = Vec::new();
        flatten("", cluster, &mut settings).map_err(|problem| format!("{place}: [{name}] {problem}"))?;
        let at = settings.iter().position(|(key, _)| key == ADDRESS);
        let at = at.ok_or_else(|| {
            format!("{place}: [{name}] has no {ADDRESS}; an example: {ADDRESS} = \"kafka1:9092,kafka2:9092\"")
        })?;
        let (_, servers) = settings.remove(at);
        Ok(Profile { servers, settings })
    }

    /// The command line with the profile's address, unless it has one.
    fn applied(&self, command: &clap::Command, mut args: Vec<OsString>) -> Vec<OsString> {
        let line = std::iter::once(OsString::from(command.get_name())).chain(args.iter().cloned());
        // Mistakes are reported when the command reads its arguments.
        let Ok(mut matches) = command.clone().ignore_errors(true).try_get_matches_from(line) else {
            return args;
        };
        let mut level = command;
        // A command's own options stand before its subcommand.
        while !takes_address(level) {
            let Some((name, inner)) = matches.remove_subcommand() else { return args };
            let Some(subcommand) = level.find_subcommand(&name) else { return args };
            (level, matches) = (subcommand, inner);
        }
        let is_given = |id: &&str| {
            matches.try_contains_id(id).unwrap_or(false)
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        if !ADDRESS_OPTIONS.iter().any(is_given) {
            let address = [OsString::from("--bootstrap-server"), OsString::from(&self.servers)];
            let at = if takes_address(command) { 0 } else { args.len() };
            args.splice(at..at, address);
        }
        args
    }
}

/// The command line with the address of the cluster of this name, else of the environment's, if there is one.
///
/// # Errors
/// As [`Profile::find`]; a cluster for a command that reaches none.
pub(crate) fn apply(
    name: Option<String>,
    command: &clap::Command,
    args: Vec<OsString>,
) -> Result<Vec<OsString>, Failure> {
    if !takes_address(command) && !command.get_subcommands().any(takes_address) {
        // A cluster of the environment is for those that can use it.
        return match name {
            None => Ok(args),
            Some(name) => {
                let typed = command.get_display_name().unwrap_or(command.get_name());
                Err(Failure::usage(format!(
                    "'{typed}' connects to no cluster: {OPTION} {name} has no meaning"
                )))
            }
        };
    }
    Ok(match Profile::find(name)? {
        Some(profile) => {
            let args = profile.applied(command, args);
            // The first one stays: a process runs one command.
            let _ = SETTINGS.set(profile.settings);
            args
        }
        None => args,
    })
}

fn takes_address(command: &clap::Command) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some("bootstrap-server"))
}

/// The names of all profiles, for completions; none if there is no file.
pub(crate) fn names() -> Vec<String> {
    let read = || {
        let file = file()?;
        parse(&file, &std::fs::read_to_string(&file).ok()?).ok()
    };
    read().map(|clusters| clusters.keys().cloned().collect()).unwrap_or_default()
}

fn parse(file: &Path, text: &str) -> Result<Table, String> {
    text.parse::<Table>().map_err(|error| {
        let line =
            error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count()) + 1;
        format!("{}:{line}: {}", file.display(), error.message())
    })
}

/// Where the profiles stand.
fn file() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("RKAFKA_CONFIG").or_else(|| {
        let folder = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")))?;
        Some(folder.join("rkafka/clusters.toml"))
    })
}

/// `bootstrap.servers = "…"` is a table in a table for TOML, and one name for us.
fn flatten(prefix: &str, table: &Table, into: &mut Vec<(String, String)>) -> Result<(), String> {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        let text = match value {
            Value::Table(inner) => {
                flatten(&name, inner, into)?;
                continue;
            }
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Array(items) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                texts.ok_or_else(|| format!("{name}: a list of texts is expected"))?.join(",")
            }
            Value::Datetime(_) => return Err(format!("{name}: a text or a number is expected")),
        };
        into.push((name, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
        [prod]\n\
        bootstrap.servers = \"a:1,b:2\"\n\
        client.id = \"ops\"\n\
        request.timeout.ms = 5000\n\
        [test]\n\
        \"bootstrap.servers\" = [\"c:3\", \"d:4\"]\n\
        [empty]\n";

    fn read(text: &str, name: &str) -> Result<Profile, String> {
        Profile::read(Path::new("/c.toml"), text, name)
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn clusters_of_a_file() {
        let prod = read(FILE, "prod").unwrap();
        assert_eq!(prod.servers, "a:1,b:2");
        let settings = [("client.id", "ops"), ("request.timeout.ms", "5000")];
        assert_eq!(prod.settings, settings.map(|(key, value)| (key.to_owned(), value.to_owned())));
        assert_eq!(read(FILE, "test").unwrap().servers, "c:3,d:4");
    }

    #[test]
    fn what_is_wrong_with_a_file() {
        let check =
            |text: &str, name: &str, expected: &str| assert_eq!(read(text, name).unwrap_err(), expected);
        let known = "there is no cluster 'prd' in /c.toml (did you mean prod?); known: empty, prod, test";
        check(FILE, "prd", known);
        check("", "x", "there is no cluster 'x' in /c.toml; known: none");
        check("x = 1", "x", "/c.toml: 'x' is no cluster; a cluster begins with [x]");
        let example = "an example: bootstrap.servers = \"kafka1:9092,kafka2:9092\"";
        check(FILE, "empty", &format!("/c.toml: [empty] has no bootstrap.servers; {example}"));
        check("[x]\na = [1]", "x", "/c.toml: [x] a: a list of texts is expected");
        assert!(read("[x]\na = ", "x").unwrap_err().starts_with("/c.toml:2: "));
    }

    #[test]
    fn the_option_before_the_command() {
        let check = |line: &str, name: Option<&str>, rest: &str| {
            let mut args = words(line);
            assert_eq!(take_name(&mut args).unwrap().as_deref(), name, "{line}");
            assert_eq!(args, words(rest), "{line}");
        };
        check("--cluster prod topics --list", Some("prod"), "topics --list");
        check("--cluster=prod topics", Some("prod"), "topics");
        check("—cluster prod topics", Some("prod"), "topics");
        check("topics --cluster prod", None, "topics --cluster prod");
        check("", None, "");
        for line in ["--cluster", "--cluster --list", "--cluster="] {
            assert!(take_name(&mut words(line)).is_err(), "{line}");
        }
    }

    #[test]
    fn an_address_on_the_command_line_wins() {
        use clap::{Arg, Command};
        let server = || Arg::new("bootstrap_server").long("bootstrap-server").short('b');
        let flat =
            Command::new("topics").infer_long_args(true).arg(server()).arg(Arg::new("t").long("topic"));
        let nested = Command::new("cluster").subcommand(Command::new("cluster-id").arg(server()));
        let check = |command: &Command, line: &str, expected: &str| {
            let applied = read(FILE, "prod").unwrap().applied(command, words(line));
            assert_eq!(applied, words(expected), "{line}");
        };
        check(&flat, "--topic a", "--bootstrap-server a:1,b:2 --topic a");
        check(&flat, "", "--bootstrap-server a:1,b:2");
        for line in ["--topic a --bootstrap-server=x:1", "-b x:1", "--boot x:1"] {
            check(&flat, line, line);
        }
        check(&nested, "cluster-id", "cluster-id --bootstrap-server a:1,b:2");
        let parent = Command::new("quorum").arg(server()).subcommand(Command::new("describe"));
        check(&parent, "describe", "--bootstrap-server a:1,b:2 describe");
        let refused = apply(Some("prod".to_owned()), &Command::new("storage"), words("info"));
        let Failure::Usage { message, .. } = refused.unwrap_err() else { panic!("a usage mistake") };
        assert_eq!(message, "'storage' connects to no cluster: --cluster prod has no meaning");
    }
}
