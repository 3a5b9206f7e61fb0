//! What a spooling-directory source's properties say, in the types that its parts use.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use fancy_regex::Regex;

use super::datums::SchemaHeader;

use crate::{
    event::Text,
    plan::{Component, keys::sources as keys},
    text::{Charset, DecodeErrorPolicy},
};

/// The settings of one source.
#[derive(Debug)]
pub struct Settings {
    /// The source's name in the file.
    pub name: String,
    /// Where files are read from.
    pub directory: PathBuf,
    /// Where positions and marks are kept.
    pub tracker: PathBuf,
    /// Which files.
    pub choice: Choice,
    /// What happens to finished ones.
    pub finish: Finish,
    /// How they are read.
    pub reading: Reading,
    /// Which headers events get.
    pub headers: FileHeaders,
    /// How long until the directory is looked at again.
    pub poll_delay: Duration,
    /// Whether the source stops at the first bad file, as Flume's does.
    pub halt_on_error: bool,
}

/// Which files are read, and in which order.
#[derive(Debug)]
pub struct Choice {
    /// What finished files' names end with.
    pub suffix: Text,
    /// What a whole name must match.
    pub include: Option<Regex>,
    /// What it must not.
    pub ignore: Option<Regex>,
    /// Whether directories below are read too.
    pub recursive: bool,
    /// Which is next.
    pub order: Order,
}

/// `consumeOrder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The one modified first.
    Oldest,
    /// The one modified last.
    Youngest,
    /// Any.
    Random,
}

/// What happens to a finished file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// The suffix is put behind its name.
    Rename,
    /// It is deleted.
    Delete,
    /// It stays; an empty file in the tracker directory marks it.
    Mark,
}

/// How a file becomes events.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Events at a time.
    pub batch: usize,
    /// What is an event.
    pub unit: Unit,
    /// `None`: found from the beginning of each file.
    pub charset: Option<Charset>,
    /// What happens to bytes that are no text.
    pub policy: DecodeErrorPolicy,
    /// Whether compressed files are read through.
    pub decompress: bool,
    /// Whether an empty file makes an empty event.
    pub empty_file_event: bool,
}

/// What an event is.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// A line.
    Line {
        /// The most UTF-16 units of an event.
        most: usize,
        /// Whether only the beginning of a longer line is kept.
        truncate: bool,
        /// Whether a CR before the line end is dropped.
        strip_carriage_return: bool,
        /// Whether a byte order mark at the beginning is dropped.
        strip_byte_order_mark: bool,
        /// Whether empty lines are dropped.
        skip_empty: bool,
    },
    /// A datum of an Avro container file.
    Datum {
        /// How it tells its schema.
        schema: SchemaHeader,
    },
    /// A whole file, or this many bytes of it.
    Blob {
        /// The most bytes of an event.
        most: usize,
    },
}

/// Headers with the file's path and name.
#[derive(Debug)]
pub struct FileHeaders {
    /// The header for the absolute path.
    pub path: Option<Text>,
    /// The header for the name.
    pub basename: Option<Text>,
}

impl Settings {
    /// Takes them from checked properties.
    #[must_use]
    pub fn new(source: &Component) -> Settings {
        let text = |key| source.text(key).unwrap_or_default();
        let directory = PathBuf::from(&*text(&keys::SPOOL_DIR));
        let header = |flag, name| if source.flag(flag) { source.text(name) } else { None };
        Settings {
            name: source.name.clone(),
            tracker: directory.join(Path::new(&*text(&keys::TRACKER_DIR))),
            choice: Choice {
                suffix: text(&keys::FILE_SUFFIX),
                include: source.pattern(&keys::INCLUDE_PATTERN, true),
                ignore: source.pattern(&keys::IGNORE_PATTERN, true),
                recursive: source.flag(&keys::RECURSIVE),
                order: match () {
                    () if source.is(&keys::CONSUME_ORDER, "youngest") => Order::Youngest,
                    () if source.is(&keys::CONSUME_ORDER, "random") => Order::Random,
                    () => Order::Oldest,
                },
            },
            finish: match () {
                () if source.is(&keys::DELETE_POLICY, "immediate") => Finish::Delete,
                () if source.is(&keys::TRACKING_POLICY, "tracker_dir") => Finish::Mark,
                () => Finish::Rename,
            },
            reading: reading(source),
            headers: FileHeaders {
                path: header(&keys::FILE_HEADER, &keys::FILE_HEADER_KEY),
                basename: header(&keys::BASENAME_HEADER, &keys::BASENAME_HEADER_KEY),
            },
            poll_delay: Duration::from_millis(
                source.integer(&keys::POLL_DELAY).unwrap_or(500).unsigned_abs(),
            ),
            halt_on_error: source.is(&keys::ERROR_POLICY, "halt"),
            directory,
        }
    }
}

fn reading(source: &Component) -> Reading {
    let charset: Arc<str> = source.text(&keys::INPUT_CHARSET).unwrap_or_default();
    let deserializer = source.text(&keys::DESERIALIZER).unwrap_or_default().to_ascii_lowercase();
    let unit = if deserializer.contains("blob") {
        Unit::Blob { most: source.count(&keys::MAX_BLOB_LENGTH) }
    } else if deserializer.contains("avro") {
        let literal = source.is(&keys::SCHEMA_TYPE, "literal");
        Unit::Datum { schema: if literal { SchemaHeader::Literal } else { SchemaHeader::Hash } }
    } else {
        let older = source.is_set(&keys::BUFFER_MAX_LINE_LENGTH);
        let key = if older { &keys::BUFFER_MAX_LINE_LENGTH } else { &keys::MAX_LINE_LENGTH };
        Unit::Line {
            most: source.count(key).max(2),
            truncate: source.is(&keys::LONG_LINE, "truncate"),
            strip_carriage_return: source.flag(&keys::STRIP_CARRIAGE_RETURN),
            strip_byte_order_mark: source.flag(&keys::STRIP_BOM),
            skip_empty: source.flag(&keys::SKIP_EMPTY),
        }
    };
    Reading {
        batch: source.count(&keys::BATCH_SIZE).max(1),
        unit,
        charset: Charset::by_name(&charset).ok(),
        policy: match () {
            () if source.is(&keys::DECODE_ERROR_POLICY, "replace") => DecodeErrorPolicy::Replace,
            () if source.is(&keys::DECODE_ERROR_POLICY, "ignore") => DecodeErrorPolicy::Ignore,
            () => DecodeErrorPolicy::Fail,
        },
        decompress: source.is(&keys::DECOMPRESS, "auto"),
        empty_file_event: source.flag(&keys::EMPTY_FILE_EVENT),
    }
}
