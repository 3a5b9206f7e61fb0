//! OffsetCommit, OffsetFetch, OffsetDelete and DeleteGroups.

use rkafka_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use rkafka_wire::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use rkafka_wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use rkafka_wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
};

use super::check;
use super::groups::{find_coordinator, group, join, protocol, sync};
use super::requests::{make_topic, text, topic};
use super::session::Session;

/// Offsets of one topic stand together.
fn commit(name: &str, generation: i32, member: &str, offsets: &[(&str, i32, i64)]) -> OffsetCommitRequest {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (name, index, offset) in offsets {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(text("noted")));
        match topics.iter_mut().find(|found| found.name == topic(name)) {
            Some(found) => found.partitions.push(partition),
            None => topics.push(
                OffsetCommitRequestTopic::default().with_name(topic(name)).with_partitions(vec![partition]),
            ),
        }
    }
    OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member))
        .with_topics(topics)
}

/// A commit without a group around it: what tools and simple consumers do.
fn simple(name: &str, offsets: &[(&str, i32, i64)]) -> OffsetCommitRequest {
    commit(name, -1, "", offsets)
}

fn fetch_all(session: &mut Session, label: &str, name: &str) {
    for version in [2, 5, 7] {
        let request = OffsetFetchRequest::default().with_group_id(group(name)).with_topics(None);
        session.ask(&format!("all offsets {label}"), version, &request);
    }
}

#[test]
fn simple_commits() {
    check("simple_commits", |session| {
        make_topic(session, "commit-simple", 3, &[]);
        find_coordinator(session, "commit-simple");
        for version in 2..=9 {
            let name = format!("commit-simple-{version}");
            let good = [("commit-simple", 0, 5), ("commit-simple", 2, 7)];
            session.ask("two", version, &simple(&name, &good));
            session.ask("again, lower", version, &simple(&name, &[("commit-simple", 0, 3)]));
            session.ask("an absent partition", version, &simple(&name, &[("commit-simple", 9, 1)]));
            session.ask("an absent topic", version, &simple(&name, &[("commit-absent", 0, 1)]));
            let mixed = [("commit-simple", 1, 1), ("commit-absent", 0, 1)];
            session.ask("good and bad ones", version, &simple(&name, &mixed));
            session.ask("a bad name", version, &simple(&name, &[("a b", 0, 1)]));
            session.ask("a negative offset", version, &simple(&name, &[("commit-simple", 1, -1)]));
            session.ask("far beyond the end", version, &simple(&name, &[("commit-simple", 1, i64::MAX)]));
            session.ask("nothing", version, &simple(&name, &[]));
            for length in [4096, 4097] {
                let mut request = simple(&name, &[("commit-simple", 1, 8)]);
                request.topics[0].partitions[0].committed_metadata = Some(text(&"m".repeat(length)));
                let answer = session.arrange(version, &request);
                session.note(&format!("{length} bytes of metadata, version {version}"), answer);
            }
            let mut request = simple(&name, &[("commit-simple", 1, 9)]);
            request.topics[0].partitions[0].committed_metadata = None;
            session.ask("no metadata", version, &request);
            session.ask("no group", version, &simple("", &good));
            session.ask("of nobody", version, &commit(&name, -1, "nobody", &good));
            session.ask("of a generation", version, &commit(&name, 3, "nobody", &good));
            session.ask(
                "of a generation, an absent group",
                version,
                &commit("commit-none", 3, "nobody", &good),
            );
            fetch_all(session, "in the end", &name);
            let described = DescribeGroupsRequest::default().with_groups(vec![group(&name)]);
            session.ask("described", 5, &described);
        }
        let mut request = simple("commit-epoch", &[("commit-simple", 0, 1)]);
        request.topics[0].partitions[0].committed_leader_epoch = 4;
        session.ask("with a leader epoch", 6, &request);
        fetch_all(session, "with a leader epoch", "commit-epoch");
        let timed = simple("commit-retention", &[("commit-simple", 0, 1)]).with_retention_time_ms(3_600_000);
        session.ask("with a retention", 4, &timed);
        fetch_all(session, "with a retention", "commit-retention");
    });
}

