//! Client quotas: DescribeClientQuotas and AlterClientQuotas (KIP-546).

use std::collections::BTreeMap;
use std::fmt;

use rkafka_wire::StrBytes;
use rkafka_wire::messages::describe_client_quotas_request::ComponentData;
use rkafka_wire::messages::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest, alter_client_quotas_request,
};

use super::{Admin, Each, text};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};

/// Whom a quota is for: a user, a client id, both together, or an IP address. A name that is absent is the default
/// of its kind, which counts for all names without a quota of their own.
///
/// ```
/// use rkafka_client::QuotaEntity;
///
/// let entity = QuotaEntity::default().user("alice").default_client_id();
/// assert_eq!(entity.to_string(), "user 'alice', client-id default");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuotaEntity {
    names: BTreeMap<String, Option<String>>,
}

impl QuotaEntity {
    /// The kind of a user's name.
    pub const USER: &str = "user";
    /// The kind of a client's id.
    pub const CLIENT_ID: &str = "client-id";
    /// The kind of an IP address.
    pub const IP: &str = "ip";

    /// For the user of this name.
    #[must_use]
    pub fn user(self, name: &str) -> QuotaEntity {
        self.with(QuotaEntity::USER, Some(name))
    }

    /// For all users without a quota of their own.
    #[must_use]
    pub fn default_user(self) -> QuotaEntity {
        self.with(QuotaEntity::USER, None)
    }

    /// For clients of this id.
    #[must_use]
    pub fn client_id(self, id: &str) -> QuotaEntity {
        self.with(QuotaEntity::CLIENT_ID, Some(id))
    }

    /// For all client ids without a quota of their own.
    #[must_use]
    pub fn default_client_id(self) -> QuotaEntity {
        self.with(QuotaEntity::CLIENT_ID, None)
    }

    /// For connections from this address.
    #[must_use]
    pub fn ip(self, address: &str) -> QuotaEntity {
        self.with(QuotaEntity::IP, Some(address))
    }

    /// For all addresses without a quota of their own.
    #[must_use]
    pub fn default_ip(self) -> QuotaEntity {
        self.with(QuotaEntity::IP, None)
    }

    /// With a part of any kind: brokers refuse kinds that they do not know.
    #[must_use]
    pub fn with(mut self, kind: &str, name: Option<&str>) -> QuotaEntity {
        self.names.insert(kind.to_owned(), name.map(str::to_owned));
        self
    }

    /// The names by their kinds; an absent name is the default.
    #[must_use]
    pub fn names(&self) -> &BTreeMap<String, Option<String>> {
        &self.names
    }
}

impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Users first, as people and stock tools name them.
        let mut parts: Vec<String> = Vec::new();
        for (kind, name) in self.names.iter().rev() {
            parts.push(match name {
                Some(name) => format!("{kind} '{name}'"),
                None => format!("{kind} default"),
            });
        }
        f.write_str(&parts.join(", "))
    }
}

/// Which names of a kind are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// This one.
    Exactly(String),
    /// The default of the kind.
    Default,
    /// Any, the default included.
    Any,
}

/// Which quotas are looked for: entities that have a matching name of every kind that is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuotaFilter {
    kinds: BTreeMap<String, QuotaMatch>,
    is_strict: bool,
}

impl QuotaFilter {
    /// Every quota there is.
    #[must_use]
    pub fn all() -> QuotaFilter {
        QuotaFilter::default()
    }

    /// Only those of entities with a matching name of this kind, such as [`QuotaEntity::USER`].
    #[must_use]
    pub fn with(mut self, kind: &str, names: QuotaMatch) -> QuotaFilter {
        self.kinds.insert(kind.to_owned(), names);
        self
    }

    /// Only entities without any other kind: a quota of a user, not one of a user with a client id.
    #[must_use]
    pub fn only(mut self) -> QuotaFilter {
        self.is_strict = true;
        self
    }

    fn request(&self) -> DescribeClientQuotasRequest {
        let component = |(kind, names): (&String, &QuotaMatch)| {
            let (match_type, name) = match names {
                QuotaMatch::Exactly(name) => (0, Some(text(name))),
                QuotaMatch::Default => (1, None),
                QuotaMatch::Any => (2, None),
            };
            ComponentData::default().with_entity_type(text(kind)).with_match_type(match_type).with_match(name)
        };
        DescribeClientQuotasRequest::default()
            .with_components(self.kinds.iter().map(component).collect())
            .with_strict(self.is_strict)
    }
}

