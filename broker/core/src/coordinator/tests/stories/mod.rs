//! Stories of groups and what the coordinator does in them. Expected output is checked against what Apache Kafka's
//! coordinator does; a deviation says so.

mod members;
mod offsets;
mod static_members;
mod storing;

use expect_test::Expect;

use super::rig::Rig;
use crate::group::GroupConfig;

fn check(story: &str, expected: &Expect) {
    check_with(GroupConfig::default(), story, expected);
}

fn check_with(config: GroupConfig, story: &str, expected: &Expect) {
    expected.assert_eq(&Rig::new(config).tell(story));
}

/// Two dynamic members; after it the generation is 1 and `c-a` leads.
const TWO_MEMBERS: &str = "
    join a
    join a1 member=c-a topics=t
    join b
    join b1 member=c-b topics=t
    advance 3000
    advance 3000
    sync b2 member=c-b gen=1
    sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
";