#[test]
fn offset_fetch() {
    check("offset_fetch", |session| {
        make_topic(session, "offsets-read", 2, &[]);
        find_coordinator(session, "offsets-read");
        session.ask("commit", 8, &simple("offsets-read", &[("offsets-read", 0, 42)]));
        let asked = |name: &str, indexes: &[i32]| {
            OffsetFetchRequestTopic::default().with_name(topic(name)).with_partition_indexes(indexes.to_vec())
        };
        for version in 1..=7 {
            let request = |name: &str, topics| {
                OffsetFetchRequest::default().with_group_id(group(name)).with_topics(Some(topics))
            };
            let two = || vec![asked("offsets-read", &[0, 1, 9]), asked("offsets-absent", &[0])];
            session.ask("of the group", version, &request("offsets-read", two()));
            session.ask("of an absent group", version, &request("offsets-none", two()));
            session.ask("no group", version, &request("", two()));
            session.ask("none", version, &request("offsets-read", vec![]));
            session.ask("no partitions", version, &request("offsets-read", vec![asked("offsets-read", &[])]));
        }
        let stable = OffsetFetchRequest::default().with_group_id(group("offsets-read")).with_topics(None);
        session.ask("stable ones", 7, &stable.with_require_stable(true));
        for version in 8..=9 {
            let topics = |name: &str| {
                let topics = OffsetFetchRequestTopics::default().with_name(topic(name));
                vec![topics.with_partition_indexes(vec![0, 1])]
            };
            let of = |name: &str, topics| {
                OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(topics)
            };
            let groups = vec![
                of("offsets-read", Some(topics("offsets-read"))),
                of("offsets-none", Some(topics("offsets-read"))),
                of("", None),
            ];
            session.ask("three groups", version, &OffsetFetchRequest::default().with_groups(groups));
            let all = vec![of("offsets-read", None), of("offsets-none", None)];
            session.ask("all of two", version, &OffsetFetchRequest::default().with_groups(all));
            session.ask("no groups", version, &OffsetFetchRequest::default());
        }
        for (member, epoch) in [("nobody", 3), ("", -1), ("nobody", -1)] {
            let of = OffsetFetchRequestGroup::default()
                .with_group_id(group("offsets-read"))
                .with_member_id(Some(text(member)))
                .with_member_epoch(epoch)
                .with_topics(None);
            let request = OffsetFetchRequest::default().with_groups(vec![of]);
            session.ask(&format!("as {member:?} of epoch {epoch}"), 9, &request);
        }
    });
}

/// A member's commits in each state of its group.
#[test]
fn commits_of_members() {
    check("commits_of_members", |session| {
        make_topic(session, "commit-member", 1, &[]);
        let name = "commit-member";
        find_coordinator(session, name);
        let offsets = [("commit-member", 0, 1)];
        let pending = session.arrange(9, &join(name, ""));
        let member = pending.member_id.clone();
        let mut step = |label: &str, version: i16, request: OffsetCommitRequest| {
            // The request carries the member's id, which differs: it is told by its label alone.
            let answer = session.arrange(version, &request);
            session.note(&format!("{label}, version {version}"), answer);
        };
        step("pending", 8, commit(name, 0, &member, &offsets));
        step("from outside, no member yet", 8, simple(name, &offsets));
        let joined = session.arrange(9, &join(name, &member));
        let generation = joined.generation_id;
        let mut step = |label: &str, version: i16, request: OffsetCommitRequest| {
            let answer = session.arrange(version, &request);
            session.note(&format!("{label}, version {version}"), answer);
        };
        for version in [2, 7, 8, 9] {
            step("completing", version, commit(name, generation, &member, &offsets));
        }
        session.arrange(5, &sync(name, generation, &member, &[(&member, "all")]));
        let mut step = |label: &str, version: i16, request: OffsetCommitRequest| {
            let answer = session.arrange(version, &request);
            session.note(&format!("{label}, version {version}"), answer);
        };
        for version in 2..=9 {
            step("stable", version, commit(name, generation, &member, &offsets));
            step("another generation", version, commit(name, generation + 1, &member, &offsets));
            step("an old generation", version, commit(name, generation - 1, &member, &offsets));
            step("no generation", version, commit(name, -1, &member, &offsets));
            step("nobody", version, commit(name, generation, "nobody", &offsets));
            step("from outside", version, simple(name, &offsets));
        }
        for version in 7..=9 {
            let request = commit(name, generation, &member, &offsets);
            step("an unknown instance", version, request.with_group_instance_id(Some(text("nobody"))));
        }
        fetch_all(session, "of the member", name);
    });
}

