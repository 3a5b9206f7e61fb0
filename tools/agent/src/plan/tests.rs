//! Agents' files: the tutorial's is read without a remark, every mistake is named with its line.

use expect_test::{Expect, expect};

use super::*;

struct Around;

impl Surroundings for Around {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "SPOOL").then(|| "/data/in".to_owned())
    }

    fn system_property(&self, name: &str) -> Option<String> {
        (name == "topic").then(|| "test".to_owned())
    }

    fn run(&self, command: &str, key: &str) -> Result<String, String> {
        Ok(format!("{command} {key}\n"))
    }
}

fn read(file: &str) -> Result<Plan, PlanErrors> {
    let properties = Properties::parse("f.conf", file.as_bytes()).unwrap();
    Plan::read(&properties, "a1", &Around)
}

const TUTORIAL: &str = r"# 定义三大组件的名称
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = spooldir
a1.sources.r1.spoolDir = /opt/servers/flumedata
a1.sources.r1.fileSuffix = .COMPLETED
a1.sources.r1.ignorePattern = ^(.)*\\.tmp$
a1.sources.r1.inputCharset = GBK
a1.channels.c1.type = memory
a1.sinks.k1.type = org.apache.flume.sink.kafka.KafkaSink
a1.sinks.k1.kafka.topic = test
a1.sinks.k1.kafka.bootstrap.servers = hadoop01:9092,hadoop02:9092,hadoop03:9092
a1.sinks.k1.kafka.flumeBatchSize = 20
a1.sinks.k1.kafka.producer.acks = 1
a1.sources.r1.channels = c1
a1.sinks.k1.channel = c1
";

#[test]
fn the_tutorials_file_is_read_without_a_remark() {
    use keys::{channels, sinks, sources};
    let plan = read(TUTORIAL).unwrap();
    assert_eq!(plan.warnings, []);
    let (source, sink) = (&plan.sources[0], &plan.sinks[0]);
    assert_eq!(source.text(&sources::SPOOL_DIR).as_deref(), Some("/opt/servers/flumedata"));
    assert_eq!(source.count(&sources::BATCH_SIZE), 100);
    assert_eq!(sink.batch_size(), Some(("kafka.flumeBatchSize", 20)));
    assert_eq!(sink.open("kafka.producer.").collect::<Vec<_>>(), [("acks", "1", 15)]);
    assert_eq!(plan.channels[0].count(&channels::CAPACITY), 100);
    assert!(!sink.flag(&sinks::USE_FLUME_EVENT_FORMAT));
}

#[test]
fn both_spellings_of_the_ignore_pattern_ignore_temporary_files() {
    for file in [TUTORIAL.to_owned(), TUTORIAL.replace(r"\\.", r"\.")] {
        let plan = read(&file).unwrap();
        let ignore = plan.sources[0].pattern(&keys::sources::IGNORE_PATTERN, true).unwrap();
        assert!(ignore.is_match("x.tmp").unwrap());
        assert!(!ignore.is_match("x.txt").unwrap());
    }
}

#[track_caller]
fn fails(file: &str, expected: &Expect) {
    expected.assert_eq(&read(file).unwrap_err().to_string());
}

