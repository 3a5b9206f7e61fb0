//! What a client asks first: versions, topics, the cluster.

use kafka_protocol::messages::describe_topic_partitions_request::TopicRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;

use super::{Schema, boolean, int8, int32, list, nested, string, uuid, versions};

pub(super) const METADATA: Schema = versions(0, 13).flexible(9).fields(&[
    list::<MetadataRequestTopic>("topics")
        .nullable(1)
        .of(&[uuid("topic_id").since(10), string("name").nullable(10)]),
    boolean("allow_auto_topic_creation").since(4),
    boolean("include_cluster_authorized_operations").since(8).until(10),
    boolean("include_topic_authorized_operations").since(8),
]);

pub(super) const API_VERSIONS: Schema = versions(0, 4)
    .flexible(3)
    .fields(&[string("client_software_name").since(3), string("client_software_version").since(3)]);

pub(super) const DESCRIBE_CLUSTER: Schema = versions(0, 2).flexible(0).fields(&[
    boolean("include_cluster_authorized_operations"),
    int8("endpoint_type").since(1),
    boolean("include_fenced_brokers").since(2),
]);

pub(super) const DESCRIBE_TOPIC_PARTITIONS: Schema = versions(0, 0).flexible(0).fields(&[
    list::<TopicRequest>("topics").of(&[string("name")]),
    int32("response_partition_limit"),
    nested("cursor").nullable(0).of(&[string("topic_name"), int32("partition_index")]),
]);
