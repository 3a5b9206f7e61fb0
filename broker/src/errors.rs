//! Which failure becomes which code on the wire: the only place where this is decided.

use rkafka_core::controller::{ControllerError, ErrorKind};
use rkafka_core::coordinator::AppendFailure;
use rkafka_core::group::GroupError;
use rkafka_core::session::SessionError;
use rkafka_log::producer::ProducerError;
use rkafka_log::{AppendError, LogError, ReadError};
use rkafka_record::{BatchError, ErrorKind as BatchErrorKind};
use rkafka_wire::ErrorCode;

use crate::partition::PartitionError;

/// The code of a failure.
pub(crate) trait ToErrorCode {
    /// The code that stock clients handle best.
    fn error_code(&self) -> ErrorCode;
}

impl ToErrorCode for PartitionError {
    fn error_code(&self) -> ErrorCode {
        match self {
            PartitionError::NotLeader => ErrorCode::NotLeaderOrFollower,
            PartitionError::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
            PartitionError::UnknownLeaderEpoch => ErrorCode::UnknownLeaderEpoch,
            PartitionError::NotEnoughReplicas => ErrorCode::NotEnoughReplicas,
            PartitionError::NotEnoughReplicasAfterAppend => ErrorCode::NotEnoughReplicasAfterAppend,
            PartitionError::Offline => ErrorCode::KafkaStorageError,
            PartitionError::Append(error) => error.error_code(),
            PartitionError::Read(error) => error.error_code(),
            PartitionError::Log(error) => error.error_code(),
        }
    }
}

impl ToErrorCode for AppendError {
    fn error_code(&self) -> ErrorCode {
        match self {
            AppendError::TooLarge { .. } => ErrorCode::MessageTooLarge,
            AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
            AppendError::Batch(error) => error.error_code(),
            AppendError::InvalidRecords(refused) if refused.any_untimely => ErrorCode::InvalidTimestamp,
            AppendError::NotOneBatch { .. } | AppendError::InvalidRecords(_) => ErrorCode::InvalidRecord,
            AppendError::Recompress(_) | AppendError::UnexpectedOffset { .. } => {
                ErrorCode::UnknownServerError
            }
            AppendError::Producer(error) => error.error_code(),
            AppendError::Log(error) => error.error_code(),
        }
    }
}

impl ToErrorCode for BatchError {
    fn error_code(&self) -> ErrorCode {
        match self.kind() {
            BatchErrorKind::Corrupt => ErrorCode::CorruptMessage,
            // What ends early is no batch at all to Kafka: sending it again would not help.
            BatchErrorKind::Incomplete | BatchErrorKind::InvalidRecord | BatchErrorKind::UnsupportedMagic => {
                ErrorCode::InvalidRecord
            }
            BatchErrorKind::InvalidTimestamp => ErrorCode::InvalidTimestamp,
            BatchErrorKind::UnsupportedCompression => ErrorCode::UnsupportedCompressionType,
            BatchErrorKind::TooLarge => ErrorCode::MessageTooLarge,
        }
    }
}

impl ToErrorCode for ProducerError {
    fn error_code(&self) -> ErrorCode {
        match self {
            ProducerError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerError::InvalidTransactionState { .. } => ErrorCode::InvalidTxnState,
            ProducerError::CoordinatorFenced { .. } => ErrorCode::TransactionCoordinatorFenced,
        }
    }
}

impl ToErrorCode for LogError {
    fn error_code(&self) -> ErrorCode {
        ErrorCode::KafkaStorageError
    }
}

impl ToErrorCode for ReadError {
    fn error_code(&self) -> ErrorCode {
        match self {
            ReadError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
            ReadError::Batch(_) => ErrorCode::CorruptMessage,
            ReadError::Log(error) => error.error_code(),
        }
    }
}

impl ToErrorCode for SessionError {
    fn error_code(&self) -> ErrorCode {
        match self {
            SessionError::FetchSessionIdNotFound => ErrorCode::FetchSessionIdNotFound,
            SessionError::InvalidFetchSessionEpoch => ErrorCode::InvalidFetchSessionEpoch,
            SessionError::FetchSessionTopicIdError => ErrorCode::FetchSessionTopicIdError,
        }
    }
}