#[test]
fn every_mistake_is_named_with_its_line() {
    fails(
        &TUTORIAL
            .replace("spooldir\n", "spooldri\n")
            .replace("= memory", "= jdbc")
            .replace("k1.channel = c1", "k1.channel = c2"),
        &expect![[r#"
            f.conf:5: source r1: type spooldri is not known; did you mean spooldir?
            f.conf:10: channel c1: type jdbc of Flume is not served: use memory, which loses no line of a file here, or file, which keeps events on disk
            f.conf:17: sink k1 names channel "c2", which there is not; did you mean "c1"?"#]],
    );
}

#[test]
fn values_are_checked() {
    fails(
        &TUTORIAL
            .replace("inputCharset = GBK", "inputCharset = GBX")
            .replace("flumeBatchSize = 20", "flumeBatchSize = many")
            .replace("spoolDir", "spoolDirectory")
            .replace(r"^(.)*\\.tmp$", "(unclosed"),
        &expect![[r#"
            f.conf:2: source r1: spoolDir must be set. The directory to read files from.
            f.conf:6: source r1: spoolDirectory is not known and has no effect; did you mean spoolDir?
            f.conf:8: source r1: ignorePattern = "(unclosed": it is no regular expression: Parsing error at position 9: Opening parenthesis without closing parenthesis
            f.conf:9: source r1: inputCharset = "GBX": unknown character set "GBX": names are as in Java, for example UTF-8, GBK, GB18030, Big5, Shift_JIS, UTF-16LE, ISO-8859-1, or auto
            f.conf:14: sink k1: kafka.flumeBatchSize = "many": it must be a whole number"#]],
    );
    fails(
        &TUTORIAL.replace("flumeBatchSize = 20", "flumeBatchSize = 200"),
        &expect![[
            r#"f.conf:14: sink k1: kafka.flumeBatchSize 200 is more than transactionCapacity 100 of channel c1; make the one smaller or the other larger"#
        ]],
    );
    fails(
        &format!("{TUTORIAL}a1.channels.c1.capacity = 50\n"),
        &expect![[
            r#"f.conf:18: channel c1: transactionCapacity 100 cannot be higher than capacity 50; make the one smaller or the other larger"#
        ]],
    );
    fails(
        &TUTORIAL.replace("a1.", "agent1."),
        &expect![[r#"f.conf: no agent is called "a1"; it has agent1"#]],
    );
}

#[test]
fn oddities_are_said_and_run() {
    let odd = "a1.sources.r1.inputCharSet = GBK\na1.sources.r2.type = exec\na1.sink.k1.x = y\na1.sinks.k1.kafka.topic =\n";
    let plan = read(&format!("{TUTORIAL}{odd}")).unwrap();
    let warnings: Vec<String> = plan.warnings.iter().map(Remark::to_string).collect();
    expect![[r#"
        f.conf:18: source r1: inputCharSet is not known and has no effect; did you mean inputCharset?
        f.conf:19: sources.r2.… is ignored: a1.sources does not name "r2"
        f.conf:20: a1.sink.k1.x is ignored: "sink" is no kind of component; did you mean sinks?
        f.conf:21: a1.sinks.k1.kafka.topic has no value and is ignored"#]]
    .assert_eq(&warnings.join("\n"));
}

#[test]
fn references_are_resolved() {
    use keys::{sinks, sources};
    let file = TUTORIAL
        .replace("/opt/servers/flumedata", "${SPOOL}/${env:SPOOL}")
        .replace("topic = test", "topic = ${sys:topic}-${unknown}-${f1['key']}-${a1.channels}");
    let filter =
        "a1.configfilters = f1\na1.configfilters.f1.type = external\na1.configfilters.f1.command = show\n";
    let plan = read(&format!("{file}{filter}")).unwrap();
    assert_eq!(plan.warnings, []);
    assert_eq!(plan.sources[0].text(&sources::SPOOL_DIR).as_deref(), Some("/data/in//data/in"));
    assert_eq!(plan.sinks[0].text(&sinks::TOPIC).as_deref(), Some("test-${unknown}-show key-c1"));
}

#[test]
fn interceptors_are_read_in_order() {
    let plan = read(&format!(
        "{TUTORIAL}a1.sources.r1.interceptors = i2 i1\na1.sources.r1.interceptors.i1.type = static\n\
         a1.sources.r1.interceptors.i2.type = org.apache.flume.interceptor.TimestampInterceptor$Builder\n"
    ))
    .unwrap();
    let names: Vec<_> = plan.sources[0].interceptors.iter().map(|one| one.definition.name).collect();
    assert_eq!(names, ["timestamp", "static"]);
}

/// Names stand once, and every type knows its own name.
#[test]
fn the_table_is_consistent() {
    for kind in [Kind::Source, Kind::Channel, Kind::Sink, Kind::SinkGroup, Kind::Interceptor] {
        for definition in kind.types() {
            let mut names: Vec<_> = definition.keys.iter().map(|key| key.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), definition.keys.len(), "{}", definition.name);
            for key in definition.keys {
                assert!(!(key.required && key.default.is_some()), "{}", key.name);
            }
        }
    }
}
