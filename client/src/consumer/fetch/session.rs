//! The client's side of a fetch session (KIP-227): the broker remembers the partitions of the last request,
//! and the next one names only what has changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use rkafka_wire::ErrorCode;
use uuid::Uuid;

use crate::topic_partition::TopicPartition;

/// What is wanted of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Want {
    /// Zero where the broker or the topic has none.
    pub(crate) topic_id: Uuid,
    pub(crate) offset: i64,
    /// -1 where it is not known.
    pub(crate) leader_epoch: i32,
    pub(crate) bytes_max: i32,
}

/// A request in the session's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) session_id: i32,
    /// 0 begins a session.
    pub(crate) session_epoch: i32,
    /// New and changed partitions.
    pub(crate) partitions: Vec<(TopicPartition, Want)>,
    pub(crate) forgotten: Vec<(TopicPartition, Uuid)>,
    /// Whether every topic of the session has an id, so that versions since 13 can be used.
    pub(crate) has_ids: bool,
    /// All topics of the session: answers may have ids only.
    pub(crate) names: BTreeMap<Uuid, Arc<str>>,
}

impl Asked {
    /// The topic of this id.
    pub(crate) fn name_of(&self, id: Uuid) -> Option<Arc<str>> {
        self.names.get(&id).cloned()
    }
}

/// One session with one broker.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// 0 without a session.
    id: i32,
    /// 0 to begin one.
    epoch: i32,
    partitions: BTreeMap<TopicPartition, Want>,
    has_ids: bool,
}

impl Session {
    /// The request for `wanted`, which the session then remembers.
    pub(crate) fn ask(&mut self, wanted: BTreeMap<TopicPartition, Want>) -> Asked {
        let has_ids = wanted.values().all(|want| !want.topic_id.is_nil());
        if has_ids != self.has_ids {
            // Versions with ids and with names must not be mixed in a session.
            self.epoch = 0;
            self.has_ids = has_ids;
        }
        let is_full = self.epoch == 0;
        let is_news = |partition: &TopicPartition, want: &Want| {
            is_full || self.partitions.get(partition).is_none_or(|known| known != want)
        };
        let news = wanted.iter().filter(|(partition, want)| is_news(partition, want));
        let partitions = news.map(|(partition, want)| (partition.clone(), *want)).collect();
        // A topic made anew under its name has another id: the old one is forgotten.
        let is_gone = |partition: &TopicPartition, known: &Want| {
            wanted.get(partition).is_none_or(|want| want.topic_id != known.topic_id)
        };
        let gone = self.partitions.iter().filter(|(partition, known)| !is_full && is_gone(partition, known));
        let forgotten = gone.map(|(partition, known)| (partition.clone(), known.topic_id)).collect();
        let names = wanted.iter().filter(|_| has_ids);
        let names = names.map(|(partition, want)| (want.topic_id, partition.topic.clone())).collect();
        let (session_id, session_epoch) = (self.id, self.epoch);
        let asked = Asked { session_id, session_epoch, partitions, forgotten, has_ids, names };
        self.partitions = wanted;
        asked
    }

    /// An answer came with this session id and top-level code; false if it holds nothing.
    pub(crate) fn answered(&mut self, session_id: i32, code: ErrorCode) -> bool {
        if !code.is_none() {
            if code == ErrorCode::FetchSessionIdNotFound {
                self.id = 0;
            }
            self.epoch = 0;
            return false;
        }
        if session_id == 0 {
            // The broker has no room for a session: whole requests then.
            (self.id, self.epoch) = (0, 0);
        } else {
            self.id = session_id;
            self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
        }
        true
    }

    /// No answer came: the broker may or may not have seen the request, so the session begins anew.
    pub(crate) fn unanswered(&mut self) {
        self.epoch = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tp(index: i32) -> TopicPartition {
        TopicPartition::new("t", index)
    }

    fn want(offset: i64) -> Want {
        Want { topic_id: Uuid::from_u128(1), offset, leader_epoch: 0, bytes_max: 100 }
    }

    fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<TopicPartition, Want> {
        offsets.iter().map(|(index, offset)| (tp(*index), want(*offset))).collect()
    }

    fn indices(asked: &Asked) -> (i32, i32, Vec<i32>, Vec<i32>) {
        let named = asked.partitions.iter().map(|(partition, _)| partition.partition).collect();
        let gone = asked.forgotten.iter().map(|(partition, _)| partition.partition).collect();
        (asked.session_id, asked.session_epoch, named, gone)
    }

    #[test]
    fn only_changes_are_named() {
        let mut session = Session::default();
        assert_eq!(indices(&session.ask(wanted(&[(0, 1), (1, 1)]))), (0, 0, vec![0, 1], vec![]));
        assert!(session.answered(7, ErrorCode::None));
        assert_eq!(indices(&session.ask(wanted(&[(0, 5), (1, 1)]))), (7, 1, vec![0], vec![]));
        assert!(session.answered(7, ErrorCode::None));
        assert_eq!(indices(&session.ask(wanted(&[(1, 1), (2, 0)]))), (7, 2, vec![2], vec![0]));
    }

    #[test]
    fn sessions_begin_anew() {
        let mut session = Session::default();
        session.ask(wanted(&[(0, 1)]));
        session.answered(7, ErrorCode::None);
        session.ask(wanted(&[(0, 1)]));
        session.unanswered();
        assert_eq!(indices(&session.ask(wanted(&[(0, 1)]))), (7, 0, vec![0], vec![]), "closes the old one");
        assert!(!session.answered(0, ErrorCode::FetchSessionIdNotFound));
        assert_eq!(indices(&session.ask(wanted(&[(0, 1)]))), (0, 0, vec![0], vec![]));
        session.answered(0, ErrorCode::None);
        assert_eq!(
            indices(&session.ask(wanted(&[(0, 1)]))),
            (0, 0, vec![0], vec![]),
            "no room at the broker"
        );
        session.answered(8, ErrorCode::None);
        let mut without_id = wanted(&[(0, 1)]);
        without_id.insert(tp(1), Want { topic_id: Uuid::nil(), ..want(0) });
        let asked = session.ask(without_id);
        assert_eq!((asked.session_epoch, asked.has_ids), (0, false));
    }

    #[test]
    fn a_topic_made_anew() {
        let mut session = Session::default();
        session.ask(wanted(&[(0, 1)]));
        session.answered(7, ErrorCode::None);
        let other = Want { topic_id: Uuid::from_u128(2), ..want(0) };
        let asked = session.ask([(tp(0), other)].into());
        assert_eq!(asked.forgotten, [(tp(0), Uuid::from_u128(1))]);
        assert_eq!(asked.partitions, [(tp(0), other)]);
    }
}
