//! Topic ids (KIP-516) as people see them: url-safe base64 without padding.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

/// The id of a topic; a topic of the same name created later has another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct TopicId(Uuid);

impl TopicId {
    /// The id of no topic: what brokers before 2.8 and topics without id answer.
    pub const ZERO: TopicId = TopicId(Uuid::nil());

    /// Whether this is [`TopicId::ZERO`].
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == TopicId::ZERO
    }

    /// The id as the wire has it.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TopicId {
    fn from(uuid: Uuid) -> TopicId {
        TopicId(uuid)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// A text that is no topic id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no topic id: it has to be 22 characters of url-safe base64")]
pub struct ParseTopicIdError(String);

impl FromStr for TopicId {
    type Err = ParseTopicIdError;

    fn from_str(text: &str) -> Result<TopicId, ParseTopicIdError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| ParseTopicIdError(text.to_owned()))?;
        Ok(TopicId(Uuid::from_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_kafka_writes_them() {
        let text = "KsZDyPzxQw-Wcq_OVjnl3w";
        let id: TopicId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(TopicId::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert!(!id.is_zero());
        for wrong in ["", "abc", "KsZDyPzxQw+Wcq/OVjnl3w", "KsZDyPzxQw-Wcq_OVjnl3wAA", "主题"] {
            assert!(wrong.parse::<TopicId>().is_err(), "{wrong}");
        }
    }
}
