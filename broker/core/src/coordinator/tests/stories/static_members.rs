//! Static members (KIP-345) and members that are yet to come (KIP-394).

use expect_test::expect;

use super::check;

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
