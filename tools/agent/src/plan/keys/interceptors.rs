//! Interceptors and their properties.

#![allow(missing_docs, reason = "the `doc` of a key is its documentation, here and in the reference page")]

use super::{KeyDef, Takes, TypeDef, key, optional, required};

pub static PRESERVE: KeyDef =
    key("preserveExisting", Takes::Flag, "false", "Whether a header that is there already is kept.");
pub static PRESERVE_BY_DEFAULT: KeyDef =
    key("preserveExisting", Takes::Flag, "true", "Whether a header that is there already is kept.");

pub static TIMESTAMP_NAME: KeyDef = key("headerName", Takes::Text, "timestamp", "The header.");
/// When the event passed, in milliseconds.
pub static TIMESTAMP: TypeDef = TypeDef {
    name: "timestamp",
    names: &["timestamp", "org.apache.flume.interceptor.TimestampInterceptor$Builder"],
    keys: &[&TIMESTAMP_NAME, &PRESERVE],
    open: &[],
    doc: "Sets a header to the time in milliseconds.",
};

pub static USE_IP: KeyDef = key("useIP", Takes::Flag, "true", "The address rather than the name.");
pub static HOST_HEADER: KeyDef = key("hostHeader", Takes::Text, "host", "The header.");
/// The agent's host.
pub static HOST: TypeDef = TypeDef {
    name: "host",
    names: &["host", "org.apache.flume.interceptor.HostInterceptor$Builder"],
    keys: &[&USE_IP, &HOST_HEADER, &PRESERVE],
    open: &[],
    doc: "Sets a header to the address or name of the agent's host.",
};

pub static STATIC_KEY: KeyDef = key("key", Takes::Text, "key", "The header.");
pub static STATIC_VALUE: KeyDef = key("value", Takes::Text, "value", "Its value.");
/// A fixed header.
pub static STATIC: TypeDef = TypeDef {
    name: "static",
    names: &["static", "org.apache.flume.interceptor.StaticInterceptor$Builder"],
    keys: &[&STATIC_KEY, &STATIC_VALUE, &PRESERVE_BY_DEFAULT],
    open: &[],
    doc: "Sets a header to a fixed value.",
};

pub static UUID_NAME: KeyDef = key("headerName", Takes::Text, "id", "The header.");
pub static UUID_PREFIX: KeyDef = key("prefix", Takes::Text, "", "What stands before the UUID.");
/// A random identity.
pub static UUID: TypeDef = TypeDef {
    name: "uuid",
    names: &["org.apache.flume.sink.solr.morphline.UUIDInterceptor$Builder", "uuid"],
    keys: &[&UUID_NAME, &PRESERVE_BY_DEFAULT, &UUID_PREFIX],
    open: &[],
    doc: "Sets a header to a random UUID.",
};

pub static FILTER_REGEX: KeyDef =
    key("regex", Takes::Pattern, ".*", "What is looked for anywhere in the body.");
pub static EXCLUDE_EVENTS: KeyDef =
    key("excludeEvents", Takes::Flag, "false", "Whether events in which it is found are dropped, not kept.");
/// Keeps or drops events by their bodies.
pub static REGEX_FILTER: TypeDef = TypeDef {
    name: "regex_filter",
    names: &["regex_filter", "org.apache.flume.interceptor.RegexFilteringInterceptor$Builder"],
    keys: &[&FILTER_REGEX, &EXCLUDE_EVENTS],
    open: &[],
    doc: "Keeps or drops events in whose body a pattern is found.",
};

pub static EXTRACTOR_REGEX: KeyDef = required("regex", Takes::Pattern, "A pattern with groups.");
pub static SERIALIZERS: KeyDef = required("serializers", Takes::Names, "One for each group, in order.");
/// Groups of a pattern into headers.
pub static REGEX_EXTRACTOR: TypeDef = TypeDef {
    name: "regex_extractor",
    names: &["regex_extractor", "org.apache.flume.interceptor.RegexExtractorInterceptor$Builder"],
    keys: &[&EXTRACTOR_REGEX, &SERIALIZERS],
    open: &[("serializers.", "name: the header of a group; type: default")],
    doc: "Sets headers to the groups of a pattern found in the body.",
};

pub static SEARCH_PATTERN: KeyDef = required("searchPattern", Takes::Pattern, "What is replaced.");
pub static REPLACE_STRING: KeyDef =
    key("replaceString", Takes::Text, "", "What it becomes; $1 is the first group.");
pub static SEARCH_CHARSET: KeyDef = key("charset", Takes::Charset, "UTF-8", "The character set of the body.");
/// Changes bodies.
pub static SEARCH_REPLACE: TypeDef = TypeDef {
    name: "search_replace",
    names: &["search_replace", "org.apache.flume.interceptor.SearchAndReplaceInterceptor$Builder"],
    keys: &[&SEARCH_PATTERN, &REPLACE_STRING, &SEARCH_CHARSET],
    open: &[],
    doc: "Replaces what a pattern finds in the body.",
};

pub static WITH_NAME: KeyDef = optional("withName", Takes::Text, "A header to drop.");
pub static FROM_LIST: KeyDef = optional("fromList", Takes::Text, "Headers to drop.");
pub static FROM_LIST_SEPARATOR: KeyDef =
    key("fromListSeparator", Takes::Pattern, "\\s*,\\s*", "What separates them.");
pub static MATCHING: KeyDef = optional("matching", Takes::Pattern, "Headers to drop, by their whole names.");
/// Drops headers.
pub static REMOVE_HEADER: TypeDef = TypeDef {
    name: "remove_header",
    names: &["remove_header", "org.apache.flume.interceptor.RemoveHeaderInterceptor$Builder"],
    keys: &[&WITH_NAME, &FROM_LIST, &FROM_LIST_SEPARATOR, &MATCHING],
    open: &[],
    doc: "Drops headers.",
};

/// Served interceptors.
pub static TYPES: &[&TypeDef] =
    &[&TIMESTAMP, &HOST, &STATIC, &UUID, &REGEX_FILTER, &REGEX_EXTRACTOR, &SEARCH_REPLACE, &REMOVE_HEADER];
