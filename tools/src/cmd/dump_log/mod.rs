//! `rkafka dump-log`: what the files of a partition hold, in the lines of `kafka-dump-log.sh` of Kafka 4.3.
//!
//! | file | what it prints |
//! |---|---|
//! | `segment.rs` | `.log` and `.checkpoint`: batches, and with an option their records |
//! | `record.rs` | one record: its line, its key and value through a decoder |
//! | `metadata.rs` | entries of rkafka's own metadata log |
//! | `indexes.rs` | `.index`, `.timeindex`, each entry checked against the segment |
//! | `producers.rs` | `.snapshot`, `.txnindex` |
//! | `problems.rs` | what was found wrong on the way, told at the end |
//!
//! Differences from the stock tool, all intended: an error is one line that names the file, without a stack trace; the
//! KRaft records of Apache Kafka's metadata log and decoder classes are not served, and the refusal says so.

mod indexes;
mod metadata;
mod problems;
mod producers;
mod record;
mod segment;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Invocation;
use crate::common::coordinator_records::Topic;
use crate::common::failure::Failure;
use problems::Problems;
use record::Decoder;

const EXAMPLES: &str = "\
Examples:
  rkafka dump-log --files data/orders-0/00000000000000000000.log --print-data-log
  rkafka dump-log --files data/orders-0/00000000000000000000.index,data/orders-0/00000000000000000000.timeindex
  rkafka dump-log --files data/__consumer_offsets-7/00000000000000000000.log --offsets-decoder";

/// The decoder that the stock tool loads unless told otherwise.
const STRING_DECODER: &str = "org.apache.kafka.tools.api.StringDecoder";

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The data and index files to dump, separated by commas.
    #[arg(long, value_name = "file1, file2, ...")]
    files: Option<String>,
    /// Print the records' contents. Set by any decoder option.
    #[arg(long)]
    print_data_log: bool,
    /// Only verify indexes, without printing them.
    #[arg(long)]
    verify_index_only: bool,
    /// Only do the check of a broker's start, which decides whether an index is made anew.
    #[arg(long)]
    index_sanity_check: bool,
    /// The size of the largest batch that an index entry may lead to.
    #[arg(long, value_name = "Integer: size", default_value = "5242880", hide_default_value = true)]
    max_message_size: i32,
    /// Read no more than so many bytes of batches.
    #[arg(long, value_name = "Integer: size", default_value = "2147483647", hide_default_value = true)]
    max_bytes: i32,
    /// List the records of each batch too. Set by --print-data-log.
    #[arg(long)]
    deep_iteration: bool,
    /// Read the log as that of __consumer_offsets.
    #[arg(long)]
    offsets_decoder: bool,
    /// Read the log as that of __transaction_state.
    #[arg(long)]
    transaction_log_decoder: bool,
    /// Read the log as rkafka's own metadata log, __rkafka_metadata-0.
    #[arg(long)]
    rkafka_metadata_decoder: bool,
    /// Not served: Apache Kafka's metadata log. rkafka's own has another format and --rkafka-metadata-decoder.
    #[arg(long)]
    cluster_metadata_decoder: bool,
    /// Not served: rkafka has no tiered storage.
    #[arg(long)]
    remote_log_metadata_decoder: bool,
    /// Not served: rkafka keeps no share groups yet.
    #[arg(long)]
    share_group_state_decoder: bool,
    /// Accepted for the stock tool's decoder of strings, which is the default.
    #[arg(long, value_name = "String", num_args = 0..=1, default_missing_value = STRING_DECODER)]
    value_decoder_class: Option<String>,
    /// Accepted for the stock tool's decoder of strings, which is the default.
    #[arg(long, value_name = "String", num_args = 0..=1, default_missing_value = STRING_DECODER)]
    key_decoder_class: Option<String>,
    /// Leave out the records' offsets, times and sizes.
    #[arg(long)]
    skip_record_metadata: bool,
}

