//! `rkafka completions`: scripts that complete command lines in bash, zsh and fish; names of topics and groups too.
//!
//! The scripts come from the definitions of all commands. Behind them stands a hidden form of this command that prints
//! names for the shell: it asks the broker of the command line, gives up after a second, and says nothing of errors.

use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::{COMMANDS, Invocation};
use crate::common::args;
use crate::common::connect;
use crate::common::failure::Failure;
use crate::common::output;

const EXAMPLES: &str = "\
Examples:
  source <(rkafka completions bash)
  rkafka completions zsh > ~/.zfunc/_rkafka
  rkafka completions fish > ~/.config/fish/completions/rkafka.fish";

/// How long the shell may wait for names.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a broker is looked for when the command line names none yet.
const DEFAULT_BROKER: &str = "localhost:9092";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// The shell: bash, zsh or fish.
    #[arg(value_name = "bash|zsh|fish")]
    shell: Option<String>,
    /// Print the names of topics or groups, one a line.
    #[arg(long, hide = true)]
    names: Option<Names>,
    /// The broker to ask for names.
    #[arg(long, hide = true, default_value = DEFAULT_BROKER)]
    bootstrap_server: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Names {
    Topics,
    Groups,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("completions"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    if let Some(names) = options.names {
        return output::write(&self::names(&options, names));
    }
    let (shell, live) = match options.shell.as_deref() {
        Some("bash") => (Shell::Bash, BASH_NAMES),
        Some("zsh") => (Shell::Zsh, ""),
        Some("fish") => (Shell::Fish, FISH_NAMES),
        given => {
            let problem = match given {
                Some(given) => format!("there are no completions for '{given}': bash, zsh or fish"),
                None => "name the shell: bash, zsh or fish".to_owned(),
            };
            return Err(Failure::usage(problem).or_hint(|| invocation.hint()));
        }
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut all_commands(), "rkafka", &mut script);
    output::write(&(String::from_utf8_lossy(&script).into_owned() + live))
}

/// All commands as one definition.
fn all_commands() -> clap::Command {
    let subcommands = COMMANDS
        .iter()
        .map(|entry| args::finish_definition((entry.definition)().name(entry.name).about(entry.about)));
    clap::Command::new("rkafka").subcommands(subcommands)
}

/// Names for the shell; nothing if there is no answer in time.
fn names(options: &Options, what: Names) -> String {
    let Ok(mut config) = connect::client_config(Some(&options.bootstrap_server), None, "rkafka-completions")
    else {
        return String::new();
    };
    (config.connect_timeout, config.request_timeout, config.default_api_timeout) =
        (PATIENCE, PATIENCE, PATIENCE);
    let found = connect::with_cluster(config, async |admin| {
        Ok(match what {
            Names::Topics => admin.list_topics().await?.into_iter().map(|topic| topic.name).collect(),
            Names::Groups => admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.id).collect(),
        })
    });
    let found: Vec<String> = found.unwrap_or_default();
    found.iter().map(|name| format!("{name}\n")).collect()
}

/// Completes names of topics and groups before everything else.
const BASH_NAMES: &str = r#"
_rkafka_names() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" what="" server=localhost:9092 at
    case "$prev" in
        --topic) what=topics ;;
        --group) what=groups ;;
        *) _rkafka "$@"; return ;;
    esac
    for ((at = 1; at < COMP_CWORD; at++)); do
        [[ "${COMP_WORDS[at]}" == --bootstrap-server ]] && server="${COMP_WORDS[at+1]}"
    done
    # Bash splits words at colons: host:port comes in three parts.
    for ((at = 1; at < COMP_CWORD - 3; at++)); do
        [[ "${COMP_WORDS[at]}" == --bootstrap-server && "${COMP_WORDS[at+2]}" == : ]] &&
            server="${COMP_WORDS[at+1]}:${COMP_WORDS[at+3]}"
    done
    mapfile -t COMPREPLY < <(compgen -W "$(rkafka completions --names "$what" --bootstrap-server "$server" 2>/dev/null)" -- "$cur")
}
complete -F _rkafka_names -o nosort -o bashdefault -o default rkafka
"#;

/// As for bash.
const FISH_NAMES: &str = r#"
function __rkafka_names
    set -l words (commandline -opc)
    set -l server localhost:9092
    for at in (seq (count $words))
        test "$words[$at]" = --bootstrap-server; and set server $words[(math $at + 1)]
    end
    rkafka completions --names $argv[1] --bootstrap-server $server 2>/dev/null
end
complete -c rkafka -l topic -x -a '(__rkafka_names topics)'
complete -c rkafka -l group -x -a '(__rkafka_names groups)'
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_commands_and_options() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut all_commands(), "rkafka", &mut script);
            let script = String::from_utf8(script).unwrap();
            for word in ["consumer-groups", "reset-offsets", "dump-log", "replication-factor"] {
                assert!(script.contains(word), "{shell} does not know {word}");
            }
        }
    }
}
