//! The identities that cross module borders, as types that cannot be mixed up.
//!
//! Offsets stay `i64` and epochs `i32` (arithmetic on them is everywhere); what names a thing is a newtype.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The id of a broker (`broker.id` / `node.id`): 0 or above for real brokers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a topic (KIP-516): a topic created again under an old name has another one.
///
/// Shown as Kafka's `Uuid`: 22 characters of url-safe base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicId(pub [u8; 16]);

/// One partition of one topic, by the topic's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartitionId {
    /// The topic's id.
    pub topic: TopicId,
    /// The partition's number in its topic, from 0.
    pub index: i32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.index)
    }
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How many characters an id has as text.
const TEXT_LENGTH: usize = 22;

impl TopicId {
    /// The id that means "none" on the wire.
    pub const ZERO: TopicId = TopicId([0; 16]);
    /// The id Kafka reserves for the metadata log's own topic.
    pub const METADATA: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// Whether Kafka keeps this id for itself, so that no topic may have it.
    ///
    /// Kafka reserves the two ids above, and as a directory id every one below 100 (KIP-858); a random id is
    /// drawn again if it would start with `-`, which command-line tools would take for an option.
    #[must_use]
    pub fn is_reserved(self) -> bool {
        u128::from_be_bytes(self.0) < 100
    }

    /// Turns 16 random bytes into a topic id (a version 4 UUID), or `None` if the draw must be repeated.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> Option<TopicId> {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = TopicId(bytes);
        let leading_dash = bytes[0] >> 2 == 62;
        (!id.is_reserved() && !leading_dash).then_some(id)
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let mut text = [0u8; TEXT_LENGTH];
        for (position, character) in text.iter_mut().enumerate() {
            // 128 bits in groups of six from the top; the last group has two bits and four zeros.
            let shift = 122 - 6 * position as i32;
            let six = if shift >= 0 { number >> shift } else { number << -shift } & 0x3f;
            *character = BASE64_URL[six as usize];
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// Why a text is no topic id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a topic id: {TEXT_LENGTH} characters of url-safe base64 are wanted")]
pub struct ParseIdError {
    text: String,
}

impl FromStr for TopicId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseIdError { text: text.to_owned() };
        let bytes = text.as_bytes();
        if bytes.len() != TEXT_LENGTH {
            return Err(error());
        }
        let mut number = 0u128;
        for (position, byte) in bytes.iter().enumerate() {
            let six = BASE64_URL.iter().position(|c| c == byte).ok_or_else(error)? as u128;
            if position + 1 == TEXT_LENGTH {
                if six & 0xf != 0 {
                    return Err(error());
                }
                number = (number << 2) | (six >> 4);
            } else {
                number = (number << 6) | six;
            }
        }
        Ok(TopicId(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_shown_as_kafka_shows_them() {
        assert_eq!(TopicId::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(TopicId::METADATA.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        let all = TopicId([0xff; 16]);
        assert_eq!(all.to_string(), "_____________________w");
        // From KIP-516's example topics: bytes 0..16.
        let ramp = TopicId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(ramp.to_string(), "AAECAwQFBgcICQoLDA0ODw");
        assert_eq!("AAECAwQFBgcICQoLDA0ODw".parse(), Ok(ramp));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAA+", "AAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert!(text.parse::<TopicId>().is_err(), "{text}");
        }
    }

    #[test]
    fn reserved_ids_are_never_drawn() {
        assert!(TopicId::ZERO.is_reserved() && TopicId::METADATA.is_reserved());
        // Version bits keep a draw out of the reserved range; one that starts with `-` is drawn again.
        assert!(TopicId::from_random([0; 16]).is_some());
        let mut dash = [0; 16];
        dash[0] = 62 << 2;
        assert_eq!(TopicId::from_random(dash), None);
    }

    proptest! {
        #[test]
        fn text_and_id_are_one_to_one(bytes in any::<[u8; 16]>()) {
            prop_assert_eq!(TopicId(bytes).to_string().parse(), Ok(TopicId(bytes)));
        }
    }
}
