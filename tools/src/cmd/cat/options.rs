//! Options of `rkafka cat`, as kcat has them, each with a long name besides.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use regex::Regex;
use rkafka_client::{ClientConfig, ConsumerConfig, OffsetSpec, ProducerConfig};
use rkafka_config::Properties;

use super::consume::{Reading, Start};
use super::format::{Format, unescape};
use super::pack::Pack;
use super::produce::{Contents, Sending};
use crate::common::args::key_value;
use crate::common::connect;
use crate::common::failure::Failure;
use crate::common::produce::Settings;

const EXAMPLES: &str = "\
Examples:
  echo '42:hello' | rkafka cat -P -b localhost:9092 -t orders -K :
  rkafka cat -C -b localhost:9092 -t orders -o -10 -e -f '%p %o %k: %s\\n'
  rkafka cat -C -b localhost:9092 -t orders -o s@1735689600000 -e -J
  rkafka cat -C -b localhost:9092 -t offsets -s key=i -s value=qs -f '%k %s\\n'
  rkafka cat -b localhost:9092 -G billing orders payments
  rkafka cat -L -b localhost:9092 -J
  rkafka cat -Q -b localhost:9092 -t orders:0:-1

Format strings (-f): %s value, %S its length (-1 for null), %R its length in 4 bytes, %k key, %K its length, %T
timestamp in ms, %h headers, %t topic, %p partition, %o offset, %% a percent sign, \\n \\r \\t \\\\ \\xNN

Pack strings (-s): b B 8-bit integers, h H 16-bit, i I 32-bit, q Q 64-bit, small letters with a sign; > big-endian (as
they are without), < little-endian; c a character, s all that is left, $ nothing may be left, a blank for a blank";

#[derive(Debug, Clone, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Options {
    /// Produce: each line of standard input, or each file, is a message.
    #[arg(short = 'P', long, help_heading = "Mode")]
    produce: bool,
    /// Consume partitions of a topic.
    #[arg(short = 'C', long, help_heading = "Mode")]
    consume: bool,
    /// List brokers, topics and partitions.
    #[arg(short = 'L', long, help_heading = "Mode")]
    list: bool,
    /// Query offsets by time: -t topic:partition:timestamp, with -1 for the end and -2 for the beginning.
    #[arg(short = 'Q', long, help_heading = "Mode")]
    query: bool,
    /// Consume the topics that follow, or those of a regular expression as ^ord, as a member of this group.
    #[arg(short = 'G', long, value_name = "group", help_heading = "Mode")]
    group: Option<String>,
    /// The brokers to connect to, as in host1:9092,host2:9092.
    #[arg(short = 'b', long, value_name = "brokers")]
    bootstrap_server: Option<String>,
    /// The topic; with -Q topic:partition:timestamp, several times.
    #[arg(short = 't', long, value_name = "topic")]
    pub(super) topic: Vec<String>,
    /// The partition; -1 leaves it to the partitioner.
    #[arg(short = 'p', long, value_name = "partition")]
    partition: Option<i32>,
    /// Where to begin: beginning, end, stored, an offset, -N for N before the end, s@ms for a time; e@ms for where to
    /// stop.
    #[arg(short = 'o', long, value_name = "offset")]
    offset: Vec<String>,
    /// End after this number of messages.
    #[arg(short = 'c', long, value_name = "number")]
    count: Option<u64>,
    /// End at the end of the partitions.
    #[arg(short = 'e', long)]
    exit: bool,
    /// How messages are shown; see below.
    #[arg(short = 'f', long, value_name = "format")]
    format: Option<String>,
    /// Show JSON.
    #[arg(short = 'J', long)]
    pub(super) json: bool,
    /// Unpack binary keys and values: key=<pack>, value=<pack> or <pack> for both; see below.
    #[arg(short = 's', long, value_name = "pack string")]
    unpack: Vec<String>,
    /// What stands between key and value.
    #[arg(short = 'K', long, value_name = "delimiter")]
    key_delimiter: Option<String>,
    /// What stands between messages.
    #[arg(short = 'D', long, value_name = "delimiter", default_value = "\\n")]
    delimiter: String,
    /// Producing: empty values and keys are null. Consuming: null is shown as NULL.
    #[arg(short = 'Z', long)]
    null: bool,
    /// A header of every message, as name=value; may be repeated.
    #[arg(short = 'H', long, value_name = "header=value")]
    header: Vec<String>,
    /// The key of every message.
    #[arg(short = 'k', long, value_name = "key")]
    key: Option<String>,
    /// The codec: gzip, snappy, lz4, zstd or none.
    #[arg(short = 'z', long, value_name = "codec")]
    compression: Option<String>,
    /// Files hold a message a line.
    #[arg(short = 'l', long)]
    lines: bool,
    /// Print the messages that were sent.
    #[arg(short = 'T', long)]
    tee: bool,
    /// A setting, by its name in librdkafka or Java; may be repeated.
    #[arg(short = 'X', long, value_name = "name=value", value_parser = key_value)]
    property: Vec<(String, String)>,
    /// A file of settings.
    #[arg(short = 'F', long, value_name = "file")]
    command_config: Option<PathBuf>,
    /// Say nothing but errors.
    #[arg(short = 'q', long)]
    quiet: bool,
    /// Show each message at once, also to a file.
    #[arg(short = 'u', long)]
    unbuffered: bool,
    /// How long to wait for the cluster.
    #[arg(short = 'm', long, value_name = "seconds")]
    timeout: Option<u32>,
    /// Go on after errors.
    #[arg(short = 'E', long)]
    keep_going: bool,
    /// Accepted for kcat's command lines.
    #[arg(short = 'v', action = clap::ArgAction::Count, hide = true)]
    verbose: u8,
    /// Accepted for kcat's command lines, where it shows nothing either.
    #[arg(short = 'O', hide = true)]
    offsets: bool,
    /// Files to send, or topics to consume as a group.
    #[arg(value_name = "files or topics")]
    rest: Vec<String>,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Produce,
    Consume,
    List,
    Query,
}

