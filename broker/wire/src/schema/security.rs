//! SASL, ACLs, delegation tokens, SCRAM credentials.

use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_delegation_token_request::CreatableRenewers;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;

use super::{Schema, bytes, int8, int32, int64, list, string, versions};

pub(super) const SASL_HANDSHAKE: Schema = versions(0, 1).fields(&[string("mechanism")]);

pub(super) const DESCRIBE_ACLS: Schema = versions(1, 3).flexible(2).fields(&[
    int8("resource_type_filter"),
    string("resource_name_filter").nullable(0),
    int8("pattern_type_filter"),
    string("principal_filter").nullable(0),
    string("host_filter").nullable(0),
    int8("operation"),
    int8("permission_type"),
]);

pub(super) const CREATE_ACLS: Schema = versions(1, 3).flexible(2).fields(&[list::<AclCreation>("creations")
    .of(&[
        int8("resource_type"),
        string("resource_name"),
        int8("resource_pattern_type"),
        string("principal"),
        string("host"),
        int8("operation"),
        int8("permission_type"),
    ])]);

pub(super) const DELETE_ACLS: Schema =
    versions(1, 3).flexible(2).fields(&[list::<DeleteAclsFilter>("filters").of(&[
        int8("resource_type_filter"),
        string("resource_name_filter").nullable(0),
        int8("pattern_type_filter"),
        string("principal_filter").nullable(0),
        string("host_filter").nullable(0),
        int8("operation"),
        int8("permission_type"),
    ])]);

pub(super) const SASL_AUTHENTICATE: Schema = versions(0, 2).flexible(2).fields(&[bytes("auth_bytes")]);

pub(super) const CREATE_DELEGATION_TOKEN: Schema = versions(1, 3).flexible(2).fields(&[
    string("owner_principal_type").since(3).nullable(3),
    string("owner_principal_name").since(3).nullable(3),
    list::<CreatableRenewers>("renewers").of(&[string("principal_type"), string("principal_name")]),
    int64("max_lifetime_ms"),
]);

pub(super) const RENEW_DELEGATION_TOKEN: Schema =
    versions(1, 2).flexible(2).fields(&[bytes("hmac"), int64("renew_period_ms")]);

pub(super) const EXPIRE_DELEGATION_TOKEN: Schema =
    versions(1, 2).flexible(2).fields(&[bytes("hmac"), int64("expiry_time_period_ms")]);

pub(super) const DESCRIBE_DELEGATION_TOKEN: Schema =
    versions(1, 3).flexible(2).fields(&[list::<DescribeDelegationTokenOwner>("owners")
        .nullable(0)
        .of(&[string("principal_type"), string("principal_name")])]);

pub(super) const DESCRIBE_USER_SCRAM_CREDENTIALS: Schema =
    versions(0, 0).flexible(0).fields(&[list::<UserName>("users").nullable(0).of(&[string("name")])]);

pub(super) const ALTER_USER_SCRAM_CREDENTIALS: Schema = versions(0, 0).flexible(0).fields(&[
    list::<ScramCredentialDeletion>("deletions").of(&[string("name"), int8("mechanism")]),
    list::<ScramCredentialUpsertion>("upsertions").of(&[
        string("name"),
        int8("mechanism"),
        int32("iterations"),
        bytes("salt"),
        bytes("salted_password"),
    ]),
]);
