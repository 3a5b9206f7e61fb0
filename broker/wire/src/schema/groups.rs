//! Consumer groups: membership of both protocols, and committed offsets.

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;

use super::{INT32, STRING, Schema, array, boolean, bytes, int8, int32, int64, list, string, uuid, versions};

// Version 10: see newer.rs.
pub(super) const OFFSET_COMMIT: Schema = versions(2, 10).flexible(8).fields(&[
    string("group_id"),
    int32("generation_id_or_member_epoch"),
    string("member_id"),
    string("group_instance_id").since(7).nullable(7),
    int64("retention_time_ms").until(4),
    list::<OffsetCommitRequestTopic>("topics").of(&[
        string("name").until(9),
        uuid("topic_id").since(10),
        list::<OffsetCommitRequestPartition>("partitions").of(&[
            int32("partition_index"),
            int64("committed_offset"),
            int32("committed_leader_epoch").since(6),
            string("committed_metadata").nullable(0),
        ]),
    ]),
]);

// Version 10: see newer.rs.
pub(super) const OFFSET_FETCH: Schema = versions(1, 10).flexible(6).fields(&[
    string("group_id").until(7),
    list::<OffsetFetchRequestTopic>("topics")
        .until(7)
        .nullable(2)
        .of(&[string("name"), array("partition_indexes", INT32)]),
    list::<OffsetFetchRequestGroup>("groups").since(8).of(&[
        string("group_id"),
        string("member_id").since(9).nullable(9),
        int32("member_epoch").since(9),
        list::<OffsetFetchRequestTopics>("topics").nullable(8).of(&[
            string("name").until(9),
            uuid("topic_id").since(10),
            array("partition_indexes", INT32),
        ]),
    ]),
    boolean("require_stable").since(7),
]);

pub(super) const FIND_COORDINATOR: Schema = versions(0, 6).flexible(3).fields(&[
    string("key").until(3),
    int8("key_type").since(1),
    array("coordinator_keys", STRING).since(4),
]);

pub(super) const JOIN_GROUP: Schema = versions(0, 9).flexible(6).fields(&[
    string("group_id"),
    int32("session_timeout_ms"),
    int32("rebalance_timeout_ms").since(1),
    string("member_id"),
    string("group_instance_id").since(5).nullable(5),
    string("protocol_type"),
    list::<JoinGroupRequestProtocol>("protocols").of(&[string("name"), bytes("metadata")]),
    string("reason").since(8).nullable(8),
]);

pub(super) const HEARTBEAT: Schema = versions(0, 4).flexible(4).fields(&[
    string("group_id"),
    int32("generation_id"),
    string("member_id"),
    string("group_instance_id").since(3).nullable(3),
]);

pub(super) const LEAVE_GROUP: Schema = versions(0, 5).flexible(4).fields(&[
    string("group_id"),
    string("member_id").until(2),
    list::<MemberIdentity>("members").since(3).of(&[
        string("member_id"),
        string("group_instance_id").nullable(3),
        string("reason").since(5).nullable(5),
    ]),
]);

pub(super) const SYNC_GROUP: Schema = versions(0, 5).flexible(4).fields(&[
    string("group_id"),
    int32("generation_id"),
    string("member_id"),
    string("group_instance_id").since(3).nullable(3),
    string("protocol_type").since(5).nullable(5),
    string("protocol_name").since(5).nullable(5),
    list::<SyncGroupRequestAssignment>("assignments").of(&[string("member_id"), bytes("assignment")]),
]);

pub(super) const DESCRIBE_GROUPS: Schema = versions(0, 6)
    .flexible(5)
    .fields(&[array("groups", STRING), boolean("include_authorized_operations").since(3)]);

pub(super) const LIST_GROUPS: Schema = versions(0, 5)
    .flexible(3)
    .fields(&[array("states_filter", STRING).since(4), array("types_filter", STRING).since(5)]);

pub(super) const DELETE_GROUPS: Schema = versions(0, 2).flexible(2).fields(&[array("groups_names", STRING)]);

pub(super) const OFFSET_DELETE: Schema = versions(0, 0).fields(&[
    string("group_id"),
    list::<OffsetDeleteRequestTopic>("topics").of(&[
        string("name"),
        list::<OffsetDeleteRequestPartition>("partitions").of(&[int32("partition_index")]),
    ]),
]);

pub(super) const CONSUMER_GROUP_HEARTBEAT: Schema = versions(0, 1).flexible(0).fields(&[
    string("group_id"),
    string("member_id"),
    int32("member_epoch"),
    string("instance_id").nullable(0),
    string("rack_id").nullable(0),
    int32("rebalance_timeout_ms"),
    array("subscribed_topic_names", STRING).nullable(0),
    string("subscribed_topic_regex").since(1).nullable(1),
    string("server_assignor").nullable(0),
    list::<TopicPartitions>("topic_partitions")
        .nullable(0)
        .of(&[uuid("topic_id"), array("partitions", INT32)]),
]);

pub(super) const CONSUMER_GROUP_DESCRIBE: Schema = versions(0, 1)
    .flexible(0)
    .fields(&[array("group_ids", STRING), boolean("include_authorized_operations")]);
