//! Blocks of producer ids are given out once.

use super::super::testing::Cluster;
use super::*;

#[test]
fn blocks_never_overlap() {
    let mut cluster = Cluster::new(2, "");
    for expected in [0, 1000, 2000] {
        let outcome = allocate_producer_ids(&cluster.view(), BrokerId(1), 101).expect("allocated");
        assert_eq!(outcome.reply.first, expected);
        cluster.commit(&outcome.records);
    }
    let error = allocate_producer_ids(&cluster.view(), BrokerId(1), 7).expect_err("an earlier life");
    assert_eq!(error.kind, ErrorKind::StaleBrokerEpoch);
}

#[test]
fn the_last_block_is_the_last() {
    let mut cluster = Cluster::new(1, "");
    let next = i64::MAX - PRODUCER_ID_BLOCK + 1;
    cluster.commit(&[MetadataRecord::ProducerIds { broker: BrokerId(0), broker_epoch: 100, next }]);
    let error = allocate_producer_ids(&cluster.view(), BrokerId(0), 100).expect_err("exhausted");
    assert_eq!(error.kind, ErrorKind::UnknownServerError);
}
