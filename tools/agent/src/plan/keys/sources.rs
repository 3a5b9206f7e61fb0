//! Sources and their properties.

#![allow(missing_docs, reason = "the `doc` of a key is its documentation, here and in the reference page")]

use super::{COUNT, KeyDef, MILLISECONDS, Takes, TypeDef, key, optional, required, streams};

/// What every source has.
pub static COMMON: &[&KeyDef] =
    &[&CHANNELS, &SELECTOR_TYPE, &SELECTOR_HEADER, &SELECTOR_DEFAULT, &SELECTOR_OPTIONAL, &INTERCEPTORS];
/// What every source may have more of.
pub static COMMON_OPEN: &[(&str, &str)] = &[
    ("selector.mapping.", "channels for events whose header has this value"),
    ("selector.optional.", "optional channels for events whose header has this value"),
    ("interceptors.", "properties of an interceptor"),
];

pub static CHANNELS: KeyDef = required("channels", Takes::Names, "The channels its events go to.");
pub static SELECTOR_TYPE: KeyDef = key(
    "selector.type",
    Takes::Word(&[
        "replicating",
        "multiplexing",
        "org.apache.flume.channel.ReplicatingChannelSelector",
        "org.apache.flume.channel.MultiplexingChannelSelector",
    ]),
    "replicating",
    "Whether an event goes to all channels, or to those its header names.",
);
pub static SELECTOR_HEADER: KeyDef =
    key("selector.header", Takes::Text, "flume.selector.header", "The header that multiplexing looks at.");
pub static SELECTOR_DEFAULT: KeyDef =
    optional("selector.default", Takes::Names, "Channels for events that no mapping fits.");
pub static SELECTOR_OPTIONAL: KeyDef = optional(
    "selector.optional",
    Takes::Names,
    "Channels that may refuse an event without it being sent again.",
);
pub static INTERCEPTORS: KeyDef =
    optional("interceptors", Takes::Names, "Interceptors, in the order in which they see events.");

pub static BATCH_SIZE: KeyDef = key("batchSize", COUNT, "100", "Events handed to the channels at a time.");
pub static INPUT_CHARSET: KeyDef = key(
    "inputCharset",
    Takes::Charset,
    "UTF-8",
    "The character set of the files, by Java's name; `auto` finds it from the beginning of each file.",
);
pub static DECODE_ERROR_POLICY: KeyDef = key(
    "decodeErrorPolicy",
    Takes::Word(&["FAIL", "REPLACE", "IGNORE"]),
    "FAIL",
    "Bytes that are no text: FAIL sets the file aside after its good lines, REPLACE puts U+FFFD, IGNORE drops them.",
);
pub static FILE_HEADER: KeyDef =
    key("fileHeader", Takes::Flag, "false", "Whether events have the file's absolute path.");
pub static FILE_HEADER_KEY: KeyDef = key("fileHeaderKey", Takes::Text, "file", "The header for it.");

pub static SPOOL_DIR: KeyDef = required("spoolDir", Takes::Text, "The directory to read files from.");
pub static FILE_SUFFIX: KeyDef =
    key("fileSuffix", Takes::Text, ".COMPLETED", "What is put behind a finished file's name.");
pub static DELETE_POLICY: KeyDef =
    key("deletePolicy", Takes::Word(&["never", "immediate"]), "never", "Whether finished files are deleted.");
pub static TRACKING_POLICY: KeyDef = key(
    "trackingPolicy",
    Takes::Word(&["rename", "tracker_dir"]),
    "rename",
    "Whether a finished file is renamed, or left alone and marked by an empty file in trackerDir.",
);
pub static TRACKER_DIR: KeyDef = key(
    "trackerDir",
    Takes::Text,
    ".flumespool",
    "Where positions (and marks of finished files) are kept; below spoolDir unless absolute.",
);
pub static INCLUDE_PATTERN: KeyDef = key(
    "includePattern",
    Takes::Pattern,
    "^.*$",
    "Files to read, by a Java regular expression for the whole name.",
);
pub static IGNORE_PATTERN: KeyDef = key(
    "ignorePattern",
    Takes::Pattern,
    "^$",
    "Files (and directories) to leave alone; wins over includePattern.",
);
pub static CONSUME_ORDER: KeyDef = key(
    "consumeOrder",
    Takes::Word(&["oldest", "youngest", "random"]),
    "oldest",
    "Which file is next: by time of modification, ties by name.",
);
pub static POLL_DELAY: KeyDef = key(
    "pollDelay",
    MILLISECONDS,
    "500",
    "Milliseconds between looks at the directory where the file system reports no changes.",
);
pub static RECURSIVE: KeyDef =
    key("recursiveDirectorySearch", Takes::Flag, "false", "Whether files in directories below are read too.");
pub static MAX_BACKOFF: KeyDef =
    key("maxBackoff", MILLISECONDS, "4000", "The longest pause, in milliseconds, while a channel is full.");
pub static BASENAME_HEADER: KeyDef =
    key("basenameHeader", Takes::Flag, "false", "Whether events have the file's name without directories.");
pub static BASENAME_HEADER_KEY: KeyDef =
    key("basenameHeaderKey", Takes::Text, "basename", "The header for it.");
