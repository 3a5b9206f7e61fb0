//! Classic groups: what happens between join and leave, on every version, and all that can go wrong.

use std::time::Duration;

use bytes::Bytes;
use rkafka_tests::wait;
use rkafka_tests::wire::{Answer, Connection};
use rkafka_wire::messages::join_group_request::JoinGroupRequestProtocol;
use rkafka_wire::messages::leave_group_request::MemberIdentity;
use rkafka_wire::messages::sync_group_request::SyncGroupRequestAssignment;
use rkafka_wire::messages::{
    DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, SyncGroupRequest,
};

use super::check;
use super::requests::text;
use super::session::Session;

pub(super) fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

/// Waits until there is a coordinator: the first question makes the offsets topic.
pub(crate) fn find_coordinator(session: &mut Session, name: &str) {
    let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(name)]);
    wait::until("a coordinator", || {
        let found = session.arrange(4, &request);
        (found.coordinators.first()?.error_code == 0).then_some(())
    });
    // The coordinator may still be loading.
    let probe = DescribeGroupsRequest::default().with_groups(vec![group(name)]);
    wait::until("a coordinator that has loaded", || {
        let described = session.arrange(5, &probe);
        (!matches!(described.groups[0].error_code, 14..=16)).then_some(())
    });
}

/// A protocol whose metadata is a consumer's subscription to `subscribed`.
pub(super) fn protocol(name: &str, subscribed: &str) -> JoinGroupRequestProtocol {
    let mut metadata = vec![0, 0, 0, 0, 0, 1, 0, subscribed.len() as u8];
    metadata.extend_from_slice(subscribed.as_bytes());
    metadata.extend_from_slice(&[0xff; 4]);
    JoinGroupRequestProtocol::default().with_name(text(name)).with_metadata(metadata.into())
}

pub(super) fn join(name: &str, member: &str) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group(name))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_member_id(text(member))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol("range", "a-topic"), protocol("roundrobin", "another")])
}

pub(super) fn sync(
    name: &str,
    generation: i32,
    member: &str,
    assignments: &[(&str, &str)],
) -> SyncGroupRequest {
    let assignment = |(member, assignment): &(&str, &str)| {
        SyncGroupRequestAssignment::default()
            .with_member_id(text(member))
            .with_assignment(Bytes::from((*assignment).to_owned()))
    };
    SyncGroupRequest::default()
        .with_group_id(group(name))
        .with_generation_id(generation)
        .with_member_id(text(member))
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignments(assignments.iter().map(assignment).collect())
}

fn heartbeat(name: &str, generation: i32, member: &str) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group(name))
        .with_generation_id(generation)
        .with_member_id(text(member))
}

/// Leaves in the form of the version: one member before 3, a list from then on.
fn leave(name: &str, version: i16, member: &str) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group(name));
    if version < 3 {
        return request.with_member_id(text(member));
    }
    request.with_members(vec![MemberIdentity::default().with_member_id(text(member))])
}

/// Sends a request that names a member, whose id differs: it is told by its label alone.
macro_rules! step {
    ($session:expr, $label:expr, $version:expr, $request:expr) => {{
        let answer = $session.arrange($version, &$request);
        $session.note(&format!("{}, version {}", $label, $version), &answer);
        answer
    }};
}

fn describe(session: &mut Session, label: &str, name: &str) {
    let request = DescribeGroupsRequest::default().with_groups(vec![group(name)]);
    session.ask(&format!("described {label}"), 5, &request);
}

/// Joins as a new dynamic member: from version 4 on this takes two requests (KIP-394).
fn join_anew(session: &mut Session, version: i16, name: &str) -> JoinGroupResponse {
    let first = step!(session, "join", version, join(name, ""));
    if first.error_code != 79 {
        return first;
    }
    step!(session, "join with the id given", version, join(name, first.member_id.as_str()))
}

#[test]
fn find_coordinators() {
    check("find_coordinators", |session| {
        find_coordinator(session, "coordinator-1");
        for version in 0..=3 {
            session.ask("group", version, &FindCoordinatorRequest::default().with_key(text("coordinator-1")));
            session.ask("no name", version, &FindCoordinatorRequest::default().with_key(text("")));
        }
        for version in 1..=3 {
            for kind in [2, 9, -1] {
                let request = FindCoordinatorRequest::default().with_key(text("x")).with_key_type(kind);
                session.ask(&format!("of type {kind}"), version, &request);
            }
        }
        for version in 4..=6 {
            let keys = vec![text("coordinator-1"), text(""), text("订单")];
            session.ask("three", version, &FindCoordinatorRequest::default().with_coordinator_keys(keys));
            session.ask("none", version, &FindCoordinatorRequest::default());
            let request = FindCoordinatorRequest::default().with_key_type(9);
            session.ask("of type 9", version, &request.with_coordinator_keys(vec![text("x")]));
        }
    });
}

