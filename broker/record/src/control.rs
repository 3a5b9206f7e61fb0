//! The content of control records, which only brokers write (KIP-98, KIP-595).
//!
//! ```text
//!  key                 version i16 = 0, type i16 (0 abort, 1 commit, 2 leader change, …)
//!  transaction marker  version i16 = 0, coordinator epoch i32
//! ```

use bytes::Bytes;

use crate::batch::{BatchRef, NO_SEQUENCE};
use crate::builder::{BatchBuilder, BatchOptions, BuildError};
use crate::error::{BatchError, Damage};
use crate::limits::DecodeLimits;

/// What a control record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    /// End of a transaction that is void.
    Abort,
    /// End of a transaction that holds.
    Commit,
    /// A quorum has a new leader (KIP-595).
    LeaderChange,
    /// A type this broker does not know: skipped by readers.
    Unknown(i16),
}

impl ControlType {
    /// The type in the key of a control record; `None` if the key is cut or its version negative.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (version, rest) = key.split_first_chunk::<2>()?;
        // Later versions may only add fields at the end.
        if i16::from_be_bytes(*version) < 0 {
            return None;
        }
        Some(match i16::from_be_bytes(*rest.first_chunk::<2>()?) {
            0 => Self::Abort,
            1 => Self::Commit,
            2 => Self::LeaderChange,
            id => Self::Unknown(id),
        })
    }

    /// The number in the key.
    #[must_use]
    pub fn id(self) -> i16 {
        match self {
            Self::Abort => 0,
            Self::Commit => 1,
            Self::LeaderChange => 2,
            Self::Unknown(id) => id,
        }
    }

    /// The key of a control record of this type.
    #[must_use]
    pub fn key(self) -> [u8; 4] {
        let mut key = [0; 4];
        key[2..].copy_from_slice(&self.id().to_be_bytes());
        key
    }
}

/// How a transaction ended in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// It holds; else it is void.
    pub committed: bool,
    /// Epoch of the transaction coordinator that decided: an older one is fenced.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// The type in the key.
    #[must_use]
    pub fn control_type(&self) -> ControlType {
        if self.committed { ControlType::Commit } else { ControlType::Abort }
    }

    /// The marker in a control record; `None` if it is another type or malformed.
    #[must_use]
    pub fn from_record(key: &[u8], value: &[u8]) -> Option<Self> {
        let committed = match ControlType::from_key(key)? {
            ControlType::Commit => true,
            ControlType::Abort => false,
            ControlType::LeaderChange | ControlType::Unknown(_) => return None,
        };
        let (version, rest) = value.split_first_chunk::<2>()?;
        if i16::from_be_bytes(*version) < 0 {
            return None;
        }
        let coordinator_epoch = i32::from_be_bytes(*rest.first_chunk::<4>()?);
        Some(Self { committed, coordinator_epoch })
    }

    /// The marker in a batch, which holds one record; `None` if it is no control batch, another type, or
    /// empty after compaction.
    ///
    /// # Errors
    /// [`BatchError::Corrupt`] if the record is malformed, else as [`BatchRef::decode`].
    pub fn from_batch(batch: &BatchRef<'_>) -> Result<Option<Self>, BatchError> {
        if !batch.is_control() {
            return Ok(None);
        }
        let decoded = batch.decode(DecodeLimits::default())?;
        let Some(record) = decoded.records().next().transpose()? else { return Ok(None) };
        let malformed = |field| Damage::Record { index: 0, field };
        let key = record.key.unwrap_or_default();
        match ControlType::from_key(key).ok_or(malformed("control key"))? {
            ControlType::Abort | ControlType::Commit => {
                let marker = Self::from_record(key, record.value.unwrap_or_default());
                Ok(Some(marker.ok_or(malformed("transaction marker"))?))
            }
            ControlType::LeaderChange | ControlType::Unknown(_) => Ok(None),
        }
    }

    /// The value of the control record.
    #[must_use]
    pub fn value(&self) -> [u8; 6] {
        let mut value = [0; 6];
        value[2..].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        value
    }

    /// The batch that ends a producer's transaction: one control record without a sequence number. The leader
    /// assigns offset and leader epoch when it appends.
    ///
    /// # Errors
    /// None in practice: one small record always fits.
    pub fn batch(&self, producer_id: i64, producer_epoch: i16, timestamp: i64) -> Result<Bytes, BuildError> {
        let mut builder = BatchBuilder::new(BatchOptions {
            producer_id,
            producer_epoch,
            base_sequence: NO_SEQUENCE,
            transactional: true,
            control: true,
            ..BatchOptions::default()
        });
        builder.append(timestamp, Some(&self.control_type().key()), Some(&self.value()), &[])?;
        builder.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        for control_type in
            [ControlType::Abort, ControlType::Commit, ControlType::LeaderChange, ControlType::Unknown(6)]
        {
            assert_eq!(ControlType::from_key(&control_type.key()), Some(control_type));
        }
        assert_eq!(ControlType::from_key(&[0, 0, 0]), None, "cut");
        assert_eq!(ControlType::from_key(&[0xff, 0xff, 0, 1]), None, "negative version");
        assert_eq!(
            ControlType::from_key(&[0, 9, 0, 1, 5]),
            Some(ControlType::Commit),
            "a later version adds fields"
        );
    }

    #[test]
    fn markers_round_trip() {
        for committed in [false, true] {
            let marker = EndTransactionMarker { committed, coordinator_epoch: 79 };
            let bytes = marker.batch(1234, 5, 1_700_000_000_000).unwrap();
            let batch = BatchRef::parse(&bytes).unwrap();
            assert!(batch.is_control() && batch.is_transactional());
            assert_eq!((batch.producer_id(), batch.producer_epoch(), batch.base_sequence()), (1234, 5, -1));
            assert_eq!(EndTransactionMarker::from_batch(&batch), Ok(Some(marker)));
        }
    }

    fn check_from_batch(control: bool, key: &[u8], value: &[u8], expected: Result<Option<()>, Damage>) {
        let mut builder = BatchBuilder::new(BatchOptions { control, ..BatchOptions::default() });
        builder.append(0, Some(key), Some(value), &[]).unwrap();
        let bytes = builder.build().unwrap();
        let found = EndTransactionMarker::from_batch(&BatchRef::parse(&bytes).unwrap());
        assert_eq!(found.map(|marker| marker.map(drop)), expected.map_err(BatchError::from));
    }

    #[test]
    fn other_and_malformed_control_records() {
        let value = [0, 0, 0, 0, 0, 1];
        check_from_batch(true, &[0, 0, 0, 0], &value, Ok(Some(())));
        check_from_batch(false, &[0, 0, 0, 0], &value, Ok(None));
        check_from_batch(true, &ControlType::LeaderChange.key(), b"?", Ok(None));
        check_from_batch(true, &[0], &value, Err(Damage::Record { index: 0, field: "control key" }));
        let marker = Damage::Record { index: 0, field: "transaction marker" };
        check_from_batch(true, &[0, 0, 0, 1], &value[..5], Err(marker));
        check_from_batch(true, &[0, 0, 0, 1], &[0xff, 0xff, 0, 0, 0, 1], Err(marker));
    }
}