pub static DESERIALIZER: KeyDef = key(
    "deserializer",
    Takes::Word(&[
        "LINE",
        "org.apache.flume.serialization.LineDeserializer$Builder",
        "AVRO",
        "org.apache.flume.serialization.AvroEventDeserializer$Builder",
        "BLOB",
        "org.apache.flume.sink.solr.morphline.BlobDeserializer$Builder",
    ]),
    "LINE",
    "An event a line (LINE), a datum of an Avro container file (AVRO), or a file (BLOB).",
);
pub static MAX_LINE_LENGTH: KeyDef = key(
    "deserializer.maxLineLength",
    Takes::Integer(2, i32::MAX as i64),
    "2048",
    "The most characters of an event; see longLine for lines that are longer.",
);
pub static OUTPUT_CHARSET: KeyDef = key(
    "deserializer.outputCharset",
    Takes::Word(&["UTF-8", "UTF8"]),
    "UTF-8",
    "The character set of events: UTF-8.",
);
pub static SCHEMA_TYPE: KeyDef = key(
    "deserializer.schemaType",
    Takes::Word(&["HASH", "LITERAL"]),
    "HASH",
    "How an event of an Avro file tells its schema: header flume.avro.schema.hash with the CRC-64-AVRO fingerprint, \
     or flume.avro.schema.literal with the schema.",
);
pub static MAX_BLOB_LENGTH: KeyDef = key(
    "deserializer.maxBlobLength",
    Takes::Integer(1, i32::MAX as i64),
    "100000000",
    "The most bytes of a file's event; the rest makes further events.",
);
pub static BUFFER_MAX_LINES: KeyDef =
    optional("bufferMaxLines", COUNT, "Obsolete, without effect, as in Flume.");
pub static BUFFER_MAX_LINE_LENGTH: KeyDef = optional(
    "bufferMaxLineLength",
    COUNT,
    "Obsolete name of deserializer.maxLineLength, which it overrides.",
);
pub static ERROR_POLICY: KeyDef = key(
    "errorPolicy",
    Takes::Word(&["quarantine", "halt"]),
    "quarantine",
    "A file that cannot be read to its end: set aside as NAME.ERROR with NAME.ERROR.json, or (as Flume) the source stops.",
);
pub static LONG_LINE: KeyDef = key(
    "longLine",
    Takes::Word(&["split", "truncate"]),
    "split",
    "A line longer than maxLineLength: several events (as Flume), or its beginning only.",
);
pub static STRIP_CARRIAGE_RETURN: KeyDef =
    key("stripCR", Takes::Flag, "false", "Whether the CR of lines that end in CR LF is dropped.");
pub static SKIP_EMPTY: KeyDef = key("skipEmpty", Takes::Flag, "false", "Whether empty lines make no events.");
pub static STRIP_BOM: KeyDef =
    key("stripBOM", Takes::Flag, "false", "Whether a byte order mark at the beginning of a file is dropped.");
pub static EMPTY_FILE_EVENT: KeyDef =
    key("emptyFileEvent", Takes::Flag, "true", "Whether an empty file makes one empty event, as in Flume.");
pub static DECOMPRESS: KeyDef = key(
    "decompress",
    Takes::Word(&["auto", "none"]),
    "auto",
    "Whether gzip, zstd, bzip2 and xz files are read through, recognised by how they begin.",
);

/// Spooling directory.
pub static SPOOLDIR: TypeDef = TypeDef {
    name: "spooldir",
    names: &["spooldir", "org.apache.flume.source.SpoolDirectorySource"],
    keys: &[
        &SPOOL_DIR,
        &FILE_SUFFIX,
        &DELETE_POLICY,
        &TRACKING_POLICY,
        &TRACKER_DIR,
        &INCLUDE_PATTERN,
        &IGNORE_PATTERN,
        &CONSUME_ORDER,
        &POLL_DELAY,
        &RECURSIVE,
        &MAX_BACKOFF,
        &BATCH_SIZE,
        &FILE_HEADER,
        &FILE_HEADER_KEY,
        &BASENAME_HEADER,
        &BASENAME_HEADER_KEY,
        &INPUT_CHARSET,
        &DECODE_ERROR_POLICY,
        &DESERIALIZER,
        &MAX_LINE_LENGTH,
        &OUTPUT_CHARSET,
        &SCHEMA_TYPE,
        &MAX_BLOB_LENGTH,
        &BUFFER_MAX_LINES,
        &BUFFER_MAX_LINE_LENGTH,
        &ERROR_POLICY,
        &LONG_LINE,
        &STRIP_CARRIAGE_RETURN,
        &STRIP_BOM,
        &SKIP_EMPTY,
        &EMPTY_FILE_EVENT,
        &DECOMPRESS,
    ],
    open: &[],
    doc: "Reads the files that are put into a directory, each once, and renames them when all of it has arrived.",
};

/// Served sources.
pub static TYPES: &[&TypeDef] =
    &[&SPOOLDIR, &streams::TAILDIR, &streams::EXEC, &streams::NETCAT, &streams::KAFKA_SOURCE, &streams::SEQ];
