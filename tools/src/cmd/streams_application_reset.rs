//! `rkafka streams-application-reset`: lets a Kafka Streams application begin anew, as
//! `kafka-streams-application-reset.sh` of Kafka 4.3 does: its input topics are read from the start (or from
//! elsewhere), its intermediate topics from the end, and the topics that it made for itself are deleted.
//!
//! Differences from the stock tool, all intended: partitions and topics are in order; an error has no stack trace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::Utc;
use clap::Args;
use regex::Regex;
use rkafka_client::{Admin, ClientConfig, ClientError, ErrorCode, OffsetSpec};

use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::failure::Failure;
use crate::common::output;
use crate::common::times::{duration_ms, timestamp_ms};

const EXAMPLES: &str = "\
Examples:
  rkafka streams-application-reset --application-id shop --input-topics orders,payments --dry-run
  rkafka streams-application-reset --bootstrap-server localhost:9092 --application-id shop --input-topics orders \\
    --to-datetime 2026-01-31T00:00:00.000";

const DEFAULT_SERVER: &str = "localhost:9092";

type TopicPartition = (String, i32);

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
struct Options {
    /// REQUIRED: The Kafka Streams application ID (application.id).
    #[arg(long, value_name = "id")]
    application_id: Option<String>,
    /// The server(s) to connect to, in the form HOST1:PORT1,HOST2:PORT2. (default: localhost:9092)
    #[arg(long, value_name = "server to connect to", visible_alias = "bootstrap-servers")]
    bootstrap_server: Option<String>,
    /// Comma-separated list of user input topics. Their offsets are reset to the earliest one, or as another option
    /// says.
    #[arg(long, value_name = "list", value_delimiter = ',')]
    input_topics: Vec<String>,
    /// [deprecated] Comma-separated list of intermediate user topics (topics that are input and output topics), which
    /// are skipped to the end.
    #[arg(long, value_name = "list", value_delimiter = ',')]
    intermediate_topics: Vec<String>,
    /// Comma-separated list of internal topics to delete: some of those that a dry run shows. All of them if absent.
    #[arg(long, value_name = "list", value_delimiter = ',')]
    internal_topics: Vec<String>,
    /// Reset offsets to a specific offset.
    #[arg(long, value_name = "Long")]
    to_offset: Option<i64>,
    /// Reset offsets to offset from datetime. Format: 'YYYY-MM-DDThh:mm:ss.sss'.
    #[arg(long, value_name = "String")]
    to_datetime: Option<String>,
    /// Reset offsets to offset by duration from current timestamp. Format: 'PnDTnHnMnS'.
    #[arg(long, value_name = "String")]
    by_duration: Option<String>,
    /// Reset offsets to earliest offset.
    #[arg(long)]
    to_earliest: bool,
    /// Reset offsets to latest offset.
    #[arg(long)]
    to_latest: bool,
    /// Reset offsets to values defined in CSV file: topic,partition,offset.
    #[arg(long, value_name = "String")]
    from_file: Option<PathBuf>,
    /// Reset offsets shifting current offset by 'n', where 'n' can be positive or negative.
    #[arg(long, value_name = "number-of-offsets")]
    shift_by: Option<i64>,
    /// (DEPRECATED) The older name of --command-config.
    #[arg(long, value_name = "file name")]
    config_file: Option<PathBuf>,
    /// Property file with settings of the client.
    #[arg(long, value_name = "file name")]
    command_config: Option<PathBuf>,
    /// Remove the members that the group still has, as after a crash with a long session timeout. Stop all instances
    /// of the application before.
    #[arg(long)]
    force: bool,
    /// Display the actions that would be performed without executing the reset commands.
    #[arg(long)]
    dry_run: bool,
    /// Accepted for command lines of Kafka 2.2, where this was how to act.
    #[arg(long, hide = true)]
    execute: bool,
    /// Not needed: accepted for command lines of Kafka 2.2.
    #[arg(long, hide = true, value_name = "url")]
    zookeeper: Option<String>,
}

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("streams-application-reset"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let application = options.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let reset = Reset { application, options: &options };
    let config = options.config()?;
    connect::with_cluster(config, async |admin| reset.run(&admin).await)
        .map_err(|problem| problem.told(|error| failed(&connect::described(error))))
}

