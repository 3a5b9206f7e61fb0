//! Which versions of which requests are served, and what `ApiVersions` says of it.
//!
//! The broker names the keys it has handlers for; everything else follows: what is refused, what is
//! advertised, and the special answer to an `ApiVersions` request of a version that is not known.

use std::collections::BTreeMap;

use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::api_versions_response::ApiVersion;

use crate::{RequestHeader, WireError, schema};

/// The versions of `key` that this crate can decode and encode: those of Kafka 4.3 at most; none for a key
/// without a schema.
pub fn decodable(key: ApiKey) -> Versions {
    schema::of(key).map_or(Versions::new(0, -1), |schema| schema.versions)
}

/// A range of versions, both ends included; empty if `min > max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The lowest.
    pub min: i16,
    /// The highest.
    pub max: i16,
}

impl Versions {
    /// The versions `min` to `max`.
    pub const fn new(min: i16, max: i16) -> Versions {
        Versions { min, max }
    }

    /// Whether `version` is one of them.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// What to do with a request, judged by its header alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Support {
    /// Decode and handle it.
    Served,
    /// Answer with [`crate::response::unsupported_api_versions`], without reading the body.
    ApiVersionsFallback,
    /// Close the connection; the error is for the log.
    Refused(WireError),
}

/// The requests a listener serves. Made once at start, shared by all connections.
#[derive(Debug, Clone)]
pub struct ServedApis {
    ranges: BTreeMap<i16, (ApiKey, Versions)>,
}

impl ServedApis {
    /// The set of `(key, versions)` pairs a listener has handlers for.
    ///
    /// # Errors
    /// [`WireError::UnsupportedVersion`] if a range exceeds what this crate can decode: a programming error
    /// that a test of the broker finds.
    pub fn new(served: impl IntoIterator<Item = (ApiKey, Versions)>) -> Result<ServedApis, WireError> {
        let mut ranges = BTreeMap::new();
        for (key, versions) in served {
            let known = decodable(key);
            for version in [versions.min, versions.max] {
                if !known.contains(version) {
                    let (min, max) = (known.min, known.max);
                    return Err(WireError::UnsupportedVersion { key, version, min, max });
                }
            }
            ranges.insert(key as i16, (key, versions));
        }
        Ok(ServedApis { ranges })
    }

    /// What to do with a request that begins with `header`.
    pub fn support(&self, header: &RequestHeader) -> Support {
        let (key, version) = (header.api_key, header.api_version);
        match self.ranges.get(&(key as i16)) {
            Some((_, versions)) if versions.contains(version) => Support::Served,
            _ if key == ApiKey::ApiVersions => Support::ApiVersionsFallback,
            Some((_, versions)) => {
                let (min, max) = (versions.min, versions.max);
                Support::Refused(WireError::UnsupportedVersion { key, version, min, max })
            }
            None => Support::Refused(WireError::UnknownApiKey { key: key as i16, version }),
        }
    }

    /// The versions of `key` that are served; nothing if it is not.
    pub fn versions(&self, key: ApiKey) -> Option<Versions> {
        self.ranges.get(&(key as i16)).map(|(_, versions)| *versions)
    }

