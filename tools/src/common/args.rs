//! Command lines as the stock tools read them: long options by their stock names or any unambiguous beginning,
//! `--option value` or `--option=value`, and mistakes reported in the stock tools' words.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command, FromArgMatches};

use super::failure::Failure;

/// Dashes that word processors and web pages make of `--`.
const PASTED_DASHES: [char; 4] = ['\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'];

/// Turns en and em dashes before an option into `--`: command lines copied from web pages work.
pub(crate) fn with_plain_dashes(args: Vec<OsString>) -> Vec<OsString> {
    args.into_iter().map(|arg| arg.to_str().and_then(plain_dashes).unwrap_or(arg)).collect()
}

fn plain_dashes(arg: &str) -> Option<OsString> {
    let name = arg.trim_start_matches(|c| c == '-' || PASTED_DASHES.contains(&c));
    let dashes = arg.strip_suffix(name)?;
    let is_option = name.starts_with(|c: char| c.is_ascii_alphabetic());
    (is_option && dashes.contains(PASTED_DASHES)).then(|| OsString::from(format!("--{name}")))
}

/// Adds the second dash to options that the stock scripts take with one (`-daemon`).
pub(crate) fn with_double_dash(args: Vec<OsString>, names: &[&str]) -> Vec<OsString> {
    let doubled = |arg: OsString| match arg.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(name) if names.contains(&name) => OsString::from(format!("--{name}")),
        _ => arg,
    };
    args.into_iter().map(doubled).collect()
}

/// Completes the definition of a command with what all of them share.
pub(crate) fn finish_definition(command: Command) -> Command {
    let command = command
        .infer_long_args(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .max_term_width(110)
        .arg(
            clap::Arg::new("version")
                .long("version")
                .help("Print the version and exit")
                .action(clap::ArgAction::Version),
        );
    command.version(env!("CARGO_PKG_VERSION")).mut_args(|arg| {
        // `-1` is a number, never an option.
        if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg }
    })
}

/// Reads the arguments (without the program's name) of a command.
pub(crate) fn parse<A: FromArgMatches>(command: &Command, args: &[OsString]) -> Result<A, Failure> {
    let matches = matches(command, args)?;
    A::from_arg_matches(&matches).map_err(|error| Failure::usage(error.to_string()))
}

fn matches(command: &Command, args: &[OsString]) -> Result<ArgMatches, Failure> {
    let name = OsStr::new(command.get_name()).to_os_string();
    let line = std::iter::once(name).chain(args.iter().cloned());
    let matches = command.clone().try_get_matches_from(line);
    matches.map_err(|error| failure(&error).or_hint(|| hint(command)))
}

/// Where to read on after a mistake.
pub(crate) fn hint(command: &Command) -> String {
    let typed = command.get_display_name().unwrap_or(command.get_name());
    format!("'{typed} --help' lists the options and has examples.")
}

/// The stock words for what clap found.
fn failure(error: &clap::Error) -> Failure {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        Some(ContextValue::Strings(texts)) => texts.first().map_or("", String::as_str),
        _ => "",
    };
    let argument = context(ContextKind::InvalidArg);
    let option = option_name(argument);
    let value = context(ContextKind::InvalidValue);
    let message = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Failure::Print(error.render().to_string());
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            format!("{option} is not a recognized option{}", did_you_mean(context(ContextKind::SuggestedArg)))
        }
        ErrorKind::UnknownArgument => format!("unexpected argument '{argument}'"),
        ErrorKind::InvalidValue if value.is_empty() => format!("Option {option} requires an argument"),
        ErrorKind::InvalidValue => {
            let allowed = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(values)) => format!(" (one of: {})", values.join(", ")),
                _ => String::new(),
            };
            format!("Cannot parse argument '{value}' of option {option}{allowed}")
        }
        ErrorKind::ValueValidation => format!("Cannot parse argument '{value}' of option {option}"),
        ErrorKind::TooManyValues => format!("Option {option} takes no argument"),
        ErrorKind::ArgumentConflict => {
            format!("Found multiple arguments for option {option}, but you asked for only one")
        }
        _ => error.render().to_string().trim_end().to_owned(),
    };
    Failure::usage(message)
}

