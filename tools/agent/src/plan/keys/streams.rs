//! Sources that do not end: growing files, commands, connections, topics, numbers.

#![allow(missing_docs, reason = "the `doc` of a key is its documentation, here and in the reference page")]

use super::{
    COUNT, KeyDef, MILLISECONDS, Takes, TypeDef, key, optional, required,
    sources::{BATCH_SIZE, FILE_HEADER, FILE_HEADER_KEY},
};

pub static FILE_GROUPS: KeyDef = required("filegroups", Takes::Names, "Groups of files to read.");
pub static POSITION_FILE: KeyDef = key(
    "positionFile",
    Takes::Text,
    "~/.flume/taildir_position.json",
    "Where positions are kept, as Flume keeps them; beside it `NAME.rkafka` has what counts, written with each acknowledgement.",
);
pub static BYTE_OFFSET_HEADER: KeyDef = key(
    "byteOffsetHeader",
    Takes::Flag,
    "false",
    "Whether events have the position of their line in the header byteoffset.",
);
pub static SKIP_TO_END: KeyDef =
    key("skipToEnd", Takes::Flag, "false", "Whether files without a position are read from their end.");
pub static IDLE_TIMEOUT: KeyDef = key(
    "idleTimeout",
    MILLISECONDS,
    "120000",
    "Milliseconds after which the last line of a file that does not grow is taken without an end; beyond 512 open files it is closed.",
);
pub static WRITE_POS_INTERVAL: KeyDef =
    key("writePosInterval", MILLISECONDS, "3000", "Milliseconds between writes of positionFile.");
pub static MAX_BATCH_COUNT: KeyDef = key(
    "maxBatchCount",
    Takes::Integer(1, i64::MAX),
    "9223372036854775807",
    "Batches that are read of a file before the next has its turn.",
);
pub static BACKOFF_SLEEP_INCREMENT: KeyDef = key(
    "backoffSleepIncrement",
    MILLISECONDS,
    "1000",
    "Milliseconds until the next look where there was nothing, where the file system reports no changes; grows by as much.",
);
pub static MAX_BACKOFF_SLEEP: KeyDef =
    key("maxBackoffSleep", MILLISECONDS, "5000", "The most milliseconds between looks.");
pub static CACHE_PATTERN_MATCHING: KeyDef = key(
    "cachePatternMatching",
    Takes::Flag,
    "true",
    "Without effect: directories are read when they change.",
);
pub static TAIL_MAX_LINE: KeyDef = key(
    "maxLineBytes",
    Takes::Integer(16, i32::MAX as i64),
    "16777216",
    "The most bytes of an event; a longer line makes several. Flume has no bound.",
);

/// Files that grow.
pub static TAILDIR: TypeDef = TypeDef {
    name: "taildir",
    names: &["TAILDIR", "org.apache.flume.source.taildir.TaildirSource"],
    keys: &[
        &FILE_GROUPS,
        &POSITION_FILE,
        &BYTE_OFFSET_HEADER,
        &SKIP_TO_END,
        &IDLE_TIMEOUT,
        &WRITE_POS_INTERVAL,
        &BATCH_SIZE,
        &MAX_BATCH_COUNT,
        &BACKOFF_SLEEP_INCREMENT,
        &MAX_BACKOFF_SLEEP,
        &CACHE_PATTERN_MATCHING,
        &FILE_HEADER,
        &FILE_HEADER_KEY,
        &TAIL_MAX_LINE,
    ],
    open: &[
        (
            "filegroups.",
            "a group: a directory and, behind its last slash, a Java regular expression for whole names",
        ),
        ("headers.", "group.header: a header of all events of a group"),
    ],
    doc: "Reads files that grow, line by line. A file is known by its inode and beginning: a rotated one is read to its \
          end under its new name and never again.",
};

pub static COMMAND: KeyDef = required("command", Takes::Text, "What is run.");
pub static SHELL: KeyDef = optional(
    "shell",
    Takes::Text,
    "What runs the command, such as /bin/sh -c; needed for pipes, wildcards and variables.",
);
pub static RESTART: KeyDef =
    key("restart", Takes::Flag, "false", "Whether the command is run again when it has ended.");
pub static RESTART_THROTTLE: KeyDef =
    key("restartThrottle", MILLISECONDS, "10000", "Milliseconds until it is.");
pub static LOG_STD_ERR: KeyDef =
    key("logStdErr", Takes::Flag, "false", "Whether its standard error is logged.");
pub static EXEC_BATCH_SIZE: KeyDef = key("batchSize", COUNT, "20", "Lines handed to the channels at a time.");
pub static BATCH_TIMEOUT: KeyDef =
    key("batchTimeout", MILLISECONDS, "3000", "Milliseconds after which fewer lines are handed on.");
pub static EXEC_CHARSET: KeyDef =
    key("charset", Takes::Charset, "UTF-8", "Without effect: bytes are passed on as they are.");
pub static MAX_LINE_BYTES: KeyDef = key(
    "maxLineBytes",
    Takes::Integer(16, i32::MAX as i64),
    "1048576",
    "The most bytes of an event; a longer line makes several. Flume has no bound.",
);

