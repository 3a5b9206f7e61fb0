//! Authorized operations (KIP-430): what a client may do with a thing, as one bit for each operation.
//!
//! Without an authorizer everything is allowed, so that the answer is every operation there is on the thing.

/// They were not asked for.
pub(super) const NOT_ASKED: i32 = i32::MIN;

/// Codes of Kafka's `AclOperation`: the numbers of the bits.
const READ: u32 = 3;
const WRITE: u32 = 4;
const CREATE: u32 = 5;
const DELETE: u32 = 6;
const ALTER: u32 = 7;
const DESCRIBE: u32 = 8;
const CLUSTER_ACTION: u32 = 9;
const DESCRIBE_CONFIGS: u32 = 10;
const ALTER_CONFIGS: u32 = 11;
const IDEMPOTENT_WRITE: u32 = 12;

/// On a topic.
pub(super) const TOPIC: i32 =
    bits(&[READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);
/// On a group.
pub(super) const GROUP: i32 = bits(&[READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS]);
/// On the cluster.
pub(super) const CLUSTER: i32 =
    bits(&[CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE]);

/// `operations` if they were asked for.
pub(super) fn asked(asked: bool, operations: i32) -> i32 {
    if asked { operations } else { NOT_ASKED }
}

const fn bits(operations: &[u32]) -> i32 {
    let mut bits = 0;
    let mut index = 0;
    while index < operations.len() {
        bits |= 1 << operations[index];
        index += 1;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_those_of_kafka_4_3() {
        assert_eq!((TOPIC, GROUP, CLUSTER), (3576, 3400, 8096));
        assert_eq!((asked(true, GROUP), asked(false, GROUP)), (3400, i32::MIN));
    }
}