impl Options {
    pub(super) fn mode(&self) -> Result<Mode, Failure> {
        let given = [
            (self.produce, Mode::Produce),
            (self.consume || self.group.is_some(), Mode::Consume),
            (self.list, Mode::List),
            (self.query, Mode::Query),
        ];
        let is_consuming = self.consume || self.group.is_some();
        if !self.unpack.is_empty() && !is_consuming && given.iter().any(|(is_given, _)| *is_given) {
            return Err(Failure::usage("-s serdes only available in the consumer"));
        }
        let mut given = given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, mode)| mode);
        match (given.next(), given.next()) {
            (Some(mode), None) => Ok(mode),
            (Some(_), Some(_)) => Err(Failure::usage("only one of -P, -C, -G, -L and -Q may be given")),
            // As kcat guesses.
            (None, _) if std::io::stdin().is_terminal() => Ok(Mode::Consume),
            (None, _) => Ok(Mode::Produce),
        }
    }

    fn topic(&self) -> Result<&str, Failure> {
        match self.topic.as_slice() {
            [topic] => Ok(topic),
            [] => Err(Failure::usage("-t <topic> missing")),
            _ => Err(Failure::usage("one -t <topic> only")),
        }
    }

    /// The settings that were given, in Java's names.
    fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::new();
        if let Some(file) = &self.command_config {
            let properties = connect::read(file)?;
            for entry in properties.entries() {
                let (key, value) = java_setting(&entry.key, entry.value.trim());
                settings.set(key, &value);
            }
        }
        for (key, value) in &self.property {
            let (key, value) = java_setting(key, value);
            settings.set(key, &value);
        }
        if let Some(servers) = &self.bootstrap_server {
            settings.set("bootstrap.servers", servers);
        }
        if !settings.has("bootstrap.servers") {
            let problem = "-b <broker,..> missing";
            return Err(Failure::usage(problem));
        }
        settings.set_default("client.id", &"rkafka-cat");
        if let Some(seconds) = self.timeout {
            settings.set("default.api.timeout.ms", &(u64::from(seconds) * 1000));
        }
        Ok(settings)
    }

    pub(super) fn client(&self) -> Result<ClientConfig, Failure> {
        let properties = Properties::from_pairs(self.settings()?.into_pairs());
        let (config, _) = ClientConfig::from_properties(&properties, None)
            .map_err(|problem| Failure::message(problem.to_string()))?;
        Ok(config)
    }

    pub(super) fn producer(&self) -> Result<ProducerConfig, Failure> {
        let mut settings = self.settings()?;
        if let Some(codec) = &self.compression {
            settings.set("compression.type", codec);
        }
        if let Some(seconds) = self.timeout {
            settings.set_default("max.block.ms", &(u64::from(seconds) * 1000));
        }
        settings.producer()
    }

    pub(super) fn consumer(&self) -> Result<ConsumerConfig, Failure> {
        let mut settings = self.settings()?;
        // As librdkafka has it.
        settings.set_default("isolation.level", &"read_committed");
        match &self.group {
            Some(group) => {
                settings.set("group.id", group);
                if let [only] = self.offset.as_slice() {
                    let reset = if only == "beginning" { "earliest" } else { "latest" };
                    settings.set_default("auto.offset.reset", &reset);
                }
            }
            None => settings.set("enable.auto.commit", &"false"),
        }
        let properties = Properties::from_pairs(settings.into_pairs());
        let (config, remarks) = ConsumerConfig::from_properties(&properties, None)
            .map_err(|problem| Failure::message(problem.to_string()))?;
        remarks.iter().for_each(|remark| eprintln!("{remark}"));
        Ok(config)
    }

    /// What is sent, and as what.
    pub(super) fn sending(&self) -> Result<Sending, Failure> {
        let header = |text: &String| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (text.clone(), None),
        };
        let files: Vec<PathBuf> = self.rest.iter().map(PathBuf::from).collect();
        let contents = match (files.is_empty(), self.lines) {
            (true, _) => Contents::StandardInput,
            (false, true) => Contents::LinesOf(files),
            (false, false) => Contents::Files(files),
        };
        Ok(Sending {
            topic: self.topic()?.to_owned(),
            partition: self.partition.filter(|partition| *partition >= 0),
            key: self.key.clone().map(String::into_bytes),
            key_delimiter: self.key_delimiter.as_deref().map(unescape),
            delimiter: unescape(&self.delimiter),
            empty_is_null: self.null,
            headers: self.header.iter().map(header).collect(),
            count: self.count,
            tee: self.tee,
            keep_going: self.keep_going,
            contents,
        })
    }

    /// What is read, and how it is shown.
    pub(super) fn reading(&self) -> Result<Reading, Failure> {
        let topics = match &self.group {
            Some(_) if self.rest.is_empty() => {
                return Err(Failure::usage("-G <group> needs the topics behind it"));
            }
            Some(_) => self.rest.clone(),
            None => vec![self.topic()?.to_owned()],
        };
        let pattern =
            match topics.as_slice() {
                [pattern] if pattern.starts_with('^') => Some(Regex::new(pattern).map_err(|error| {
                    Failure::usage(format!("'{pattern}' is no regular expression: {error}"))
                })?),
                _ => None,
            };
        let mut start = Start::Beginning;
        let mut stop_ms = None;
        for text in &self.offset {
            match text.strip_prefix("e@") {
                Some(time) => stop_ms = Some(time.parse().map_err(|_| wrong_offset(text))?),
                None => start = Start::parse(text).ok_or_else(|| wrong_offset(text))?,
            }
        }
        let format = match (&self.format, self.json) {
            (_, true) => Format::Json,
            (Some(format), false) => Format::parse(format).map_err(Failure::usage)?,
            (None, false) => {
                Format::lines(self.key_delimiter.as_deref().map(unescape), unescape(&self.delimiter))
            }
        };
        let (key, value) = self.packs().map_err(Failure::usage)?;
        Ok(Reading {
            topics,
            pattern: pattern.filter(|_| self.group.is_some()),
            as_group: self.group.is_some(),
            partition: self.partition.filter(|partition| *partition >= 0),
            start,
            stop_ms,
            count: self.count,
            exit_at_end: self.exit,
            format: format.unpacking(key.as_ref(), value.as_ref()),
            null: if self.null { "NULL" } else { "" },
            quiet: self.quiet,
            unbuffered: self.unbuffered,
            keep_going: self.keep_going,
        })
    }

    /// How keys and values are unpacked; of several the last counts.
    fn packs(&self) -> Result<(Option<Pack>, Option<Pack>), String> {
        let (mut key, mut value) = (None, None);
        for text in &self.unpack {
            let of_key = text.strip_prefix("key=");
            let of_value = text.strip_prefix("value=");
            if [text.as_str(), of_key.unwrap_or_default(), of_value.unwrap_or_default()].contains(&"avro") {
                return Err(format!("-s {text}: Avro is not served, only pack strings are"));
            }
            if of_value.is_none() {
                key = Some(Pack::parse("key", of_key.unwrap_or(text))?);
            }
            if of_key.is_none() {
                value = Some(Pack::parse("value", of_value.unwrap_or(text))?);
            }
        }
        Ok((key, value))
    }

    /// What `-Q` asks for.
    pub(super) fn queries(&self) -> Result<BTreeMap<(String, i32), OffsetSpec>, Failure> {
        let wrong = |text: &str| {
            Failure::usage(format!("-t {text}: -Q takes topic:partition:timestamp, as in -t orders:0:-1"))
        };
        if self.topic.is_empty() {
            return Err(Failure::usage("-Q needs -t topic:partition:timestamp, as in -t orders:0:-1"));
        }
        let one = |text: &String| {
            let (rest, time) = text.rsplit_once(':')?;
            let (topic, partition) = rest.rsplit_once(':')?;
            let spec = match time.parse().ok()? {
                -1 => OffsetSpec::Latest,
                -2 => OffsetSpec::Earliest,
                time => OffsetSpec::ForTimestamp(time),
            };
            Some(((topic.to_owned(), partition.parse().ok()?), spec))
        };
        self.topic.iter().map(|text| one(text).ok_or_else(|| wrong(text))).collect()
    }
}

