//! Members that come, go, fall silent and vote: how a group of the classic protocol gets from one generation to the next.

use expect_test::expect;

use super::{TWO_MEMBERS, check, check_with};
use crate::coordinator::tests::rig::Rig;
use crate::group::GroupConfig;

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
