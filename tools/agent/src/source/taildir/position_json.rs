//! Flume's position file: `[{"inode":2496275,"pos":12,"file":"/var/log/a.log"}]`.
//!
//! It is read where nothing else is known, so that an agent takes over where Flume stopped, and written now and then,
//! so that Flume can take back. It knows files by inode and path only.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};

/// One file's position. Flume reads no other fields than these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its inode.
    pub inode: u64,
    /// The position behind the last line that has arrived.
    pub pos: u64,
    /// Its path.
    pub file: String,
}

/// The entries of a file; none if there is no such file, or it is damaged.
#[must_use]
pub fn read(path: &Path) -> Vec<Entry> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!("{} cannot be read and is left out: {error}", path.display());
            }
            return Vec::new();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        tracing::warn!("{} is damaged and left out: {error}", path.display());
        Vec::new()
    })
}

/// Writes a new file in the old one's place.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, entries: &[Entry]) -> io::Result<()> {
    let mut next = path.as_os_str().to_owned();
    next.push(".tmp");
    fs::write(&next, serde_json::to_vec(entries)?)?;
    fs::rename(next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_flume_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taildir_position.json");
        assert_eq!(read(&path), []);
        let entry = Entry { inode: 2_496_275, pos: 12, file: "/var/log/日志.log".to_owned() };
        write(&path, std::slice::from_ref(&entry)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"[{"inode":2496275,"pos":12,"file":"/var/log/日志.log"}]"#);
        assert_eq!(read(&path), [entry]);
        fs::write(&path, "[{").unwrap();
        assert_eq!(read(&path), []);
    }
}