    /// The list for an `ApiVersions` answer, by ascending key.
    ///
    /// Produce is advertised from version 0 although 0 to 2 are refused: librdkafka takes a minimum above 0
    /// for a broker that cannot decompress and sends everything uncompressed (KAFKA-18659).
    pub fn advertised(&self) -> Vec<ApiVersion> {
        let entry = |(&number, (key, versions)): (&i16, &(ApiKey, Versions))| {
            let min = if *key == ApiKey::Produce { 0 } else { versions.min };
            ApiVersion::default().with_api_key(number).with_min_version(min).with_max_version(versions.max)
        };
        self.ranges.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::header;

    fn served() -> ServedApis {
        let all = [
            (ApiKey::ApiVersions, Versions::new(0, 4)),
            (ApiKey::Metadata, Versions::new(0, 12)),
            (ApiKey::Produce, Versions::new(3, 13)),
        ];
        ServedApis::new(all).unwrap()
    }

    #[test]
    fn support_is_judged_by_the_header() {
        let support = |key, version| served().support(&header(key, version));
        assert_eq!(support(ApiKey::Metadata, 12), Support::Served);
        assert_eq!(support(ApiKey::ApiVersions, 4), Support::Served);
        assert_eq!(support(ApiKey::ApiVersions, 5), Support::ApiVersionsFallback);
        assert_eq!(support(ApiKey::ApiVersions, -1), Support::ApiVersionsFallback);
        for (key, version, text) in [
            (ApiKey::Metadata, 13, "Metadata version 13 is not supported, only 0 to 12"),
            (ApiKey::Produce, 2, "Produce version 2 is not supported, only 3 to 13"),
            (ApiKey::Fetch, 4, "unknown API key 1 (version 4)"),
        ] {
            match support(key, version) {
                Support::Refused(error) => assert_eq!(error.to_string(), text),
                other => panic!("{key:?} {version}: {other:?}"),
            }
        }
    }

    #[test]
    fn advertised_by_key_with_produce_from_0() {
        let list: Vec<_> = served()
            .advertised()
            .iter()
            .map(|entry| (entry.api_key, entry.min_version, entry.max_version))
            .collect();
        assert_eq!(list, [(0, 0, 13), (3, 0, 12), (18, 0, 4)]);
    }

    #[test]
    fn ranges_beyond_the_decoder_are_refused() {
        let error = ServedApis::new([(ApiKey::Metadata, Versions::new(0, 14))]).unwrap_err();
        assert_eq!(error.to_string(), "Metadata version 14 is not supported, only 0 to 13");
        let error = ServedApis::new([(ApiKey::Vote, Versions::new(0, 0))]).unwrap_err();
        assert_eq!(error.to_string(), "Vote version 0 is not supported, only 0 to -1");
    }

    /// What Apache Kafka 4.3.1 advertises (recorded), key by key: never more.
    #[test]
    fn never_beyond_kafka_4_3() {
        let kafka = [
            "0:3-13 1:4-18 2:1-11 3:0-13 8:2-10 9:1-10 10:0-6 11:0-9 12:0-4 13:0-5 14:0-5 15:0-6",
            "16:0-5 17:0-1 18:0-4 19:2-7 20:1-6 21:0-2 22:0-5 23:2-4 24:0-5 25:0-4 26:0-5 27:1-2",
            "28:0-5 29:1-3 30:1-3 31:1-3 32:1-4 33:0-2 34:1-2 35:1-5 36:0-2 37:0-3 38:1-3 39:1-2",
            "40:1-2 41:1-3 42:0-2 43:0-2 44:0-1 45:0-1 46:0-0 47:0-0 48:0-1 49:0-1 50:0-0 51:0-0",
            "55:0-2 57:0-2 60:0-2 61:0-0 64:0-0 65:0-0 66:0-2 68:0-1 69:0-1 74:0-1 75:0-0 76:1-1",
            "77:1-1 78:1-2 79:1-2 80:0-1 81:0-0 90:0-1 91:0-0 92:0-0",
        ];
        for entry in kafka.join(" ").split(' ') {
            let numbers: Vec<i16> = entry.split([':', '-']).map(|number| number.parse().unwrap()).collect();
            let ours = decodable(ApiKey::try_from(numbers[0]).unwrap());
            assert!(numbers[1] <= ours.min && ours.max <= numbers[2], "{entry}: {ours:?}");
            let behind = ours.min != numbers[1] || ours.max != numbers[2];
            // The reasons are in newer.rs.
            assert_eq!(behind, [27, 78, 79, 80, 90].contains(&numbers[0]), "{entry}: {ours:?}");
        }
    }
}
