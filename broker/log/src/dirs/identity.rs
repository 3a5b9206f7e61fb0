//! Who a directory belongs to: `meta.properties` of a log directory, `partition.metadata` of a partition.
//!
//! ```text
//! meta.properties, Kafka 4.x      meta.properties, Kafka 2.x (ZooKeeper)    partition.metadata
//! version=1                       version=0                                 version: 0
//! cluster.id=<22 characters>      cluster.id=<22 characters>                topic_id: <22 characters>
//! node.id=1                       broker.id=1
//! directory.id=<22 characters>
//! ```
//! Ids are taken as text: what they mean is for the layers above.

use std::path::Path;

use crate::checkpoint::{read_text, replace, write_atomically};
use crate::disk::Disk;
use crate::error::LogError;

/// The file of a log directory.
pub const META_PROPERTIES: &str = "meta.properties";
/// The file of a partition directory.
pub const PARTITION_METADATA: &str = "partition.metadata";

/// What `meta.properties` says; `None` where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirIdentity {
    /// The cluster.
    pub cluster_id: Option<String>,
    /// The node (`node.id`, or `broker.id` in files of Kafka 2.x).
    pub node_id: Option<i32>,
    /// The directory itself (KIP-858).
    pub directory_id: Option<String>,
}

impl DirIdentity {
    /// Reads a log directory's identity; `None` if the directory was never formatted.
    ///
    /// # Errors
    /// The disk's; [`LogError::Identity`] if the file is of a version that is not known, or no such file at
    /// all.
    pub fn load(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, LogError> {
        let path = dir.join(META_PROPERTIES);
        let Some(text) = read_text(disk, &path)? else { return Ok(None) };
        let value =
            |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        let owned = |key: &str| value(key).map(|value| value.trim().to_owned());
        let refuse = |problem: String| LogError::Identity { path: path.clone(), problem };
        match value("version").map(str::trim) {
            Some("0" | "1") => {}
            other => {
                let found = other.unwrap_or("none");
                return Err(refuse(format!("its version is {found}, only 0 and 1 are known")));
            }
        }
        let node_id = match value("node.id").or_else(|| value("broker.id")) {
            None => None,
            Some(id) => match id.trim().parse() {
                Ok(id) => Some(id),
                Err(_) => return Err(refuse(format!("its node id is {id:?}, not a number"))),
            },
        };
        Ok(Some(Self { cluster_id: owned("cluster.id"), node_id, directory_id: owned("directory.id") }))
    }

    /// Writes the file, in the form of Kafka 4.x.
    ///
    /// # Errors
    /// The disk's.
    pub fn save(&self, disk: &dyn Disk, dir: &Path) -> Result<(), LogError> {
        let mut text = "version=1\n".to_owned();
        let lines = [
            ("cluster.id", self.cluster_id.clone()),
            ("node.id", self.node_id.map(|id| id.to_string())),
            ("directory.id", self.directory_id.clone()),
        ];
        for (key, value) in lines {
            text.extend(value.map(|value| format!("{key}={value}\n")));
        }
        write_atomically(disk, &dir.join(META_PROPERTIES), text.as_bytes())
    }
}

/// Reads the topic id of a partition directory; `None` if it has none (Kafka before 2.8).
///
/// # Errors
/// The disk's; [`LogError::Identity`] if the file is none.
pub fn load_topic_id(disk: &dyn Disk, partition_dir: &Path) -> Result<Option<String>, LogError> {
    let path = partition_dir.join(PARTITION_METADATA);
    // Empty is what a power cut may leave of a new file; then the log itself was new as well.
    let Some(text) = read_text(disk, &path)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let id = text.lines().find_map(|line| line.strip_prefix("topic_id:"));
    match id {
        Some(id) => Ok(Some(id.trim().to_owned())),
        None => Err(LogError::Identity {
            path,
            problem: "it names no topic_id; remove it to have the log taken by its name".to_owned(),
        }),
    }
}

/// Writes the topic id of a partition directory. The name is durable with the log's first flush, as its
/// segments are.
///
/// # Errors
/// The disk's.
pub fn save_topic_id(disk: &dyn Disk, partition_dir: &Path, topic_id: &str) -> Result<(), LogError> {
    let text = format!("version: 0\ntopic_id: {topic_id}");
    replace(disk, &partition_dir.join(PARTITION_METADATA), text.as_bytes(), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::mem::SimDisk;
    use std::path::PathBuf;

    fn disk_with(name: &str, text: &str) -> (SimDisk, PathBuf) {
        let disk = SimDisk::new();
        let dir = PathBuf::from("/data");
        disk.create_dir(&dir).expect("fine");
        write_atomically(&disk, &dir.join(name), text.as_bytes()).expect("fine");
        (disk, dir)
    }

    #[test]
    fn files_of_both_generations_are_read() {
        let (disk, dir) =
            disk_with(META_PROPERTIES, "#\n#Mon Jan 01\nversion=0\nbroker.id=7\ncluster.id=abc\n");
        let old = DirIdentity::load(&disk, &dir).expect("readable").expect("there");
        assert_eq!((old.node_id, old.cluster_id.as_deref(), old.directory_id), (Some(7), Some("abc"), None));
        let new = DirIdentity {
            cluster_id: Some("abc".to_owned()),
            node_id: Some(7),
            directory_id: Some("def".to_owned()),
        };
        new.save(&disk, &dir).expect("fine");
        assert_eq!(DirIdentity::load(&disk, &dir).expect("readable"), Some(new));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, problem) in
            [("version=2\n", "version is 2"), ("", "version is none"), ("version=1\nnode.id=x", "\"x\"")]
        {
            let (disk, dir) = disk_with(META_PROPERTIES, text);
            let error = DirIdentity::load(&disk, &dir).expect_err("refused").to_string();
            assert!(error.contains(problem) && error.contains(META_PROPERTIES), "{error}");
        }
    }

    #[test]
    fn topic_ids() {
        let (disk, dir) = disk_with("other", "");
        assert_eq!(load_topic_id(&disk, &dir).expect("readable"), None);
        save_topic_id(&disk, &dir, "AAAAAAAAAAAAAAAAAAAAAQ").expect("fine");
        assert_eq!(load_topic_id(&disk, &dir).expect("readable").as_deref(), Some("AAAAAAAAAAAAAAAAAAAAAQ"));
    }
}
