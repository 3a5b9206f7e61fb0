//! `rkafka man`: writes the manual pages of all commands, one a file, under rkafka's and the stock names.

use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;

use super::{COMMANDS, Entry, Invocation};
use crate::common::args;
use crate::common::failure::Failure;
use crate::common::output;

const EXAMPLES: &str = "\
Examples:
  rkafka man --out /usr/local/share/man/man1
  rkafka man --out ./man && man ./man/rkafka-topics.1";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The folder for the pages; it is made if it is not there.
    #[arg(long, value_name = "folder")]
    out: Option<PathBuf>,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("man"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let Some(folder) = &options.out else {
        return Err(Failure::usage("Missing required argument \"[out]\"").or_hint(|| invocation.hint()));
    };
    let failed = |path: &Path, error| Failure::message(format!("cannot write {}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let pages = pages().map_err(|error| failed(folder, error))?;
    for (name, text) in &pages {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    output::write(&format!("{} pages are in {}\n", pages.len(), folder.display()))
}

/// Names of files and what stands in them.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut pages = vec![("rkafka.1".to_owned(), page(overview())?)];
    for entry in COMMANDS {
        let name = format!("rkafka-{}", entry.name);
        pages.push((format!("{name}.1"), page(command(entry, &name))?));
        let stock = format!("kafka-{}.sh.1", entry.stock_name);
        pages.push((stock, format!(".so man1/{name}.1\n").into_bytes()));
    }
    Ok(pages)
}

fn page(command: clap::Command) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let version = format!("rkafka {}", env!("CARGO_PKG_VERSION"));
    Man::new(command).manual("rkafka").source(version).render(&mut text)?;
    Ok(text)
}

fn command(entry: &Entry, name: &str) -> clap::Command {
    let command = (entry.definition)().name(entry.name).about(entry.about);
    args::finish_definition(command).display_name(name.to_owned()).bin_name(format!("rkafka {}", entry.name))
}

/// The page that leads to the others.
fn overview() -> clap::Command {
    let subcommands = COMMANDS.iter().map(|entry| clap::Command::new(entry.name).about(entry.about));
    clap::Command::new("rkafka")
        .about("A broker that speaks Kafka's protocol, and its commands")
        .disable_help_subcommand(true)
        .arg(clap::Arg::new("cluster").long("cluster").value_name("name").help(
            "The cluster, by its name in $RKAFKA_CONFIG or ~/.config/rkafka/clusters.toml; stands before the command",
        ))
        .subcommands(subcommands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_for_every_command() {
        let pages = pages().unwrap();
        let text = |name: &str| {
            let (_, text) = pages.iter().find(|(one, _)| one == name).unwrap();
            String::from_utf8_lossy(text).into_owned()
        };
        assert_eq!(pages.len(), 2 * COMMANDS.len() + 1);
        let topics = text("rkafka-topics.1");
        for part in [".TH rkafka-topics 1", "replication\\-factor", "rkafka topics", "Examples:"] {
            assert!(topics.contains(part), "no {part} in:\n{topics}");
        }
        assert_eq!(text("kafka-server-start.sh.1"), ".so man1/rkafka-server.1\n");
        assert!(text("rkafka.1").contains("consumer\\-groups"));
    }
}
