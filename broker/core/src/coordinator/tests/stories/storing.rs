//! What a group answers waits until it is stored, and is void if it is not.

use expect_test::expect;

use super::{TWO_MEMBERS, check};

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
