//! Client metrics subscriptions (KIP-714) as configuration: which keys they have and what may be set.

use rkafka_config::{ConfigEntry, ConfigSource, KeyType};

use crate::image::ConfigValues;

use super::{ControllerError, ErrorKind};

/// How often clients may be told to push, in milliseconds.
const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;

/// What a subscription can select clients by.
const MATCH_PARAMETERS: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Whether values of the key are lists.
pub(super) fn is_list(key: &str) -> bool {
    matches!(key, "metrics" | "match")
}

/// Checks a whole subscription.
pub(super) fn validate(name: &str, values: &ConfigValues) -> Result<(), ControllerError> {
    if name.is_empty() {
        return Err(ControllerError::new(ErrorKind::InvalidRequest, "Subscription name can't be empty"));
    }
    for (key, value) in values {
        match key.as_str() {
            "metrics" => {}
            "interval.ms" => check_interval(value)?,
            "match" => value.split(',').map(str::trim).try_for_each(check_pattern)?,
            _ => {
                let message = format!("Unknown client metrics configuration: {key}");
                return Err(ControllerError::new(ErrorKind::InvalidRequest, message));
            }
        }
    }
    Ok(())
}

/// What a subscription has set; it inherits nothing.
pub(super) fn describe(values: &ConfigValues) -> Vec<ConfigEntry> {
    let entry = |(key, value): (&String, &String)| ConfigEntry {
        name: key.clone(),
        value: Some(value.clone()),
        source: ConfigSource::ClientMetrics,
        is_sensitive: false,
        is_read_only: false,
        kind: Some(if is_list(key) { KeyType::List } else { KeyType::Int }),
        doc: None,
        synonyms: Vec::new(),
    };
    values.iter().map(entry).collect()
}

fn check_interval(value: &str) -> Result<(), ControllerError> {
    let interval_ms: i32 = value.trim().parse().map_err(|_| {
        let message =
            format!("Invalid value {value} for configuration interval.ms: Not a number of type INT");
        ControllerError::new(ErrorKind::InvalidConfig, message)
    })?;
    if INTERVAL_MS.contains(&interval_ms) {
        return Ok(());
    }
    let message = format!(
        "Invalid value {interval_ms} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
    );
    Err(ControllerError::new(ErrorKind::InvalidRequest, message))
}

fn check_pattern(pattern: &str) -> Result<(), ControllerError> {
    let known = |(parameter, value): (&str, &str)| {
        MATCH_PARAMETERS.contains(&parameter.trim()) && !value.is_empty() && !value.contains('=')
    };
    if pattern.is_empty() || pattern.split_once('=').is_some_and(known) {
        return Ok(());
    }
    let message = format!("Illegal client matching pattern: {pattern}");
    Err(ControllerError::new(ErrorKind::InvalidConfig, message))
}
