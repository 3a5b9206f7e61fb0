//! Access control lists: DescribeAcls, CreateAcls, DeleteAcls (KIP-11, patterns of names by KIP-290).

use rkafka_wire::messages::create_acls_request::AclCreation;
use rkafka_wire::messages::delete_acls_request::DeleteAclsFilter;
use rkafka_wire::messages::delete_acls_response::DeleteAclsMatchingAcl;
use rkafka_wire::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::{Admin, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};

/// An enumeration of the wire: its names in Rust, their codes, and the names that stock tools print.
macro_rules! coded {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// Something that only newer brokers know.
            Unknown,
        }

        impl $name {
            /// The name that stock tools print.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                    $name::Unknown => "UNKNOWN",
                }
            }

            /// The value of this name, in upper or lower case.
            #[must_use]
            pub fn from_name(name: &str) -> Option<$name> {
                [$($name::$variant,)*].into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
            }

            fn code(self) -> i8 {
                match self {
                    $($name::$variant => $code,)*
                    $name::Unknown => 0,
                }
            }

            fn from_code(code: i8) -> $name {
                match code {
                    $($code => $name::$variant,)*
                    _ => $name::Unknown,
                }
            }
        }
    };
}

coded! {
    /// What access is controlled to.
    AclResourceKind {
        /// Anything; only in filters.
        Any = 1, "ANY";
        /// A topic, by name.
        Topic = 2, "TOPIC";
        /// A group, by id.
        Group = 3, "GROUP";
        /// The cluster; its name is `kafka-cluster`.
        Cluster = 4, "CLUSTER";
        /// A transactional id.
        TransactionalId = 5, "TRANSACTIONAL_ID";
        /// A delegation token, by its id.
        DelegationToken = 6, "DELEGATION_TOKEN";
        /// A user, by `type:name`.
        User = 7, "USER";
    }
}

coded! {
    /// How a resource's name is meant.
    PatternType {
        /// In whatever way; only in filters.
        Any = 1, "ANY";
        /// Every pattern that takes in the filter's name; only in filters.
        Match = 2, "MATCH";
        /// The name itself; `*` is every name.
        Literal = 3, "LITERAL";
        /// Every name that begins so.
        Prefixed = 4, "PREFIXED";
    }
}

coded! {
    /// What is allowed or denied.
    AclOperation {
        /// Anything; only in filters.
        Any = 1, "ANY";
        /// Every operation.
        All = 2, "ALL";
        /// To read.
        Read = 3, "READ";
        /// To write.
        Write = 4, "WRITE";
        /// To create.
        Create = 5, "CREATE";
        /// To delete.
        Delete = 6, "DELETE";
        /// To alter.
        Alter = 7, "ALTER";
        /// To describe.
        Describe = 8, "DESCRIBE";
        /// To act as a broker of the cluster.
        ClusterAction = 9, "CLUSTER_ACTION";
        /// To describe settings.
        DescribeConfigs = 10, "DESCRIBE_CONFIGS";
        /// To alter settings.
        AlterConfigs = 11, "ALTER_CONFIGS";
        /// To write as an idempotent producer.
        IdempotentWrite = 12, "IDEMPOTENT_WRITE";
        /// To create delegation tokens for others.
        CreateTokens = 13, "CREATE_TOKENS";
        /// To describe delegation tokens of others.
        DescribeTokens = 14, "DESCRIBE_TOKENS";
        /// To take part in two-phase commits.
        TwoPhaseCommit = 15, "TWO_PHASE_COMMIT";
    }
}

coded! {
    /// Whether something is allowed.
    AclPermission {
        /// Either; only in filters.
        Any = 1, "ANY";
        /// It is denied, whatever else allows it.
        Deny = 2, "DENY";
        /// It is allowed.
        Allow = 3, "ALLOW";
    }
}

/// The resources that an access control entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourcePattern {
    /// What kind.
    pub kind: AclResourceKind,
    /// The name, or its beginning.
    pub name: String,
    /// Which of the two.
    pub pattern: PatternType,
}

/// Who may do what, or may not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessControl {
    /// Who, as `User:alice`; `User:*` is everybody.
    pub principal: String,
    /// From which address; `*` is anywhere.
    pub host: String,
    /// What.
    pub operation: AclOperation,
    /// Whether it is allowed.
    pub permission: AclPermission,
}

/// One entry of the access control lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AclBinding {
    /// What it is about.
    pub resource: ResourcePattern,
    /// What it says.
    pub entry: AccessControl,
}

/// Which entries are looked for: all that match in every part; the default lets everything pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    /// The kind of resource.
    pub kind: AclResourceKind,
    /// Its name; absent for any.
    pub name: Option<String>,
    /// How the name is meant.
    pub pattern: PatternType,
    /// The principal, as `User:alice`; absent for any.
    pub principal: Option<String>,
    /// The address; absent for any.
    pub host: Option<String>,
    /// The operation.
    pub operation: AclOperation,
    /// Whether it is allowed.
    pub permission: AclPermission,
}

impl Default for AclFilter {
    fn default() -> AclFilter {
        AclFilter {
            kind: AclResourceKind::Any,
            name: None,
            pattern: PatternType::Any,
            principal: None,
            host: None,
            operation: AclOperation::Any,
            permission: AclPermission::Any,
        }
    }
}

