//! Producer ids and transactions.

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};

use super::{INT32, INT64, STRING, Schema, array, boolean, int16, int32, int64, list, string, versions};

// Version 6 (two-phase commit, KIP-939) is unstable in Kafka 4.3 and not offered by it.
pub(super) const INIT_PRODUCER_ID: Schema = versions(0, 5).flexible(2).fields(&[
    string("transactional_id").nullable(0),
    int32("transaction_timeout_ms"),
    int64("producer_id").since(3),
    int16("producer_epoch").since(3),
]);

pub(super) const ADD_PARTITIONS_TO_TXN: Schema = versions(0, 5).flexible(3).fields(&[
    list::<AddPartitionsToTxnTransaction>("transactions").since(4).of(&[
        string("transactional_id"),
        int64("producer_id"),
        int16("producer_epoch"),
        boolean("verify_only"),
        list::<AddPartitionsToTxnTopic>("topics").of(&[string("name"), array("partitions", INT32)]),
    ]),
    string("v3_and_below_transactional_id").until(3),
    int64("v3_and_below_producer_id").until(3),
    int16("v3_and_below_producer_epoch").until(3),
    list::<AddPartitionsToTxnTopic>("v3_and_below_topics")
        .until(3)
        .of(&[string("name"), array("partitions", INT32)]),
]);

pub(super) const ADD_OFFSETS_TO_TXN: Schema = versions(0, 4).flexible(3).fields(&[
    string("transactional_id"),
    int64("producer_id"),
    int16("producer_epoch"),
    string("group_id"),
]);

pub(super) const END_TXN: Schema = versions(0, 5).flexible(3).fields(&[
    string("transactional_id"),
    int64("producer_id"),
    int16("producer_epoch"),
    boolean("committed"),
]);

// Version 2: see newer.rs.
pub(super) const WRITE_TXN_MARKERS: Schema =
    versions(1, 1).flexible(1).fields(&[list::<WritableTxnMarker>("markers").of(&[
        int64("producer_id"),
        int16("producer_epoch"),
        boolean("transaction_result"),
        list::<WritableTxnMarkerTopic>("topics").of(&[string("name"), array("partition_indexes", INT32)]),
        int32("coordinator_epoch"),
    ])]);

pub(super) const TXN_OFFSET_COMMIT: Schema = versions(0, 5).flexible(3).fields(&[
    string("transactional_id"),
    string("group_id"),
    int64("producer_id"),
    int16("producer_epoch"),
    int32("generation_id").since(3),
    string("member_id").since(3),
    string("group_instance_id").since(3).nullable(3),
    list::<TxnOffsetCommitRequestTopic>("topics").of(&[
        string("name"),
        list::<TxnOffsetCommitRequestPartition>("partitions").of(&[
            int32("partition_index"),
            int64("committed_offset"),
            int32("committed_leader_epoch").since(2),
            string("committed_metadata").nullable(0),
        ]),
    ]),
]);

pub(super) const DESCRIBE_PRODUCERS: Schema = versions(0, 0)
    .flexible(0)
    .fields(&[list::<TopicRequest>("topics").of(&[string("name"), array("partition_indexes", INT32)])]);

pub(super) const DESCRIBE_TRANSACTIONS: Schema =
    versions(0, 0).flexible(0).fields(&[array("transactional_ids", STRING)]);

pub(super) const LIST_TRANSACTIONS: Schema = versions(0, 2).flexible(0).fields(&[
    array("state_filters", STRING),
    array("producer_id_filters", INT64),
    int64("duration_filter").since(1),
    string("transactional_id_pattern").since(2).nullable(2),
]);

pub(super) const ALLOCATE_PRODUCER_IDS: Schema =
    versions(0, 0).flexible(0).fields(&[int32("broker_id"), int64("broker_epoch")]);
