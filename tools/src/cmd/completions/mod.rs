//! `rkafka completions`: completes command lines in bash, zsh and fish, under every name of every command; names of
//! topics, groups and profiles too.
//!
//! | file | what it is |
//! |---|---|
//! | `candidates.rs` | what may stand at the cursor, from the commands' own definitions |
//! | `live.rs` | names of topics and groups, asked of the broker of the command line |
//! | `rkafka.bash`, `.zsh`, `.fish` | hand the line to a hidden form of this command and show what it prints |
//!
//! The scripts hold no options: they are never older than the binary.

mod candidates;
mod live;

use clap::{Args, ValueEnum};

use super::{COMMANDS, Invocation};
use crate::common::failure::Failure;
use crate::common::output;
use candidates::Line;

const EXAMPLES: &str = "\
Examples:
  source <(rkafka completions bash)
  rkafka completions zsh > ~/.zfunc/_rkafka
  rkafka completions fish > ~/.config/fish/conf.d/rkafka.fish";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// The shell: bash, zsh or fish.
    #[arg(value_name = "bash|zsh|fish")]
    shell: Option<String>,
    /// Print what may stand at the word of this number of the line that follows `--`.
    #[arg(long, hide = true, value_name = "number")]
    at: Option<usize>,
    #[arg(last = true, hide = true, allow_hyphen_values = true)]
    line: Vec<String>,
}

/// A shell that completions are there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    fn script(self) -> &'static str {
        match self {
            Shell::Bash => include_str!("rkafka.bash"),
            Shell::Zsh => include_str!("rkafka.zsh"),
            Shell::Fish => include_str!("rkafka.fish"),
        }
    }
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("completions"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let given = options.shell.as_deref();
    let Some(shell) = given.and_then(|given| Shell::from_str(given, false).ok()) else {
        let problem = match given {
            Some(given) => format!("there are no completions for '{given}': bash, zsh or fish"),
            None => "name the shell: bash, zsh or fish".to_owned(),
        };
        return Err(Failure::usage(problem).or_hint(|| invocation.hint()));
    };
    let Some(at) = options.at else {
        return output::write(&shell.script().replace("PROGRAMS", &programs().join(" ")));
    };
    let line = match shell {
        Shell::Bash => Line::of_bash(&options.line, at),
        Shell::Zsh | Shell::Fish => Line::new(&options.line, at),
    };
    let found = line.candidates().into_iter().map(|candidate| match shell {
        Shell::Bash => format!("{}\n", candidate.value),
        Shell::Zsh | Shell::Fish => format!("{}\t{}\n", candidate.value, candidate.about),
    });
    output::write(&found.collect::<String>())
}

/// Every name that a command goes by.
fn programs() -> Vec<String> {
    let mut programs = vec!["rkafka".to_owned()];
    for entry in COMMANDS {
        programs.push(format!("rkafka-{}", entry.name));
        programs.push(format!("kafka-{}.sh", entry.stock_name));
        programs.push(format!("kafka-{}", entry.stock_name));
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_all_programs() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            assert!(shell.script().contains("PROGRAMS"), "{shell:?}");
        }
        let programs = programs();
        for name in ["rkafka", "rkafka-topics", "kafka-topics.sh", "kafka-topics", "kafka-server-start.sh"] {
            assert!(programs.iter().any(|program| program == name), "{name}");
        }
    }
}