impl From<&AclBinding> for AclFilter {
    /// Lets exactly this entry pass.
    fn from(binding: &AclBinding) -> AclFilter {
        AclFilter {
            kind: binding.resource.kind,
            name: Some(binding.resource.name.clone()),
            pattern: binding.resource.pattern,
            principal: Some(binding.entry.principal.clone()),
            host: Some(binding.entry.host.clone()),
            operation: binding.entry.operation,
            permission: binding.entry.permission,
        }
    }
}

/// What one filter's deletion came to: each entry that matched, and why it could not be deleted, if so.
pub type DeletedAcls = Vec<(AclBinding, Result<(), ApiError>)>;

impl Admin {
    /// The entries that the filter lets through, in order.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers that cannot; SECURITY_DISABLED from those without an authorizer.
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<AclBinding>, ClientError> {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(filter.kind.code())
            .with_resource_name_filter(filter.name.as_deref().map(text))
            .with_pattern_type_filter(filter.pattern.code())
            .with_principal_filter(filter.principal.as_deref().map(text))
            .with_host_filter(filter.host.as_deref().map(text))
            .with_operation(filter.operation.code())
            .with_permission_type(filter.permission.code());
        self.ask("describeAcls", Route::Any, &request, |answer| {
            ApiError::check(answer.error_code, answer.error_message.as_deref())?;
            let mut found = Vec::new();
            for resource in &answer.resources {
                let pattern = ResourcePattern {
                    kind: AclResourceKind::from_code(resource.resource_type),
                    name: resource.resource_name.to_string(),
                    pattern: PatternType::from_code(resource.pattern_type),
                };
                found.extend(resource.acls.iter().map(|acl| AclBinding {
                    resource: pattern.clone(),
                    entry: AccessControl {
                        principal: acl.principal.to_string(),
                        host: acl.host.to_string(),
                        operation: AclOperation::from_code(acl.operation),
                        permission: AclPermission::from_code(acl.permission_type),
                    },
                }));
            }
            found.sort();
            Ok(found)
        })
        .await
    }

    /// Adds entries; the results are in their order.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers that cannot; why an entry was not added is its own error.
    pub async fn create_acls(
        &self,
        bindings: &[AclBinding],
    ) -> Result<Vec<Result<(), ApiError>>, ClientError> {
        let creation = |binding: &AclBinding| {
            AclCreation::default()
                .with_resource_type(binding.resource.kind.code())
                .with_resource_name(text(&binding.resource.name))
                .with_resource_pattern_type(binding.resource.pattern.code())
                .with_principal(text(&binding.entry.principal))
                .with_host(text(&binding.entry.host))
                .with_operation(binding.entry.operation.code())
                .with_permission_type(binding.entry.permission.code())
        };
        let request = CreateAclsRequest::default().with_creations(bindings.iter().map(creation).collect());
        self.ask("createAcls", Route::Controller, &request, |answer| {
            let results = answer.results.iter();
            Ok(results.map(|one| ApiError::check(one.error_code, one.error_message.as_deref())).collect())
        })
        .await
    }

    /// Deletes the entries that the filters let through; the results are in the filters' order.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers that cannot; why a filter was refused is its own error.
    pub async fn delete_acls(
        &self,
        filters: &[AclFilter],
    ) -> Result<Vec<Result<DeletedAcls, ApiError>>, ClientError> {
        let wanted = |filter: &AclFilter| {
            DeleteAclsFilter::default()
                .with_resource_type_filter(filter.kind.code())
                .with_resource_name_filter(filter.name.as_deref().map(text))
                .with_pattern_type_filter(filter.pattern.code())
                .with_principal_filter(filter.principal.as_deref().map(text))
                .with_host_filter(filter.host.as_deref().map(text))
                .with_operation(filter.operation.code())
                .with_permission_type(filter.permission.code())
        };
        let request = DeleteAclsRequest::default().with_filters(filters.iter().map(wanted).collect());
        self.ask("deleteAcls", Route::Controller, &request, |answer| {
            let results = answer.filter_results.iter().map(|result| {
                ApiError::check(result.error_code, result.error_message.as_deref())?;
                Ok(result.matching_acls.iter().map(deleted).collect())
            });
            Ok(results.collect())
        })
        .await
    }
}

fn deleted(acl: &DeleteAclsMatchingAcl) -> (AclBinding, Result<(), ApiError>) {
    let binding = AclBinding {
        resource: ResourcePattern {
            kind: AclResourceKind::from_code(acl.resource_type),
            name: acl.resource_name.to_string(),
            pattern: PatternType::from_code(acl.pattern_type),
        },
        entry: AccessControl {
            principal: acl.principal.to_string(),
            host: acl.host.to_string(),
            operation: AclOperation::from_code(acl.operation),
            permission: AclPermission::from_code(acl.permission_type),
        },
    };
    (binding, ApiError::check(acl.error_code, acl.error_message.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names() {
        for code in 1..=15 {
            let operation = AclOperation::from_code(code);
            assert_eq!(operation.code(), code);
            assert_eq!(AclOperation::from_name(&operation.name().to_lowercase()), Some(operation));
        }
        assert_eq!(AclOperation::from_code(99), AclOperation::Unknown);
        assert_eq!(AclOperation::from_name("UNKNOWN"), None, "nobody means it");
        assert_eq!(AclResourceKind::from_code(5).name(), "TRANSACTIONAL_ID");
        assert_eq!(PatternType::Prefixed.code(), 4);
        assert_eq!(AclPermission::Allow.code(), 3);
    }
}
