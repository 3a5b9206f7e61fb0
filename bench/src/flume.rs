//! The race of agents: rkafka's and Apache Flume's read the same file into the same broker, in turn.
//!
//! A file of GBK lines goes through the tutorial's agent file as it is, and through one tuned for throughput. Measured
//! are the way from the first record to the last, the agent's CPU time and memory, and how long it takes from exec to
//! the first record. What arrives is compared byte for byte with what `iconv` makes of the file.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use rkafka_tests::build;
use rkafka_tests::stock::Stock;
use rkafka_tests::wire::{Answer, Connection};
use rkafka_wire::StrBytes;
use rkafka_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use rkafka_wire::messages::{ListOffsetsRequest, TopicName};
use rustix::process::{Pid, Signal, kill_process};

use crate::broker::{Broker, Product};
use crate::measure::{self, MemoryPeak};
use crate::report::Report;

/// Longest wait for an agent to deliver everything.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// How often the topic's end is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// The topic of the tutorial.
const TOPIC: &str = "test";

/// The tutorial's file; only directory and servers are filled in.
const TUTORIAL: &str = r"a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = spooldir
a1.sources.r1.spoolDir = SPOOL
a1.sources.r1.fileSuffix = .COMPLETED
a1.sources.r1.ignorePattern = ^(.)*\\.tmp$
a1.sources.r1.inputCharset = GBK
a1.channels.c1.type = memory
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.kafka.topic = test
a1.sinks.k1.kafka.bootstrap.servers = SERVERS
a1.sinks.k1.kafka.flumeBatchSize = 20
a1.sinks.k1.kafka.producer.acks = 1
a1.sources.r1.channels = c1
a1.sinks.k1.channel = c1
";

/// What is set on top of it for throughput. The batch has Flume's name, which Flume does not overlook.
const TUNED: &str = "a1.sources.r1.batchSize = 1000
a1.channels.c1.capacity = 100000
a1.channels.c1.transactionCapacity = 1000
a1.sinks.k1.flumeBatchSize = 1000
a1.sinks.k1.kafka.flumeBatchSize = 1000
a1.sinks.k1.kafka.producer.linger.ms = 5
a1.sinks.k1.kafka.producer.batch.size = 131072
";

/// A way of running agents.
struct Setting {
    name: &'static str,
    more: &'static str,
    /// The JVM's heap: what `bin/flume-ng` gives, or enough for the larger channel.
    heap: &'static str,
}

const SETTINGS: [Setting; 2] = [
    Setting { name: "the tutorial's file", more: "", heap: "-Xmx20m" },
    Setting { name: "tuned, batch 1,000", more: TUNED, heap: "-Xmx512m" },
];

/// Runs all rounds; saved as `flume` in `folder`.
pub(crate) fn run(megabytes: u64, rounds: usize, only: &str, folder: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    let input = Input::make(work.path(), megabytes)?;
    println!("{} lines of {:.1} bytes", input.lines, input.bytes as f64 / input.lines as f64);
    let mut report = Report::of_agents(rounds, megabytes);
    for _ in 0..rounds {
        for setting in SETTINGS.iter().filter(|setting| setting.name.contains(only)) {
            for product in Product::BOTH {
                race(product, setting, &input, work.path(), &mut report)?;
            }
        }
        report.save(folder, "flume")?;
    }
    println!("{}", report.markdown());
    Ok(())
}

/// The file, and what should arrive.
struct Input {
    gbk: PathBuf,
    utf8: PathBuf,
    bytes: u64,
    lines: u64,
}

impl Input {
    /// Lines as a shop's log might have them: numbers, ASCII and Chinese.
    fn make(folder: &Path, megabytes: u64) -> Result<Input> {
        // 订单 已付款 北京市朝阳区建国路 客户张三丰 商品：苹果手机 备注：请尽快发货谢谢 (all of it in GB2312).
        const CHINESE: &[u8] = b"\xB6\xA9\xB5\xA5 \xD2\xD1\xB8\xB6\xBF\xEE \xB1\xB1\xBE\xA9\xCA\xD0\xB3\xAF\xD1\xF4\xC7\xF8\
            \xBD\xA8\xB9\xFA\xC2\xB7 \xBF\xCD\xBB\xA7\xD5\xC5\xC8\xFD\xB7\xE1 \xC9\xCC\xC6\xB7\xA3\xBA\xC6\xBB\xB9\xFB\xCA\xD6\
            \xBB\xFA \xB1\xB8\xD7\xA2\xA3\xBA\xC7\xEB\xBE\xA1\xBF\xEC\xB7\xA2\xBB\xF5";
        let (gbk, utf8) = (folder.join("orders.gbk"), folder.join("orders.utf8"));
        let mut file = BufWriter::new(File::create(&gbk)?);
        let (mut bytes, mut lines) = (0u64, 0u64);
        while bytes < megabytes * 1_000_000 {
            let mut line = format!("2019-11-11 00:00:{:02} INFO order={lines:010} ", lines % 60).into_bytes();
            line.extend_from_slice(CHINESE);
            line.push(b'\n');
            file.write_all(&line)?;
            bytes += line.len() as u64;
            lines += 1;
        }
        file.into_inner()?.sync_all()?;
        let output = File::create(&utf8)?;
        let status =
            Command::new("iconv").args(["-f", "GBK", "-t", "UTF-8"]).arg(&gbk).stdout(output).status();
        ensure!(status.context("iconv, to compare with")?.success(), "iconv failed");
        Ok(Input { gbk, utf8, bytes, lines })
    }
}

