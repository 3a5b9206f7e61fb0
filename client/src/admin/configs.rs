//! Configurations of topics, brokers, groups and clients' metrics: describe and alter.

use std::collections::BTreeMap;

use rkafka_wire::StrBytes;
use rkafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use rkafka_wire::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsSynonym,
};
use rkafka_wire::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, ListConfigResourcesRequest,
    alter_configs_request, incremental_alter_configs_request,
};

use super::{Admin, Each};
use crate::cluster::Route;
use crate::error::{ApiError, ClientError};
use crate::net::Connection;

/// What has a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A topic, by name.
    Topic,
    /// A broker, by id; the empty name is the default of all brokers.
    Broker,
    /// The log levels of a broker, by id.
    BrokerLogger,
    /// A subscription to clients' metrics (KIP-714).
    ClientMetrics,
    /// A group, by id.
    Group,
}

impl ResourceKind {
    fn code(self) -> i8 {
        match self {
            ResourceKind::Topic => 2,
            ResourceKind::Broker => 4,
            ResourceKind::BrokerLogger => 8,
            ResourceKind::ClientMetrics => 16,
            ResourceKind::Group => 32,
        }
    }

    fn from_code(code: i8) -> Option<ResourceKind> {
        let kinds = [
            ResourceKind::Topic,
            ResourceKind::Broker,
            ResourceKind::BrokerLogger,
            ResourceKind::ClientMetrics,
            ResourceKind::Group,
        ];
        kinds.into_iter().find(|kind| kind.code() == code)
    }
}

/// One thing with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConfigResource {
    /// What kind of thing.
    pub kind: ResourceKind,
    /// Its name or id.
    pub name: String,
}

impl ConfigResource {
    /// The topic of this name.
    pub fn topic(name: impl Into<String>) -> ConfigResource {
        ConfigResource { kind: ResourceKind::Topic, name: name.into() }
    }

    /// The broker of this id.
    #[must_use]
    pub fn broker(id: i32) -> ConfigResource {
        ConfigResource { kind: ResourceKind::Broker, name: id.to_string() }
    }

    /// Only the broker itself knows its settings; everything else is known everywhere.
    fn route(&self) -> Route {
        match self.kind {
            ResourceKind::Broker | ResourceKind::BrokerLogger => {
                self.name.parse().map_or(Route::Any, Route::Node)
            }
            ResourceKind::Topic | ResourceKind::ClientMetrics | ResourceKind::Group => Route::Any,
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// The broker does not say, or by a number nobody knows.
    Unknown,
    /// Set on the topic.
    DynamicTopic,
    /// Set on this broker at run time.
    DynamicBroker,
    /// Set at run time as the default of all brokers.
    DynamicDefaultBroker,
    /// The broker's property file.
    StaticBroker,
    /// Built in.
    Default,
    /// Set on the broker's logger.
    DynamicBrokerLogger,
    /// Set on the metrics subscription.
    ClientMetrics,
    /// Set on the group.
    Group,
}

impl ConfigSource {
    fn from_code(code: i8) -> ConfigSource {
        match code {
            1 => ConfigSource::DynamicTopic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::DynamicBrokerLogger,
            7 => ConfigSource::ClientMetrics,
            8 => ConfigSource::Group,
            _ => ConfigSource::Unknown,
        }
    }

    /// The name that stock tools print.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ConfigSource::Unknown => "UNKNOWN",
            ConfigSource::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
            ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
            ConfigSource::Default => "DEFAULT_CONFIG",
            ConfigSource::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
        }
    }
}

/// A value that stands behind another, should that be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The name under which it is set there.
    pub name: String,
    /// The value; absent if it is secret.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// One setting of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// The value in force; absent if it is secret or there is none.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: ConfigSource,
    /// Whether it is a secret.
    pub is_sensitive: bool,
    /// Whether it cannot be changed at run time.
    pub is_read_only: bool,
    /// All values in the order in which they win, if asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What the setting does, if asked for.
    pub documentation: Option<String>,
}

impl ConfigEntry {
    /// Whether nobody set it: built in.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }

    fn from_answer(entry: DescribeConfigsResourceResult) -> ConfigEntry {
        let synonym = |synonym: DescribeConfigsSynonym| ConfigSynonym {
            name: synonym.name.to_string(),
            value: synonym.value.map(|value| value.to_string()),
            source: ConfigSource::from_code(synonym.source),
        };
        ConfigEntry {
            name: entry.name.to_string(),
            value: entry.value.map(|value| value.to_string()),
            source: ConfigSource::from_code(entry.config_source),
            is_sensitive: entry.is_sensitive,
            is_read_only: entry.read_only,
            synonyms: entry.synonyms.into_iter().map(synonym).collect(),
            documentation: entry.documentation.map(|text| text.to_string()),
        }
    }
}

/// All settings of one resource.
pub type ConfigResult = Vec<ConfigEntry>;

