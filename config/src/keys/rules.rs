//! Ranges that need more than bounds or a list of words.

use crate::range::Accepts;
use crate::value::Value;

/// A level of zlib's deflate, or -1 for its default.
pub(super) const GZIP_LEVEL: Accepts = Accepts::Rule("1 to 9, or -1", |value| match value {
    Value::Int(-1 | 1..=9) => Ok(()),
    _ => Err("Value must be between 1 and 9 or equal to -1".to_owned()),
});

/// `*`, or pairs of partition and broker id.
pub(super) const LEADER_THROTTLED_REPLICAS: Accepts =
    Accepts::Rule(THROTTLED_FORM, |value| throttled_replicas("leader.replication.throttled.replicas", value));

/// See [`LEADER_THROTTLED_REPLICAS`].
pub(super) const FOLLOWER_THROTTLED_REPLICAS: Accepts = Accepts::Rule(THROTTLED_FORM, |value| {
    throttled_replicas("follower.replication.throttled.replicas", value)
});

const THROTTLED_FORM: &str = "* or partition:broker,partition:broker,…";

fn throttled_replicas(key: &str, value: &Value) -> Result<(), String> {
    let Value::List(items) = value else { return Ok(()) };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair =
        |item: &String| item.is_empty() || item.split_once(':').is_some_and(|(p, b)| number(p) && number(b));
    if items.iter().all(pair) || items.concat() == "*" {
        return Ok(());
    }
    Err(format!(
        "{key} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    ))
}

/// Where a share group starts without an offset (KIP-932).
pub(super) const SHARE_OFFSET_RESET: Accepts =
    Accepts::Rule("latest, earliest or by_duration:PnDTnHnMn.nS", |value| match value {
        Value::String(text)
            if text == "latest" || text == "earliest" || text.starts_with("by_duration:P") =>
        {
            Ok(())
        }
        other => Err(format!(
            "Invalid value `{other}` for configuration share.auto.offset.reset. The value must be either \
             'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
        )),
    });

/// A Kafka release such as `2.2` or `3.0-IV1`, as the version keys of old lines take it.
pub(super) const RELEASE: Accepts = Accepts::Rule("a Kafka release such as 2.2 or 3.9-IV0", |value| {
    let text = value.to_string();
    let numbers = text.split_once("-IV").map_or(text.as_str(), |(release, _)| release);
    let parts: Vec<&str> = numbers.split('.').collect();
    if parts.len() >= 2 && parts.iter().all(|part| part.parse::<u8>().is_ok()) {
        return Ok(());
    }
    Err(format!("Version {text} is not a valid version"))
});

/// Pairs of a host and a number of connections.
pub(super) const HOST_COUNTS: Accepts = Accepts::Rule("host:count,…", |value| {
    let text = value.to_string();
    let is_pair =
        |pair: &str| pair.rsplit_once(':').is_some_and(|(_, count)| count.trim().parse::<u32>().is_ok());
    match text.split(',').map(str::trim).find(|pair| !pair.is_empty() && !is_pair(pair)) {
        Some(pair) => Err(format!("{pair:?} is not host:count")),
        None => Ok(()),
    }
});