fn failed(problem: &str) -> Failure {
    Failure::message(format!("ERROR: {problem}"))
}

impl Options {
    /// The application's id; the stock tool's checks in its order and words.
    fn check(&self) -> Result<&str, Failure> {
        let Some(application) = &self.application_id else {
            return Err(Failure::usage("Missing required option(s) [application-id]"));
        };
        let given = [
            ("to-offset", self.to_offset.is_some()),
            ("to-datetime", self.to_datetime.is_some()),
            ("by-duration", self.by_duration.is_some()),
            ("to-earliest", self.to_earliest),
            ("to-latest", self.to_latest),
            ("from-file", self.from_file.is_some()),
            ("shift-by", self.shift_by.is_some()),
        ];
        let mut given = given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name);
        let clash = match (given.next(), given.next()) {
            (Some(one), Some(other)) => Some((one, other)),
            _ if self.config_file.is_some() && self.command_config.is_some() => {
                Some(("config-file", "command-config"))
            }
            _ => None,
        };
        match clash {
            Some((one, other)) => {
                let problem = format!("Option \"[{one}]\" can't be used with option \"[{other}]\"");
                Err(Failure::usage(problem))
            }
            None => Ok(application),
        }
    }

    fn config(&self) -> Result<ClientConfig, Failure> {
        if self.config_file.is_some() {
            let until = "has been deprecated and will be removed in a future version.";
            output::write(&format!("Option --config-file {until} Use --command-config instead.\n"))?;
        }
        let file = self.config_file.as_deref().or(self.command_config.as_deref());
        let servers = self.bootstrap_server.as_deref().unwrap_or(DEFAULT_SERVER);
        connect::client_config(Some(servers), file, "rkafka-streams-application-reset")
    }
}

/// The reset of one application.
struct Reset<'a> {
    application: &'a str,
    options: &'a Options,
}

