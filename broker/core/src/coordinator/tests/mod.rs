//! Shards driven as the broker drives them: stories as text ([`rig`]), and random interleavings ([`random`]).

mod loading;
mod random;
mod rig;
mod stories;

use super::partition_for;

/// Values of `Utils.abs(group.hashCode()) % 50` of Kafka 4.3.
#[test]
fn groups_are_where_kafka_has_them() {
    let expected = [
        ("", 0),
        ("a", 47),
        ("test-group", 12),
        ("gruppe-é", 3),
        ("中文组", 16),
        ("😀", 49),
        // Its hash is -2^31, whose magnitude no int holds.
        ("polygenelubricants", 0),
    ];
    for (group_id, partition) in expected {
        assert_eq!(partition_for(group_id, 50), partition, "{group_id}");
    }
    assert_eq!(partition_for("a", 0), 0);
}
