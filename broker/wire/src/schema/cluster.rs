//! Log directories, the quorum, and what brokers ask the controller.

use kafka_protocol::messages::alter_partition_request::BrokerState;
use kafka_protocol::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use kafka_protocol::messages::broker_registration_request::Feature;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    add_raft_voter_request, alter_partition_request, broker_registration_request, describe_quorum_request,
    update_raft_voter_request,
};

use super::{
    INT32, Schema, UUID, array, boolean, int8, int16, int32, int64, list, nested, string, uuid, versions,
};

pub(super) const ALTER_REPLICA_LOG_DIRS: Schema =
    versions(1, 2).flexible(2).fields(&[list::<AlterReplicaLogDir>("dirs").of(&[
        string("path"),
        list::<AlterReplicaLogDirTopic>("topics").of(&[string("name"), array("partitions", INT32)]),
    ])]);

pub(super) const DESCRIBE_LOG_DIRS: Schema =
    versions(1, 5).flexible(2).fields(&[list::<DescribableLogDirTopic>("topics")
        .nullable(0)
        .of(&[string("topic"), array("partitions", INT32)])]);

pub(super) const DESCRIBE_QUORUM: Schema =
    versions(0, 2).flexible(0).fields(&[list::<describe_quorum_request::TopicData>("topics").of(&[
        string("topic_name"),
        list::<describe_quorum_request::PartitionData>("partitions").of(&[int32("partition_index")]),
    ])]);

pub(super) const ALTER_PARTITION: Schema = versions(2, 3).flexible(0).fields(&[
    int32("broker_id"),
    int64("broker_epoch"),
    list::<alter_partition_request::TopicData>("topics").of(&[
        uuid("topic_id"),
        list::<alter_partition_request::PartitionData>("partitions").of(&[
            int32("partition_index"),
            int32("leader_epoch"),
            array("new_isr", INT32).until(2),
            list::<BrokerState>("new_isr_with_epochs")
                .since(3)
                .of(&[int32("broker_id"), int64("broker_epoch")]),
            int8("leader_recovery_state"),
            int32("partition_epoch"),
        ]),
    ]),
]);

pub(super) const UPDATE_FEATURES: Schema = versions(0, 2).flexible(0).fields(&[
    int32("timeout_ms"),
    list::<FeatureUpdateKey>("feature_updates").of(&[
        string("feature"),
        int16("max_version_level"),
        boolean("allow_downgrade").until(0),
        int8("upgrade_type").since(1),
    ]),
    boolean("validate_only").since(1),
]);

pub(super) const BROKER_REGISTRATION: Schema = versions(0, 4).flexible(0).fields(&[
    int32("broker_id"),
    string("cluster_id"),
    uuid("incarnation_id"),
    list::<broker_registration_request::Listener>("listeners").of(&[
        string("name"),
        string("host"),
        int16("port"),
        int16("security_protocol"),
    ]),
    list::<Feature>("features").of(&[
        string("name"),
        int16("min_supported_version"),
        int16("max_supported_version"),
    ]),
    string("rack").nullable(0),
    boolean("is_migrating_zk_broker").since(1),
    array("log_dirs", UUID).since(2),
    int64("previous_broker_epoch").since(3),
]);

// Version 2: see newer.rs.
pub(super) const BROKER_HEARTBEAT: Schema = versions(0, 1).flexible(0).fields(&[
    int32("broker_id"),
    int64("broker_epoch"),
    int64("current_metadata_offset"),
    boolean("want_fence"),
    boolean("want_shut_down"),
    array("offline_log_dirs", UUID).since(1).tag(0),
]);

pub(super) const UNREGISTER_BROKER: Schema = versions(0, 0).flexible(0).fields(&[int32("broker_id")]);

// Version 1: see newer.rs.
pub(super) const ADD_RAFT_VOTER: Schema = versions(0, 0).flexible(0).fields(&[
    string("cluster_id").nullable(0),
    int32("timeout_ms"),
    int32("voter_id"),
    uuid("voter_directory_id"),
    list::<add_raft_voter_request::Listener>("listeners").of(&[
        string("name"),
        string("host"),
        int16("port"),
    ]),
]);

pub(super) const REMOVE_RAFT_VOTER: Schema = versions(0, 0).flexible(0).fields(&[
    string("cluster_id").nullable(0),
    int32("voter_id"),
    uuid("voter_directory_id"),
]);

pub(super) const UPDATE_RAFT_VOTER: Schema = versions(0, 0).flexible(0).fields(&[
    string("cluster_id").nullable(0),
    int32("current_leader_epoch"),
    int32("voter_id"),
    uuid("voter_directory_id"),
    list::<update_raft_voter_request::Listener>("listeners").of(&[
        string("name"),
        string("host"),
        int16("port"),
    ]),
    nested("k_raft_version_feature").of(&[int16("min_supported_version"), int16("max_supported_version")]),
]);