/// The quotas of an entity by key, such as `producer_byte_rate` (bytes a second), `consumer_byte_rate` (bytes a
/// second), `request_percentage` (of one thread's time), `controller_mutation_rate` (changes a second) or
/// `connection_creation_rate` (connections a second).
pub type Quotas = BTreeMap<String, f64>;

impl Admin {
    /// The quotas of all entities that the filter lets through (since 2.6).
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers without quotas; a kind of entity that the broker does not know.
    pub async fn describe_client_quotas(
        &self,
        filter: &QuotaFilter,
    ) -> Result<BTreeMap<QuotaEntity, Quotas>, ClientError> {
        let request = filter.request();
        self.ask("describeClientQuotas", Route::Any, &request, |answer| {
            ApiError::check(answer.error_code, answer.error_message.as_deref())?;
            let entries = answer.entries.unwrap_or_default().into_iter().map(|entry| {
                let names = entry.entity.iter().map(|part| (&part.entity_type, part.entity_name.as_ref()));
                let values = entry.values.iter().map(|value| (value.key.to_string(), value.value));
                (entity(names), values.collect())
            });
            Ok(entries.collect())
        })
        .await
    }

    /// Sets quotas of entities, and removes those without value (since 2.6). An entity's changes take effect
    /// together or not at all.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] from brokers without quotas; why an entity's quotas were refused is its own
    /// error.
    pub async fn alter_client_quotas(
        &self,
        changes: &BTreeMap<QuotaEntity, BTreeMap<String, Option<f64>>>,
        validate_only: bool,
    ) -> Result<Each<QuotaEntity, ()>, ClientError> {
        let request = AlterClientQuotasRequest::default()
            .with_entries(changes.iter().map(|(entity, changes)| entry(entity, changes)).collect())
            .with_validate_only(validate_only);
        self.ask("alterClientQuotas", Route::Controller, &request, |answer| {
            let results = answer.entries.into_iter().map(|entry| {
                let names = entry.entity.iter().map(|part| (&part.entity_type, part.entity_name.as_ref()));
                (entity(names), ApiError::check(entry.error_code, entry.error_message.as_deref()))
            });
            super::unless_moved(results.collect())
        })
        .await
    }
}

fn entity<'a>(names: impl Iterator<Item = (&'a StrBytes, Option<&'a StrBytes>)>) -> QuotaEntity {
    QuotaEntity {
        names: names.map(|(kind, name)| (kind.to_string(), name.map(ToString::to_string))).collect(),
    }
}

fn entry(
    entity: &QuotaEntity,
    changes: &BTreeMap<String, Option<f64>>,
) -> alter_client_quotas_request::EntryData {
    use alter_client_quotas_request::{EntityData, EntryData, OpData};
    let part = |(kind, name): (&String, &Option<String>)| {
        EntityData::default().with_entity_type(text(kind)).with_entity_name(name.as_deref().map(text))
    };
    let change = |(key, value): (&String, &Option<f64>)| {
        OpData::default()
            .with_key(text(key))
            .with_value(value.unwrap_or_default())
            .with_remove(value.is_none())
    };
    EntryData::default()
        .with_entity(entity.names.iter().map(part).collect())
        .with_ops(changes.iter().map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_on_the_wire() {
        let filter = QuotaFilter::all()
            .with(QuotaEntity::USER, QuotaMatch::Exactly("alice".into()))
            .with(QuotaEntity::CLIENT_ID, QuotaMatch::Default)
            .with(QuotaEntity::IP, QuotaMatch::Any)
            .only();
        let request = filter.request();
        let parts: Vec<(&str, i8, Option<&str>)> = request
            .components
            .iter()
            .map(|part| (part.entity_type.as_str(), part.match_type, part._match.as_deref()))
            .collect();
        assert_eq!(parts, [("client-id", 1, None), ("ip", 2, None), ("user", 0, Some("alice"))]);
        assert!(request.strict && !QuotaFilter::all().request().strict);
    }

    #[test]
    fn changes_on_the_wire() {
        let changes = BTreeMap::from([("a".to_owned(), Some(1.5)), ("b".to_owned(), None)]);
        let entry = entry(&QuotaEntity::default().default_user().client_id("c"), &changes);
        let names: Vec<_> =
            entry.entity.iter().map(|part| (&*part.entity_type, part.entity_name.as_deref())).collect();
        assert_eq!(names, [("client-id", Some("c")), ("user", None)]);
        let ops: Vec<_> = entry.ops.iter().map(|op| (&*op.key, op.value, op.remove)).collect();
        assert_eq!(ops, [("a", 1.5, false), ("b", 0.0, true)]);
    }
}
