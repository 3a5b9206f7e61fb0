//! Sinks, sink groups and their properties.

#![allow(missing_docs, reason = "the `doc` of a key is its documentation, here and in the reference page")]

use super::{COUNT, KeyDef, MILLISECONDS, Takes, TypeDef, key, optional, required};

/// What every sink has.
pub static COMMON: &[&KeyDef] = &[&CHANNEL];
pub static CHANNEL: KeyDef = required("channel", Takes::Text, "The channel it takes events from.");

pub static BOOTSTRAP_SERVERS: KeyDef =
    optional("kafka.bootstrap.servers", Takes::Text, "Where the cluster is: host:port, separated by commas.");
pub static BROKER_LIST: KeyDef =
    optional("brokerList", Takes::Text, "Older name of kafka.bootstrap.servers.");
pub static TOPIC: KeyDef = optional(
    "kafka.topic",
    Takes::Text,
    "The topic (default-flume-topic if not set); `%{header}` stands for a header's value.",
);
pub static OLD_TOPIC: KeyDef = optional("topic", Takes::Text, "Older name of kafka.topic.");
pub static FLUME_BATCH_SIZE: KeyDef =
    optional("flumeBatchSize", COUNT, "Events taken from the channel at a time (100 if not set).");
pub static KAFKA_FLUME_BATCH_SIZE: KeyDef = optional(
    "kafka.flumeBatchSize",
    COUNT,
    "Taken for flumeBatchSize, as it is meant. Flume ignores it without a word.",
);
pub static OLD_BATCH_SIZE: KeyDef = optional("batchSize", COUNT, "Older name of flumeBatchSize.");
pub static REQUIRED_ACKS: KeyDef =
    optional("requiredAcks", Takes::Word(&["0", "1", "-1", "all"]), "Older name of kafka.producer.acks.");
pub static USE_FLUME_EVENT_FORMAT: KeyDef = key(
    "useFlumeEventFormat",
    Takes::Flag,
    "false",
    "Whether a record's value is an Avro AvroFlumeEvent with headers and body.",
);
pub static DEFAULT_PARTITION: KeyDef =
    optional("defaultPartitionId", Takes::Integer(0, i32::MAX as i64), "The partition of all records.");
pub static PARTITION_HEADER: KeyDef = optional(
    "partitionIdHeader",
    Takes::Text,
    "The header that names the partition; wins over defaultPartitionId.",
);
pub static ALLOW_TOPIC_OVERRIDE: KeyDef =
    key("allowTopicOverride", Takes::Flag, "true", "Whether a header may name the topic.");
pub static TOPIC_HEADER: KeyDef = key("topicHeader", Takes::Text, "topic", "The header that does.");
pub static TIMESTAMP_HEADER: KeyDef =
    optional("timestampHeader", Takes::Text, "The header with a record's time, in milliseconds.");

/// Kafka.
pub static KAFKA: TypeDef = TypeDef {
    name: "org.apache.flume.sink.kafka.KafkaSink",
    names: &["org.apache.flume.sink.kafka.KafkaSink", "kafka"],
    keys: &[
        &BOOTSTRAP_SERVERS,
        &BROKER_LIST,
        &TOPIC,
        &OLD_TOPIC,
        &FLUME_BATCH_SIZE,
        &KAFKA_FLUME_BATCH_SIZE,
        &OLD_BATCH_SIZE,
        &REQUIRED_ACKS,
        &USE_FLUME_EVENT_FORMAT,
        &DEFAULT_PARTITION,
        &PARTITION_HEADER,
        &ALLOW_TOPIC_OVERRIDE,
        &TOPIC_HEADER,
        &TIMESTAMP_HEADER,
    ],
    open: &[
        ("kafka.producer.", "settings of the producer, by the Java client's names"),
        ("header.", "the record header that an event header becomes"),
    ],
    doc: "Sends events to a topic. Records that are lost on the way are sent again, in order and without duplicates.",
};

