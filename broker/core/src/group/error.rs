//! Why a group request is refused, by the names of Kafka's protocol errors.

use thiserror::Error;

/// An error a group coordinator answers. The names are those of Kafka's `Errors`; the broker turns them into codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum GroupError {
    /// The write did not commit in time or too few replicas are in sync; try again (15).
    #[error("the coordinator is not available")]
    CoordinatorNotAvailable,
    /// The shard is reading its log (14).
    #[error("the coordinator is loading")]
    CoordinatorLoadInProgress,
    /// Another broker leads the group's partition of `__consumer_offsets` (16).
    #[error("this broker is not the group's coordinator")]
    NotCoordinator,
    /// The group id is empty where one is needed (24).
    #[error("the group id is invalid")]
    InvalidGroupId,
    /// The session timeout lies outside the broker's bounds (26).
    #[error(
        "the session timeout is not within group.min.session.timeout.ms and group.max.session.timeout.ms"
    )]
    InvalidSessionTimeout,
    /// The generation is not the group's current one (22).
    #[error("the generation is not the current one")]
    IllegalGeneration,
    /// No protocol is common to all members, or the protocol type is another (23).
    #[error("the member's protocols do not fit those of the group")]
    InconsistentGroupProtocol,
    /// The member is not in the group (25).
    #[error("the member is not known to the group")]
    UnknownMemberId,
    /// The member must join (again) (27).
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The metadata of an offset is longer than `offset.metadata.max.bytes` (12).
    #[error("the metadata of the offset is too large")]
    OffsetMetadataTooLarge,
    /// The records of the request do not fit into one batch (28).
    #[error("the offset commit is too large for one batch")]
    InvalidCommitOffsetSize,
    /// The group has members (68).
    #[error("the group is not empty")]
    NonEmptyGroup,
    /// There is no such group (69).
    #[error("the group is not found")]
    GroupIdNotFound,
    /// The member must join again with the id it was given (79, KIP-394).
    #[error("the member id is required")]
    MemberIdRequired,
    /// The group has as many members as `group.max.size` allows (81).
    #[error("the group is full")]
    GroupMaxSizeReached,
    /// Another member took over the instance id (82, KIP-345).
    #[error("another member has this group instance id")]
    FencedInstanceId,
    /// Offsets of the group are part of open transactions (88, KIP-447).
    #[error("offsets of the group are not stable yet")]
    UnstableOffsetCommit,
    /// Members of the group are subscribed to the topic (86).
    #[error("the group is subscribed to the topic")]
    GroupSubscribedToTopic,
    /// Something that should not happen (-1).
    #[error("an unexpected error of the coordinator")]
    UnknownServerError,
}