/// One member from join to leave.
#[test]
fn alone() {
    check("alone", |session| {
        find_coordinator(session, "alone");
        for version in 0..=9 {
            let name = format!("alone-{version}");
            let at = |max: i16| version.min(max);
            describe(session, "before", &name);
            let joined = join_anew(session, version, &name);
            let (member, generation) = (joined.member_id.clone(), joined.generation_id);
            describe(session, "joined", &name);
            step!(session, "heartbeat before sync", at(4), heartbeat(&name, generation, &member));
            step!(session, "join again before sync", version, join(&name, &member));
            let assignment = sync(&name, generation, &member, &[(&member, "everything")]);
            step!(session, "sync", at(5), assignment);
            describe(session, "stable", &name);
            step!(session, "sync again", at(5), sync(&name, generation, &member, &[]));
            step!(session, "heartbeat", at(4), heartbeat(&name, generation, &member));
            let rejoined = step!(session, "join again", version, join(&name, &member));
            let generation = rejoined.generation_id;
            step!(
                session,
                "heartbeat of the old generation",
                at(4),
                heartbeat(&name, generation - 1, &member)
            );
            step!(session, "sync without an assignment", at(5), sync(&name, generation, &member, &[]));
            step!(session, "leave", at(5), leave(&name, at(5), &member));
            describe(session, "left", &name);
            step!(session, "leave again", at(5), leave(&name, at(5), &member));
            step!(session, "heartbeat after", at(4), heartbeat(&name, generation, &member));
        }
    });
}

#[test]
fn joins_that_fail() {
    check("joins_that_fail", |session| {
        let name = "joins-that-fail";
        find_coordinator(session, name);
        for version in [0, 1, 3, 4, 5, 9] {
            session.ask("no group", version, &join("", ""));
            for timeout in [-1, 0, 5_999, 1_800_001, i32::MAX] {
                let request = join(name, "").with_session_timeout_ms(timeout);
                session.ask(&format!("session timeout {timeout}"), version, &request);
            }
            session.ask("an unknown member", version, &join(name, "nobody"));
            session.ask("no protocols", version, &join(name, "").with_protocols(vec![]));
            session.ask("no protocol type", version, &join(name, "").with_protocol_type(text("")));
            let neither = join(name, "").with_protocols(vec![]).with_protocol_type(text(""));
            session.ask("neither", version, &neither);
        }
        for version in 5..=9 {
            for instance in ["", ".", "..", "a b", &"i".repeat(250)] {
                // A group of its own: an instance that is let in would make the others wait.
                let name = format!("{name}-{version}-{instance}");
                let request = join(&name, "").with_group_instance_id(Some(text(instance)));
                session.ask(&format!("instance {instance:?}"), version, &request);
            }
            let request = join(name, "nobody").with_group_instance_id(Some(text("unknown")));
            session.ask("an unknown member of an unknown instance", version, &request);
        }
        let joined = join_anew(session, 9, name);
        for version in [3, 5, 9] {
            let other = vec![protocol("sticky", "s")];
            session.ask("other protocols", version, &join(name, "").with_protocols(other.clone()));
            session.ask("another type", version, &join(name, "").with_protocol_type(text("connect")));
            let request = join(name, joined.member_id.as_str()).with_protocols(other);
            if version > 5 {
                step!(session, "the only member, other protocols", version, request);
            }
        }
    });
}

#[test]
fn session_timeouts_at_their_bounds() {
    check("session_timeouts_at_their_bounds", |session| {
        find_coordinator(session, "bounds");
        for timeout in [6_000, 1_800_000] {
            let name = format!("bounds-{timeout}");
            let request = join(&name, "").with_session_timeout_ms(timeout);
            step!(session, format!("session timeout {timeout}"), 3, request);
        }
    });
}