impl Reset<'_> {
    async fn run(&self, admin: &Admin) -> Result<(), Problem> {
        self.check_members(admin).await?;
        let topics: BTreeSet<String> =
            admin.list_topics().await?.into_iter().map(|topic| topic.name).collect();
        if self.options.dry_run {
            let what = "displays the actions which will be performed when running Streams Reset Tool";
            say(&format!("----Dry run {what}----"))?;
        }
        let all_found = self.move_offsets(admin, &topics).await?;
        self.delete_internal_topics(admin, &topics).await?;
        if all_found { Ok(()) } else { Err(Failure::Said.into()) }
    }

    async fn check_members(&self, admin: &Admin) -> Result<(), Problem> {
        let described = admin.describe_groups(&[self.application.to_owned()]).await?;
        let members = match described.into_iter().next() {
            Some((_, Ok(group))) => group.members,
            Some((_, Err(error))) if error.code != ErrorCode::GroupIdNotFound => return Err(error.into()),
            _ => Vec::new(),
        };
        if members.is_empty() {
            return Ok(());
        }
        let group = self.application;
        if self.options.force {
            say(&format!("Force deleting all active members in the group: {group}"))?;
            for (_, removed) in admin.remove_group_members(group, None, "reset of the application").await? {
                // One that has left by itself meanwhile is gone as well.
                removed.or_else(|error| match error.code {
                    ErrorCode::UnknownMemberId => Ok(()),
                    _ => Err(error),
                })?;
            }
            return Ok(());
        }
        let members: Vec<String> =
            members.iter().map(|member| format!("(memberId={}, host={})", member.id, member.host)).collect();
        Err(failed(&format!(
            "java.lang.IllegalStateException: Consumer group '{group}' is still active and has following members: \
             [{}]. Make sure to stop all running application instances before running the reset tool. You can use \
             option '--force' to remove active members from the group.",
            members.join(", ")
        ))
        .into())
    }

    /// Resets input topics and skips intermediate ones; whether all of them are there.
    async fn move_offsets(&self, admin: &Admin, topics: &BTreeSet<String>) -> Result<bool, Problem> {
        let (input, intermediate) = (&self.options.input_topics, &self.options.intermediate_topics);
        if !intermediate.is_empty() {
            say("WARN: `--intermediate-topics` is deprecated and will be removed in a future release")?;
        }
        if input.is_empty() && intermediate.is_empty() {
            say("No input or intermediate topics specified. Skipping seek.")?;
            return Ok(true);
        }
        for (what, named) in
            [("Reset-offsets for input", input), ("Seek-to-end for intermediate", intermediate)]
        {
            if !named.is_empty() {
                say(&format!("{what} topics [{}]", named.join(", ")))?;
            }
        }
        let mut all_found = true;
        for (kind, named, colon) in [("input", input, ": "), ("intermediate", intermediate, ":")] {
            let absent: Vec<&String> = named.iter().filter(|topic| !topics.contains(*topic)).collect();
            if !absent.is_empty() {
                all_found = false;
                say(&format!("Following {kind} topics are not found, skipping them"))?;
                absent.into_iter().try_for_each(|topic| say(&format!("Topic{colon}{topic}")))?;
            }
        }
        let known =
            |named: &[String]| named.iter().filter(|topic| topics.contains(*topic)).cloned().collect();
        let (input, intermediate): (BTreeSet<String>, BTreeSet<String>) = (known(input), known(intermediate));
        if input.is_empty() && intermediate.is_empty() {
            return Ok(all_found);
        }
        let mut new = self.reset_input(admin, &partitions(admin, input).await?).await?;
        let intermediate: BTreeSet<String> =
            intermediate.into_iter().filter(|topic| !self.options.input_topics.contains(topic)).collect();
        if !intermediate.is_empty() {
            let group = self.application;
            say(&format!(
                "Following intermediate topics offsets will be reset to end (for consumer group {group})"
            ))?;
            let partitions = partitions(admin, intermediate).await?;
            partitions.iter().try_for_each(|(topic, _)| say(&format!("Topic: {topic}")))?;
            new.extend(offsets(admin, &partitions, OffsetSpec::Latest).await?);
        }
        if !self.options.dry_run {
            for (_, result) in admin.alter_group_offsets(self.application, &new).await? {
                result?;
            }
        }
        say("Done.")?;
        Ok(all_found)
    }

    async fn reset_input(
        &self,
        admin: &Admin,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, Problem> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let group = self.application;
        say(&format!("Following input topics offsets will be reset to (for consumer group {group})"))?;
        let new = self.scenario(admin, partitions).await?;
        for ((topic, partition), offset) in &new {
            say(&format!("Topic: {topic} Partition: {partition} Offset: {offset}"))?;
        }
        Ok(new)
    }

    async fn scenario(
        &self,
        admin: &Admin,
        partitions: &BTreeSet<TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, Problem> {
        let options = self.options;
        let wrong = |problem: String| failed(&problem);
        if let Some(offset) = options.to_offset {
            let wanted = partitions.iter().map(|partition| (partition.clone(), offset)).collect();
            return within_log(admin, wanted).await;
        }
        if let Some(distance) = options.shift_by {
            let committed = admin.group_offsets(group_name(self)).await?;
            // Where nothing is committed, a consumer begins at the end.
            let ends = offsets(admin, partitions, OffsetSpec::Latest).await?;
            let shifted = partitions.iter().map(|partition| {
                let end = ends.get(partition).copied().unwrap_or_default();
                let present = committed.get(partition).map_or(end, |committed| committed.offset);
                (partition.clone(), present.saturating_add(distance))
            });
            return within_log(admin, shifted.collect()).await;
        }
        if let Some(file) = &options.from_file {
            let planned = read_plan(file).map_err(wrong)?;
            let planned =
                planned.into_iter().filter(|(partition, _)| partitions.contains(partition)).collect();
            return within_log(admin, planned).await;
        }
        if let Some(text) = &options.to_datetime {
            return at_time(admin, partitions, timestamp_ms(text).map_err(wrong)?).await;
        }
        if let Some(text) = &options.by_duration {
            let ago = duration_ms(text).map_err(wrong)?;
            return at_time(admin, partitions, Utc::now().timestamp_millis().saturating_sub(ago)).await;
        }
        let spec = if options.to_latest { OffsetSpec::Latest } else { OffsetSpec::Earliest };
        offsets(admin, partitions, spec).await
    }

    async fn delete_internal_topics(&self, admin: &Admin, topics: &BTreeSet<String>) -> Result<(), Problem> {
        let inferred: Vec<String> = topics.iter().filter(|topic| self.is_internal(topic)).cloned().collect();
        let named = &self.options.internal_topics;
        let doomed = if named.is_empty() { &inferred } else { named };
        if !named.iter().all(|topic| inferred.contains(topic)) {
            return Err(failed(
                "java.lang.IllegalArgumentException: Invalid topic specified in the --internal-topics option. Ensure \
                 that the topics specified are all internal topics. Do a dry run without the --internal-topics option \
                 to see the list of all internal topics that can be deleted.",
            )
            .into());
        }
        let which = if named.is_empty() { "inferred" } else { "specified" };
        say(&format!("Deleting {which} internal topics [{}]", doomed.join(", ")))?;
        if !self.options.dry_run && !doomed.is_empty() {
            let mut failures = Vec::new();
            for (topic, result) in admin.delete_topics(doomed).await? {
                if let Err(error) = result {
                    let described = connect::described(&ClientError::from(error));
                    failures.push(format!("ERROR: deleting topic {topic}: {described}"));
                }
            }
            if !failures.is_empty() {
                return Err(Failure::message(failures.join("\n")).into());
            }
        }
        Ok(say("Done.")?)
    }

    /// Whether the application made it: by its name, as Kafka Streams builds them.
    fn is_internal(&self, topic: &str) -> bool {
        let of_user = [&self.options.input_topics, &self.options.intermediate_topics];
        let is_of_user = of_user.iter().any(|topics| topics.iter().any(|one| one == topic));
        let endings = [
            "-changelog",
            "-repartition",
            "-subscription-registration-topic",
            "-subscription-response-topic",
        ];
        let join = r"^.+-KTABLE-FK-JOIN-SUBSCRIPTION-(REGISTRATION|RESPONSE)-\d+-topic$";
        let belongs = topic.strip_prefix(self.application).is_some_and(|rest| rest.starts_with('-'));
        !is_of_user
            && belongs
            && (endings.iter().any(|ending| topic.ends_with(ending))
                || Regex::new(join).is_ok_and(|join| join.is_match(topic)))
    }
}

