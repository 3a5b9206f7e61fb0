//! Stories of groups and what the coordinator does in them. Expected output is checked against what Apache Kafka's
//! coordinator does; a deviation says so.

use expect_test::{Expect, expect};

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

#[test]
fn two_members_come_to_be_stable() {
    check(
        &format!("{TWO_MEMBERS} describe d\n list l"),
        &expect![[r#"
        join a
          a: MemberIdRequired member=c-a
          + g gen=0 - leader=- []
        join a1 member=c-a topics=t
        join b
          b: MemberIdRequired member=c-b
        join b1 member=c-b topics=t
        advance 3000
        advance 3000
          at 6000
          a1: gen=1 range leader=c-a member=c-a [c-a c-b]
          b1: gen=1 range leader=c-a member=c-b []
        sync b2 member=c-b gen=1
        sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
          + g gen=1 range leader=c-a [c-a=A c-b=B]
          a2: range "A"
          b2: range "B"
        describe d
          d: Stable "consumer" "range" [c-a "A" subscribed, c-b "B" subscribed]
        list l
          l: g(consumer,Stable,classic)
    "#]],
    );
}

#[test]
fn a_member_that_leaves_starts_a_rebalance() {
    check(
        &format!(
            "{TWO_MEMBERS}
            heartbeat h1 member=c-b gen=1
            leave l member=c-a
            heartbeat h2 member=c-b gen=1
            heartbeat h3 member=c-a gen=1
            sync s1 member=c-b gen=1
            join b3 member=c-b topics=t
            heartbeat h4 member=c-b gen=1
            heartbeat h5 member=c-b gen=2
            sync s2 member=c-b gen=2 assign=c-b:AB
            leave l2 member=c-b member=c-b member=nobody
            describe d"
        ),
        &expect![[r#"
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            heartbeat h1 member=c-b gen=1
              h1: ok
            leave l member=c-a
              l: ok
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            heartbeat h3 member=c-a gen=1
              h3: UnknownMemberId
            sync s1 member=c-b gen=1
              s1: RebalanceInProgress
            join b3 member=c-b topics=t
              b3: gen=2 range leader=c-b member=c-b [c-b]
            heartbeat h4 member=c-b gen=1
              h4: IllegalGeneration
            heartbeat h5 member=c-b gen=2
              h5: ok
            sync s2 member=c-b gen=2 assign=c-b:AB
              + g gen=2 range leader=c-b [c-b=AB]
              s2: range "AB"
            leave l2 member=c-b member=c-b member=nobody
              + g gen=3 - leader=- []
              l2: ok UnknownMemberId UnknownMemberId
            describe d
              d: Empty "consumer" "" []
        "#]],
    );
}

#[test]
fn a_member_that_falls_silent_is_expelled() {
    check(
        &format!(
            "{TWO_MEMBERS}
            advance 9000
            heartbeat h member=c-a gen=1
            advance 5000
            heartbeat h2 member=c-a gen=1
            heartbeat h3 member=c-b gen=1
            join a3 member=c-a topics=t
            advance 60000
            describe d"
        ),
        &expect![[r#"
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            advance 9000
            heartbeat h member=c-a gen=1
              h: ok
            advance 5000
            heartbeat h2 member=c-a gen=1
              h2: RebalanceInProgress
            heartbeat h3 member=c-b gen=1
              h3: UnknownMemberId
            join a3 member=c-a topics=t
              a3: gen=2 range leader=c-a member=c-a [c-a]
            advance 60000
              at 30000
              + g gen=3 - leader=- []
            describe d
              d: Empty "consumer" "" []
        "#]],
    );
}

#[test]
fn a_rebalance_expels_those_who_do_not_join() {
    check(
        &format!(
            "{TWO_MEMBERS}
            join c
            join c1 member=c-c topics=t
            heartbeat h member=c-a gen=1
            join a3 member=c-a topics=t
            advance 8000
            heartbeat h2 member=c-b gen=1
            advance 8000
            heartbeat h2 member=c-b gen=1
            advance 8000
            heartbeat h2 member=c-b gen=1
            advance 8000
            heartbeat h2 member=c-b gen=1
            advance 8000
            heartbeat h2 member=c-b gen=1
            advance 8000
            heartbeat h2 member=c-b gen=1
            advance 8000
            heartbeat h2 member=c-b gen=1
            advance 8000
            heartbeat h2 member=c-b gen=1"
        ),
        &expect![[r#"
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            join c
              c: MemberIdRequired member=c-c
            join c1 member=c-c topics=t
            heartbeat h member=c-a gen=1
              h: RebalanceInProgress
            join a3 member=c-a topics=t
            advance 8000
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            advance 8000
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            advance 8000
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            advance 8000
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            advance 8000
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            advance 8000
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            advance 8000
            heartbeat h2 member=c-b gen=1
              h2: RebalanceInProgress
            advance 8000
              at 66000
              a3: gen=2 range leader=c-a member=c-a [c-a c-c]
              c1: gen=2 range leader=c-a member=c-c []
            heartbeat h2 member=c-b gen=1
              h2: UnknownMemberId
        "#]],
    );
}

#[test]
fn a_member_that_does_not_sync_is_expelled() {
    check(
        "join a version=3 rebalance=8000
        join b version=3 rebalance=8000
        advance 6000
        sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
        advance 7000
        heartbeat h member=c-b gen=1
        heartbeat h2 member=c-a gen=1
        advance 1000
        heartbeat h3 member=c-b gen=1
        heartbeat h4 member=c-a gen=1",
        &expect![[r#"
            join a version=3 rebalance=8000
              + g gen=0 - leader=- []
            join b version=3 rebalance=8000
            advance 6000
              at 6000
              a: gen=1 range leader=c-a member=c-a [c-a c-b]
              b: gen=1 range leader=c-a member=c-b []
            sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a1: range "A"
            advance 7000
            heartbeat h member=c-b gen=1
              h: ok
            heartbeat h2 member=c-a gen=1
              h2: ok
            advance 1000
            heartbeat h3 member=c-b gen=1
              h3: UnknownMemberId
            heartbeat h4 member=c-a gen=1
              h4: RebalanceInProgress
        "#]],
    );
}

#[test]
fn the_first_rebalance_waits_longer_while_members_come() {
    check(
        "join a version=3 rebalance=10000
        advance 2000
        join b version=3 rebalance=10000
        advance 3000
        join c version=3 rebalance=10000
        advance 3000
        join d version=3 rebalance=10000
        advance 10000",
        &expect![[r#"
            join a version=3 rebalance=10000
              + g gen=0 - leader=- []
            advance 2000
            join b version=3 rebalance=10000
            advance 3000
            join c version=3 rebalance=10000
            advance 3000
            join d version=3 rebalance=10000
            advance 10000
              at 10000
              a: gen=1 range leader=c-a member=c-a [c-a c-b c-c c-d]
              b: gen=1 range leader=c-a member=c-b []
              c: gen=1 range leader=c-a member=c-c []
              d: gen=1 range leader=c-a member=c-d []
        "#]],
    );
}

#[test]
fn joins_are_checked() {
    check(
        "join a group=
        join a session=5999
        join a session=1800001
        join a protocols=
        join a type=
        join a member=unknown
        join ok version=3 protocols=range,rr
        join a version=3 type=connect
        join a version=3 protocols=sticky
        join a version=3 member=unknown
        join b version=3 protocols=sticky,rr
        advance 6000
        join c version=3 protocols=range",
        &expect![[r#"
            join a group=
              a: InvalidGroupId member=
            join a session=5999
              a: InvalidSessionTimeout member=
            join a session=1800001
              a: InvalidSessionTimeout member=
            join a protocols=
              a: InconsistentGroupProtocol member=
            join a type=
              a: InconsistentGroupProtocol member=
            join a member=unknown
              a: UnknownMemberId member=unknown
            join ok version=3 protocols=range,rr
              + g gen=0 - leader=- []
            join a version=3 type=connect
              a: InconsistentGroupProtocol member=
            join a version=3 protocols=sticky
              a: InconsistentGroupProtocol member=
            join a version=3 member=unknown
              a: UnknownMemberId member=unknown
            join b version=3 protocols=sticky,rr
            advance 6000
              at 6000
              ok: gen=1 rr leader=c-ok member=c-ok [c-ok c-b]
              b: gen=1 rr leader=c-ok member=c-b []
            join c version=3 protocols=range
              c: InconsistentGroupProtocol member=
        "#]],
    );
}

#[test]
fn votes_choose_the_protocol() {
    check(
        "join a version=3 protocols=range,rr,sticky
        join b version=3 protocols=sticky,rr
        join c version=3 protocols=rr,sticky
        join d version=3 protocols=sticky,rr,range
        advance 9000",
        &expect![[r#"
            join a version=3 protocols=range,rr,sticky
              + g gen=0 - leader=- []
            join b version=3 protocols=sticky,rr
            join c version=3 protocols=rr,sticky
            join d version=3 protocols=sticky,rr,range
            advance 9000
              at 6000
              a: gen=1 rr leader=c-a member=c-a [c-a c-b c-c c-d]
              b: gen=1 rr leader=c-a member=c-b []
              c: gen=1 rr leader=c-a member=c-c []
              d: gen=1 rr leader=c-a member=c-d []
        "#]],
    );
}

#[test]
fn joins_again_without_news_do_not_disturb() {
    check(
        "join a version=3
        join b version=3
        advance 6000
        join b2 member=c-b
        sync b3 member=c-b gen=1
        sync a3 member=c-a gen=1 assign=c-a:A,c-b:B
        join b4 member=c-b
        heartbeat h member=c-a gen=1
        join b5 member=c-b topics=news
        heartbeat h2 member=c-a gen=1
        join a4 member=c-a
        sync b6 member=c-b gen=2
        sync a5 member=c-a gen=2 assign=c-a:A,c-b:B
        join a6 member=c-a
        heartbeat h3 member=c-b gen=2",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            join b version=3
            advance 6000
              at 6000
              a: gen=1 range leader=c-a member=c-a [c-a c-b]
              b: gen=1 range leader=c-a member=c-b []
            join b2 member=c-b
              b2: gen=1 range leader=c-a member=c-b []
            sync b3 member=c-b gen=1
            sync a3 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a3: range "A"
              b3: range "B"
            join b4 member=c-b
              b4: gen=1 range leader=c-a member=c-b []
            heartbeat h member=c-a gen=1
              h: ok
            join b5 member=c-b topics=news
            heartbeat h2 member=c-a gen=1
              h2: RebalanceInProgress
            join a4 member=c-a
              a4: gen=2 range leader=c-a member=c-a [c-a c-b]
              b5: gen=2 range leader=c-a member=c-b []
            sync b6 member=c-b gen=2
            sync a5 member=c-a gen=2 assign=c-a:A,c-b:B
              + g gen=2 range leader=c-a [c-a=A c-b=B]
              a5: range "A"
              b6: range "B"
            join a6 member=c-a
            heartbeat h3 member=c-b gen=2
              h3: RebalanceInProgress
        "#]],
    );
}

#[test]
fn a_request_sent_twice_is_answered_twice() {
    check(
        "join a version=3
        join b version=3
        advance 6000
        sync b1 member=c-b gen=1
        sync b2 member=c-b gen=1
        sync a1 member=c-a gen=1 assign=c-a:A
        join a2 member=c-a
        join a3 member=c-a
        join b3 member=c-b",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            join b version=3
            advance 6000
              at 6000
              a: gen=1 range leader=c-a member=c-a [c-a c-b]
              b: gen=1 range leader=c-a member=c-b []
            sync b1 member=c-b gen=1
            sync b2 member=c-b gen=1
              b1: RebalanceInProgress
            sync a1 member=c-a gen=1 assign=c-a:A
              + g gen=1 range leader=c-a [c-a=A c-b=]
              a1: range "A"
              b2: range ""
            join a2 member=c-a
            join a3 member=c-a
              a2: RebalanceInProgress member=c-a
            join b3 member=c-b
              a3: gen=2 range leader=c-a member=c-a [c-a c-b]
              b3: gen=2 range leader=c-a member=c-b []
        "#]],
    );
}

#[test]
fn a_new_member_does_not_wait_for_ever() {
    check(
        "join a version=3 session=1000000 rebalance=900000
        advance 3000
        sync a1 member=c-a gen=1 assign=c-a:A
        join b version=3 rebalance=900000
        advance 299999
        heartbeat h member=c-a gen=1
        advance 1
        join a2 member=c-a session=1000000 rebalance=900000",
        &expect![[r#"
            join a version=3 session=1000000 rebalance=900000
              + g gen=0 - leader=- []
            advance 3000
              at 3000
              a: gen=1 range leader=c-a member=c-a [c-a]
            sync a1 member=c-a gen=1 assign=c-a:A
              + g gen=1 range leader=c-a [c-a=A]
              a1: range "A"
            join b version=3 rebalance=900000
            advance 299999
            heartbeat h member=c-a gen=1
              h: RebalanceInProgress
            advance 1
              at 303000
              b: UnknownMemberId member=
            join a2 member=c-a session=1000000 rebalance=900000
              a2: gen=2 range leader=c-a member=c-a [c-a]
        "#]],
    );
}

#[test]
fn syncs_are_checked() {
    check(
        &format!(
            "sync x member=c-a gen=1
            {TWO_MEMBERS}
            sync x group= member=c-a gen=1
            sync x member=unknown gen=1
            sync x member=c-a gen=2
            sync x member=c-a gen=1 type=connect
            sync x member=c-a gen=1 protocol=sticky
            sync x member=c-a gen=1 protocol=range type=consumer
            heartbeat x member=c-a gen=0
            heartbeat x member=c-a gen=1 instance=i
            heartbeat x group="
        ),
        &expect![[r#"
            sync x member=c-a gen=1
              x: UnknownMemberId
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            sync x group= member=c-a gen=1
              x: InvalidGroupId
            sync x member=unknown gen=1
              x: UnknownMemberId
            sync x member=c-a gen=2
              x: IllegalGeneration
            sync x member=c-a gen=1 type=connect
              x: InconsistentGroupProtocol
            sync x member=c-a gen=1 protocol=sticky
              x: InconsistentGroupProtocol
            sync x member=c-a gen=1 protocol=range type=consumer
              x: range "A"
            heartbeat x member=c-a gen=0
              x: IllegalGeneration
            heartbeat x member=c-a gen=1 instance=i
              x: UnknownMemberId
            heartbeat x group=
              x: InvalidGroupId
        "#]],
    );
}

#[test]
fn a_full_group_refuses_more() {
    let config = GroupConfig { max_size: 2, ..GroupConfig::default() };
    check_with(
        config,
        "join a version=3
        join b version=3
        join c version=3
        advance 6000
        sync b1 member=c-b gen=1
        sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
        join d version=3
        join b2 member=c-b topics=news
        join a2 member=c-a",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            join b version=3
            join c version=3
              c: GroupMaxSizeReached member=
            advance 6000
              at 6000
              a: gen=1 range leader=c-a member=c-a [c-a c-b]
              b: gen=1 range leader=c-a member=c-b []
            sync b1 member=c-b gen=1
            sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a1: range "A"
              b1: range "B"
            join d version=3
              d: GroupMaxSizeReached member=
            join b2 member=c-b topics=news
            join a2 member=c-a
              a2: gen=2 range leader=c-a member=c-a [c-a c-b]
              b2: gen=2 range leader=c-a member=c-b []
        "#]],
    );
}

#[test]
fn a_group_too_large_after_a_reload_shrinks() {
    let config = GroupConfig { max_size: 1, ..GroupConfig::default() };
    let mut rig = Rig::new(GroupConfig::default());
    for label in ["a", "b"] {
        rig.run_line(&format!("join {label} version=3"));
    }
    rig.run_line("advance 6000");
    rig.run_line("sync a1 member=c-a gen=1 assign=c-a:A,c-b:B");
    let mut small = Rig::new(config);
    (small.log, small.log_end_offset) = (rig.log, rig.log_end_offset);
    let told = small.tell(
        "reload
        describe d
        join b1 member=c-b
        join a1 member=c-a",
    );
    expect![[r#"
        reload
        describe d
          d: PreparingRebalance "consumer" "" [c-a "A", c-b "B"]
        join b1 member=c-b
        join a1 member=c-a
          a1: GroupMaxSizeReached member=
          b1: gen=2 range leader=c-b member=c-b [c-b]
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    check(
        "join a instance=i
        join b instance=j
        advance 6000
        sync b1 member=j-b gen=1 instance=j
        sync a1 member=i-a gen=1 instance=i assign=i-a:A,j-b:B
        join b2 instance=j
        sync b3 member=j-b2 gen=1 instance=j
        heartbeat h member=j-b gen=1 instance=j
        heartbeat h2 member=j-b2 gen=1 instance=j
        heartbeat h3 member=j-b gen=1
        join a2 instance=i
        join a3 instance=i version=8
        sync a4 member=i-a2 gen=1 instance=i
        sync a5 member=i-a3 gen=1 instance=i
        describe d",
        &expect![[r#"
            join a instance=i
              + g gen=0 - leader=- []
            join b instance=j
            advance 6000
              at 6000
              a: gen=1 range leader=i-a member=i-a [i-a j-b]
              b: gen=1 range leader=i-a member=j-b []
            sync b1 member=j-b gen=1 instance=j
            sync a1 member=i-a gen=1 instance=i assign=i-a:A,j-b:B
              + g gen=1 range leader=i-a [i-a=A j-b=B]
              a1: range "A"
              b1: range "B"
            join b2 instance=j
              + g gen=1 range leader=i-a [i-a=A j-b2=B]
              b2: gen=1 range leader=i-a member=j-b2 []
            sync b3 member=j-b2 gen=1 instance=j
              b3: range "B"
            heartbeat h member=j-b gen=1 instance=j
              h: FencedInstanceId
            heartbeat h2 member=j-b2 gen=1 instance=j
              h2: ok
            heartbeat h3 member=j-b gen=1
              h3: UnknownMemberId
            join a2 instance=i
              + g gen=1 range leader=i-a2 [i-a2=A j-b2=B]
              a2: gen=1 range leader=i-a2 member=i-a2 [i-a2 j-b2] skip
            join a3 instance=i version=8
              + g gen=1 range leader=i-a3 [i-a3=A j-b2=B]
              a3: gen=1 range leader=i-a2 member=i-a3 []
            sync a4 member=i-a2 gen=1 instance=i
              a4: FencedInstanceId
            sync a5 member=i-a3 gen=1 instance=i
              a5: range "A"
            describe d
              d: Stable "consumer" "range" [i-a3 i "A" subscribed, j-b2 j "B" subscribed]
        "#]],
    );
}

#[test]
fn a_static_member_that_changes_the_protocol_or_comes_in_a_rebalance() {
    check(
        "join a instance=i protocols=range,rr
        join b instance=j protocols=range,rr
        advance 6000
        join b2 instance=j protocols=range,rr
        heartbeat h member=i-a gen=1
        join a1 member=i-a instance=i protocols=range,rr
        sync a2 member=i-a gen=2 assign=i-a:A,j-b2:B
        join b3 instance=j protocols=rr
        join b4 instance=j protocols=rr
        join a3 member=i-a instance=i protocols=range,rr",
        &expect![[r#"
            join a instance=i protocols=range,rr
              + g gen=0 - leader=- []
            join b instance=j protocols=range,rr
            advance 6000
              at 6000
              a: gen=1 range leader=i-a member=i-a [i-a j-b]
              b: gen=1 range leader=i-a member=j-b []
            join b2 instance=j protocols=range,rr
            heartbeat h member=i-a gen=1
              h: RebalanceInProgress
            join a1 member=i-a instance=i protocols=range,rr
              a1: gen=2 range leader=i-a member=i-a [i-a j-b2]
              b2: gen=2 range leader=i-a member=j-b2 []
            sync a2 member=i-a gen=2 assign=i-a:A,j-b2:B
              + g gen=2 range leader=i-a [i-a=A j-b2=B]
              a2: range "A"
            join b3 instance=j protocols=rr
            join b4 instance=j protocols=rr
              b3: FencedInstanceId member=j-b3
            join a3 member=i-a instance=i protocols=range,rr
              a3: gen=3 rr leader=i-a member=i-a [i-a j-b4]
              b4: gen=3 rr leader=i-a member=j-b4 []
        "#]],
    );
}

#[test]
fn static_members_stay_until_their_session_ends() {
    check(
        "join a instance=i session=60000 rebalance=10000
        join b instance=j session=60000 rebalance=10000
        advance 6000
        sync b1 member=j-b gen=1
        sync a1 member=i-a gen=1 assign=i-a:A,j-b:B
        join c version=3 rebalance=10000
        join b2 member=j-b instance=j rebalance=10000
        advance 10000
        leave l instance=i
        describe d",
        &expect![[r#"
            join a instance=i session=60000 rebalance=10000
              + g gen=0 - leader=- []
            join b instance=j session=60000 rebalance=10000
            advance 6000
              at 6000
              a: gen=1 range leader=i-a member=i-a [i-a j-b]
              b: gen=1 range leader=i-a member=j-b []
            sync b1 member=j-b gen=1
            sync a1 member=i-a gen=1 assign=i-a:A,j-b:B
              + g gen=1 range leader=i-a [i-a=A j-b=B]
              a1: range "A"
              b1: range "B"
            join c version=3 rebalance=10000
            join b2 member=j-b instance=j rebalance=10000
            advance 10000
              at 16000
              b2: gen=2 range leader=j-b member=j-b [i-a j-b c-c]
              c: gen=2 range leader=j-b member=c-c []
            leave l instance=i
              l: ok
            describe d
              d: PreparingRebalance "consumer" "" [j-b j "", c-c ""]
        "#]],
    );
}

#[test]
fn a_static_member_whose_record_is_not_stored_is_its_old_self() {
    check(
        "join a instance=i
        advance 3000
        sync a1 member=i-a gen=1 assign=i-a:A
        fail too-few-replicas
        join a2 instance=i
        heartbeat h member=i-a gen=1 instance=i
        heartbeat h2 member=i-a2 gen=1 instance=i",
        &expect![[r#"
            join a instance=i
              + g gen=0 - leader=- []
            advance 3000
              at 3000
              a: gen=1 range leader=i-a member=i-a [i-a]
            sync a1 member=i-a gen=1 assign=i-a:A
              + g gen=1 range leader=i-a [i-a=A]
              a1: range "A"
            fail too-few-replicas
            join a2 instance=i
              a2: CoordinatorNotAvailable member=
            heartbeat h member=i-a gen=1 instance=i
              h: ok
            heartbeat h2 member=i-a2 gen=1 instance=i
              h2: FencedInstanceId
        "#]],
    );
}

#[test]
fn pending_members_leave_or_time_out() {
    check(
        "join a
        describe d
        leave l member=c-a
        join a1 member=c-a
        join b
        advance 9999
        join b1 member=c-b
        join c
        advance 30000
        sync b2 member=c-b gen=1 assign=c-b:B
        join d
        leave l member=c-d
        heartbeat h member=c-b gen=1
        describe d",
        &expect![[r#"
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            describe d
              d: Empty "" "" []
            leave l member=c-a
              l: ok
            join a1 member=c-a
              a1: UnknownMemberId member=c-a
            join b
              b: MemberIdRequired member=c-b
            advance 9999
            join b1 member=c-b
            join c
              c: MemberIdRequired member=c-c
            advance 30000
              at 12999
              b1: gen=1 range leader=c-b member=c-b [c-b]
              at 22999
              + g gen=2 - leader=- []
            sync b2 member=c-b gen=1 assign=c-b:B
              b2: UnknownMemberId
            join d
              d: MemberIdRequired member=c-d
            leave l member=c-d
              l: ok
            heartbeat h member=c-b gen=1
              h: UnknownMemberId
            describe d
              d: Empty "consumer" "" []
        "#]],
    );
}

#[test]
fn an_assignment_that_is_not_stored_is_void() {
    check(
        "join a version=3
        join b version=3
        advance 6000
        sync b1 member=c-b gen=1
        fail too-few-replicas
        sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
        heartbeat h member=c-b gen=1
        describe d
        join b2 member=c-b
        join a2 member=c-a",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            join b version=3
            advance 6000
              at 6000
              a: gen=1 range leader=c-a member=c-a [c-a c-b]
              b: gen=1 range leader=c-a member=c-b []
            sync b1 member=c-b gen=1
            fail too-few-replicas
            sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
              a1: CoordinatorNotAvailable
              b1: CoordinatorNotAvailable
            heartbeat h member=c-b gen=1
              h: RebalanceInProgress
            describe d
              d: PreparingRebalance "consumer" "" [c-a "", c-b ""]
            join b2 member=c-b
            join a2 member=c-a
              a2: gen=2 range leader=c-a member=c-a [c-a c-b]
              b2: gen=2 range leader=c-a member=c-b []
        "#]],
    );
}

#[test]
fn a_group_that_is_not_stored_is_none() {
    check(
        "fail too-few-replicas
        join a
        join a1 member=c-a
        fail not-leader
        join b version=3
        list l
        advance 400000",
        &expect![[r#"
            fail too-few-replicas
            join a
              a: MemberIdRequired member=c-a
            join a1 member=c-a
              a1: UnknownMemberId member=c-a
            fail not-leader
            join b version=3
              b: NotCoordinator member=c-b
            list l
              l: 
            advance 400000
        "#]],
    );
}

#[test]
fn replies_wait_for_the_high_watermark() {
    check(
        "join a version=3
        join b version=3
        advance 6000
        hold
        sync b1 member=c-b gen=1
        sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
        sync b2 member=c-b gen=1
        commit o member=c-a gen=1 t-0=5
        fetch f t-0
        fetch f2 t-0 stable=1
        heartbeat h member=c-a gen=1
        hw 2
        hw 3
        fetch f3 t-0",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            join b version=3
            advance 6000
              at 6000
              a: gen=1 range leader=c-a member=c-a [c-a c-b]
              b: gen=1 range leader=c-a member=c-b []
            hold
            sync b1 member=c-b gen=1
            sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
            sync b2 member=c-b gen=1
            commit o member=c-a gen=1 t-0=5
              + g t-0 = 5
            fetch f t-0
              f: t-0=-1
            fetch f2 t-0 stable=1
            heartbeat h member=c-a gen=1
              h: ok
            hw 2
              a1: range "A"
              b1: range "B"
              b2: range "B"
            hw 3
              o: ok
              f2: t-0=5
            fetch f3 t-0
              f3: t-0=5
        "#]],
    );
}

#[test]
fn replies_do_not_wait_for_ever() {
    check(
        &format!(
            "{TWO_MEMBERS}
            hold
            commit o member=c-a gen=1 t-0=5
            leave l member=c-a member=c-b
            advance 4999
            advance 1
            fetch f t-0
            hw 4
            fetch f2 t-0
            describe d"
        ),
        &expect![[r#"
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            hold
            commit o member=c-a gen=1 t-0=5
              + g t-0 = 5
            leave l member=c-a member=c-b
              + g gen=2 - leader=- []
            advance 4999
            advance 1
              at 11000
              o: CoordinatorNotAvailable
              l: CoordinatorNotAvailable
            fetch f t-0
              f: t-0=-1
            hw 4
            fetch f2 t-0
              f2: t-0=5
            describe d
              d: Empty "consumer" "" []
        "#]],
    );
}

#[test]
fn new_rebalances_answer_syncs_that_wait_for_the_high_watermark() {
    check(
        "join a version=3
        join b version=3
        advance 6000
        hold
        sync b1 member=c-b gen=1
        sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
        join c version=3
        hw 2
        join a2 member=c-a
        join b2 member=c-b",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            join b version=3
            advance 6000
              at 6000
              a: gen=1 range leader=c-a member=c-a [c-a c-b]
              b: gen=1 range leader=c-a member=c-b []
            hold
            sync b1 member=c-b gen=1
            sync a1 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
            join c version=3
              a1: RebalanceInProgress
              b1: RebalanceInProgress
            hw 2
            join a2 member=c-a
            join b2 member=c-b
              a2: gen=2 range leader=c-a member=c-a [c-a c-b c-c]
              b2: gen=2 range leader=c-a member=c-b []
              c: gen=2 range leader=c-a member=c-c []
        "#]],
    );
}

#[test]
fn a_new_group_is_shown_once_it_is_committed() {
    check(
        "hold
        join a
        list l
        describe d
        hw 1
        list l
        list l states=Stable,dead
        list l states=empty types=Classic
        list l types=consumer",
        &expect![[r#"
            hold
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            list l
              l: 
            describe d
              d: Dead "" "" [] GroupIdNotFound
            hw 1
            list l
              l: g(,Empty,classic)
            list l states=Stable,dead
              l: 
            list l states=empty types=Classic
              l: g(,Empty,classic)
            list l types=consumer
              l: 
        "#]],
    );
}

#[test]
fn resignation_refuses_all_that_waits() {
    check(
        "join a version=3
        advance 3000
        sync a1 member=c-a gen=1 assign=c-a:A
        join b version=3
        hold
        commit o member=c-a gen=1 t-0=5
        resign
        heartbeat h member=c-a gen=1
        reload
        heartbeat h2 member=c-a gen=1
        fetch f t-0",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            advance 3000
              at 3000
              a: gen=1 range leader=c-a member=c-a [c-a]
            sync a1 member=c-a gen=1 assign=c-a:A
              + g gen=1 range leader=c-a [c-a=A]
              a1: range "A"
            join b version=3
            hold
            commit o member=c-a gen=1 t-0=5
              + g t-0 = 5
            resign
              o: NotCoordinator
              b: NotCoordinator member=c-b
            heartbeat h member=c-a gen=1
              h: NotCoordinator
            reload
            heartbeat h2 member=c-a gen=1
              h2: ok
            fetch f t-0
              f: t-0=5
        "#]],
    );
}

#[test]
fn a_disk_failure_ends_the_shard() {
    check(
        "join a version=3
        advance 3000
        sync a1 member=c-a gen=1 assign=c-a:A
        join b version=3
        fail disk
        commit o member=c-a gen=1 t-0=5
        heartbeat h member=c-a gen=1
        reload
        heartbeat h2 member=c-a gen=1",
        &expect![[r#"
            join a version=3
              + g gen=0 - leader=- []
            advance 3000
              at 3000
              a: gen=1 range leader=c-a member=c-a [c-a]
            sync a1 member=c-a gen=1 assign=c-a:A
              + g gen=1 range leader=c-a [c-a=A]
              a1: range "A"
            join b version=3
            fail disk
            commit o member=c-a gen=1 t-0=5
              o: NotCoordinator
              b: NotCoordinator member=c-b
              the shard has failed
            heartbeat h member=c-a gen=1
              h: CoordinatorLoadInProgress
              the shard has failed
            reload
            heartbeat h2 member=c-a gen=1
              h2: ok
        "#]],
    );
}

#[test]
fn a_reload_brings_back_members_and_restarts_their_sessions() {
    check(
        &format!(
            "{TWO_MEMBERS}
            commit o member=c-a gen=1 t-0=5:text
            advance 9999
            reload
            describe d
            fetch f
            advance 9999
            heartbeat h member=c-a gen=1
            advance 1"
        ),
        &expect![[r#"
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            commit o member=c-a gen=1 t-0=5:text
              + g t-0 = 5
              o: ok
            advance 9999
            reload
            describe d
              d: Stable "consumer" "range" [c-a "A" subscribed, c-b "B" subscribed]
            fetch f
              f: t-0=5text
            advance 9999
            heartbeat h member=c-a gen=1
              h: ok
            advance 1
        "#]],
    );
}

#[test]
fn commits_are_checked() {
    check(
        &format!(
            "commit x gen=1 t-0=1
            commit x gen=1 t-0=1 version=8
            {TWO_MEMBERS}
            commit x t-0=1
            commit x gen=1 member=unknown t-0=1
            commit x gen=2 member=c-a t-0=1
            commit x gen=1 member=c-a instance=i t-0=1
            commit ok gen=1 member=c-a t-0=1 t-1=2 u-0=3
            join a3 member=c-a topics=t
            commit ok gen=1 member=c-b t-0=2
            join b3 member=c-b topics=t
            commit x gen=2 member=c-b t-0=3
            fetch f
            fetch f t-0 t-7 v-0
            fetch f group=other t-0
            fetch f group=other"
        ),
        &expect![[r#"
            commit x gen=1 t-0=1
              x: GroupIdNotFound
            commit x gen=1 t-0=1 version=8
              x: IllegalGeneration
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            commit x t-0=1
              x: UnknownMemberId
            commit x gen=1 member=unknown t-0=1
              x: UnknownMemberId
            commit x gen=2 member=c-a t-0=1
              x: IllegalGeneration
            commit x gen=1 member=c-a instance=i t-0=1
              x: UnknownMemberId
            commit ok gen=1 member=c-a t-0=1 t-1=2 u-0=3
              + g t-0 = 1
              + g t-1 = 2
              + g u-0 = 3
              ok: ok ok ok
            join a3 member=c-a topics=t
            commit ok gen=1 member=c-b t-0=2
              + g t-0 = 2
              ok: ok
            join b3 member=c-b topics=t
              a3: gen=2 range leader=c-a member=c-a [c-a c-b]
              b3: gen=2 range leader=c-a member=c-b []
            commit x gen=2 member=c-b t-0=3
              x: RebalanceInProgress
            fetch f
              f: t-0=2 t-1=2 u-0=3
            fetch f t-0 t-7 v-0
              f: t-0=2 t-7=-1 v-0=-1
            fetch f group=other t-0
              f: t-0=-1
            fetch f group=other
              f: 
        "#]],
    );
}

#[test]
fn simple_consumers_commit_while_no_members_are_there() {
    check(
        "commit s t-0=1
        describe d
        list l
        commit s member=assigned-by-itself t-0=2
        fetch f
        join a version=3
        commit s t-0=3
        advance 3000
        commit s t-0=4
        leave l member=c-a
        commit s t-0=5",
        &expect![[r#"
            commit s t-0=1
              + g t-0 = 1
              s: ok
            describe d
              d: Empty "" "" []
            list l
              l: g(,Empty,classic)
            commit s member=assigned-by-itself t-0=2
              + g t-0 = 2
              s: ok
            fetch f
              f: t-0=2
            join a version=3
            commit s t-0=3
              s: UnknownMemberId
            advance 3000
              at 3000
              a: gen=1 range leader=c-a member=c-a [c-a]
            commit s t-0=4
              s: UnknownMemberId
            leave l member=c-a
              + g gen=2 - leader=- []
              l: ok
            commit s t-0=5
              + g t-0 = 5
              s: ok
        "#]],
    );
}

#[test]
fn long_metadata_is_refused_for_its_partition_only() {
    let config = GroupConfig { offset_metadata_max_bytes: 3, ..GroupConfig::default() };
    check_with(
        config,
        "commit s t-0=1:abcd t-1=2:中文字 t-2=3:中文字a\n fetch f",
        &expect![[r#"
        commit s t-0=1:abcd t-1=2:中文字 t-2=3:中文字a
          + g t-1 = 2
          s: OffsetMetadataTooLarge ok OffsetMetadataTooLarge
        fetch f
          f: t-1=2中文字
    "#]],
    );
}

#[test]
fn a_commit_too_large_for_a_batch_is_refused() {
    let config = GroupConfig { max_batch_bytes: 200, ..GroupConfig::default() };
    check_with(
        config,
        "commit s t-0=1\n commit s t-0=1 t-1=1 t-2=1 t-3=1\n delete x",
        &expect![[r#"
        commit s t-0=1
          + g t-0 = 1
          s: ok
        commit s t-0=1 t-1=1 t-2=1 t-3=1
          s: InvalidCommitOffsetSize InvalidCommitOffsetSize InvalidCommitOffsetSize InvalidCommitOffsetSize
        delete x
          - g t-0
          - g
          x: ok
    "#]],
    );
}

#[test]
fn offsets_are_deleted_unless_members_consume_the_topic() {
    check(
        &format!(
            "delete-offsets x group= t-0
            delete-offsets x t-0
            {TWO_MEMBERS}
            commit o gen=1 member=c-a t-0=1 u-0=2
            delete-offsets x t-0 u-0 u-1
            fetch f
            join k version=3 group=k type=connect protocols=p
            delete-offsets x group=k t-0
            delete x
            leave l member=c-a member=c-b
            delete-offsets ok t-0
            commit o u-0=9
            delete ok
            delete x
            fetch f
            list l"
        ),
        &expect![[r#"
            delete-offsets x group= t-0
              x: InvalidGroupId
            delete-offsets x t-0
              x: GroupIdNotFound
            join a
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            join a1 member=c-a topics=t
            join b
              b: MemberIdRequired member=c-b
            join b1 member=c-b topics=t
            advance 3000
            advance 3000
              at 6000
              a1: gen=1 range leader=c-a member=c-a [c-a c-b]
              b1: gen=1 range leader=c-a member=c-b []
            sync b2 member=c-b gen=1
            sync a2 member=c-a gen=1 assign=c-a:A,c-b:B
              + g gen=1 range leader=c-a [c-a=A c-b=B]
              a2: range "A"
              b2: range "B"
            commit o gen=1 member=c-a t-0=1 u-0=2
              + g t-0 = 1
              + g u-0 = 2
              o: ok ok
            delete-offsets x t-0 u-0 u-1
              - g u-0
              x: GroupSubscribedToTopic ok ok
            fetch f
              f: t-0=1
            join k version=3 group=k type=connect protocols=p
              + k gen=0 - leader=- []
            delete-offsets x group=k t-0
              x: NonEmptyGroup
            delete x
              x: NonEmptyGroup
            leave l member=c-a member=c-b
              + g gen=2 - leader=- []
              l: ok ok
            delete-offsets ok t-0
              - g t-0
              ok: ok
            commit o u-0=9
              + g u-0 = 9
              o: ok
            delete ok
              - g u-0
              - g
              ok: ok
            delete x
              x: GroupIdNotFound
            fetch f
              f: 
            list l
              l: k(connect,PreparingRebalance,classic)
        "#]],
    );
}

#[test]
fn deleted_partitions_take_their_offsets_along() {
    check(
        "commit s t-0=1 t-1=2 u-0=3
        commit s group=h t-0=1
        delete-partitions t-0 t-1 v-0
        fetch f
        fetch f group=h",
        &expect![[r#"
            commit s t-0=1 t-1=2 u-0=3
              + g t-0 = 1
              + g t-1 = 2
              + g u-0 = 3
              s: ok ok ok
            commit s group=h t-0=1
              + h t-0 = 1
              s: ok
            delete-partitions t-0 t-1 v-0
              - g t-0
              - g t-1
              - h t-0
            fetch f
              f: u-0=3
            fetch f group=h
              f: 
        "#]],
    );
}

fn with_short_retention() -> GroupConfig {
    GroupConfig {
        offsets_retention_ms: 100_000,
        offsets_retention_check_interval_ms: 30_000,
        ..GroupConfig::default()
    }
}

#[test]
fn offsets_of_simple_consumers_expire_by_their_commit() {
    check_with(
        with_short_retention(),
        "commit s t-0=1
        advance 50000
        commit s t-1=1
        commit old t-2=1 retention=1000
        advance 70000
        fetch f
        advance 60000
        list l",
        &expect![[r#"
            commit s t-0=1
              + g t-0 = 1
              s: ok
            advance 50000
            commit s t-1=1
              + g t-1 = 1
              s: ok
            commit old t-2=1 retention=1000
              + g t-2 = 1
              old: ok
            advance 70000
              at 60000
              - g t-2
              at 120000
              - g t-0
            fetch f
              f: t-1=1
            advance 60000
              at 150000
              - g t-1
              - g
            list l
              l: 
        "#]],
    );
}

#[test]
fn offsets_of_groups_expire_after_the_last_member_has_left() {
    check_with(
        with_short_retention(),
        &format!(
            "{}
            commit o gen=1 member=c-a t-0=1 u-0=2
            advance 150000
            fetch f
            leave l member=c-a
            advance 90000
            fetch f
            advance 30000
            list l",
            "join a version=3 topics=t session=1000000
            advance 3000
            sync a2 member=c-a gen=1 assign=c-a:A"
        ),
        &expect![[r#"
            join a version=3 topics=t session=1000000
              + g gen=0 - leader=- []
            advance 3000
              at 3000
              a: gen=1 range leader=c-a member=c-a [c-a]
            sync a2 member=c-a gen=1 assign=c-a:A
              + g gen=1 range leader=c-a [c-a=A]
              a2: range "A"
            commit o gen=1 member=c-a t-0=1 u-0=2
              + g t-0 = 1
              + g u-0 = 2
              o: ok ok
            advance 150000
              at 120000
              - g u-0
            fetch f
              f: t-0=1
            leave l member=c-a
              + g gen=2 - leader=- []
              l: ok
            advance 90000
            fetch f
              f: t-0=1
            advance 30000
              at 270000
              - g t-0
              - g
            list l
              l: 
        "#]],
    );
}

#[test]
fn empty_groups_without_offsets_go_but_not_those_about_to_be_joined() {
    check_with(
        with_short_retention(),
        "join a session=100000
        advance 60000
        list l
        advance 60000
        list l",
        &expect![[r#"
            join a session=100000
              a: MemberIdRequired member=c-a
              + g gen=0 - leader=- []
            advance 60000
            list l
              l: g(,Empty,classic)
            advance 60000
              at 120000
              - g
            list l
              l: 
        "#]],
    );
}
