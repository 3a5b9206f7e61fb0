//! Which versions of which requests are served, and what `ApiVersions` says of it.
//!
//! The broker names the keys it has handlers for; everything else follows: what is refused, what is
//! advertised, and the special answer to an `ApiVersions` request of a version that is not known.

use std::collections::BTreeMap;

use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::protocol::VersionRange;

use crate::{RequestHeader, WireError, schema};

/// The versions of `key` that this crate can decode and encode: those of Kafka 4.3 at most; none for a key
/// without a schema.
pub fn decodable(key: ApiKey) -> Versions {
    schema::of(key).map_or(Versions::new(0, -1), |schema| schema.versions)
}

/// A range of versions, both ends included; empty if `min > max`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Versions(pub VersionRange);

impl Versions {
    /// The versions `min` to `max`.
    pub const fn new(min: i16, max: i16) -> Versions {
        Versions(VersionRange { min, max })
    }

    /// Whether `version` is one of them.
    pub const fn contains(self, version: i16) -> bool {
        self.0.min <= version && version <= self.0.max
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
            for version in [versions.0.min, versions.0.max] {
                if !known.contains(version) {
                    let (min, max) = (known.0.min, known.0.max);
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
                let (min, max) = (versions.0.min, versions.0.max);
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
            let min = if *key == ApiKey::Produce { 0 } else { versions.0.min };
            ApiVersion::default().with_api_key(number).with_min_version(min).with_max_version(versions.0.max)
        };
        self.ranges.iter().map(entry).collect()
    }
}
