//! The blobs that members and leader of a consumer group exchange (`ConsumerProtocol` of the Java client),
//! and the user data of the sticky assignors. Brokers pass them on unread.
//!
//! Subscriptions are written in version 3, as Java does since 3.5; readers of older versions ignore what they
//! do not know, and a version beyond 3 is read as far as version 3 goes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::topic_partition::TopicPartition;

/// The version that is written: topics, user data, owned partitions (1), generation (2), rack (3).
const SUBSCRIPTION_VERSION: i16 = 3;
/// As Java writes assignments.
const ASSIGNMENT_VERSION: i16 = 3;

/// What a member tells when it joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) topics: Vec<String>,
    pub(crate) user_data: Option<Bytes>,
    /// What it owned when it asked to join (since version 1).
    pub(crate) owned: Vec<TopicPartition>,
    /// The generation in which it owned that (since version 2).
    pub(crate) generation: Option<i32>,
    /// Where it stands (since version 3).
    pub(crate) rack: Option<String>,
}

impl Subscription {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(SUBSCRIPTION_VERSION);
        put_length(&mut out, self.topics.len());
        for topic in &self.topics {
            put_string(&mut out, topic);
        }
        put_bytes(&mut out, self.user_data.as_deref());
        put_partitions(&mut out, self.owned.iter());
        out.put_i32(self.generation.unwrap_or(-1));
        match &self.rack {
            Some(rack) => put_string(&mut out, rack),
            None => out.put_i16(-1),
        }
        out.freeze()
    }

    /// Reads one; nothing if it is cut.
    pub(crate) fn decode(mut blob: Bytes) -> Option<Subscription> {
        let version = blob.try_get_i16().ok().filter(|version| *version >= 0)?;
        let count = length(&mut blob)?;
        let topics = (0..count).map(|_| string(&mut blob)).collect::<Option<Vec<_>>>()?;
        let user_data = bytes(&mut blob)?;
        let mut subscription = Subscription { topics, user_data, ..Subscription::default() };
        if version >= 1 {
            subscription.owned = partitions(&mut blob)?;
        }
        if version >= 2 {
            subscription.generation = Some(blob.try_get_i32().ok()?).filter(|generation| *generation >= 0);
        }
        if version >= 3 {
            subscription.rack = nullable_string(&mut blob)?;
        }
        Some(subscription)
    }
}

/// The partitions that the leader gives a member.
pub(crate) fn encode_assignment(partitions: &[TopicPartition]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(ASSIGNMENT_VERSION);
    put_partitions(&mut out, partitions.iter());
    put_bytes(&mut out, None);
    out.freeze()
}

/// Reads what [`encode_assignment`] and Java's leaders write; nothing if it is cut. An empty blob is an empty
/// assignment: so the coordinator answers members whom the leader forgot.
pub(crate) fn decode_assignment(mut blob: Bytes) -> Option<Vec<TopicPartition>> {
    if blob.is_empty() {
        return Some(Vec::new());
    }
    blob.try_get_i16().ok().filter(|version| *version >= 0)?;
    partitions(&mut blob)
}

/// `StickyAssignorUserData` version 1: what the member owned, and in which generation.
pub(crate) fn encode_sticky_user_data(owned: &BTreeSet<TopicPartition>, generation: i32) -> Bytes {
    let mut out = BytesMut::new();
    put_partitions(&mut out, owned.iter());
    out.put_i32(generation);
    out.freeze()
}

/// Reads versions 0 (without generation) and 1.
pub(crate) fn decode_sticky_user_data(blob: &Bytes) -> Option<(Vec<TopicPartition>, Option<i32>)> {
    let mut blob = blob.clone();
    let owned = partitions(&mut blob)?;
    Some((owned, blob.try_get_i32().ok()))
}

fn put_length(out: &mut BytesMut, length: usize) {
    out.put_i32(i32::try_from(length).unwrap_or(i32::MAX));
}

fn put_string(out: &mut BytesMut, text: &str) {
    // Topic names have at most 249 characters, racks come from a setting: what is longer is cut.
    let end = text.floor_char_boundary(i16::MAX as usize);
    out.put_i16(i16::try_from(end).unwrap_or(i16::MAX));
    out.put_slice(&text.as_bytes()[..end]);
}

fn put_bytes(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_length(out, bytes.len());
            out.put_slice(bytes);
        }
        None => out.put_i32(-1),
    }
}

fn put_partitions<'a>(out: &mut BytesMut, partitions: impl Iterator<Item = &'a TopicPartition>) {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        topics.entry(&one.topic).or_default().push(one.partition);
    }
    put_length(out, topics.len());
    for (topic, numbers) in topics {
        put_string(out, topic);
        put_length(out, numbers.len());
        numbers.into_iter().for_each(|number| out.put_i32(number));
    }
}

/// A count of things of at least one byte each.
fn length(blob: &mut Bytes) -> Option<usize> {
    let length = usize::try_from(blob.try_get_i32().ok()?).ok()?;
    (length <= blob.len()).then_some(length)
}

fn string(blob: &mut Bytes) -> Option<String> {
    nullable_string(blob)?
}

fn nullable_string(blob: &mut Bytes) -> Option<Option<String>> {
    let length = blob.try_get_i16().ok()?;
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    if length > blob.len() {
        return None;
    }
    String::from_utf8(blob.split_to(length).to_vec()).ok().map(Some)
}

fn bytes(blob: &mut Bytes) -> Option<Option<Bytes>> {
    let length = blob.try_get_i32().ok()?;
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    (length <= blob.len()).then(|| Some(blob.split_to(length)))
}

fn partitions(blob: &mut Bytes) -> Option<Vec<TopicPartition>> {
    let mut partitions = Vec::new();
    for _ in 0..length(blob)? {
        let topic = TopicPartition::new(string(blob)?, 0).topic;
        for _ in 0..length(blob)? {
            let partition = blob.try_get_i32().ok()?;
            partitions.push(TopicPartition { topic: topic.clone(), partition });
        }
    }
    Some(partitions)
}