/// A command's output.
pub static EXEC: TypeDef = TypeDef {
    name: "exec",
    names: &["exec", "org.apache.flume.source.ExecSource"],
    keys: &[
        &COMMAND,
        &SHELL,
        &RESTART,
        &RESTART_THROTTLE,
        &LOG_STD_ERR,
        &EXEC_BATCH_SIZE,
        &BATCH_TIMEOUT,
        &EXEC_CHARSET,
        &MAX_LINE_BYTES,
    ],
    open: &[],
    doc: "Runs a command; each line it prints is an event. What a killed agent had read and not delivered cannot be read \
          again: use it with a file channel, or TAILDIR for files.",
};

pub static BIND: KeyDef = required("bind", Takes::Text, "The address or host name to listen on.");
pub static PORT: KeyDef = required("port", Takes::Integer(0, 65_535), "The port; 0: any that is free.");
pub static NETCAT_MAX_LINE: KeyDef = key(
    "max-line-length",
    Takes::Integer(2, i32::MAX as i64),
    "512",
    "The most bytes of a line with its end. A longer one is answered FAILED and the connection closed.",
);
pub static ACK_EVERY_EVENT: KeyDef = key(
    "ack-every-event",
    Takes::Flag,
    "true",
    "Whether each line is answered OK, here once it has been delivered (or is in a file channel).",
);
pub static ENCODING: KeyDef =
    key("encoding", Takes::Charset, "utf-8", "Without effect: bytes are passed on as they are.");

/// Lines from connections.
pub static NETCAT: TypeDef = TypeDef {
    name: "netcat",
    names: &["netcat", "org.apache.flume.source.NetcatSource"],
    keys: &[&BIND, &PORT, &NETCAT_MAX_LINE, &ACK_EVERY_EVENT, &ENCODING],
    open: &[],
    doc: "Listens on a port; each line that a connection sends is an event.",
};

pub static SOURCE_SERVERS: KeyDef =
    required("kafka.bootstrap.servers", Takes::Text, "Where the cluster is: host:port, separated by commas.");
pub static TOPICS: KeyDef = optional("kafka.topics", Takes::Text, "Topics, separated by commas.");
pub static TOPICS_REGEX: KeyDef = optional(
    "kafka.topics.regex",
    Takes::Text,
    "A regular expression for whole names of topics; wins over kafka.topics.",
);
pub static OLD_SOURCE_TOPIC: KeyDef = optional("topic", Takes::Text, "Older name of kafka.topics.");
pub static GROUP_ID: KeyDef =
    key("kafka.consumer.group.id", Takes::Text, "flume", "The group that shares the topics.");
pub static OLD_GROUP_ID: KeyDef = optional("groupId", Takes::Text, "Older name of kafka.consumer.group.id.");
pub static SOURCE_BATCH_SIZE: KeyDef =
    key("batchSize", COUNT, "1000", "Events handed to the channels at a time.");
pub static BATCH_DURATION: KeyDef =
    key("batchDurationMillis", MILLISECONDS, "1000", "Milliseconds after which fewer events are handed on.");
pub static SOURCE_EVENT_FORMAT: KeyDef = key(
    "useFlumeEventFormat",
    Takes::Flag,
    "false",
    "Whether a record's value is an Avro AvroFlumeEvent with headers and body.",
);
pub static SET_TOPIC_HEADER: KeyDef =
    key("setTopicHeader", Takes::Flag, "true", "Whether events have the topic in a header.");
pub static SOURCE_TOPIC_HEADER: KeyDef = key("topicHeader", Takes::Text, "topic", "The header for it.");
pub static SOURCE_TIMESTAMP_HEADER: KeyDef = optional(
    "timestampHeader",
    Takes::Text,
    "A header for the record's own time; timestamp has the time when it was read.",
);
pub static MIGRATE_OFFSETS: KeyDef =
    key("migrateZookeeperOffsets", Takes::Flag, "true", "Without effect: offsets are in the cluster.");

/// Records of topics.
pub static KAFKA_SOURCE: TypeDef = TypeDef {
    name: "org.apache.flume.source.kafka.KafkaSource",
    names: &["org.apache.flume.source.kafka.KafkaSource", "kafka"],
    keys: &[
        &SOURCE_SERVERS,
        &TOPICS,
        &TOPICS_REGEX,
        &OLD_SOURCE_TOPIC,
        &GROUP_ID,
        &OLD_GROUP_ID,
        &SOURCE_BATCH_SIZE,
        &BATCH_DURATION,
        &SOURCE_EVENT_FORMAT,
        &SET_TOPIC_HEADER,
        &SOURCE_TOPIC_HEADER,
        &SOURCE_TIMESTAMP_HEADER,
        &MIGRATE_OFFSETS,
        &BACKOFF_SLEEP_INCREMENT,
        &MAX_BACKOFF_SLEEP,
    ],
    open: &[
        ("kafka.consumer.", "settings of the consumer, by the Java client's names"),
        ("header.", "the record header that becomes an event header"),
    ],
    doc: "Reads records of topics. Offsets are committed when the events have been delivered (or are in a file channel).",
};

pub static TOTAL_EVENTS: KeyDef =
    key("totalEvents", Takes::Integer(0, i64::MAX), "9223372036854775807", "How many events it makes.");
pub static SEQ_BATCH_SIZE: KeyDef = key("batchSize", COUNT, "1", "Events handed to the channels at a time.");

/// A counter, for trying things out.
pub static SEQ: TypeDef = TypeDef {
    name: "seq",
    names: &["seq", "org.apache.flume.source.SequenceGeneratorSource"],
    keys: &[&TOTAL_EVENTS, &SEQ_BATCH_SIZE],
    open: &[],
    doc: "Makes events 0, 1, 2 …, for trying things out.",
};