#[test]
fn requests_of_strangers() {
    check("requests_of_strangers", |session| {
        let (name, absent) = ("strangers", "strangers-absent");
        find_coordinator(session, name);
        let joined = join_anew(session, 9, name);
        let member = joined.member_id.as_str();
        step!(session, "sync", 5, sync(name, joined.generation_id, member, &[(member, "all")]));
        for version in 0..=4 {
            session.ask("heartbeat to no group", version, &heartbeat("", 0, "x"));
            session.ask("heartbeat to an absent group", version, &heartbeat(absent, 1, "x"));
            session.ask("heartbeat of nobody", version, &heartbeat(name, 1, "nobody"));
            step!(session, "heartbeat of another generation", version, heartbeat(name, 9, member));
            step!(session, "heartbeat of no generation", version, heartbeat(name, -1, member));
        }
        for version in 0..=5 {
            session.ask("sync to no group", version, &sync("", 0, "x", &[]));
            session.ask("sync to an absent group", version, &sync(absent, 1, "x", &[]));
            session.ask("sync of nobody", version, &sync(name, 1, "nobody", &[]));
            step!(session, "sync of another generation", version, sync(name, 9, member, &[]));
            let request = sync(name, joined.generation_id, member, &[]);
            step!(
                session,
                "sync of another protocol",
                version,
                request.clone().with_protocol_name(Some(text("x")))
            );
            step!(
                session,
                "sync of another type",
                version,
                request.clone().with_protocol_type(Some(text("x")))
            );
            let unnamed = request.with_protocol_name(None).with_protocol_type(None);
            step!(session, "sync without protocol", version, unnamed);
            session.ask("leave no group", version, &leave("", version, "x"));
            session.ask("leave an absent group", version, &leave(absent, version, "x"));
            session.ask("nobody leaves", version, &leave(name, version, "nobody"));
        }
        for version in 3..=5 {
            let instance = MemberIdentity::default().with_group_instance_id(Some(text("nobody")));
            let two = vec![instance, MemberIdentity::default().with_member_id(text("nobody"))];
            let request = LeaveGroupRequest::default().with_group_id(group(name)).with_members(two);
            session.ask("two strangers leave", version, &request);
            session.ask("none leave", version, &LeaveGroupRequest::default().with_group_id(group(name)));
        }
        describe(session, "after all that", name);
    });
}

/// Sends now and leaves the answer for later.
fn begin_join(connection: &mut Connection, request: &JoinGroupRequest) {
    connection.send_request(9, request);
}

fn joined(session: &mut Session, label: &str, connection: &mut Connection) -> JoinGroupResponse {
    let answer = connection.receive_answer::<JoinGroupRequest>(9).expect(label);
    session.note(label, &answer);
    answer
}

/// Waits until the coordinator has seen the second member.
fn until_rebalancing(session: &mut Session, name: &str) {
    let request = DescribeGroupsRequest::default().with_groups(vec![group(name)]);
    wait::until("a rebalance", || {
        let described = session.arrange(5, &request);
        (described.groups[0].group_state.as_str() == "PreparingRebalance").then_some(())
    });
}

/// The second member comes, the first one follows, the second one goes.
#[test]
fn two_members() {
    check("two_members", |session| {
        let name = "two-members";
        find_coordinator(session, name);
        let first = join_anew(session, 9, name);
        let one = first.member_id.clone();
        step!(session, "sync of one", 5, sync(name, first.generation_id, &one, &[(&one, "all")]));

        let mut other = session.connect();
        let named = other.ask(9, &join(name, "")).expect("an id");
        session.note("the second one gets an id", &named);
        let two = named.member_id.clone();
        describe(session, "with a pending member", name);
        begin_join(&mut other, &join(name, &two));
        until_rebalancing(session, name);
        describe(session, "rebalancing", name);
        step!(session, "heartbeat while rebalancing", 4, heartbeat(name, first.generation_id, &one));
        step!(session, "sync while rebalancing", 5, sync(name, first.generation_id, &one, &[]));
        let again = step!(session, "the first joins again", 9, join(name, &one));
        let second = joined(session, "the second joins", &mut other);
        let generation = again.generation_id;
        session.note("one generation", generation == second.generation_id);
        describe(session, "completing", name);
        step!(session, "heartbeat while completing", 4, heartbeat(name, generation, &one));

        // The follower's sync waits for the leader's.
        other.send_request(5, &sync(name, generation, &two, &[]));
        step!(session, "sync of the leader", 5, sync(name, generation, &one, &[(&one, "a"), (&two, "b")]));
        let assigned = other.receive_answer::<SyncGroupRequest>(5).expect("an assignment");
        session.note("sync of the follower", &assigned);
        describe(session, "stable", name);
        let follower = other.ask(9, &join(name, &two)).expect("an answer at once");
        session.note("the follower joins again, unchanged", &follower);

        step!(session, "the second leaves", 5, leave(name, 5, &two));
        step!(session, "heartbeat after that", 4, heartbeat(name, generation, &one));
        let alone = step!(session, "the first joins alone", 9, join(name, &one));
        step!(session, "sync alone", 5, sync(name, alone.generation_id, &one, &[(&one, "all")]));
        describe(session, "alone again", name);
    });
}