fn wrong_offset(text: &str) -> Failure {
    Failure::usage(format!(
        "-o {text}: one of beginning, end, stored, an offset, -N, s@<ms> and e@<ms> is expected"
    ))
}

/// A setting of librdkafka by its name in Java; settings of Java stay as they are.
fn java_setting<'a>(key: &'a str, value: &'a str) -> (&'a str, &'a str) {
    let key = key.strip_prefix("topic.").unwrap_or(key);
    let key = match key {
        "metadata.broker.list" => "bootstrap.servers",
        "compression.codec" => "compression.type",
        "queue.buffering.max.ms" => "linger.ms",
        "request.required.acks" => "acks",
        "message.timeout.ms" => "delivery.timeout.ms",
        "message.max.bytes" => "max.request.size",
        "fetch.wait.max.ms" => "fetch.max.wait.ms",
        "fetch.message.max.bytes" => "max.partition.fetch.bytes",
        "message.send.max.retries" => "retries",
        other => other,
    };
    let value = match (key, value) {
        ("auto.offset.reset", "smallest" | "beginning") => "earliest",
        ("auto.offset.reset", "largest" | "end") => "latest",
        _ => value,
    };
    (key, value)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::common::args;

    fn options(line: &str) -> Result<Options, String> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        args::parse(&args::finish_definition(Options::augment_args(clap::Command::new("cat"))), &words)
            .map_err(|failure| format!("{failure:?}"))
    }

    fn said<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        match result.unwrap_err() {
            Failure::Usage { message, .. } | Failure::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn command_lines_of_kcat() {
        let reading = options("-Cqt orders -p0 -o-5 -c 3 -e -b a:1 -Z").unwrap().reading().unwrap();
        assert_eq!(reading.topics, ["orders"]);
        assert_eq!((reading.partition, reading.start), (Some(0), Start::FromEnd(5)));
        assert_eq!(
            (reading.count, reading.exit_at_end, reading.quiet, reading.null),
            (Some(3), true, true, "NULL")
        );
        let reading = options("-C -t t -o s@1000 -o e@2000").unwrap().reading().unwrap();
        assert_eq!((reading.start, reading.stop_ms), (Start::Time(1000), Some(2000)));
        let sending = options("-P -t t -K: -D \\x00 -p -1 -H a=b=c -H d -Z").unwrap().sending().unwrap();
        assert_eq!(
            (sending.key_delimiter.as_deref(), sending.delimiter.as_slice()),
            (Some(&b":"[..]), &b"\0"[..])
        );
        assert_eq!(sending.partition, None);
        assert_eq!(sending.headers, [("a".into(), Some("b=c".into())), ("d".into(), None)]);
        let group = options("-b a:1 -G g one two").unwrap();
        assert_eq!(group.mode().unwrap(), Mode::Consume);
        assert_eq!(group.reading().unwrap().topics, ["one", "two"]);
        assert_eq!(group.consumer().unwrap().group_id.as_deref(), Some("g"));
        let queries = options("-Q -t a:b:0:-1 -t c:2:77").unwrap().queries().unwrap();
        let expected = [
            (("a:b".to_owned(), 0), OffsetSpec::Latest),
            (("c".to_owned(), 2), OffsetSpec::ForTimestamp(77)),
        ];
        assert_eq!(queries.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn settings_of_librdkafka() {
        let line =
            "-P -X metadata.broker.list=a:1 -X topic.request.required.acks=1 -X queue.buffering.max.ms=7";
        let config = options(line).unwrap().producer().unwrap();
        assert_eq!(config.client.bootstrap_servers[0].to_string(), "a:1");
        assert_eq!((config.acks.code(), config.linger.as_millis()), (1, 7));
        let config = options("-C -b a:1 -X auto.offset.reset=smallest").unwrap().consumer().unwrap();
        assert_eq!(config.auto_offset_reset, rkafka_client::AutoOffsetReset::Earliest);
    }

    #[test]
    fn mistakes() {
        let options = |line| options(line).unwrap();
        assert_eq!(said(options("-P -C").mode()), "only one of -P, -C, -G, -L and -Q may be given");
        assert_eq!(said(options("-P").sending()), "-t <topic> missing");
        assert_eq!(said(options("-L").client()), "-b <broker,..> missing");
        assert_eq!(
            said(options("-C -t t -o middle").reading()),
            "-o middle: one of beginning, end, stored, an offset, -N, s@<ms> and e@<ms> is expected"
        );
        assert_eq!(
            said(options("-Q -t orders:0").queries()),
            "-t orders:0: -Q takes topic:partition:timestamp, as in -t orders:0:-1"
        );
        assert_eq!(said(options("-L -s h").mode()), "-s serdes only available in the consumer");
        assert_eq!(
            said(options("-C -t t -s value=hx").reading()),
            "Invalid token 'x' in value pack-format, see -s usage."
        );
        assert_eq!(
            said(options("-C -t t -s key=avro").reading()),
            "-s key=avro: Avro is not served, only pack strings are"
        );
        assert_eq!(said(options("-C -t t -f %q").reading()), "-f %q: there is no %q; %% is a percent sign");
    }
}
