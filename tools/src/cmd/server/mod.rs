//! `rkafka server`: reads the settings, runs the broker until it is told to stop.
//!
//! | file | what it does |
//! |---|---|
//! | `settings.rs` | property file and overrides, or the embedded default |
//! | `daemon.rs` | `-daemon`: the same command again in the background |
//! | `run.rs` | start, wait for a signal, stop |

mod daemon;
mod run;
pub(super) mod settings;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use rkafka_config::Roles;

use super::Invocation;
use crate::common::args;
use crate::common::failure::Failure;

/// Options that the stock script takes with one dash.
const SINGLE_DASH: &[&str] = &["daemon", "name", "loggc"];

/// What the stock script says when it is called without a file.
const SCRIPT_USAGE: &str = "[-daemon] server.properties [--override property=value]*";

const EXAMPLES: &str = "\
Examples:
  rkafka server                                     data in ./data, port 9092
  rkafka server config/server.properties
  rkafka server config/server.properties --override broker.id=1 --override log.dirs=/data/kafka
  rkafka server -daemon config/server.properties

Signals: SIGTERM or Ctrl-C stops cleanly, a second Ctrl-C at once.
Environment: RKAFKA_LOG chooses what is logged to standard error, as in RKAFKA_LOG=debug or
RKAFKA_LOG=rkafka_broker=debug,warn; LOG_DIR is where -daemon writes the output.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// The settings, as Kafka's server.properties has them; without it the embedded default.
    #[arg(value_name = "server.properties")]
    file: Option<PathBuf>,
    /// A setting that wins over the file's; may be repeated.
    #[arg(long = "override", value_name = "key=value", value_parser = args::key_value)]
    overrides: Vec<(String, String)>,
    /// Run in the background (also -daemon).
    #[arg(long)]
    daemon: bool,
    /// Accepted for the stock script's sake: the name of the service.
    #[arg(long, value_name = "service name", hide = true)]
    name: Option<String>,
    /// Accepted for the stock script's sake: there is no garbage collector to log.
    #[arg(long, hide = true)]
    loggc: bool,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("server"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let args = args::with_double_dash(invocation.args.clone(), SINGLE_DASH);
    let options: Options = args::parse(&invocation.command, &args)?;
    if options.file.is_none() && invocation.as_script {
        let name = invocation.command.get_bin_name().unwrap_or("kafka-server-start.sh");
        return Err(Failure::usage(format!("USAGE: {name} {SCRIPT_USAGE}")));
    }
    let settings = settings::load(options.file.as_deref(), &options.overrides)?;
    if options.daemon {
        return daemon::start(&args);
    }
    run::run(settings)
}

/// The node id and roles of a server that was started with `args` in `working_dir`; nothing if its settings cannot be
/// read.
pub(crate) fn identity(args: &[OsString], working_dir: &Path) -> Option<(Option<i32>, Roles)> {
    let args = args::with_double_dash(args::with_plain_dashes(args.to_vec()), SINGLE_DASH);
    let options: Options = args::parse(&args::finish_definition(definition()), &args).ok()?;
    let file = options.file.map(|file| working_dir.join(file));
    let settings = settings::load(file.as_deref(), &options.overrides).ok()?;
    let node = settings.config.node();
    Some((node.id, node.roles))
}