fn group_name<'a>(reset: &Reset<'a>) -> &'a str {
    reset.application
}

fn say(line: &str) -> Result<(), Failure> {
    output::write(&format!("{line}\n"))
}

async fn partitions(admin: &Admin, topics: BTreeSet<String>) -> Result<BTreeSet<TopicPartition>, Problem> {
    let topics: Vec<String> = topics.into_iter().collect();
    let mut partitions = BTreeSet::new();
    if topics.is_empty() {
        return Ok(partitions);
    }
    for (topic, described) in admin.describe_topics(&topics, i32::MAX).await? {
        partitions.extend(described?.partitions.iter().map(|one| (topic.clone(), one.index)));
    }
    Ok(partitions)
}

async fn offsets(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, i64>, Problem> {
    let mut found = BTreeMap::new();
    let wanted: BTreeMap<_, _> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    if wanted.is_empty() {
        return Ok(found);
    }
    for (partition, listed) in admin.list_offsets(&wanted, false).await? {
        found.extend(listed?.offset.map(|offset| (partition, offset)));
    }
    Ok(found)
}

async fn at_time(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    ms: i64,
) -> Result<BTreeMap<TopicPartition, i64>, Problem> {
    let mut found = offsets(admin, partitions, OffsetSpec::ForTimestamp(ms)).await?;
    let later: BTreeSet<TopicPartition> =
        partitions.iter().filter(|partition| !found.contains_key(*partition)).cloned().collect();
    for (topic, partition) in &later {
        let fall = "Falling back to latest known offset.";
        say(&format!(
            "Partition {partition} from topic {topic} is empty, without a committed record. {fall}"
        ))?;
    }
    found.extend(offsets(admin, &later, OffsetSpec::Latest).await?);
    Ok(found)
}

/// Moves what is outside a log to its nearer end, and says so.
async fn within_log(
    admin: &Admin,
    wanted: BTreeMap<TopicPartition, i64>,
) -> Result<BTreeMap<TopicPartition, i64>, Problem> {
    let partitions: BTreeSet<TopicPartition> = wanted.keys().cloned().collect();
    let first = offsets(admin, &partitions, OffsetSpec::Earliest).await?;
    let end = offsets(admin, &partitions, OffsetSpec::Latest).await?;
    let mut new = BTreeMap::new();
    for (partition, offset) in wanted {
        let (Some(first), Some(end)) = (first.get(&partition), end.get(&partition)) else { continue };
        // The stock tool says so of the bounds themselves, too.
        let (bound, how) = match offset {
            offset if offset >= *end => (*end, Some("higher than latest")),
            offset if offset <= *first => (*first, Some("lower than earliest")),
            offset => (offset, None),
        };
        if let Some(how) = how {
            say(&format!("New offset ({offset}) is {how} offset. Value will be set to {bound}"))?;
        }
        new.insert(partition, bound);
    }
    Ok(new)
}

/// Reads lines of `topic,partition,offset`.
fn read_plan(file: &std::path::Path) -> Result<BTreeMap<TopicPartition, i64>, String> {
    let exception = "java.text.ParseException:";
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    if text.is_empty() {
        return Err(format!("{exception} Error parsing reset plan CSV file. It is empty,"));
    }
    let line = |line: &str| {
        let [topic, partition, offset] = line.trim_end().split(',').collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(((topic.to_owned(), partition.parse().ok()?), offset.parse().ok()?))
    };
    let plan: Option<BTreeMap<_, _>> = text.lines().map(line).collect();
    plan.ok_or_else(|| {
        format!("{exception} Reset plan CSV file is not following the format `TOPIC,PARTITION,OFFSET`.")
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::common::args;

    fn options(line: &str) -> Options {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        args::parse(&args::finish_definition(definition()), &words).unwrap()
    }

    #[test]
    fn which_options_go_together() {
        let check = |line: &str, expected: Result<&str, &str>| {
            let options = options(line);
            let found = options.check().map_err(|failure| match failure {
                Failure::Usage { message, .. } => message,
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected.map_err(str::to_owned), "{line}");
        };
        check("--input-topics a", Err("Missing required option(s) [application-id]"));
        check("--application-id a --zookeeper z:2181 --execute", Ok("a"));
        check("--application-id a --shift-by -3", Ok("a"));
        let clash = "Option \"[to-earliest]\" can't be used with option \"[shift-by]\"";
        check("--application-id a --to-earliest --shift-by 3", Err(clash));
    }

    #[test]
    fn topics_of_the_application() {
        let options = options("--application-id shop --input-topics shop-in-changelog,b");
        assert_eq!(options.input_topics, ["shop-in-changelog", "b"]);
        let reset = Reset { application: "shop", options: &options };
        let check = |topic: &str, expected: bool| assert_eq!(reset.is_internal(topic), expected, "{topic}");
        check("shop-store-changelog", true);
        check("shop-KSTREAM-0001-repartition", true);
        check("shop-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000017-topic", true);
        check("shop-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-x-topic", false);
        check("shop-in-changelog", false);
        check("shopping-changelog", false);
        check("shop-orders", false);
    }

    #[test]
    fn plans() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.csv");
        let check = |text: &str, expected: Result<Vec<(TopicPartition, i64)>, &str>| {
            std::fs::write(&file, text).unwrap();
            let found = read_plan(&file).map(|plan| plan.into_iter().collect::<Vec<_>>());
            assert_eq!(
                found,
                expected.map_err(|error| format!("java.text.ParseException: {error}")),
                "{text}"
            );
        };
        check("a,0,7\nb,1,8\n", Ok(vec![(("a".into(), 0), 7), (("b".into(), 1), 8)]));
        check("", Err("Error parsing reset plan CSV file. It is empty,"));
        check("a,0", Err("Reset plan CSV file is not following the format `TOPIC,PARTITION,OFFSET`."));
    }
}
