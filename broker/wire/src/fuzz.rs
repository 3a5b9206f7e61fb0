//! Entry points for fuzzers: plain functions of bytes that must neither panic nor take much memory.
//!
//! A libFuzzer target calls one of them and nothing else. The seeded tests below drive them on stable.

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;

use crate::{Limits, Request, RequestHeader, WireError, check, decode};

/// The limits under which reading `input_bytes` takes at most four times as many and 1 MiB.
fn limits(input_bytes: usize) -> Limits {
    Limits { body_bytes_max: 8 << 20, decoded_bytes_max: 2 * input_bytes + (512 << 10) }
}

/// A frame without its size prefix, as a peer would send it.
///
/// # Errors
/// Whatever is wrong with it.
pub fn frame(data: &[u8]) -> Result<Request, WireError> {
    let mut frame = Bytes::copy_from_slice(data);
    let header = RequestHeader::parse(&mut frame)?;
    decode(&header, frame, &limits(data.len()))
}

/// A body of the request `key` in `version`, and the estimate of the walk with it.
///
/// # Errors
/// Whatever is wrong with it.
pub fn body(key: ApiKey, version: i16, data: &[u8]) -> Result<(usize, Request), WireError> {
    let header = RequestHeader { api_key: key, api_version: version, correlation_id: 0, client_id: None };
    let checked = check(&header, Bytes::copy_from_slice(data), &limits(data.len()))?;
    Ok((checked.memory_estimate(), checked.decode()?))
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;
    use crate::schema;
    use crate::testing::{Random, all_keys, random_body, recorded_frames};

    /// Memory beside what the walk counts: the copy of the input is made here, the rest are error texts
    /// and the reference count of a `Bytes`.
    const OVERHEAD_BYTES: u64 = 16 << 10;

    /// Reads `data` as a body; tells whether it was accepted.
    fn check_body(key: ApiKey, version: i16, data: &[u8]) -> bool {
        let mut result = None;
        let allocated = measure(|| result = Some(body(key, version, data))).bytes_max;
        let input = data.len() as u64;
        let context = || format!("{key:?} {version}: {data:?}");
        assert!(allocated <= 4 * input + (1 << 20), "{allocated} bytes: {}", context());
        match result {
            Some(Ok((estimate, _))) => {
                let bound = estimate as u64 + input + OVERHEAD_BYTES;
                assert!(allocated <= bound, "{allocated} bytes, {bound} expected: {}", context());
                true
            }
            _ => false,
        }
    }

    /// Overwrites a few bytes, most often with those of a length that is too long.
    fn damage(data: &mut [u8], random: &mut Random) {
        for _ in 0..=random.below(3) {
            let long: &[u8] = match random.below(5) {
                0 => &[0x7f, 0xff, 0xff, 0xff],
                1 => &[0xff, 0xff, 0xff, 0xff],
                2 => &[0x7f, 0xff],
                3 => &[0xff, 0xff, 0xff, 0xff, 0x0f],
                _ => &[0x80 + random.below(128) as u8],
            };
            if data.len() >= long.len() {
                let place = random.below(data.len() - long.len() + 1);
                data[place..place + long.len()].copy_from_slice(long);
            }
        }
    }

    fn for_each_version(mut each: impl FnMut(ApiKey, i16, &'static schema::Schema)) {
        for key in all_keys() {
            let schema = schema::of(key).unwrap();
            for version in schema.versions.min..=schema.versions.max {
                each(key, version, schema);
            }
        }
    }

    #[test]
    fn random_bytes() {
        for_each_version(|key, version, _| {
            for seed in 0..40 {
                let mut random = Random(seed);
                let length = random.below(120);
                check_body(key, version, &random.bytes(length));
            }
        });
    }

    #[test]
    fn truncated_requests() {
        for_each_version(|key, version, schema| {
            for seed in 0..3 {
                let whole = random_body(schema, version, &mut Random(seed));
                assert!(check_body(key, version, &whole), "{key:?} {version} seed {seed}");
                for length in 0..whole.len() {
                    assert!(!check_body(key, version, &whole[..length]), "{key:?} {version} {length}");
                }
            }
        });
    }

    #[test]
    fn damaged_requests() {
        let mut refused = 0;
        for_each_version(|key, version, schema| {
            for seed in 0..100 {
                let mut random = Random(seed);
                let mut data = random_body(schema, version, &mut random);
                damage(&mut data, &mut random);
                refused += usize::from(!check_body(key, version, &data));
            }
        });
        assert!(refused > 10_000, "only {refused} refused");
    }

    /// 100 kB of one byte or pair: the longest arrays of the smallest elements, and tags upon tags.
    #[test]
    fn repeated_bytes() {
        for_each_version(|key, version, _| {
            for pattern in [[0, 0], [1, 1], [1, 0], [0, 1], [0xff, 0xff], [0x80, 0x01], [0x7f, 0x7f]] {
                for prefix in [&[][..], &[0, 0, 0x40, 0], &[0xa0, 0x8d, 0x06]] {
                    check_body(key, version, &[prefix, &pattern.repeat(5_000)].concat());
                }
            }
        });
    }

    #[test]
    fn damaged_frames() {
        for recorded in recorded_frames().iter().filter(|recorded| recorded.is_request) {
            for seed in 0..50 {
                let mut random = Random(seed);
                let mut data = recorded.frame.to_vec();
                damage(&mut data, &mut random);
                data.truncate(random.below(data.len() + 1));
                let allocated = measure(|| drop(frame(&data))).bytes_max;
                assert!(allocated <= 4 * data.len() as u64 + (1 << 20), "{allocated} bytes: {data:?}");
            }
        }
    }
}