/// `topic` of `--topic <topic>`.
fn option_name(argument: &str) -> &str {
    argument.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default()
}

fn did_you_mean(suggestion: &str) -> String {
    if suggestion.is_empty() { String::new() } else { format!(" (did you mean {suggestion}?)") }
}

/// Reads `key=value`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not of the form key=value")),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn words(line: &[&str]) -> Vec<OsString> {
        line.iter().map(OsString::from).collect()
    }

    #[test]
    fn dashes_from_web_pages() {
        let check = |given: &str, expected: &str| {
            assert_eq!(with_plain_dashes(words(&[given])), words(&[expected]), "{given}");
        };
        check("–bootstrap-server", "--bootstrap-server");
        check("—topic", "--topic");
        check("–-topic", "--topic");
        check("−−topic=a–b", "--topic=a–b");
        check("--topic", "--topic");
        check("-daemon", "-daemon");
        check("–", "–");
        check("–1", "–1");
        check("–中文", "–中文");
        check("", "");
    }

    #[test]
    fn single_dashes_of_the_scripts() {
        let given = words(&["-daemon", "-x", "--daemon", "server.properties"]);
        assert_eq!(
            with_double_dash(given, &["daemon"]),
            words(&["--daemon", "-x", "--daemon", "server.properties"])
        );
    }

    fn definition() -> Command {
        let command = Command::new("topics")
            .arg(Arg::new("topic").long("topic"))
            .arg(Arg::new("create").long("create").action(ArgAction::SetTrue))
            .arg(Arg::new("partitions").long("partitions").value_parser(clap::value_parser!(i32)))
            .arg(Arg::new("output").long("output").value_parser(["json", "table"]))
            .arg(Arg::new("config").long("config").action(ArgAction::Append));
        finish_definition(command)
    }

    fn check_failure(line: &[&str], expected: &str) {
        match matches(&definition(), &words(line)) {
            Err(Failure::Usage { message, hint }) => {
                assert_eq!(message, expected, "{line:?}");
                assert_eq!(hint, "'topics --help' lists the options and has examples.");
            }
            other => panic!("{line:?} gave {other:?}"),
        }
    }

    #[test]
    fn mistakes_in_the_words_of_the_stock_tools() {
        check_failure(&["--foo"], "foo is not a recognized option");
        check_failure(&["--topics"], "topics is not a recognized option (did you mean --topic?)");
        check_failure(&["--topic"], "Option topic requires an argument");
        check_failure(&["--topic", "--create"], "Option topic requires an argument");
        check_failure(&["--partitions", "x"], "Cannot parse argument 'x' of option partitions");
        check_failure(
            &["--topic", "a", "--topic", "b"],
            "Found multiple arguments for option topic, but you asked for only one",
        );
        check_failure(&["--create=yes"], "Option create takes no argument");
        check_failure(&["stray"], "unexpected argument 'stray'");
        check_failure(
            &["--output", "xml"],
            "Cannot parse argument 'xml' of option output (one of: json, table)",
        );
    }

    #[test]
    fn options_in_all_their_forms() {
        let given = words(&["--part", "-1", "--topic=a=b", "--config", "k=1", "--config=l=2"]);
        let matches = matches(&definition(), &given).unwrap();
        assert_eq!(matches.get_one::<i32>("partitions"), Some(&-1));
        assert_eq!(matches.get_one::<String>("topic").map(String::as_str), Some("a=b"));
        let configs: Vec<_> = matches.get_many::<String>("config").unwrap().collect();
        assert_eq!(configs, ["k=1", "l=2"]);
    }

    #[test]
    fn keys_and_values() {
        assert_eq!(key_value("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert_eq!(key_value("a="), Ok(("a".into(), String::new())));
        assert_eq!(key_value("=c"), Err("'=c' is not of the form key=value".into()));
        assert_eq!(key_value("a"), Err("'a' is not of the form key=value".into()));
    }
}