/// A change of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterConfigOp {
    /// Sets it.
    Set(String),
    /// Removes it, so that the next source counts.
    Delete,
    /// Adds to a list.
    Append(String),
    /// Takes from a list.
    Subtract(String),
}

impl AlterConfigOp {
    fn code(&self) -> i8 {
        match self {
            AlterConfigOp::Set(_) => 0,
            AlterConfigOp::Delete => 1,
            AlterConfigOp::Append(_) => 2,
            AlterConfigOp::Subtract(_) => 3,
        }
    }

    fn value(&self) -> Option<&str> {
        match self {
            AlterConfigOp::Set(value) | AlterConfigOp::Append(value) | AlterConfigOp::Subtract(value) => {
                Some(value)
            }
            AlterConfigOp::Delete => None,
        }
    }
}

impl Admin {
    /// The names of the resources of this kind that have settings (since 3.7 of clients' metrics, since 4.1 of all).
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] or [`ClientError::TooOld`] from older brokers.
    pub async fn list_config_resources(&self, kind: ResourceKind) -> Result<Vec<String>, ClientError> {
        let attempt = |connection: Connection| async move {
            let version = connection.version::<ListConfigResourcesRequest>()?;
            if version == 0 && kind != ResourceKind::ClientMetrics {
                let feature = "listing the resources that have settings".to_owned();
                return Err(ClientError::TooOld { address: connection.address().to_string(), feature });
            }
            let types = if version == 0 { Vec::new() } else { vec![kind.code()] };
            let request = ListConfigResourcesRequest::default().with_resource_types(types);
            let answer = connection.call(version, &request).await?;
            ApiError::check(answer.error_code, None)?;
            let names = answer.config_resources.iter().map(|resource| resource.resource_name.to_string());
            Ok(names.collect())
        };
        self.cluster.retry("listConfigResources", Route::Any, attempt).await
    }

    /// Describes the settings of resources; `with_synonyms` adds all values behind the one in force.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        with_synonyms: bool,
    ) -> Result<Each<ConfigResource, ConfigResult>, ClientError> {
        let mut results = Vec::new();
        for (route, group) in by_route(resources) {
            results.extend(self.describe_configs_at(route, &group, with_synonyms).await?);
        }
        results.sort_by_key(|(resource, _)| resources.iter().position(|asked| asked == resource));
        Ok(results)
    }

    async fn describe_configs_at(
        &self,
        route: Route,
        resources: &[&ConfigResource],
        with_synonyms: bool,
    ) -> Result<Each<ConfigResource, ConfigResult>, ClientError> {
        let wanted = |resource: &&ConfigResource| {
            DescribeConfigsResource::default()
                .with_resource_type(resource.kind.code())
                .with_resource_name(StrBytes::from_string(resource.name.clone()))
                .with_configuration_keys(None)
        };
        let request = DescribeConfigsRequest::default()
            .with_resources(resources.iter().map(wanted).collect())
            .with_include_synonyms(with_synonyms);
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<DescribeConfigsRequest>()?;
                let answer = connection.call(version, request).await?;
                let results = answer.results.into_iter().filter_map(|result| {
                    let kind = ResourceKind::from_code(result.resource_type)?;
                    let resource = ConfigResource { kind, name: result.resource_name.to_string() };
                    let checked = ApiError::check(result.error_code, result.error_message.as_deref());
                    let entries =
                        checked.map(|()| result.configs.into_iter().map(ConfigEntry::from_answer).collect());
                    Some((resource, entries))
                });
                Ok(results.collect())
            }
        };
        self.cluster.retry("describeConfigs", route, attempt).await
    }

    /// Changes single settings of a resource. Brokers before 2.3 only take all settings at once; there the present
    /// ones are read first, so that another change made in between can be lost.
    ///
    /// # Errors
    /// A broker that does not answer.
    pub async fn incremental_alter_configs(
        &self,
        resource: &ConfigResource,
        changes: &BTreeMap<String, AlterConfigOp>,
        validate_only: bool,
    ) -> Result<Result<(), ApiError>, ClientError> {
        let connection = self.cluster.connection(resource.route()).await?;
        if connection.version::<IncrementalAlterConfigsRequest>().is_err() {
            return self.replace_configs(resource, changes, validate_only).await;
        }
        let change = |(name, op): (&String, &AlterConfigOp)| {
            incremental_alter_configs_request::AlterableConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_config_operation(op.code())
                .with_value(op.value().map(|value| StrBytes::from_string(value.to_owned())))
        };
        let altered = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(resource.kind.code())
            .with_resource_name(StrBytes::from_string(resource.name.clone()))
            .with_configs(changes.iter().map(change).collect());
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![altered])
            .with_validate_only(validate_only);
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<IncrementalAlterConfigsRequest>()?;
                let answer = connection.call(version, request).await?;
                let result = answer.responses.into_iter().next();
                Ok(result.map_or(Ok(()), |one| ApiError::check(one.error_code, one.error_message.as_deref())))
            }
        };
        self.cluster.retry("incrementalAlterConfigs", resource.route(), attempt).await
    }

    /// The same with AlterConfigs, which replaces everything that is set on the resource.
    async fn replace_configs(
        &self,
        resource: &ConfigResource,
        changes: &BTreeMap<String, AlterConfigOp>,
        validate_only: bool,
    ) -> Result<Result<(), ApiError>, ClientError> {
        let described = self.describe_configs(std::slice::from_ref(resource), false).await?;
        let entries = match described.into_iter().next() {
            Some((_, Ok(entries))) => entries,
            Some((_, Err(error))) => return Ok(Err(error)),
            None => Vec::new(),
        };
        let settings = replaced(&entries, changes);
        let setting = |(name, value): (String, String)| {
            alter_configs_request::AlterableConfig::default()
                .with_name(StrBytes::from_string(name))
                .with_value(Some(StrBytes::from_string(value)))
        };
        let altered = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(resource.kind.code())
            .with_resource_name(StrBytes::from_string(resource.name.clone()))
            .with_configs(settings.into_iter().map(setting).collect());
        let request =
            AlterConfigsRequest::default().with_resources(vec![altered]).with_validate_only(validate_only);
        let attempt = |connection: Connection| {
            let request = &request;
            async move {
                let version = connection.version::<AlterConfigsRequest>()?;
                let answer = connection.call(version, request).await?;
                let result = answer.responses.into_iter().next();
                Ok(result.map_or(Ok(()), |one| ApiError::check(one.error_code, one.error_message.as_deref())))
            }
        };
        self.cluster.retry("alterConfigs", resource.route(), attempt).await
    }
}

