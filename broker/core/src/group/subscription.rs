//! The one part of consumers' metadata that the coordinator reads: the topics they consume.

/// The topics of a `ConsumerProtocolSubscription`, or `None` if these bytes are none.
///
/// ```text
/// int16 version | array of string topics | nullable bytes user data | … (more in later versions)
/// ```
/// Each version begins as version 0 does, so that is all that is read.
pub(super) fn subscribed_topics(metadata: &[u8]) -> Option<Vec<String>> {
    let (version, rest) = metadata.split_first_chunk()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk()?;
    let count = u32::try_from(i32::from_be_bytes(*count)).ok()?;
    let mut topics = Vec::new();
    for _ in 0..count {
        let (length, tail) = rest.split_first_chunk()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let (topic, tail) = tail.split_at_checked(length)?;
        topics.push(std::str::from_utf8(topic).ok()?.to_owned());
        rest = tail;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_topics_of_any_version_and_refuses_the_rest() {
        let version_1 = b"\0\x01\0\0\0\x02\0\x03foo\0\x01b\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(subscribed_topics(version_1), Some(vec!["foo".to_owned(), "b".to_owned()]));
        assert_eq!(subscribed_topics(b"\0\0\0\0\0\0\xff\xff\xff\xff"), Some(vec![]));
        for damaged in [
            &b""[..],
            b"\0\0\0\0\0\x01",
            b"\0\0\x7f\xff\xff\xff",
            b"\xff\xff\0\0\0\0",
            b"\0\0\xff\xff\xff\xff",
        ] {
            assert_eq!(subscribed_topics(damaged), None, "{damaged:?}");
        }
    }
}
