//! Share groups (KIP-932).

use kafka_protocol::messages::alter_share_group_offsets_request::{
    AlterShareGroupOffsetsRequestPartition, AlterShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::delete_share_group_offsets_request::DeleteShareGroupOffsetsRequestTopic;
use kafka_protocol::messages::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use kafka_protocol::messages::share_acknowledge_request::{AcknowledgePartition, AcknowledgeTopic};
use kafka_protocol::messages::share_fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{share_acknowledge_request, share_fetch_request};

use super::{INT8, INT32, STRING, Schema, array, boolean, int32, int64, list, string, uuid, versions};

pub(super) const SHARE_GROUP_HEARTBEAT: Schema = versions(1, 1).flexible(0).fields(&[
    string("group_id"),
    string("member_id"),
    int32("member_epoch"),
    string("rack_id").nullable(0),
    array("subscribed_topic_names", STRING).nullable(0),
]);

pub(super) const SHARE_GROUP_DESCRIBE: Schema = versions(1, 1)
    .flexible(0)
    .fields(&[array("group_ids", STRING), boolean("include_authorized_operations")]);

// Version 2: see newer.rs.
pub(super) const SHARE_FETCH: Schema = versions(1, 1).flexible(0).fields(&[
    string("group_id").nullable(0),
    string("member_id").nullable(0),
    int32("share_session_epoch"),
    int32("max_wait_ms"),
    int32("min_bytes"),
    int32("max_bytes"),
    int32("max_records"),
    int32("batch_size"),
    list::<FetchTopic>("topics").of(&[
        uuid("topic_id"),
        list::<FetchPartition>("partitions").of(&[
            int32("partition_index"),
            list::<share_fetch_request::AcknowledgementBatch>("acknowledgement_batches").of(&[
                int64("first_offset"),
                int64("last_offset"),
                array("acknowledge_types", INT8),
            ]),
        ]),
    ]),
    list::<ForgottenTopic>("forgotten_topics_data").of(&[uuid("topic_id"), array("partitions", INT32)]),
]);

// Version 2: see newer.rs.
pub(super) const SHARE_ACKNOWLEDGE: Schema = versions(1, 1).flexible(0).fields(&[
    string("group_id").nullable(0),
    string("member_id").nullable(0),
    int32("share_session_epoch"),
    list::<AcknowledgeTopic>("topics").of(&[
        uuid("topic_id"),
        list::<AcknowledgePartition>("partitions").of(&[
            int32("partition_index"),
            list::<share_acknowledge_request::AcknowledgementBatch>("acknowledgement_batches").of(&[
                int64("first_offset"),
                int64("last_offset"),
                array("acknowledge_types", INT8),
            ]),
        ]),
    ]),
]);

// Version 1: see newer.rs.
pub(super) const DESCRIBE_SHARE_GROUP_OFFSETS: Schema =
    versions(0, 0).flexible(0).fields(&[list::<DescribeShareGroupOffsetsRequestGroup>("groups").of(&[
        string("group_id"),
        list::<DescribeShareGroupOffsetsRequestTopic>("topics")
            .nullable(0)
            .of(&[string("topic_name"), array("partitions", INT32)]),
    ])]);

pub(super) const ALTER_SHARE_GROUP_OFFSETS: Schema = versions(0, 0).flexible(0).fields(&[
    string("group_id"),
    list::<AlterShareGroupOffsetsRequestTopic>("topics").of(&[
        string("topic_name"),
        list::<AlterShareGroupOffsetsRequestPartition>("partitions")
            .of(&[int32("partition_index"), int64("start_offset")]),
    ]),
]);

pub(super) const DELETE_SHARE_GROUP_OFFSETS: Schema = versions(0, 0).flexible(0).fields(&[
    string("group_id"),
    list::<DeleteShareGroupOffsetsRequestTopic>("topics").of(&[string("topic_name")]),
]);