/// Resources by the broker that has to be asked.
fn by_route(resources: &[ConfigResource]) -> Vec<(Route, Vec<&ConfigResource>)> {
    let mut groups: Vec<(Route, Vec<&ConfigResource>)> = Vec::new();
    for resource in resources {
        let route = resource.route();
        match groups.iter_mut().find(|(known, _)| *known == route) {
            Some((_, group)) => group.push(resource),
            None => groups.push((route, vec![resource])),
        }
    }
    groups
}

/// What is set on the resource itself after the changes.
fn replaced(entries: &[ConfigEntry], changes: &BTreeMap<String, AlterConfigOp>) -> BTreeMap<String, String> {
    let own = |entry: &&ConfigEntry| {
        matches!(entry.source, ConfigSource::DynamicTopic | ConfigSource::DynamicBroker)
            && !entry.is_sensitive
    };
    let mut settings: BTreeMap<String, String> = entries
        .iter()
        .filter(own)
        .map(|entry| (entry.name.clone(), entry.value.clone().unwrap_or_default()))
        .collect();
    for (name, op) in changes {
        let present =
            || entries.iter().find(|entry| entry.name == *name).and_then(|entry| entry.value.as_deref());
        let items =
            || present().unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty());
        let value = match op {
            AlterConfigOp::Delete => {
                settings.remove(name);
                continue;
            }
            AlterConfigOp::Set(value) => value.clone(),
            AlterConfigOp::Append(value) => items().chain([value.as_str()]).collect::<Vec<_>>().join(","),
            AlterConfigOp::Subtract(value) => {
                items().filter(|item| item != value).collect::<Vec<_>>().join(",")
            }
        };
        settings.insert(name.clone(), value);
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str, source: ConfigSource) -> ConfigEntry {
        ConfigEntry {
            name: name.into(),
            value: Some(value.into()),
            source,
            is_sensitive: false,
            is_read_only: false,
            synonyms: Vec::new(),
            documentation: None,
        }
    }

    #[test]
    fn changes_by_replacing() {
        let entries = [
            entry("cleanup.policy", "delete", ConfigSource::Default),
            entry("flush.messages", "1", ConfigSource::DynamicTopic),
            entry("retention.ms", "5", ConfigSource::DynamicTopic),
        ];
        let changes = BTreeMap::from([
            ("cleanup.policy".to_owned(), AlterConfigOp::Append("compact".into())),
            ("retention.ms".to_owned(), AlterConfigOp::Delete),
            ("segment.ms".to_owned(), AlterConfigOp::Set("9".into())),
        ]);
        let settings = replaced(&entries, &changes);
        let pairs: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [("cleanup.policy", "delete,compact"), ("flush.messages", "1"), ("segment.ms", "9")]
        );
        let changes = BTreeMap::from([("flush.messages".to_owned(), AlterConfigOp::Subtract("1".into()))]);
        assert_eq!(replaced(&entries, &changes)["flush.messages"], "");
    }

    #[test]
    fn who_is_asked() {
        let resources = [ConfigResource::topic("a"), ConfigResource::broker(3), ConfigResource::topic("b")];
        let groups = by_route(&resources);
        let routes: Vec<(Route, usize)> = groups.iter().map(|(route, group)| (*route, group.len())).collect();
        assert_eq!(routes, [(Route::Any, 2), (Route::Node(3), 1)]);
    }
}
