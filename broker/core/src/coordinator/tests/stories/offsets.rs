//! Committed offsets: checks, deletion, expiry.

use expect_test::expect;

use super::{TWO_MEMBERS, check, check_with};
use crate::group::GroupConfig;

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