#[test]
fn delete_groups() {
    check("delete_groups", |session| {
        make_topic(session, "delete-groups", 1, &[]);
        find_coordinator(session, "delete-groups");
        let request = |names: &[&str]| {
            DeleteGroupsRequest::default().with_groups_names(names.iter().map(|name| group(name)).collect())
        };
        for version in 0..=2 {
            let (offsets, member) = (format!("delete-offsets-{version}"), format!("delete-member-{version}"));
            session.ask("commit", 8, &simple(&offsets, &[("delete-groups", 0, 1)]));
            session.arrange(3, &join(&member, ""));
            session.ask("both", version, &request(&[&offsets, &member, "delete-none", ""]));
            session.ask("again", version, &request(&[&offsets]));
            session.ask("one twice", version, &request(&["delete-none", "delete-none"]));
            session.ask("none", version, &request(&[]));
            fetch_all(session, "after that", &offsets);
        }
    });
}

#[test]
fn offset_delete() {
    check("offset_delete", |session| {
        make_topic(session, "offset-delete", 2, &[]);
        make_topic(session, "offset-delete-2", 1, &[]);
        let name = "offset-delete";
        find_coordinator(session, name);
        let request = |name: &str, topics: &[(&str, &[i32])]| {
            let partition =
                |index: &i32| OffsetDeleteRequestPartition::default().with_partition_index(*index);
            let one = |(name, indexes): &(&str, &[i32])| {
                OffsetDeleteRequestTopic::default()
                    .with_name(topic(name))
                    .with_partitions(indexes.iter().map(partition).collect())
            };
            OffsetDeleteRequest::default()
                .with_group_id(group(name))
                .with_topics(topics.iter().map(one).collect())
        };
        let offsets = [("offset-delete", 0, 1), ("offset-delete", 1, 2), ("offset-delete-2", 0, 3)];
        session.ask("commit", 8, &simple(name, &offsets));
        session.ask("one", 0, &request(name, &[("offset-delete", &[0])]));
        session.ask(
            "again, and an absent one",
            0,
            &request(name, &[("offset-delete", &[0, 9]), ("absent", &[0])]),
        );
        fetch_all(session, "after one", name);
        session.ask("of an absent group", 0, &request("offset-delete-none", &[("offset-delete", &[0])]));
        session.ask("no group", 0, &request("", &[("offset-delete", &[0])]));
        session.ask("nothing", 0, &request(name, &[]));
        // A group that is subscribed to a topic keeps its offsets of it; others may go.
        let joined = session.arrange(3, &subscribed(name));
        let member = joined.member_id.as_str();
        session.arrange(3, &sync(name, joined.generation_id, member, &[(member, "all")]));
        let both: &[(&str, &[i32])] = &[("offset-delete", &[1]), ("offset-delete-2", &[0])];
        session.ask("subscribed to one of them", 0, &request(name, both));
        fetch_all(session, "in the end", name);
        session.ask("commit", 8, &simple("offset-delete-connect", &[("offset-delete", 0, 1)]));
    });
}

/// A join that subscribes to `offset-delete`.
fn subscribed(name: &str) -> rkafka_wire::messages::JoinGroupRequest {
    join(name, "").with_protocols(vec![protocol("range", "offset-delete")])
}
