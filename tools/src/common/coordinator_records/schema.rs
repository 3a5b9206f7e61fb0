//! The fields of coordinators' records, as Kafka's message definitions list them.

/// A topic that a coordinator keeps its state in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// `__consumer_offsets`.
    ConsumerOffsets,
    /// `__transaction_state`.
    TransactionState,
}

impl Topic {
    /// The type of record that a key of this version stands for.
    pub(super) fn record(self, type_id: i16) -> Option<&'static RecordType> {
        match (self, type_id) {
            (Topic::ConsumerOffsets, 0 | 1) => Some(&OFFSET_COMMIT),
            (Topic::ConsumerOffsets, 2) => Some(&GROUP_METADATA),
            (Topic::TransactionState, 0) => Some(&TRANSACTION_LOG),
            _ => None,
        }
    }
}

/// The type of a field.
#[derive(Debug)]
pub(super) enum Kind {
    Int8,
    Int16,
    Int32,
    Int64,
    Uuid,
    Text,
    NullableText,
    NullableBytes,
    Array(&'static Kind),
    NullableArray(&'static Kind),
    Object(&'static [Field]),
    /// Bytes that hold a `ConsumerProtocolSubscription` if the group is one of consumers.
    Subscription,
    /// Bytes that hold a `ConsumerProtocolAssignment` if the group is one of consumers.
    Assignment,
}

/// One field and the versions that have it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) versions: std::ops::RangeInclusive<i16>,
    /// The number of a tagged field: it is there only where it differs from its default.
    pub(super) tag: Option<u32>,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct RecordType {
    /// The value's name.
    pub(super) name: &'static str,
    pub(super) key: &'static [Field],
    pub(super) value: &'static [Field],
    pub(super) last_value_version: i16,
    pub(super) first_flexible_value_version: i16,
}

const LAST: i16 = i16::MAX;

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, versions: 0..=LAST, tag: None }
}

const fn since(name: &'static str, kind: Kind, first: i16, last: i16) -> Field {
    Field { name, kind, versions: first..=last, tag: None }
}

const fn tagged(name: &'static str, kind: Kind, first: i16, tag: u32) -> Field {
    Field { name, kind, versions: first..=LAST, tag: Some(tag) }
}

const OFFSET_COMMIT: RecordType = RecordType {
    name: "OffsetCommitValue",
    key: &[field("group", Kind::Text), field("topic", Kind::Text), field("partition", Kind::Int32)],
    value: &[
        field("offset", Kind::Int64),
        since("leaderEpoch", Kind::Int32, 3, LAST),
        field("metadata", Kind::Text),
        field("commitTimestamp", Kind::Int64),
        since("expireTimestamp", Kind::Int64, 1, 1),
        tagged("topicId", Kind::Uuid, 4, 0),
    ],
    last_value_version: 4,
    first_flexible_value_version: 4,
};

const GROUP_METADATA: RecordType = RecordType {
    name: "GroupMetadataValue",
    key: &[field("group", Kind::Text)],
    value: &[
        field("protocolType", Kind::Text),
        field("generation", Kind::Int32),
        field("protocol", Kind::NullableText),
        field("leader", Kind::NullableText),
        since("currentStateTimestamp", Kind::Int64, 2, LAST),
        field("members", Kind::Array(&Kind::Object(MEMBER))),
    ],
    last_value_version: 4,
    first_flexible_value_version: 4,
};

const MEMBER: &[Field] = &[
    field("memberId", Kind::Text),
    since("groupInstanceId", Kind::NullableText, 3, LAST),
    field("clientId", Kind::Text),
    field("clientHost", Kind::Text),
    since("rebalanceTimeout", Kind::Int32, 1, LAST),
    field("sessionTimeout", Kind::Int32),
    field("subscription", Kind::Subscription),
    field("assignment", Kind::Assignment),
];

/// `ConsumerProtocolSubscription`.
pub(super) const SUBSCRIPTION: &[Field] = &[
    field("topics", Kind::Array(&Kind::Text)),
    field("userData", Kind::NullableBytes),
    since("ownedPartitions", Kind::Array(&Kind::Object(TOPIC_PARTITIONS)), 1, LAST),
    since("generationId", Kind::Int32, 2, LAST),
    since("rackId", Kind::NullableText, 3, LAST),
];

/// `ConsumerProtocolAssignment`.
pub(super) const ASSIGNMENT: &[Field] = &[
    field("assignedPartitions", Kind::Array(&Kind::Object(TOPIC_PARTITIONS))),
    field("userData", Kind::NullableBytes),
];

const TOPIC_PARTITIONS: &[Field] =
    &[field("topic", Kind::Text), field("partitions", Kind::Array(&Kind::Int32))];

const TRANSACTION_LOG: RecordType = RecordType {
    name: "TransactionLogValue",
    key: &[field("transactionalId", Kind::Text)],
    value: &[
        field("producerId", Kind::Int64),
        tagged("previousProducerId", Kind::Int64, 1, 0),
        tagged("nextProducerId", Kind::Int64, 1, 1),
        field("producerEpoch", Kind::Int16),
        tagged("nextProducerEpoch", Kind::Int16, 1, 3),
        field("transactionTimeoutMs", Kind::Int32),
        field("transactionStatus", Kind::Int8),
        field("transactionPartitions", Kind::NullableArray(&Kind::Object(TRANSACTION_PARTITIONS))),
        field("transactionLastUpdateTimestampMs", Kind::Int64),
        field("transactionStartTimestampMs", Kind::Int64),
        tagged("clientTransactionVersion", Kind::Int16, 1, 2),
    ],
    last_value_version: 1,
    first_flexible_value_version: 1,
};

const TRANSACTION_PARTITIONS: &[Field] =
    &[field("topic", Kind::Text), field("partitionIds", Kind::Array(&Kind::Int32))];