impl ToErrorCode for ControllerError {
    fn error_code(&self) -> ErrorCode {
        match self.kind {
            ErrorKind::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
            ErrorKind::InvalidTopic => ErrorCode::InvalidTopicException,
            ErrorKind::TopicAlreadyExists => ErrorCode::TopicAlreadyExists,
            ErrorKind::InvalidPartitions => ErrorCode::InvalidPartitions,
            ErrorKind::InvalidReplicationFactor => ErrorCode::InvalidReplicationFactor,
            ErrorKind::InvalidReplicaAssignment => ErrorCode::InvalidReplicaAssignment,
            ErrorKind::InvalidConfig => ErrorCode::InvalidConfig,
            ErrorKind::NotController => ErrorCode::NotController,
            ErrorKind::InvalidRequest => ErrorCode::InvalidRequest,
            ErrorKind::PolicyViolation => ErrorCode::PolicyViolation,
            ErrorKind::TopicDeletionDisabled => ErrorCode::TopicDeletionDisabled,
            ErrorKind::FencedLeaderEpoch => ErrorCode::FencedLeaderEpoch,
            ErrorKind::StaleBrokerEpoch => ErrorCode::StaleBrokerEpoch,
            ErrorKind::PreferredLeaderNotAvailable => ErrorCode::PreferredLeaderNotAvailable,
            ErrorKind::EligibleLeadersNotAvailable => ErrorCode::EligibleLeadersNotAvailable,
            ErrorKind::ElectionNotNeeded => ErrorCode::ElectionNotNeeded,
            ErrorKind::NoReassignmentInProgress => ErrorCode::NoReassignmentInProgress,
            ErrorKind::InvalidUpdateVersion => ErrorCode::InvalidUpdateVersion,
            ErrorKind::UnknownTopicId => ErrorCode::UnknownTopicId,
            ErrorKind::DuplicateBrokerRegistration => ErrorCode::DuplicateBrokerRegistration,
            ErrorKind::BrokerIdNotRegistered => ErrorCode::BrokerIdNotRegistered,
            ErrorKind::InconsistentClusterId => ErrorCode::InconsistentClusterId,
            ErrorKind::IneligibleReplica => ErrorCode::IneligibleReplica,
            ErrorKind::NewLeaderElected => ErrorCode::NewLeaderElected,
            ErrorKind::ResourceNotFound => ErrorCode::ResourceNotFound,
            ErrorKind::UnsupportedVersion => ErrorCode::UnsupportedVersion,
            ErrorKind::RequestTimedOut => ErrorCode::RequestTimedOut,
            ErrorKind::UnknownServerError => ErrorCode::UnknownServerError,
        }
    }
}

impl ToErrorCode for GroupError {
    fn error_code(&self) -> ErrorCode {
        match self {
            GroupError::CoordinatorNotAvailable => ErrorCode::CoordinatorNotAvailable,
            GroupError::CoordinatorLoadInProgress => ErrorCode::CoordinatorLoadInProgress,
            GroupError::NotCoordinator => ErrorCode::NotCoordinator,
            GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
            GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
            GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
            GroupError::InconsistentGroupProtocol => ErrorCode::InconsistentGroupProtocol,
            GroupError::UnknownMemberId => ErrorCode::UnknownMemberId,
            GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
            GroupError::OffsetMetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
            GroupError::InvalidCommitOffsetSize => ErrorCode::InvalidCommitOffsetSize,
            GroupError::NonEmptyGroup => ErrorCode::NonEmptyGroup,
            GroupError::GroupIdNotFound => ErrorCode::GroupIdNotFound,
            GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
            GroupError::GroupMaxSizeReached => ErrorCode::GroupMaxSizeReached,
            GroupError::FencedInstanceId => ErrorCode::FencedInstanceId,
            GroupError::UnstableOffsetCommit => ErrorCode::UnstableOffsetCommit,
            GroupError::GroupSubscribedToTopic => ErrorCode::GroupSubscribedToTopic,
            GroupError::UnknownServerError => ErrorCode::UnknownServerError,
        }
    }
}

/// How a coordinator is told that its append failed.
pub(crate) fn coordinator_append_failure(error: &PartitionError) -> AppendFailure {
    match error {
        PartitionError::NotLeader
        | PartitionError::FencedLeaderEpoch
        | PartitionError::UnknownLeaderEpoch => AppendFailure::NotLeaderOrFollower,
        PartitionError::NotEnoughReplicas | PartitionError::NotEnoughReplicasAfterAppend => {
            AppendFailure::NotEnoughReplicas
        }
        PartitionError::Offline | PartitionError::Log(_) | PartitionError::Append(AppendError::Log(_)) => {
            AppendFailure::StorageError
        }
        PartitionError::Append(AppendError::TooLarge { .. } | AppendError::LargerThanSegment { .. }) => {
            AppendFailure::MessageTooLarge
        }
        PartitionError::Append(_) | PartitionError::Read(_) => AppendFailure::Other,
    }
}
