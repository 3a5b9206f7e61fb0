//! Making and changing topics and partitions.

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;

use super::{INT32, STRING, Schema, array, boolean, int8, int16, int32, list, string, uuid, versions};

pub(super) const CREATE_TOPICS: Schema = versions(2, 7).flexible(5).fields(&[
    list::<CreatableTopic>("topics").of(&[
        string("name"),
        int32("num_partitions"),
        int16("replication_factor"),
        list::<CreatableReplicaAssignment>("assignments")
            .of(&[int32("partition_index"), array("broker_ids", INT32)]),
        list::<CreatableTopicConfig>("configs").of(&[string("name"), string("value").nullable(0)]),
    ]),
    int32("timeout_ms"),
    boolean("validate_only"),
]);

pub(super) const DELETE_TOPICS: Schema = versions(1, 6).flexible(4).fields(&[
    list::<DeleteTopicState>("topics").since(6).of(&[string("name").nullable(6), uuid("topic_id")]),
    array("topic_names", STRING).until(5),
    int32("timeout_ms"),
]);

pub(super) const CREATE_PARTITIONS: Schema = versions(0, 3).flexible(2).fields(&[
    list::<CreatePartitionsTopic>("topics").of(&[
        string("name"),
        int32("count"),
        list::<CreatePartitionsAssignment>("assignments").nullable(0).of(&[array("broker_ids", INT32)]),
    ]),
    int32("timeout_ms"),
    boolean("validate_only"),
]);

pub(super) const ELECT_LEADERS: Schema = versions(0, 2).flexible(2).fields(&[
    int8("election_type").since(1),
    list::<TopicPartitions>("topic_partitions")
        .nullable(0)
        .of(&[string("topic"), array("partitions", INT32)]),
    int32("timeout_ms"),
]);

pub(super) const ALTER_PARTITION_REASSIGNMENTS: Schema = versions(0, 1).flexible(0).fields(&[
    int32("timeout_ms"),
    boolean("allow_replication_factor_change").since(1),
    list::<ReassignableTopic>("topics").of(&[
        string("name"),
        list::<ReassignablePartition>("partitions")
            .of(&[int32("partition_index"), array("replicas", INT32).nullable(0)]),
    ]),
]);

pub(super) const LIST_PARTITION_REASSIGNMENTS: Schema = versions(0, 0).flexible(0).fields(&[
    int32("timeout_ms"),
    list::<ListPartitionReassignmentsTopics>("topics")
        .nullable(0)
        .of(&[string("name"), array("partition_indexes", INT32)]),
]);
