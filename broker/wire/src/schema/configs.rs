//! Configs, quotas, client telemetry.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{alter_configs_request, incremental_alter_configs_request};

use super::{
    INT8, STRING, Schema, array, boolean, bytes, float64, int8, int32, list, string, uuid, versions,
};

pub(super) const DESCRIBE_CONFIGS: Schema = versions(1, 4).flexible(4).fields(&[
    list::<DescribeConfigsResource>("resources").of(&[
        int8("resource_type"),
        string("resource_name"),
        array("configuration_keys", STRING).nullable(0),
    ]),
    boolean("include_synonyms"),
    boolean("include_documentation").since(3),
]);

pub(super) const ALTER_CONFIGS: Schema = versions(0, 2).flexible(2).fields(&[
    list::<alter_configs_request::AlterConfigsResource>("resources").of(&[
        int8("resource_type"),
        string("resource_name"),
        list::<alter_configs_request::AlterableConfig>("configs")
            .of(&[string("name"), string("value").nullable(0)]),
    ]),
    boolean("validate_only"),
]);

pub(super) const INCREMENTAL_ALTER_CONFIGS: Schema = versions(0, 1).flexible(1).fields(&[
    list::<incremental_alter_configs_request::AlterConfigsResource>("resources").of(&[
        int8("resource_type"),
        string("resource_name"),
        list::<incremental_alter_configs_request::AlterableConfig>("configs").of(&[
            string("name"),
            int8("config_operation"),
            string("value").nullable(0),
        ]),
    ]),
    boolean("validate_only"),
]);

pub(super) const DESCRIBE_CLIENT_QUOTAS: Schema = versions(0, 1).flexible(1).fields(&[
    list::<ComponentData>("components").of(&[
        string("entity_type"),
        int8("match_type"),
        string("_match").nullable(0),
    ]),
    boolean("strict"),
]);

pub(super) const ALTER_CLIENT_QUOTAS: Schema = versions(0, 1).flexible(1).fields(&[
    list::<EntryData>("entries").of(&[
        list::<EntityData>("entity").of(&[string("entity_type"), string("entity_name").nullable(0)]),
        list::<OpData>("ops").of(&[string("key"), float64("value"), boolean("remove")]),
    ]),
    boolean("validate_only"),
]);

pub(super) const GET_TELEMETRY_SUBSCRIPTIONS: Schema =
    versions(0, 0).flexible(0).fields(&[uuid("client_instance_id")]);

pub(super) const PUSH_TELEMETRY: Schema = versions(0, 0).flexible(0).fields(&[
    uuid("client_instance_id"),
    int32("subscription_id"),
    boolean("terminating"),
    int8("compression_type"),
    bytes("metrics"),
]);

pub(super) const LIST_CONFIG_RESOURCES: Schema =
    versions(0, 1).flexible(0).fields(&[array("resource_types", INT8).since(1)]);
