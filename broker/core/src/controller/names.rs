//! What a topic may be called.

use super::{ControllerError, ErrorKind};

/// The longest name: it must fit a directory name together with the partition and a suffix.
const TOPIC_NAME_MAX: usize = 249;

/// The metadata log's own topic in Kafka; nobody may create it.
pub(super) const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// Checks a topic's name. Names are ASCII, so bytes are characters.
pub fn validate_topic_name(name: &str) -> Result<(), ControllerError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.encode_utf16().count() > TOPIC_NAME_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {TOPIC_NAME_MAX}")
        }
        _ if !name.bytes().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ),
        _ => return Ok(()),
    };
    Err(ControllerError::new(ErrorKind::InvalidTopic, format!("Topic name is invalid: {reason}")))
}

/// Whether Kafka itself keeps state in the topic: clients may not produce to it, tools mark it as internal.
#[must_use]
pub fn is_internal_topic(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        let message = validate_topic_name(name).err().map(|error| {
            assert_eq!(error.kind, ErrorKind::InvalidTopic);
            error.message
        });
        assert_eq!(message.as_deref(), expected, "{name}");
    }

    #[test]
    fn names_are_checked_as_in_kafka() {
        check("orders", None);
        check("a.b_c-9", None);
        check(&"x".repeat(249), None);
        check("", Some("Topic name is invalid: the empty string is not allowed"));
        check(".", Some("Topic name is invalid: '.' is not allowed"));
        check("..", Some("Topic name is invalid: '..' is not allowed"));
        let legal = "contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
        check("a/b", Some(&format!("Topic name is invalid: 'a/b' {legal}")));
        check("订单", Some(&format!("Topic name is invalid: '订单' {legal}")));
        let long = "x".repeat(250);
        let expected = format!(
            "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
        );
        check(&long, Some(&expected));
    }
}