/// One agent, from its start to the last record.
fn race(
    product: Product,
    setting: &Setting,
    input: &Input,
    folder: &Path,
    report: &mut Report,
) -> Result<()> {
    let broker = Broker::started(Product::Rkafka)?;
    broker.create_topic(TOPIC, 1)?;
    let home = tempfile::tempdir_in(folder)?;
    let spool = home.path().join("spool");
    fs::create_dir(&spool)?;
    let file = spool.join("orders.txt");
    fs::copy(&input.gbk, &file)?;
    // Nobody has written into it lately.
    File::options().write(true).open(&file)?.set_modified(SystemTime::now() - Duration::from_secs(60))?;
    let conf = home.path().join("spooldir_kafka.conf");
    let text =
        TUTORIAL.replace("SPOOL", &spool.display().to_string()).replace("SERVERS", &broker.bootstrap());
    fs::write(&conf, text + setting.more)?;
    let mut connection = Connection::open(&broker.bootstrap());
    let begin = Instant::now();
    let mut agent = Agent(start(product, setting, &conf, home.path())?);
    let anonymous = MemoryPeak::watch(Pid::from_child(&agent.0));
    let watched = watch(&mut connection, &mut agent, input.lines, begin);
    let Watched { first, last, cpu, memory } = watched.with_context(|| {
        let printed = fs::read_to_string(home.path().join("printed")).unwrap_or_default();
        format!("{product:?}, {}: the agent printed\n{printed}", setting.name)
    })?;
    let anonymous = anonymous.end();
    drop(agent);
    compare(&broker, input, home.path())?;
    let gigabytes = input.bytes as f64 / 1e9;
    let mut note =
        |what: &str, unit, value| report.add(product, &format!("{}: {what}", setting.name), unit, value);
    note("from first record to last", "events/s", input.lines as f64 / (last - first).as_secs_f64());
    note("agent", "CPU-s/GB", cpu.as_secs_f64() / gigabytes);
    note("agent", "peak resident MB", memory as f64 / 1e6);
    note("agent", "peak anonymous MB", anonymous as f64 / 1e6);
    note("exec to first record", "ms", first.as_secs_f64() * 1e3);
    Ok(())
}

/// What an agent took.
struct Watched {
    /// From its start to the first record, and to the last.
    first: Duration,
    last: Duration,
    cpu: Duration,
    /// The most bytes that were resident.
    memory: u64,
}

fn watch(connection: &mut Connection, agent: &mut Agent, lines: u64, begin: Instant) -> Result<Watched> {
    let mut first = None;
    loop {
        let end = end_offset(connection)?;
        let now = begin.elapsed();
        if end > 0 {
            first.get_or_insert(now);
        }
        if end >= lines {
            let pid = Pid::from_child(&agent.0);
            let (cpu, memory) = (measure::cpu(pid)?, measure::memory(pid)?.peak);
            return Ok(Watched { first: first.unwrap_or(now), last: now, cpu, memory });
        }
        ensure!(now < PATIENCE, "only {end} of {lines} records came");
        if let Some(status) = agent.0.try_wait()? {
            bail!("the agent ended early ({status}) with {end} of {lines} records delivered");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// An agent's process; dropped, it is ended.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // Ended or not, it is waited for.
        let _ = kill_process(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

fn start(product: Product, setting: &Setting, conf: &Path, home: &Path) -> Result<Child> {
    let mut command = match product {
        Product::Rkafka => {
            let mut command = Command::new(build::rkafka());
            command.arg("agent");
            command
        }
        Product::Apache => {
            // As bin/flume-ng runs it, without a logging library: nothing is logged.
            Stock::Flume.java_with(&[setting.heap], "org.apache.flume.node.Application")
        }
    };
    let printed = File::create(home.join("printed"))?;
    command.args(["-n", "a1", "-f"]).arg(conf).arg("--no-reload-conf").current_dir(home);
    command.stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(printed);
    Ok(command.spawn()?)
}

fn end_offset(connection: &mut Connection) -> Result<u64> {
    let latest = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(TopicName(StrBytes::from_static_str(TOPIC)))
        .with_partitions(vec![latest]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    let Answer::Decoded(answer) = connection.ask(2, &request) else { bail!("no answer to ListOffsets") };
    let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
    Ok(u64::try_from(partition.context("a partition")?.offset).unwrap_or(0))
}

/// Reads the topic with a client of neither product and compares it with iconv's text.
fn compare(broker: &Broker, input: &Input, home: &Path) -> Result<()> {
    let found = home.join("found");
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", &broker.bootstrap(), "-C", "-t", TOPIC, "-o", "beginning", "-e", "-q", "-f", "%s\n"]);
    let status = kcat.stdout(File::create(&found)?).status().context("kcat, to read the topic")?;
    ensure!(status.success(), "kcat failed");
    let (mut found, mut wanted) = (File::open(found)?, File::open(&input.utf8)?);
    ensure!(
        found.metadata()?.len() == wanted.metadata()?.len(),
        "what arrived is not as long as iconv's text"
    );
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let read = found.read(&mut ours)?;
        if read == 0 {
            return Ok(());
        }
        wanted.read_exact(&mut theirs[..read])?;
        ensure!(ours[..read] == theirs[..read], "what arrived is not iconv's text");
    }
}
