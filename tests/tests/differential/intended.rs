//! What rkafka answers otherwise than Apache Kafka 4.3, on purpose. Everything that is not listed here must
//! be equal. An entry that explains no difference any more fails the test of its script.

/// One difference that is known.
pub(crate) struct Difference {
    /// The script.
    pub(crate) script: &'static str,
    /// How the label of its step begins; empty for all steps.
    pub(crate) label: &'static str,
    /// What a differing line contains, on either side.
    pub(crate) line: &'static str,
    /// Why rkafka differs, or what is to be made equal.
    pub(crate) reason: &'static str,
}

/// What differs in the steps of `script` whose labels begin with `label`.
pub(crate) const fn difference(
    script: &'static str,
    label: &'static str,
    line: &'static str,
    reason: &'static str,
) -> Difference {
    Difference { script, label, line, reason }
}

const NOT_SERVED: &str = "not served yet: absent from ApiVersions, so that clients say so clearly";
const SAYS_WHY: &str = "rkafka says what is wrong with a batch, where Apache Kafka has no words or others";
const STRICTER: &str = "what follows the batch is refused, not dropped";
const NUMBERED: &str = "records must be numbered 0, 1, 2, …: Apache Kafka stores others under wrong offsets";
const AT_ONCE: &str = "a created topic is answered at once; Apache Kafka lets the client ask again";
const NO_FAILURE: &str = "Apache Kafka fails with UNKNOWN_SERVER_ERROR; rkafka names the error";
const OLD_CONFIGS: &str = "topic configs of Kafka 2.2 are accepted, with a notice";

const WORDS_OF_2_2: &str = "the words of Kafka 2.2, which tutorials quote";
const BY_NAME: &str = "of several bad settings the first by name is told, not the first that Kafka defined";

/// All of them.
pub(crate) const INTENDED: &[Difference] = &[
    // SASL, transactions, ACLs, quotas, the newer group protocols, and what only brokers and controllers send.
    difference("api_versions", "key 17", "key 17: 0 to 1", NOT_SERVED),
    difference("api_versions", "key 2", "key 24: 0 to 5", NOT_SERVED),
    difference("api_versions", "key 2", "key 25: 0 to 4", NOT_SERVED),
    difference("api_versions", "key 2", "key 26: 0 to 5", NOT_SERVED),
    difference("api_versions", "key 2", "key 27: 1 to 2", NOT_SERVED),
    difference("api_versions", "key 2", "key 28: 0 to 5", NOT_SERVED),
    difference("api_versions", "key 3", "key 36: 0 to 2", NOT_SERVED),
    difference("api_versions", "key 3", "key 38: 1 to 3", NOT_SERVED),
    difference("api_versions", "key 3", "key 39: 1 to 2", NOT_SERVED),
    difference("api_versions", "key 4", "key 40: 1 to 2", NOT_SERVED),
    difference("api_versions", "key 4", "key 41: 1 to 3", NOT_SERVED),
    difference("api_versions", "key 4", "key 48: 0 to 1", NOT_SERVED),
    difference("api_versions", "key 4", "key 49: 0 to 1", NOT_SERVED),
    difference("api_versions", "key 5", "key 50: 0 to 0", NOT_SERVED),
    difference("api_versions", "key 5", "key 51: 0 to 0", NOT_SERVED),
    difference("api_versions", "key 6", "key 6", NOT_SERVED),
    difference("api_versions", "key 7", "key 7", NOT_SERVED),
    difference("api_versions", "key 8", "key 8", NOT_SERVED),
    difference("api_versions", "key 9", "key 9", NOT_SERVED),
    difference(
        "api_versions",
        "the rest",
        "",
        "features are announced with the protocols that they switch on",
    ),
    difference("bad_batches", "", "error_message:", SAYS_WHY),
    difference("bad_batches", "rubbish behind", "", STRICTER),
    difference(
        "bad_batches",
        "log append time",
        "",
        "clients must not set the broker's time (checklist 3.5)",
    ),
    difference("bad_batches", "an unknown codec", "error_code:", NO_FAILURE),
    difference("bad_batches", "a length of 2 GiB", "error_code:", NO_FAILURE),
    difference("bad_batches", "gzip that is none", "error_code:", NO_FAILURE),
    difference("bad_batches", "zstd that is none", "error_code:", NO_FAILURE),
    difference("bad_batches", "offset deltas that jump", "", NUMBERED),
    difference("sequences", "a negative sequence", "error_message:", SAYS_WHY),
    difference("sequences_wrap_around", "negative", "error_message:", SAYS_WHY),
    difference("unknown_producers", "no sequence", "error_message:", SAYS_WHY),
    difference("metadata_creates_topics", "created on demand", "", AT_ONCE),
    difference("metadata_by_id", "the zero id", "", NO_FAILURE),
    difference("fetch_in_every_version", "an unknown isolation", "error_code:", NO_FAILURE),
    difference("list_offsets", "isolation 5", "error_code:", NO_FAILURE),
    difference(
        "limits",
        "-1 bytes",
        "",
        "a negative limit is 0; Apache Kafka fails with UNKNOWN_SERVER_ERROR",
    ),
    difference("delete_records", "the newest", "", "a deleted record is not the newest one any more"),
    difference("create_partitions", "to 20000", "", NO_FAILURE),
    difference("alter_topic_configs_badly", "an unknown operation", "", NO_FAILURE),
    difference("alter_topic_configs_badly", "a negative operation", "", NO_FAILURE),
    difference("alter_broker_configs", "far too many", "", "thread counts have no effect, so any will do"),
    difference("create_topics_with_bad_configs", "message.format.version=2.2", "", OLD_CONFIGS),
    difference("create_topics_with_bad_configs", "message.downconversion.enable=true", "", OLD_CONFIGS),
    difference("create_topics_with_bad_configs", "two bad ones", "error_message:", BY_NAME),
    difference("create_topics_with_bad_counts", "replication factor", "error_message:", WORDS_OF_2_2),
    difference("create_topics_with_bad_counts", "10000 partitions", "", "a batch has room for as many"),
    difference("metadata_creates_topics", "not created", "error_code:", "the reason is told"),
    difference("create_topics_with_bad_configs", "message.timestamp.difference.max.ms=1", "", OLD_CONFIGS),
];