pub static MAX_BYTES_TO_LOG: KeyDef = key(
    "maxBytesToLog",
    Takes::Integer(0, i32::MAX as i64),
    "16",
    "The most bytes of a body that are shown.",
);

/// Events into the log.
pub static LOGGER: TypeDef = TypeDef {
    name: "logger",
    names: &["logger", "org.apache.flume.sink.LoggerSink"],
    keys: &[&MAX_BYTES_TO_LOG],
    open: &[],
    doc: "Writes events into the agent's log.",
};

pub static NULL_BATCH_SIZE: KeyDef = key("batchSize", COUNT, "100", "Events taken at a time.");

/// Nowhere.
pub static NULL: TypeDef = TypeDef {
    name: "null",
    names: &["null", "org.apache.flume.sink.NullSink"],
    keys: &[&NULL_BATCH_SIZE],
    open: &[],
    doc: "Drops events.",
};

pub static DIRECTORY: KeyDef = required("sink.directory", Takes::Text, "The directory for the files.");
pub static ROLL_INTERVAL: KeyDef = key(
    "sink.rollInterval",
    Takes::Integer(0, 1 << 31),
    "30",
    "Seconds after which the next file begins; 0: never.",
);
pub static FILE_ROLL_BATCH_SIZE: KeyDef = key("sink.batchSize", COUNT, "100", "Events taken at a time.");
pub static SERIALIZER: KeyDef = key(
    "sink.serializer",
    Takes::Word(&["TEXT", "org.apache.flume.serialization.BodyTextEventSerializer$Builder"]),
    "TEXT",
    "How events are written: TEXT, the bodies.",
);
pub static APPEND_NEWLINE: KeyDef =
    key("sink.serializer.appendNewline", Takes::Flag, "true", "Whether each body is followed by a line end.");

/// Files.
pub static FILE_ROLL: TypeDef = TypeDef {
    name: "file_roll",
    names: &["file_roll", "org.apache.flume.sink.RollingFileSink"],
    keys: &[&DIRECTORY, &ROLL_INTERVAL, &FILE_ROLL_BATCH_SIZE, &SERIALIZER, &APPEND_NEWLINE],
    open: &[],
    doc: "Writes bodies into files, a new one every so often.",
};

/// Served sinks.
pub static TYPES: &[&TypeDef] = &[&KAFKA, &LOGGER, &NULL, &FILE_ROLL];

pub static GROUP_SINKS: KeyDef = required("sinks", Takes::Names, "The group's sinks.");
pub static PROCESSOR_TYPE: KeyDef = key(
    "processor.type",
    Takes::Word(&["default", "failover", "load_balance"]),
    "default",
    "Which sink takes the next events: the only one, the first that works, or each in turn.",
);
pub static MAX_PENALTY: KeyDef = key(
    "processor.maxpenalty",
    MILLISECONDS,
    "30000",
    "failover: the longest time, in milliseconds, for which a failed sink is passed over.",
);
pub static BACKOFF: KeyDef = key(
    "processor.backoff",
    Takes::Flag,
    "false",
    "load_balance: whether a failed sink is passed over for a while.",
);
pub static SELECTOR: KeyDef = key(
    "processor.selector",
    Takes::Word(&["round_robin", "random"]),
    "round_robin",
    "load_balance: which sink is next.",
);
pub static MAX_TIME_OUT: KeyDef = key(
    "processor.selector.maxTimeOut",
    MILLISECONDS,
    "30000",
    "load_balance: the longest time, in milliseconds, for which a failed sink is passed over.",
);

/// A sink group.
pub static GROUP: TypeDef = TypeDef {
    name: "sink group",
    names: &[],
    keys: &[&GROUP_SINKS, &PROCESSOR_TYPE, &MAX_PENALTY, &BACKOFF, &SELECTOR, &MAX_TIME_OUT],
    open: &[("processor.priority.", "failover: a sink's priority; the highest is tried first")],
    doc: "Several sinks of one channel behind one processor.",
};

/// Sink groups have one type only.
pub static GROUPS: &[&TypeDef] = &[&GROUP];