/// The protocol is the one that all members know and most prefer.
#[test]
fn protocols_are_voted_for() {
    check("protocols_are_voted_for", |session| {
        let name = "votes";
        find_coordinator(session, name);
        let with = |member: &str, names: &[&str]| {
            let protocols = names.iter().map(|name| protocol(name, "m")).collect();
            join(name, member).with_protocols(protocols)
        };
        let first = step!(session, "pending", 9, with("", &["a", "b", "c"]));
        let one = first.member_id.clone();
        step!(session, "alone", 9, with(&one, &["a", "b", "c"]));
        let mut other = session.connect();
        let two = other.ask(9, &with("", &["c", "b"])).expect("an id").member_id;
        begin_join(&mut other, &with(&two, &["c", "b"]));
        until_rebalancing(session, name);
        step!(session, "the first prefers a", 9, with(&one, &["a", "b", "c"]));
        joined(session, "the second prefers c", &mut other);
        session.ask("nothing in common", 9, &with("", &["a"]));
        describe(session, "voted", name);
    });
}

/// A member that changes what it subscribes to starts a rebalance; so does the leader by joining at all.
#[test]
fn members_that_change() {
    check("members_that_change", |session| {
        let name = "change";
        find_coordinator(session, name);
        let first = join_anew(session, 9, name);
        let one = first.member_id.clone();
        step!(session, "sync", 5, sync(name, first.generation_id, &one, &[(&one, "all")]));
        let changed = join(name, &one).with_protocols(vec![protocol("range", "changed")]);
        let next = step!(session, "changed", 9, changed);
        step!(session, "sync changed", 5, sync(name, next.generation_id, &one, &[(&one, "all")]));
        describe(session, "changed", name);
        let twice = sync(name, next.generation_id, &one, &[(&one, "other")]);
        step!(session, "sync with another assignment", 5, twice);
        describe(session, "not assigned anew", name);
    });
}

#[test]
fn static_members() {
    check("static_members", |session| {
        for version in 5..=9 {
            let name = format!("static-{version}");
            find_coordinator(session, &name);
            let as_instance = |member: &str| join(&name, member).with_group_instance_id(Some(text("one")));
            let beat = |generation, member: &str| {
                heartbeat(&name, generation, member).with_group_instance_id(Some(text("one")))
            };
            let first = step!(session, "join", version, as_instance(""));
            let old = first.member_id.clone();
            let assigned = sync(&name, first.generation_id, &old, &[(&old, "all")])
                .with_group_instance_id(Some(text("one")));
            step!(session, "sync", version.min(5), assigned);
            describe(session, "stable", &name);
            step!(session, "heartbeat", 4, beat(first.generation_id, &old));
            let taken = step!(session, "taken over", version, as_instance(""));
            let new = taken.member_id.clone();
            step!(session, "heartbeat of the old one", 4, beat(taken.generation_id, &old));
            step!(session, "heartbeat of the new one", 4, beat(taken.generation_id, &new));
            step!(session, "heartbeat without the instance", 4, heartbeat(&name, taken.generation_id, &new));
            step!(session, "the old one joins", version, as_instance(&old));
            let synced = sync(&name, taken.generation_id, &new, &[(&new, "all")])
                .with_group_instance_id(Some(text("one")));
            step!(session, "sync of the new one", 5, synced);
            describe(session, "taken over", &name);
            let changed = as_instance("").with_protocols(vec![protocol("range", "changed")]);
            let changed = step!(session, "taken over with a change", version, changed);
            describe(session, "changed", &name);
            let left = MemberIdentity::default().with_group_instance_id(Some(text("one")));
            let wrong = left.clone().with_member_id(text(&old));
            let request = LeaveGroupRequest::default().with_group_id(group(&name));
            step!(session, "the old one leaves", 5, request.clone().with_members(vec![wrong]));
            step!(session, "leave by instance", 5, request.with_members(vec![left]));
            step!(session, "heartbeat after that", 4, beat(changed.generation_id, &changed.member_id));
            describe(session, "left", &name);
        }
    });
}

