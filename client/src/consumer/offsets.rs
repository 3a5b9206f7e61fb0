//! Offsets as consumers keep and commit them.

/// What is committed for a partition: the offset of the next record to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The offset of the next record to read.
    pub offset: i64,
    /// The epoch of the leader that appended the last record read; lets a later consumer notice lost records
    /// (KIP-320).
    pub leader_epoch: Option<i32>,
    /// A text of the program's own, at most `offset.metadata.max.bytes` of the broker (4096).
    pub metadata: String,
}

impl From<i64> for OffsetAndMetadata {
    fn from(offset: i64) -> OffsetAndMetadata {
        OffsetAndMetadata { offset, leader_epoch: None, metadata: String::new() }
    }
}

/// The first record at or after a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetAndTimestamp {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp in milliseconds since 1970.
    pub timestamp: i64,
    /// The epoch of the leader that appended it.
    pub leader_epoch: Option<i32>,
}

/// Where a partition is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The offset of the next record.
    pub offset: i64,
    /// The epoch of the leader that appended the record before it, where known.
    pub leader_epoch: Option<i32>,
}

impl From<i64> for Position {
    fn from(offset: i64) -> Position {
        Position { offset, leader_epoch: None }
    }
}
