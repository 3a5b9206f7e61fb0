//! Kafka's error codes: number, name, whether a client may retry, and the default text.
//!
//! What: the numbers that answers carry, as Kafka 4.3 has them. The texts are what stock clients and
//! command-line tools print, so an answer that carries a message carries the same one.
//! Which failure becomes which code is not decided here but in the broker's `errors.rs`.

/// Whether a client may send the same request again and hope for another answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Retriable,
    Fatal,
}

macro_rules! error_codes {
    ($(($variant:ident, $code:literal, $name:literal, $retry:ident, $message:literal),)*) => {
        /// An error code of the Kafka protocol; `None` (0) is success.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[repr(i16)]
        pub enum ErrorCode {
            /// Success.
            #[default]
            None = 0,
            $(#[doc = $message] $variant = $code,)*
        }

        impl ErrorCode {
            /// Every code, success first, then in the order of the table below.
            pub const ALL: &'static [ErrorCode] = &[ErrorCode::None, $(ErrorCode::$variant,)*];

            /// The error with this number, or nothing if Kafka 4.3 has none.
            pub const fn from_code(code: i16) -> Option<ErrorCode> {
                match code {
                    0 => Some(ErrorCode::None),
                    $($code => Some(ErrorCode::$variant),)*
                    _ => None,
                }
            }

            /// The name by which Kafka's documentation knows it, such as `NOT_LEADER_OR_FOLLOWER`.
            pub const fn name(self) -> &'static str {
                match self {
                    ErrorCode::None => "NONE",
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// The text a client shows when an answer brings none of its own; empty for success.
            pub const fn message(self) -> &'static str {
                match self {
                    ErrorCode::None => "",
                    $(ErrorCode::$variant => $message,)*
                }
            }

            /// Whether stock clients send the request again after this error.
            pub const fn is_retriable(self) -> bool {
                let retry = match self {
                    ErrorCode::None => Retry::Fatal,
                    $(ErrorCode::$variant => Retry::$retry,)*
                };
                matches!(retry, Retry::Retriable)
            }
        }
    };
}

impl ErrorCode {
    /// The number that goes over the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Whether this is success.
    pub const fn is_none(self) -> bool {
        matches!(self, ErrorCode::None)
    }
}

impl From<ErrorCode> for i16 {
    fn from(error: ErrorCode) -> i16 {
        error.code()
    }
}

/// A number that is not known reads as `UNKNOWN_SERVER_ERROR`, as Kafka's own clients read it: a newer
/// broker may answer with codes that this list lacks.
impl From<i16> for ErrorCode {
    fn from(code: i16) -> ErrorCode {
        ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for ErrorCode {}

#[rustfmt::skip]
error_codes! {
    (UnknownServerError, -1, "UNKNOWN_SERVER_ERROR", Fatal,
     "The server experienced an unexpected error when processing the request."),
    (OffsetOutOfRange, 1, "OFFSET_OUT_OF_RANGE", Fatal,
     "The requested offset is not within the range of offsets maintained by the server."),
    (CorruptMessage, 2, "CORRUPT_MESSAGE", Retriable,
     "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted \
      topic, or is otherwise corrupt."),
    (UnknownTopicOrPartition, 3, "UNKNOWN_TOPIC_OR_PARTITION", Retriable,
     "This server does not host this topic-partition."),
    (InvalidFetchSize, 4, "INVALID_FETCH_SIZE", Fatal, "The requested fetch size is invalid."),
    (LeaderNotAvailable, 5, "LEADER_NOT_AVAILABLE", Retriable,
     "There is no leader for this topic-partition as we are in the middle of a leadership election."),
    (NotLeaderOrFollower, 6, "NOT_LEADER_OR_FOLLOWER", Retriable,
     "For requests intended only for the leader, this error indicates that the broker is not the \
      current leader. For requests intended for any replica, this error indicates that the broker is \
      not a replica of the topic partition."),
    (RequestTimedOut, 7, "REQUEST_TIMED_OUT", Retriable, "The request timed out."),
    (BrokerNotAvailable, 8, "BROKER_NOT_AVAILABLE", Fatal, "The broker is not available."),
    (ReplicaNotAvailable, 9, "REPLICA_NOT_AVAILABLE", Retriable,
     "The replica is not available for the requested topic-partition. Produce/Fetch requests and other \
      requests intended only for the leader or follower return NOT_LEADER_OR_FOLLOWER if the broker is \
      not a replica of the topic-partition."),
    (MessageTooLarge, 10, "MESSAGE_TOO_LARGE", Fatal,
     "The request included a message larger than the max message size the server will accept."),
    (StaleControllerEpoch, 11, "STALE_CONTROLLER_EPOCH", Fatal, "The controller moved to another broker."),
    (OffsetMetadataTooLarge, 12, "OFFSET_METADATA_TOO_LARGE", Fatal,
     "The metadata field of the offset request was too large."),
    (NetworkException, 13, "NETWORK_EXCEPTION", Retriable,
     "The server disconnected before a response was received."),
    (CoordinatorLoadInProgress, 14, "COORDINATOR_LOAD_IN_PROGRESS", Retriable,
     "The coordinator is loading and hence can't process requests."),
    (CoordinatorNotAvailable, 15,
     "COORDINATOR_NOT_AVAILABLE", Retriable,
     "The coordinator is not available."),
    (NotCoordinator, 16, "NOT_COORDINATOR", Retriable, "This is not the correct coordinator."),
    (InvalidTopicException, 17, "INVALID_TOPIC_EXCEPTION", Fatal,
     "The request attempted to perform an operation on an invalid topic."),
    (RecordListTooLarge, 18, "RECORD_LIST_TOO_LARGE", Fatal,
     "The request included message batch larger than the configured segment size on the server."),
    (NotEnoughReplicas, 19, "NOT_ENOUGH_REPLICAS", Retriable,
     "Messages are rejected since there are fewer in-sync replicas than required."),
    (NotEnoughReplicasAfterAppend, 20, "NOT_ENOUGH_REPLICAS_AFTER_APPEND", Retriable,
     "Messages are written to the log, but to fewer in-sync replicas than required."),
    (InvalidRequiredAcks, 21, "INVALID_REQUIRED_ACKS", Fatal,
     "Produce request specified an invalid value for required acks."),
    (IllegalGeneration, 22, "ILLEGAL_GENERATION", Fatal, "Specified group generation id is not valid."),
    (InconsistentGroupProtocol, 23, "INCONSISTENT_GROUP_PROTOCOL", Fatal,
     "The group member's supported protocols are incompatible with those of existing members or first \
      group member tried to join with empty protocol type or empty protocol list."),
    (InvalidGroupId, 24, "INVALID_GROUP_ID", Fatal, "The group id is invalid."),
    (UnknownMemberId, 25, "UNKNOWN_MEMBER_ID", Fatal, "The coordinator is not aware of this member."),
    (InvalidSessionTimeout, 26, "INVALID_SESSION_TIMEOUT", Fatal,
     "The session timeout is not within the range allowed by the broker (as configured by \
      group.min.session.timeout.ms and group.max.session.timeout.ms)."),
    (RebalanceInProgress, 27, "REBALANCE_IN_PROGRESS", Fatal,
     "The group is rebalancing, so a rejoin is needed."),
    (InvalidCommitOffsetSize, 28, "INVALID_COMMIT_OFFSET_SIZE", Fatal,
     "The committing offset data size is not valid."),
    (TopicAuthorizationFailed, 29, "TOPIC_AUTHORIZATION_FAILED", Fatal, "Topic authorization failed."),
    (GroupAuthorizationFailed, 30, "GROUP_AUTHORIZATION_FAILED", Fatal, "Group authorization failed."),
    (ClusterAuthorizationFailed, 31, "CLUSTER_AUTHORIZATION_FAILED", Fatal, "Cluster authorization failed."),
    (InvalidTimestamp, 32, "INVALID_TIMESTAMP", Fatal,
     "The timestamp of the message is out of acceptable range."),
    (UnsupportedSaslMechanism, 33, "UNSUPPORTED_SASL_MECHANISM", Fatal,
     "The broker does not support the requested SASL mechanism."),
    (IllegalSaslState, 34, "ILLEGAL_SASL_STATE", Fatal, "Request is not valid given the current SASL state."),
    (UnsupportedVersion, 35, "UNSUPPORTED_VERSION", Fatal, "The version of API is not supported."),
    (TopicAlreadyExists, 36, "TOPIC_ALREADY_EXISTS", Fatal, "Topic with this name already exists."),
    (InvalidPartitions, 37, "INVALID_PARTITIONS", Fatal, "Number of partitions is below 1."),
    (InvalidReplicationFactor, 38, "INVALID_REPLICATION_FACTOR", Fatal,
     "Replication factor is below 1 or larger than the number of available brokers."),
    (InvalidReplicaAssignment, 39, "INVALID_REPLICA_ASSIGNMENT", Fatal, "Replica assignment is invalid."),
    (InvalidConfig, 40, "INVALID_CONFIG", Fatal, "Configuration is invalid."),
    (NotController, 41, "NOT_CONTROLLER", Retriable, "This is not the correct controller for this cluster."),
    (InvalidRequest, 42, "INVALID_REQUEST", Fatal,
     "This most likely occurs because of a request being malformed by the client library or the \
      message was sent to an incompatible broker. See the broker logs for more details."),
    (UnsupportedForMessageFormat, 43, "UNSUPPORTED_FOR_MESSAGE_FORMAT", Fatal,
     "The message format version on the broker does not support the request."),
    (PolicyViolation, 44, "POLICY_VIOLATION", Fatal,
     "Request parameters do not satisfy the configured policy."),
    (OutOfOrderSequenceNumber, 45, "OUT_OF_ORDER_SEQUENCE_NUMBER", Fatal,
     "The broker received an out of order sequence number."),
    (DuplicateSequenceNumber, 46, "DUPLICATE_SEQUENCE_NUMBER", Fatal,
     "The broker received a duplicate sequence number."),
    (InvalidProducerEpoch, 47, "INVALID_PRODUCER_EPOCH", Fatal,
     "Producer attempted to produce with an old epoch."),
    (InvalidTxnState, 48, "INVALID_TXN_STATE", Fatal,
     "The producer attempted a transactional operation in an invalid state."),
    (InvalidProducerIdMapping, 49, "INVALID_PRODUCER_ID_MAPPING", Fatal,
     "The producer attempted to use a producer id which is not currently assigned to its transactional \
      id."),
    (InvalidTransactionTimeout, 50, "INVALID_TRANSACTION_TIMEOUT", Fatal,
     "The transaction timeout is larger than the maximum value allowed by the broker (as configured by \
      transaction.max.timeout.ms)."),
    (ConcurrentTransactions, 51, "CONCURRENT_TRANSACTIONS", Retriable,
     "The producer attempted to update a transaction while another concurrent operation on the same \
      transaction was ongoing."),
    (TransactionCoordinatorFenced, 52, "TRANSACTION_COORDINATOR_FENCED", Fatal,
     "Indicates that the transaction coordinator sending a WriteTxnMarker is no longer the current \
      coordinator for a given producer."),
    (TransactionalIdAuthorizationFailed, 53, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED", Fatal,
     "Transactional Id authorization failed."),
    (SecurityDisabled, 54, "SECURITY_DISABLED", Fatal, "Security features are disabled."),
    (OperationNotAttempted, 55, "OPERATION_NOT_ATTEMPTED", Fatal,
     "The broker did not attempt to execute this operation. This may happen for batched RPCs where \
      some operations in the batch failed, causing the broker to respond without trying the rest."),
    (KafkaStorageError, 56, "KAFKA_STORAGE_ERROR", Retriable,
     "Disk error when trying to access log file on the disk."),
    (LogDirNotFound, 57, "LOG_DIR_NOT_FOUND", Fatal,
     "The user-specified log directory is not found in the broker config."),
    (SaslAuthenticationFailed, 58, "SASL_AUTHENTICATION_FAILED", Fatal, "SASL Authentication failed."),
    (UnknownProducerId, 59, "UNKNOWN_PRODUCER_ID", Fatal,
     "This exception is raised by the broker if it could not locate the producer metadata associated \
      with the producerId in question. This could happen if, for instance, the producer's records were \
      deleted because their retention time had elapsed. Once the last records of the producerId are \
      removed, the producer's metadata is removed from the broker, and future appends by the producer \
      will return this exception."),
    (ReassignmentInProgress, 60, "REASSIGNMENT_IN_PROGRESS", Fatal,
     "A partition reassignment is in progress."),
    (DelegationTokenAuthDisabled, 61, "DELEGATION_TOKEN_AUTH_DISABLED", Fatal,
     "Delegation Token feature is not enabled."),
    (DelegationTokenNotFound, 62, "DELEGATION_TOKEN_NOT_FOUND", Fatal,
     "Delegation Token is not found on server."),
    (DelegationTokenOwnerMismatch, 63, "DELEGATION_TOKEN_OWNER_MISMATCH", Fatal,
     "Specified Principal is not valid Owner/Renewer."),
    (DelegationTokenRequestNotAllowed, 64, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", Fatal,
     "Delegation Token requests are not allowed on PLAINTEXT/1-way SSL channels and on delegation \
      token authenticated channels."),
    (DelegationTokenAuthorizationFailed, 65, "DELEGATION_TOKEN_AUTHORIZATION_FAILED", Fatal,
     "Delegation Token authorization failed."),
    (DelegationTokenExpired, 66, "DELEGATION_TOKEN_EXPIRED", Fatal, "Delegation Token is expired."),
    (InvalidPrincipalType, 67, "INVALID_PRINCIPAL_TYPE", Fatal, "Supplied principalType is not supported."),
    (NonEmptyGroup, 68, "NON_EMPTY_GROUP", Fatal, "The group is not empty."),
    (GroupIdNotFound, 69, "GROUP_ID_NOT_FOUND", Fatal, "The group id does not exist."),
    (FetchSessionIdNotFound, 70, "FETCH_SESSION_ID_NOT_FOUND", Retriable,
     "The fetch session ID was not found."),
    (InvalidFetchSessionEpoch, 71, "INVALID_FETCH_SESSION_EPOCH", Retriable,
     "The fetch session epoch is invalid."),
    (ListenerNotFound, 72, "LISTENER_NOT_FOUND", Retriable,
     "There is no listener on the leader broker that matches the listener on which metadata request \
      was processed."),
    (TopicDeletionDisabled, 73, "TOPIC_DELETION_DISABLED", Fatal, "Topic deletion is disabled."),
    (FencedLeaderEpoch, 74, "FENCED_LEADER_EPOCH", Retriable,
     "The leader epoch in the request is older than the epoch on the broker."),
    (UnknownLeaderEpoch, 75, "UNKNOWN_LEADER_EPOCH", Retriable,
     "The leader epoch in the request is newer than the epoch on the broker."),
    (UnsupportedCompressionType, 76, "UNSUPPORTED_COMPRESSION_TYPE", Fatal,
     "The requesting client does not support the compression type of given partition."),
    (StaleBrokerEpoch, 77, "STALE_BROKER_EPOCH", Fatal, "Broker epoch has changed."),
    (OffsetNotAvailable, 78, "OFFSET_NOT_AVAILABLE", Retriable,
     "The leader high watermark has not caught up from a recent leader election so the offsets cannot \
      be guaranteed to be monotonically increasing."),
    (MemberIdRequired, 79, "MEMBER_ID_REQUIRED", Fatal,
     "The group member needs to have a valid member id before actually entering a consumer group."),
    (PreferredLeaderNotAvailable, 80, "PREFERRED_LEADER_NOT_AVAILABLE", Retriable,
     "The preferred leader was not available."),
    (GroupMaxSizeReached, 81, "GROUP_MAX_SIZE_REACHED", Fatal, "The group has reached its maximum size."),
    (FencedInstanceId, 82, "FENCED_INSTANCE_ID", Fatal,
     "The broker rejected this static consumer since another consumer with the same group.instance.id \
      has registered with a different member.id."),
    (EligibleLeadersNotAvailable, 83, "ELIGIBLE_LEADERS_NOT_AVAILABLE", Retriable,
     "Eligible topic partition leaders are not available."),
    (ElectionNotNeeded, 84, "ELECTION_NOT_NEEDED", Retriable,
     "Leader election not needed for topic partition."),
    (NoReassignmentInProgress, 85, "NO_REASSIGNMENT_IN_PROGRESS", Fatal,
     "No partition reassignment is in progress."),
    (GroupSubscribedToTopic, 86, "GROUP_SUBSCRIBED_TO_TOPIC", Fatal,
     "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."),
    (InvalidRecord, 87, "INVALID_RECORD", Fatal,
     "This record has failed the validation on broker and hence will be rejected."),
    (UnstableOffsetCommit, 88, "UNSTABLE_OFFSET_COMMIT", Retriable,
     "There are unstable offsets that need to be cleared."),
    (ThrottlingQuotaExceeded, 89, "THROTTLING_QUOTA_EXCEEDED", Retriable,
     "The throttling quota has been exceeded."),
    (ProducerFenced, 90, "PRODUCER_FENCED", Fatal,
     "There is a newer producer with the same transactionalId which fences the current one."),
    (ResourceNotFound, 91, "RESOURCE_NOT_FOUND", Fatal,
     "A request illegally referred to a resource that does not exist."),
    (DuplicateResource, 92, "DUPLICATE_RESOURCE", Fatal,
     "A request illegally referred to the same resource twice."),
    (UnacceptableCredential, 93, "UNACCEPTABLE_CREDENTIAL", Fatal,
     "Requested credential would not meet criteria for acceptability."),
    (InconsistentVoterSet, 94, "INCONSISTENT_VOTER_SET", Fatal,
     "Indicates that the either the sender or recipient of a voter-only request is not one of the \
      expected voters."),
    (InvalidUpdateVersion, 95, "INVALID_UPDATE_VERSION", Fatal, "The given update version was invalid."),
    (FeatureUpdateFailed, 96, "FEATURE_UPDATE_FAILED", Fatal,
     "Unable to update finalized features due to an unexpected server error."),
    (PrincipalDeserializationFailure, 97, "PRINCIPAL_DESERIALIZATION_FAILURE", Fatal,
     "Request principal deserialization failed during forwarding. This indicates an internal error on \
      the broker cluster security setup."),
    (SnapshotNotFound, 98, "SNAPSHOT_NOT_FOUND", Fatal, "Requested snapshot was not found."),
    (PositionOutOfRange, 99, "POSITION_OUT_OF_RANGE", Fatal,
     "Requested position is not greater than or equal to zero, and less than the size of the snapshot."),
    (UnknownTopicId, 100, "UNKNOWN_TOPIC_ID", Retriable, "This server does not host this topic ID."),
    (DuplicateBrokerRegistration, 101, "DUPLICATE_BROKER_REGISTRATION", Fatal,
     "This broker ID is already in use."),
    (BrokerIdNotRegistered, 102,
     "BROKER_ID_NOT_REGISTERED", Fatal,
     "The given broker ID was not registered."),
    (InconsistentTopicId, 103, "INCONSISTENT_TOPIC_ID", Retriable,
     "The log's topic ID did not match the topic ID in the request."),
    (InconsistentClusterId, 104, "INCONSISTENT_CLUSTER_ID", Fatal,
     "The clusterId in the request does not match that found on the server."),
    (TransactionalIdNotFound, 105, "TRANSACTIONAL_ID_NOT_FOUND", Fatal,
     "The transactionalId could not be found."),
    (FetchSessionTopicIdError, 106, "FETCH_SESSION_TOPIC_ID_ERROR", Retriable,
     "The fetch session encountered inconsistent topic ID usage."),
    (IneligibleReplica, 107, "INELIGIBLE_REPLICA", Fatal,
     "The new ISR contains at least one ineligible replica."),
    (NewLeaderElected, 108, "NEW_LEADER_ELECTED", Fatal,
     "The AlterPartition request successfully updated the partition state but the leader has changed."),
    (OffsetMovedToTieredStorage, 109, "OFFSET_MOVED_TO_TIERED_STORAGE", Fatal,
     "The requested offset is moved to tiered storage."),
    (FencedMemberEpoch, 110, "FENCED_MEMBER_EPOCH", Fatal,
     "The member epoch is fenced by the group coordinator. The member must abandon all its partitions \
      and rejoin."),
    (UnreleasedInstanceId, 111, "UNRELEASED_INSTANCE_ID", Fatal,
     "The instance ID is still used by another member in the consumer group. That member must leave \
      first."),
    (UnsupportedAssignor, 112, "UNSUPPORTED_ASSIGNOR", Fatal,
     "The assignor or its version range is not supported by the consumer group."),
    (StaleMemberEpoch, 113, "STALE_MEMBER_EPOCH", Fatal,
     "The member epoch is stale. The member must retry after receiving its updated member epoch via \
      the ConsumerGroupHeartbeat API."),
    (MismatchedEndpointType, 114, "MISMATCHED_ENDPOINT_TYPE", Fatal,
     "The request was sent to an endpoint of the wrong type."),
    (UnsupportedEndpointType, 115, "UNSUPPORTED_ENDPOINT_TYPE", Fatal,
     "This endpoint type is not supported yet."),
    (UnknownControllerId, 116, "UNKNOWN_CONTROLLER_ID", Fatal, "This controller ID is not known."),
    (UnknownSubscriptionId, 117, "UNKNOWN_SUBSCRIPTION_ID", Fatal,
     "Client sent a push telemetry request with an invalid or outdated subscription ID."),
    (TelemetryTooLarge, 118, "TELEMETRY_TOO_LARGE", Fatal,
     "Client sent a push telemetry request larger than the maximum size the broker will accept."),
    (InvalidRegistration, 119, "INVALID_REGISTRATION", Fatal,
     "The controller has considered the broker registration to be invalid."),
    (TransactionAbortable, 120, "TRANSACTION_ABORTABLE", Fatal,
     "The server encountered an error with the transaction. The client can abort the transaction to \
      continue using this transactional ID."),
    (InvalidRecordState, 121, "INVALID_RECORD_STATE", Fatal,
     "The record state is invalid. The acknowledgement of delivery could not be completed."),
    (ShareSessionNotFound, 122, "SHARE_SESSION_NOT_FOUND", Retriable, "The share session was not found."),
    (InvalidShareSessionEpoch, 123, "INVALID_SHARE_SESSION_EPOCH", Retriable,
     "The share session epoch is invalid."),
    (FencedStateEpoch, 124, "FENCED_STATE_EPOCH", Fatal,
     "The share coordinator rejected the request because the share-group state epoch did not match."),
    (InvalidVoterKey, 125, "INVALID_VOTER_KEY", Fatal,
     "The voter key doesn't match the receiving replica's key."),
    (DuplicateVoter, 126, "DUPLICATE_VOTER", Fatal, "The voter is already part of the set of voters."),
    (VoterNotFound, 127, "VOTER_NOT_FOUND", Fatal, "The voter is not part of the set of voters."),
    (InvalidRegularExpression, 128, "INVALID_REGULAR_EXPRESSION", Fatal,
     "The regular expression is not valid."),
    (RebootstrapRequired, 129, "REBOOTSTRAP_REQUIRED", Fatal,
     "Client metadata is stale. The client should rebootstrap to obtain new metadata."),
    (StreamsInvalidTopology, 130, "STREAMS_INVALID_TOPOLOGY", Fatal, "The supplied topology is invalid."),
    (StreamsInvalidTopologyEpoch, 131, "STREAMS_INVALID_TOPOLOGY_EPOCH", Fatal,
     "The supplied topology epoch is invalid."),
    (StreamsTopologyFenced, 132,
     "STREAMS_TOPOLOGY_FENCED", Fatal,
     "The supplied topology epoch is outdated."),
    (ShareSessionLimitReached, 133, "SHARE_SESSION_LIMIT_REACHED", Retriable,
     "The limit of share sessions has been reached."),
}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn numbers_go_there_and_back() {
        for &error in ErrorCode::ALL {
            assert_eq!(ErrorCode::from(i16::from(error)), error);
            assert!(error.is_none() || !error.message().is_empty(), "{error} has no text");
        }
        assert_eq!(ErrorCode::ALL.len(), 135, "-1..=133");
        assert_eq!(ErrorCode::from(9999), ErrorCode::UnknownServerError);
        assert_eq!(ErrorCode::from_code(9999), None);
    }

    #[test]
    fn agrees_with_kafka_protocol() {
        for &error in ErrorCode::ALL {
            let Some(theirs) = kafka_protocol::error::ResponseError::try_from_code(error.code()) else {
                assert!(error.is_none());
                continue;
            };
            assert_eq!(format!("{error:?}").to_lowercase(), theirs.to_string().to_lowercase());
        }
    }
}