/// A member that says nothing is gone after its session timeout.
#[test]
fn silent_members_are_dropped() {
    check("silent_members_are_dropped", |session| {
        let name = "silent";
        find_coordinator(session, name);
        let pending = step!(session, "pending", 9, join(name, "").with_session_timeout_ms(6_000));
        let member = pending.member_id.clone();
        let request = join(name, &member).with_session_timeout_ms(6_000);
        let joined = step!(session, "joined", 9, request);
        step!(session, "sync", 5, sync(name, joined.generation_id, &member, &[(&member, "all")]));
        let probe = DescribeGroupsRequest::default().with_groups(vec![group(name)]);
        wait::until("the member to be dropped", || {
            let described = session.arrange(5, &probe);
            described.groups[0].members.is_empty().then_some(())
        });
        describe(session, "empty", name);
        step!(session, "heartbeat", 4, heartbeat(name, joined.generation_id, &member));
        let again = step!(session, "the old id joins", 9, request_of(name, &member));
        session.note("it must ask for a new one", again.error_code);
    });
}

fn request_of(name: &str, member: &str) -> JoinGroupRequest {
    join(name, member)
}

#[test]
fn describe_and_list_groups() {
    check("describe_and_list_groups", |session| {
        let (stable, empty) = ("listed-stable", "listed-empty");
        find_coordinator(session, stable);
        let first = join_anew(session, 9, stable);
        let one = first.member_id.clone();
        step!(session, "sync", 5, sync(stable, first.generation_id, &one, &[(&one, "all")]));
        let gone = join_anew(session, 9, empty);
        step!(session, "leave", 5, leave(empty, 5, &gone.member_id));
        for version in 0..=6 {
            let groups = [stable, empty, "listed-absent", ""].map(group).to_vec();
            let request = DescribeGroupsRequest::default().with_groups(groups);
            session.ask("described", version, &request);
            session.ask("none", version, &DescribeGroupsRequest::default());
            if version >= 3 {
                let request = DescribeGroupsRequest::default().with_groups(vec![group(stable)]);
                session.ask("operations", version, &request.with_include_authorized_operations(true));
            }
        }
        let mut list = |label: &str, version: i16, states: &[&str], types: &[&str]| {
            let texts = |words: &[&str]| words.iter().map(|word| text(word)).collect();
            let request = ListGroupsRequest::default()
                .with_states_filter(texts(states))
                .with_types_filter(texts(types));
            // Which other groups there are is a matter of the other scripts.
            let mut answer = session.arrange(version, &request);
            answer.groups.retain(|listed| listed.group_id.0.starts_with("listed-"));
            session.note(&format!("{label} {states:?} {types:?}, version {version}"), answer);
        };
        for version in 0..=5 {
            list("listed", version, &[], &[]);
        }
        for version in 4..=5 {
            for states in
                [&["Stable"][..], &["stable"], &["Empty"], &["Empty", "Stable"], &["Dead"], &["Rubbish"]]
            {
                list("listed", version, states, &[]);
            }
        }
        for types in [&["classic"][..], &["Classic"], &["consumer"], &["rubbish"], &["classic", "consumer"]] {
            list("listed", 5, &[], types);
        }
    });
}

/// Answers to requests that were sent one after the other without waiting come in that order.
#[test]
fn pipelined_requests_are_answered_in_order() {
    check("pipelined_requests_are_answered_in_order", |session| {
        let name = "pipelined";
        find_coordinator(session, name);
        let mut connection = session.connect();
        connection.send_request(4, &heartbeat(name, 0, "nobody"));
        connection.send_request(5, &DescribeGroupsRequest::default().with_groups(vec![group(name)]));
        connection.send_request(4, &heartbeat("", 0, "nobody"));
        for label in ["first", "second", "third"] {
            let number = match connection.receive(Duration::from_secs(30)) {
                Answer::Decoded(frame) => rkafka_wire::client::correlation_id(&frame).ok(),
                _ => None,
            };
            session.note(label, number);
        }
    });
}
