//! Against what Kafka 4.3's own classes gave for the same input (`java_4_3.txt`), and properties of any
//! input.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const JAVA: &str = include_str!("java_4_3.txt");

fn bytes(hex: &str) -> Bytes {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn java(kind: &str, name: &str) -> Bytes {
    let line = JAVA.lines().find_map(|line| line.strip_prefix(&format!("{kind} {name} ")));
    bytes(line.unwrap_or_else(|| panic!("no {kind} {name}")))
}

fn owned() -> BTreeSet<TopicPartition> {
    [("orders", 0), ("orders", 2), ("订单", 1)].map(|(topic, index)| TopicPartition::new(topic, index)).into()
}

fn subscription(user_data: Option<Bytes>, owned: &BTreeSet<TopicPartition>, generation: i32) -> Subscription {
    Subscription {
        topics: vec!["orders".into(), "订单".into()],
        user_data,
        owned: owned.iter().cloned().collect(),
        generation: Some(generation),
        rack: None,
    }
}

#[test]
fn subscriptions_are_javas_byte_for_byte() {
    let nothing = BTreeSet::new();
    assert_eq!(subscription(None, &nothing, -1).encode(), java("subscription", "plain"));
    let with_rack = Subscription { rack: Some("rack-1".into()), ..subscription(None, &owned(), 7) };
    assert_eq!(with_rack.encode(), java("subscription", "owned"));
    for kind in AssignorKind::ALL {
        let fresh = subscription(kind.user_data(&nothing, -1), &nothing, -1);
        assert_eq!(fresh.encode(), java("subscription", &format!("{}-fresh", kind.name())));
        let kept = if kind.is_cooperative() { owned() } else { BTreeSet::new() };
        let encoded = subscription(kind.user_data(&owned(), 7), &kept, 7).encode();
        let expected = java("subscription", &format!("{}-owner", kind.name()));
        if kind == AssignorKind::Sticky {
            // Java writes the topics of the user data in the order of a hash map.
            let read = |blob| Subscription::decode(blob).unwrap().user_data.unwrap();
            let told = |blob| {
                let (mut owned, generation) = protocol::decode_sticky_user_data(&read(blob)).unwrap();
                owned.sort();
                (owned, generation)
            };
            assert_eq!(encoded.len(), expected.len());
            assert_eq!(told(encoded), told(expected));
        } else {
            assert_eq!(encoded, expected, "{}", kind.name());
        }
    }
}

#[test]
fn assignments_are_javas_byte_for_byte() {
    let all: Vec<TopicPartition> = owned().into_iter().collect();
    assert_eq!(protocol::encode_assignment(&[]), java("assignment", "empty"));
    assert_eq!(protocol::encode_assignment(&all), java("assignment", "owned"));
    assert_eq!(protocol::decode_assignment(java("assignment", "owned")), Some(all));
    assert_eq!(protocol::decode_assignment(Bytes::new()), Some(Vec::new()));
}

#[test]
fn blobs_that_are_cut() {
    let whole = java("subscription", "owned");
    for end in 0..whole.len() {
        assert_eq!(Subscription::decode(whole.slice(..end)), None, "{end}");
    }
    let whole = java("assignment", "owned");
    for end in 1..whole.len() - 4 {
        assert_eq!(protocol::decode_assignment(whole.slice(..end)), None, "{end}");
    }
    // A length beyond the bytes allocates nothing.
    assert_eq!(protocol::decode_assignment(bytes("00007fffffff")), None);
}

/// `{a=5,b=3}` → pairs.
fn pairs(text: &str) -> Vec<(String, String)> {
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    let mut pairs = Vec::new();
    let mut rest = inner;
    while let Some((key, after)) = rest.split_once('=') {
        let end = match after.strip_prefix('[') {
            Some(list) => list.find(']').unwrap() + 2,
            None => after.find(',').unwrap_or(after.len()),
        };
        pairs.push((key.to_owned(), after[..end].trim_matches(['[', ']']).to_owned()));
        rest = after[end..].trim_start_matches(',');
    }
    pairs
}

#[test]
fn assignments_are_javas() {
    let mut compared = 0;
    for line in JAVA.lines().filter_map(|line| line.strip_prefix("assign ")) {
        let (input, output) = line.split_once(" ->").unwrap();
        let words: Vec<&str> = input.split(' ').collect();
        let kind = AssignorKind::by_name(words[0]).unwrap();
        let partitions = pairs(words[1]).into_iter().map(|(topic, count)| (topic, count.parse().unwrap()));
        let topics = Topics { partitions: partitions.collect(), ..Topics::default() };
        let instances: BTreeMap<String, String> = pairs(words[3]).into_iter().collect();
        let member = |(id, list): (String, String)| {
            let topics: Vec<String> = list.split(',').map(str::to_owned).collect();
            let subscription = Subscription {
                topics,
                user_data: kind.user_data(&BTreeSet::new(), -1),
                ..Subscription::default()
            };
            (id.clone(), Member { instance_id: instances.get(&id).cloned(), subscription })
        };
        let members: Members = pairs(words[2]).into_iter().map(member).collect();
        let ours = kind.assign(&topics, &members);
        let shown = ours.iter().map(|(id, list)| {
            let mut names: Vec<String> = list.iter().map(ToString::to_string).collect();
            names.sort();
            format!(" {id}={}", names.join(","))
        });
        assert_eq!(shown.collect::<String>(), output, "{input}");
        compared += 1;
    }
    assert_eq!(compared, 22);
}

/// `t0=r0+r1/r2,t1=…`: racks of each partition's replicas, and `m0@rack=t0+t1,…`: members.
#[test]
fn ranges_near_to_replicas_are_javas() {
    let mut compared = 0;
    for line in include_str!("java_4_3_racks.txt").lines() {
        let (input, output) = line.split_once(" ->").unwrap();
        let words: Vec<&str> = input.split(' ').collect();
        let mut topics = Topics::default();
        for (topic, partitions) in words[1].split(',').map(|topic| topic.split_once('=').unwrap()) {
            let racks =
                |one: &str| one.split('+').filter(|rack| !rack.is_empty()).map(str::to_owned).collect();
            let racks: Vec<BTreeSet<String>> = partitions.split('/').map(racks).collect();
            topics.partitions.insert(topic.to_owned(), racks.len() as u32);
            topics.racks.insert(topic.to_owned(), racks);
        }
        let member = |member: &str| {
            let (who, list) = member.split_once('=').unwrap();
            let (id, rack) = who.split_once('@').unwrap();
            let subscription = Subscription {
                topics: list.split('+').map(str::to_owned).collect(),
                rack: Some(rack.to_owned()).filter(|rack| !rack.is_empty()),
                ..Subscription::default()
            };
            (id.to_owned(), Member { instance_id: None, subscription })
        };
        let members: Members = words[2].split(',').map(member).collect();
        let ours = AssignorKind::Range.assign(&topics, &members);
        let shown = ours.iter().map(|(id, list)| {
            let names: Vec<String> = list.iter().map(ToString::to_string).collect();
            format!(" {id}={}", names.join(","))
        });
        assert_eq!(shown.collect::<String>(), output, "{input}");
        compared += 1;
    }
    assert_eq!(compared, 60);
}

/// Topics with their counts, and members with the topics they subscribe to.
fn groups() -> impl Strategy<Value = (Topics, Vec<Vec<bool>>)> {
    let counts = prop::collection::vec(1_u32..7, 1..5);
    counts.prop_flat_map(|counts| {
        let width = counts.len();
        let named = counts.into_iter().enumerate().map(|(at, count)| (format!("t{at}"), count));
        let topics = Topics { partitions: named.collect(), ..Topics::default() };
        let members = prop::collection::vec(prop::collection::vec(any::<bool>(), width), 1..7);
        (Just(topics), members)
    })
}

fn members_of(kind: AssignorKind, wishes: &[Vec<bool>], before: &Assignment, generation: i32) -> Members {
    let member = |(at, wish): (usize, &Vec<bool>)| {
        let id = format!("m{at}");
        let wished = wish.iter().enumerate().filter(|(_, wished)| **wished);
        let owned: BTreeSet<TopicPartition> = before.get(&id).into_iter().flatten().cloned().collect();
        let subscription = Subscription {
            topics: wished.map(|(topic, _)| format!("t{topic}")).collect(),
            user_data: kind.user_data(&owned, generation),
            owned: if kind.is_cooperative() { owned.into_iter().collect() } else { Vec::new() },
            generation: Some(generation),
            rack: None,
        };
        (id, Member { instance_id: None, subscription })
    };
    wishes.iter().enumerate().map(member).collect()
}

/// Every partition that somebody wants has one owner, who wants it.
fn check_whole(topics: &Topics, members: &Members, assignment: &Assignment) {
    let mut owners: BTreeMap<&TopicPartition, &str> = BTreeMap::new();
    for (id, partitions) in assignment {
        for partition in partitions {
            assert!(members[id].subscription.topics.iter().any(|topic| **topic == *partition.topic));
            assert_eq!(owners.insert(partition, id), None, "{partition} has one owner");
        }
    }
    let is_wanted = |topic: &String| members.values().any(|one| one.subscription.topics.contains(topic));
    let wanted = topics.partitions.iter().filter(|(topic, _)| is_wanted(topic));
    assert_eq!(owners.len(), wanted.map(|(_, count)| *count as usize).sum::<usize>());
}

/// No partition could move to somebody who has at least two fewer.
fn check_balanced(members: &Members, assignment: &Assignment) {
    for partitions in assignment.values() {
        for partition in partitions {
            for (other, member) in members {
                if member.subscription.topics.iter().any(|topic| **topic == *partition.topic) {
                    assert!(
                        assignment[other].len() + 2 > partitions.len(),
                        "{partition} should go to {other}"
                    );
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn one_owner_for_each((topics, wishes) in groups()) {
        for kind in AssignorKind::ALL {
            let members = members_of(kind, &wishes, &Assignment::new(), -1);
            check_whole(&topics, &members, &kind.assign(&topics, &members));
        }
    }

    /// Members leave; those that stay keep what they had, and nothing moves between them beyond need.
    #[test]
    fn sticky_members_keep_theirs((topics, wishes) in groups(), leaver in 0_usize..7) {
        for kind in [AssignorKind::Sticky, AssignorKind::CooperativeSticky] {
            let members = members_of(kind, &wishes, &Assignment::new(), -1);
            let before = kind.assign(&topics, &members);
            check_balanced(&members, &before);
            let mut again = members_of(kind, &wishes, &before, 1);
            prop_assert_eq!(&kind.assign(&topics, &again), &before, "nothing changed");
            again.remove(&format!("m{}", leaver % wishes.len()));
            let after = kind.assign(&topics, &again);
            let is_equal = wishes.iter().all(|wish| *wish == wishes[0]);
            // What moves between those who stay takes a cooperative group another round.
            if is_equal || !kind.is_cooperative() {
                check_whole(&topics, &again, &after);
                check_balanced(&again, &after);
            }
            // With equal wishes nobody who stays loses anything: loads only grow.
            if is_equal {
                for (id, kept) in &after {
                    prop_assert!(before[id].iter().all(|partition| kept.contains(partition)));
                }
            }
        }
    }

    /// A newcomer to a cooperative group gets nothing that another still owns; the rebalances that follow hand
    /// it over. Where all wish for the same, one is enough; else what is free again may be dealt otherwise
    /// than before, and that may move something else (as with Java's).
    #[test]
    fn a_cooperative_group_settles((topics, wishes) in groups()) {
        let kind = AssignorKind::CooperativeSticky;
        let (_, old) = wishes.split_last().unwrap();
        let mut owned = kind.assign(&topics, &members_of(kind, old, &Assignment::new(), -1));
        let rebalances = if wishes.iter().all(|wish| *wish == wishes[0]) { 2 } else { MOST_REBALANCES };
        for generation in 1..=rebalances {
            let members = members_of(kind, &wishes, &owned, generation);
            let next = kind.assign(&topics, &members);
            for (id, partitions) in &next {
                for partition in partitions {
                    let owner = owned.iter().find(|(_, owned)| owned.contains(partition));
                    prop_assert!(owner.is_none_or(|(owner, _)| owner == id), "{} is still owned", partition);
                }
            }
            owned = next;
        }
        let members = members_of(kind, &wishes, &owned, rebalances + 1);
        check_whole(&topics, &members, &owned);
        check_balanced(&members, &owned);
        prop_assert_eq!(&kind.assign(&topics, &members), &owned, "nothing moves any more");
    }
}

/// Rebalances after which a group of the sizes tried here has settled.
const MOST_REBALANCES: i32 = 4;

/// A member that slept through a generation claims what another has by now: the newer claim holds.
#[test]
fn an_older_generation_has_no_claim() {
    let topics = Topics { partitions: [("t0".to_owned(), 4)].into(), ..Topics::default() };
    let everything: Vec<TopicPartition> = (0..4).map(|index| TopicPartition::new("t0", index)).collect();
    let before: Assignment = [("m0".to_owned(), everything.clone())].into();
    for kind in [AssignorKind::Sticky, AssignorKind::CooperativeSticky] {
        let mut members = members_of(kind, &[vec![true], vec![true]], &before, 3);
        let late =
            members_of(kind, &[vec![false], vec![true]], &[("m1".to_owned(), everything.clone())].into(), 2);
        members.insert("m1".to_owned(), late["m1"].clone());
        let assigned = kind.assign(&topics, &members);
        assert_eq!(assigned["m0"].len(), 2, "{kind:?}");
    }
}
