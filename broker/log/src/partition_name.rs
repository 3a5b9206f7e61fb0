//! Names of partitions and of their directories.

use std::fmt;

/// A partition by the name of its topic: what directories and checkpoints are named by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: String,
    /// Partition number, ≥ 0.
    pub partition: i32,
}

/// What a directory in a log directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryKind {
    /// `topic-0`: a log.
    Live,
    /// `topic-0.<unique>-delete`: a deleted log, to be removed.
    Deleted,
    /// `topic-0.<unique>-future`: a copy being moved here from another log directory.
    Future,
    /// `topic-0.<unique>-stray`: a log that the cluster does not know to belong here; kept for the operator.
    Stray,
}

const DELETED_SUFFIX: &str = "-delete";
const FUTURE_SUFFIX: &str = "-future";
/// Longest file name that file systems take.
const NAME_BYTES_MAX: usize = 255;

/// How the names of directories spell the number that tells them apart.
pub(crate) fn unique_text(unique: u128) -> String {
    format!("{unique:032x}")
}

impl TopicPartition {
    /// Name of its directory.
    pub fn dir_name(&self) -> String {
        self.to_string()
    }

    /// Name that its directory gets when the log is deleted: `topic-0.<unique>-delete`, the topic shortened
    /// if the whole would be too long for a file name. `unique` tells apart several deletions of one name.
    pub fn deleted_dir_name(&self, unique: u128) -> String {
        let suffix = format!("-{}.{}{DELETED_SUFFIX}", self.partition, unique_text(unique));
        let room = NAME_BYTES_MAX.saturating_sub(suffix.len());
        let topic = self.topic.get(..room).unwrap_or(&self.topic);
        format!("{topic}{suffix}")
    }

    /// Name of the directory of its copy in another log directory while that is made: `topic-0.<unique>-future`.
    /// `None` if that is too long for a file name: shortened it would not tell whose copy it is.
    pub fn future_dir_name(&self, unique: u128) -> Option<String> {
        let name = format!("{self}.{}{FUTURE_SUFFIX}", unique_text(unique));
        (name.len() <= NAME_BYTES_MAX).then_some(name)
    }

    /// Takes a directory name apart; `None` if it is not one of a partition.
    pub fn parse_dir(name: &str) -> Option<(Self, DirectoryKind)> {
        Self::parse_marked(name).map(|(partition, kind, _)| (partition, kind))
    }

    /// [`parse_dir`](Self::parse_dir) with the part that tells apart directories of one name and kind.
    pub fn parse_marked(name: &str) -> Option<(Self, DirectoryKind, Option<&str>)> {
        let kinds = [
            (DELETED_SUFFIX, DirectoryKind::Deleted),
            (FUTURE_SUFFIX, DirectoryKind::Future),
            ("-stray", DirectoryKind::Stray),
        ];
        // `topic-0.<32 digits>-delete`; a live topic may end in such a word too, but then a number follows.
        let marked = kinds.into_iter().find_map(|(suffix, kind)| {
            let (partition, unique) = name.strip_suffix(suffix)?.rsplit_once('.')?;
            Some((Self::parse(partition)?, kind, Some(unique)))
        });
        marked.or_else(|| Some((Self::parse(name)?, DirectoryKind::Live, None)))
    }

    fn parse(name: &str) -> Option<Self> {
        let (topic, partition) = name.rsplit_once('-')?;
        let is_number = !partition.is_empty() && partition.bytes().all(|digit| digit.is_ascii_digit());
        let partition = partition.parse().ok().filter(|_| is_number && !topic.is_empty())?;
        Some(Self { topic: topic.to_owned(), partition })
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names() {
        let check = |name: &str, expected: Option<(&str, i32, DirectoryKind)>| {
            let parsed = TopicPartition::parse_dir(name);
            let parsed = parsed.as_ref().map(|(tp, kind)| (tp.topic.as_str(), tp.partition, *kind));
            assert_eq!(parsed, expected, "{name}");
        };
        check("orders-0", Some(("orders", 0, DirectoryKind::Live)));
        check("a-b.c_d-12", Some(("a-b.c_d", 12, DirectoryKind::Live)));
        check("x-delete-3", Some(("x-delete", 3, DirectoryKind::Live)));
        check(
            "orders-0.0123456789abcdef0123456789abcdef-delete",
            Some(("orders", 0, DirectoryKind::Deleted)),
        );
        check("orders-0.00-future", Some(("orders", 0, DirectoryKind::Future)));
        check("orders-0.00-stray", Some(("orders", 0, DirectoryKind::Stray)));
        for name in ["orders", "-1", "orders-", "orders-x", "orders-+1", "lost+found", "orders-99999999999"] {
            check(name, None);
        }
    }

    #[test]
    fn names_of_copies_are_whole_or_none() {
        let named = |length: usize| {
            let partition = TopicPartition { topic: "t".repeat(length), partition: 7 };
            let name = partition.future_dir_name(5);
            if let Some(name) = &name {
                let unique = "00000000000000000000000000000005";
                let expected = (partition, DirectoryKind::Future, Some(unique));
                assert_eq!(TopicPartition::parse_marked(name), Some(expected));
            }
            name.is_some()
        };
        assert_eq!([1, 213, 214, 249].map(named), [true, true, false, false]);
    }

    #[test]
    fn names_of_deleted_directories_fit_and_are_recognised() {
        for length in [1, 200, 249] {
            let partition = TopicPartition { topic: "t".repeat(length), partition: 2_147_483_647 };
            let name = partition.deleted_dir_name(u128::MAX);
            assert!(name.len() <= NAME_BYTES_MAX, "{}", name.len());
            let kind = TopicPartition::parse_dir(&name).map(|(_, kind)| kind);
            assert_eq!(kind, Some(DirectoryKind::Deleted));
        }
    }
}
