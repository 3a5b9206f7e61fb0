//! Records in and out: Produce, Fetch, and what is asked about offsets.

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};

use super::{INT32, Schema, array, bytes, int8, int16, int32, int64, list, nested, string, uuid, versions};

pub(super) const PRODUCE: Schema = versions(3, 13).flexible(9).fields(&[
    string("transactional_id").nullable(3),
    int16("acks"),
    int32("timeout_ms"),
    list::<TopicProduceData>("topic_data").of(&[
        string("name").until(12),
        uuid("topic_id").since(13),
        list::<PartitionProduceData>("partition_data").of(&[int32("index"), bytes("records").nullable(0)]),
    ]),
]);

pub(super) const FETCH: Schema = versions(4, 18).flexible(12).fields(&[
    string("cluster_id").since(12).nullable(12).tag(0),
    int32("replica_id").until(14),
    nested("replica_state").since(15).tag(1).of(&[int32("replica_id"), int64("replica_epoch")]),
    int32("max_wait_ms"),
    int32("min_bytes"),
    int32("max_bytes"),
    int8("isolation_level"),
    int32("session_id").since(7),
    int32("session_epoch").since(7),
    list::<FetchTopic>("topics").of(&[
        string("topic").until(12),
        uuid("topic_id").since(13),
        list::<FetchPartition>("partitions").of(&[
            int32("partition"),
            int32("current_leader_epoch").since(9),
            int64("fetch_offset"),
            int32("last_fetched_epoch").since(12),
            int64("log_start_offset").since(5),
            int32("partition_max_bytes"),
            uuid("replica_directory_id").since(17).tag(0),
            int64("high_watermark").since(18).tag(1),
        ]),
    ]),
    list::<ForgottenTopic>("forgotten_topics_data").since(7).of(&[
        string("topic").until(12),
        uuid("topic_id").since(13),
        array("partitions", INT32),
    ]),
    string("rack_id").since(11),
]);

pub(super) const LIST_OFFSETS: Schema = versions(1, 11).flexible(6).fields(&[
    int32("replica_id"),
    int8("isolation_level").since(2),
    list::<ListOffsetsTopic>("topics").of(&[
        string("name"),
        list::<ListOffsetsPartition>("partitions").of(&[
            int32("partition_index"),
            int32("current_leader_epoch").since(4),
            int64("timestamp"),
        ]),
    ]),
    int32("timeout_ms").since(10),
]);

pub(super) const DELETE_RECORDS: Schema = versions(0, 2).flexible(2).fields(&[
    list::<DeleteRecordsTopic>("topics").of(&[
        string("name"),
        list::<DeleteRecordsPartition>("partitions").of(&[int32("partition_index"), int64("offset")]),
    ]),
    int32("timeout_ms"),
]);

pub(super) const OFFSET_FOR_LEADER_EPOCH: Schema = versions(2, 4).flexible(4).fields(&[
    int32("replica_id").since(3),
    list::<OffsetForLeaderTopic>("topics").of(&[
        string("topic"),
        list::<OffsetForLeaderPartition>("partitions").of(&[
            int32("partition"),
            int32("current_leader_epoch"),
            int32("leader_epoch"),
        ]),
    ]),
]);