impl Options {
    fn decoder(&self) -> Result<Decoder, Failure> {
        let refused = [
            (
                self.cluster_metadata_decoder,
                "cluster-metadata-decoder",
                "rkafka keeps the cluster's metadata in records of its own, which --rkafka-metadata-decoder reads; those \
                 of Apache Kafka are for its own kafka-dump-log.sh",
            ),
            (self.remote_log_metadata_decoder, "remote-log-metadata-decoder", "rkafka has no tiered storage"),
            (self.share_group_state_decoder, "share-group-state-decoder", "rkafka keeps no share groups yet"),
        ];
        if let Some((_, option, reason)) = refused.into_iter().find(|(is_given, ..)| *is_given) {
            return Err(Failure::message(format!("--{option} is not served: {reason}.")));
        }
        for class in [&self.key_decoder_class, &self.value_decoder_class].into_iter().flatten() {
            if class != STRING_DECODER {
                return Err(Failure::message(format!(
                    "The decoder class {class} cannot be loaded: rkafka runs no Java. Contents are printed as text."
                )));
            }
        }
        Ok(match (self.offsets_decoder, self.transaction_log_decoder, self.rkafka_metadata_decoder) {
            (true, ..) => Decoder::Coordinator(Topic::ConsumerOffsets),
            (_, true, _) => Decoder::Coordinator(Topic::TransactionState),
            (_, _, true) => Decoder::Metadata,
            _ => Decoder::Text,
        })
    }

    fn prints_contents(&self) -> bool {
        let has_class = self.key_decoder_class.is_some() || self.value_decoder_class.is_some();
        let has_decoder =
            self.offsets_decoder || self.transaction_log_decoder || self.rkafka_metadata_decoder;
        self.print_data_log || has_decoder || has_class
    }
}

/// Why a file cannot be dumped.
#[derive(Debug)]
enum DumpError {
    /// Standard output failed; perhaps its reader went away.
    Output(io::Error),
    /// Something is wrong with the file.
    File(String),
}

impl From<io::Error> for DumpError {
    fn from(error: io::Error) -> DumpError {
        DumpError::Output(error)
    }
}

impl DumpError {
    fn of(path: &Path, problem: impl std::fmt::Display) -> DumpError {
        DumpError::File(format!("{}: {problem}", path.display()))
    }
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("dump-log"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    invocation.expect_args(
        "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly \
         corrupt log segment.",
    )?;
    let options: Options = invocation.parse()?;
    let Some(files) = &options.files else {
        return Err(Failure::usage("Missing required argument \"[files]\"").or_hint(|| invocation.hint()));
    };
    let decoder = options.decoder()?;
    let mut problems = Problems::default();
    let mut out = BufWriter::new(io::stdout().lock());
    let dumped = files
        .split(',')
        .map(PathBuf::from)
        .try_for_each(|file| dump(&file, &options, decoder, &mut problems, &mut out))
        .and_then(|()| Ok(out.flush()?));
    match dumped {
        Ok(()) => {
            eprint!("{problems}");
            Ok(())
        }
        Err(DumpError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Said),
        Err(DumpError::Output(error)) => {
            Err(Failure::message(format!("cannot write to standard output: {error}")))
        }
        Err(DumpError::File(problem)) => {
            // What was printed up to here comes before the reason for the end.
            let _ = out.flush();
            Err(Failure::message(problem))
        }
    }
}

fn dump(
    file: &Path,
    options: &Options,
    decoder: Decoder,
    problems: &mut Problems,
    out: &mut dyn Write,
) -> Result<(), DumpError> {
    writeln!(out, "Dumping {}", file.display())?;
    match file.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default() {
        "log" | "checkpoint" => {
            let view = segment::View {
                with_records: options.deep_iteration || options.prints_contents(),
                with_contents: options.prints_contents(),
                with_metadata: !options.skip_record_metadata,
                bytes_max: u64::try_from(options.max_bytes).unwrap_or_default(),
                decoder,
            };
            segment::dump(file, &view, problems, out)
        }
        kind @ ("index" | "timeindex") => {
            let view = indexes::View {
                only_sanity: options.index_sanity_check,
                only_verify: options.verify_index_only,
                message_bytes_max: u64::try_from(options.max_message_size).unwrap_or_default(),
            };
            if kind == "index" {
                indexes::dump_offsets(file, &view, problems, out)
            } else {
                indexes::dump_times(file, &view, problems, out)
            }
        }
        "snapshot" => producers::dump_snapshot(file, out),
        "txnindex" => producers::dump_aborted(file, out),
        _ => {
            out.flush()?;
            eprintln!("Ignoring unknown file {}", file.display());
            Ok(())
        }
    }
}

/// The offset that a file's name begins with.
fn base_offset(file: &Path) -> Result<i64, DumpError> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let digits = name.split('.').next().unwrap_or_default();
    digits.parse().map_err(|_| {
        DumpError::of(file, format!("its name does not begin with an offset: \"{digits}\" is no number"))
    })
}

fn absolute(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()).display().to_string()
}
