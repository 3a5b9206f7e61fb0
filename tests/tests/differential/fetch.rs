//! Fetch: limits, waits, errors, and incremental sessions (KIP-227).

use std::time::{Duration, Instant};

use rkafka_record::Batches;
use rkafka_wire::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use rkafka_wire::messages::{BrokerId, FetchRequest, FetchResponse};
use uuid::Uuid;

use super::check;
use super::requests::{fill, make_topic, topic};
use super::session::Session;

fn partition(index: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}

fn request(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(100)
        .with_min_bytes(0)
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(topics)
}

fn named(name: &str, partitions: Vec<FetchPartition>) -> FetchTopic {
    FetchTopic::default().with_topic(topic(name)).with_partitions(partitions)
}

fn identified(id: Uuid, partitions: Vec<FetchPartition>) -> FetchTopic {
    FetchTopic::default().with_topic_id(id).with_partitions(partitions)
}

/// Reads one partition by name, without a session.
pub(crate) fn fetch(name: &str, index: i32, offset: i64) -> FetchRequest {
    request(vec![named(name, vec![partition(index, offset)])])
}

/// Notes every batch of a topic.
pub(super) fn read_all(session: &mut Session, name: &str, partitions: i32) {
    for index in 0..partitions {
        note_log(session, &format!("all of {name} {index}"), name, index);
    }
}

/// Notes every batch of a partition.
pub(super) fn note_log(session: &mut Session, label: &str, name: &str, index: i32) {
    let answer = session.arrange(11, &fetch(name, index, 0));
    session.note(label, &answer.responses[0].partitions[0]);
}

#[test]
fn fetch_in_every_version() {
    check("fetch_in_every_version", |session| {
        let id = make_topic(session, "fetch-versions", 2, &[]);
        fill(session, "fetch-versions", 0, &["one", "two", "three"]);
        for version in 4..=12 {
            for offset in [0, 1, 2, 3, 4, -1, i64::MAX] {
                session.ask(&format!("from {offset}"), version, &fetch("fetch-versions", 0, offset));
            }
            session.ask("an empty partition", version, &fetch("fetch-versions", 1, 0));
            session.ask("an absent partition", version, &fetch("fetch-versions", 9, 0));
            session.ask("an absent topic", version, &fetch("fetch-absent", 0, 0));
            session.ask("a bad name", version, &fetch("a b", 0, 0));
            session.ask("nothing", version, &request(vec![]));
            let several =
                vec![named("fetch-versions", vec![partition(1, 0), partition(0, 1), partition(5, 0)])];
            session.ask("several", version, &request(several));
            let committed = fetch("fetch-versions", 0, 0).with_isolation_level(1);
            session.ask("read_committed", version, &committed);
            session.ask(
                "an unknown isolation",
                version,
                &fetch("fetch-versions", 0, 0).with_isolation_level(9),
            );
        }
        for version in 13..=18 {
            let by_id = |id, index, offset| request(vec![identified(id, vec![partition(index, offset)])]);
            let by_id = |id, index, offset| {
                let request: FetchRequest = by_id(id, index, offset);
                // The replica id moved into a tagged field.
                if version >= 15 { request.with_replica_id(BrokerId(-1)) } else { request }
            };
            session.ask("by id", version, &by_id(id, 0, 0));
            session.ask("by id, out of range", version, &by_id(id, 0, 9));
            session.ask("by id, an absent partition", version, &by_id(id, 9, 0));
            session.ask("by an unknown id", version, &by_id(Uuid::from_u128(3), 0, 0));
            session.ask("by the zero id", version, &by_id(Uuid::nil(), 0, 0));
        }
    });
}

#[test]
fn leader_epochs() {
    check("leader_epochs", |session| {
        make_topic(session, "fetch-epochs", 1, &[]);
        fill(session, "fetch-epochs", 0, &["one"]);
        for version in [9, 11, 12] {
            for epoch in [-1, 0, 1, 5, -2] {
                let partition = partition(0, 0).with_current_leader_epoch(epoch);
                let request = request(vec![named("fetch-epochs", vec![partition])]);
                session.ask(&format!("leader epoch {epoch}"), version, &request);
            }
        }
        for epoch in [-1, 0, 1, 7] {
            let partition = partition(0, 1).with_last_fetched_epoch(epoch);
            let request = request(vec![named("fetch-epochs", vec![partition])]);
            session.ask(&format!("last fetched epoch {epoch}"), 12, &request);
        }
    });
}

#[test]
fn limits() {
    check("limits", |session| {
        make_topic(session, "fetch-limits", 3, &[]);
        for index in 0..3 {
            fill(session, "fetch-limits", index, &[&"x".repeat(500), &"y".repeat(500), &"z".repeat(500)]);
        }
        let all = |bytes: i32| {
            let part = |index| partition(index, 0).with_partition_max_bytes(bytes);
            request(vec![named("fetch-limits", vec![part(2), part(0), part(1)])])
        };
        for bytes in [-1, 0, 1, 572, 573, 574, 600, 1146, 1200, 5000] {
            let label = format!("{bytes} bytes a partition");
            note_shape(session, &label, 11, &all(bytes));
        }
        for bytes in [-1, 0, 1, 573, 600, 1200, 2000, 3000] {
            note_shape(session, &format!("{bytes} bytes in all"), 11, &all(1 << 20).with_max_bytes(bytes));
        }
        // The first partition is empty: the next one gets its batch all the same.
        let empty_first = request(vec![named("fetch-limits", vec![partition(2, 3), partition(0, 0)])]);
        note_shape(session, "an empty one first", 11, &empty_first.with_max_bytes(1));
        let middle = request(vec![named("fetch-limits", vec![partition(0, 1), partition(1, 2)])]);
        note_shape(session, "from the middle", 11, &middle);
    });
}

/// Which partitions in which order with how many whole batches. Apache Kafka fills what is left with the
/// beginning of a batch, which no client can read.
fn note_shape(session: &mut Session, label: &str, version: i16, request: &FetchRequest) {
    let answer = session.arrange(version, request);
    session.note(label, shape(&answer));
}

fn shape(answer: &FetchResponse) -> String {
    let mut shape = format!("error {}:", answer.error_code);
    for topic in &answer.responses {
        for partition in &topic.partitions {
            let records = partition.records.as_deref().unwrap_or_default();
            let batches = Batches::new(records).take_while(Result::is_ok).count();
            shape.push_str(&format!(
                " {}={batches} (error {}, high watermark {})",
                partition.partition_index, partition.error_code, partition.high_watermark
            ));
        }
    }
    shape
}

#[test]
fn waits() {
    check("waits", |session| {
        make_topic(session, "fetch-waits", 2, &[]);
        fill(session, "fetch-waits", 0, &["one"]);
        const WAIT: Duration = Duration::from_millis(700);
        let cases = [
            ("nothing new", fetch("fetch-waits", 0, 1).with_min_bytes(1)),
            ("nothing new, no minimum", fetch("fetch-waits", 0, 1).with_min_bytes(0)),
            ("enough", fetch("fetch-waits", 0, 0).with_min_bytes(1)),
            ("too little", fetch("fetch-waits", 0, 0).with_min_bytes(100_000)),
            ("an error", fetch("fetch-waits", 0, 9).with_min_bytes(1)),
            ("an absent topic", fetch("fetch-waits-absent", 0, 0).with_min_bytes(1)),
            ("no partition", request(vec![]).with_min_bytes(1)),
            ("a negative minimum", fetch("fetch-waits", 0, 1).with_min_bytes(-1)),
        ];
        for (label, request) in cases {
            let request = request.with_max_wait_ms(WAIT.as_millis() as i32);
            let start = Instant::now();
            let answer = session.arrange(11, &request);
            let waited = start.elapsed() >= WAIT - Duration::from_millis(20);
            session.note(label, (waited, shape(&answer)));
        }
        // A record that comes meanwhile ends the wait.
        let mut waiting = session.connect();
        let patient = fetch("fetch-waits", 1, 0).with_min_bytes(1).with_max_wait_ms(30_000);
        let start = Instant::now();
        waiting.send_request(11, &patient);
        fill(session, "fetch-waits", 1, &["late"]);
        let answer = waiting.receive_answer::<FetchRequest>(11).expect("an answer");
        session.note("woken", (start.elapsed() < Duration::from_secs(15), shape(&answer)));
    });
}

#[test]
fn sessions_by_name() {
    check("sessions_by_name", |session| {
        make_topic(session, "sessions", 3, &[]);
        fill(session, "sessions", 0, &["one"]);
        for version in [7, 11, 12] {
            run_session(session, version, &|partitions| named("sessions", partitions), &|index| {
                ForgottenTopic::default().with_topic(topic("sessions")).with_partitions(vec![index])
            });
        }
    });
}

#[test]
fn sessions_by_id() {
    check("sessions_by_id", |session| {
        let id = make_topic(session, "sessions-by-id", 3, &[]);
        fill(session, "sessions-by-id", 0, &["one"]);
        for version in [13, 16, 18] {
            run_session(session, version, &|partitions| identified(id, partitions), &|index| {
                ForgottenTopic::default().with_topic_id(id).with_partitions(vec![index])
            });
        }
    });
}

/// A whole life of a session: made, read incrementally, changed, broken in all ways, ended.
fn run_session(
    session: &mut Session,
    version: i16,
    asked: &dyn Fn(Vec<FetchPartition>) -> FetchTopic,
    forgotten: &dyn Fn(i32) -> ForgottenTopic,
) {
    let all = vec![asked(vec![partition(0, 0), partition(1, 0), partition(2, 0)])];
    let full = |epoch| request(all.clone()).with_session_epoch(epoch);
    let Some(made) = session.ask("made", version, &full(0)) else { return };
    let id = made.session_id;
    let mut step = |label: &str, request: FetchRequest| {
        // The request carries the session's id, which differs: it is told by its label alone.
        let answer = session.arrange(version, &request);
        session.note(&format!("{label}, version {version}"), answer);
    };
    let next = |epoch: i32, topics| request(topics).with_session_id(id).with_session_epoch(epoch);
    step("the same again", next(1, vec![]));
    step("past the record", next(2, vec![asked(vec![partition(0, 1)])]));
    step("nothing new", next(3, vec![]));
    step("a partition out of range", next(4, vec![asked(vec![partition(1, 77)])]));
    step("the error again", next(5, vec![]));
    step("the error mended", next(6, vec![asked(vec![partition(1, 0)])]));
    step("one forgotten", next(7, vec![]).with_forgotten_topics_data(vec![forgotten(0)]));
    step("the forgotten one anew", next(8, vec![asked(vec![partition(0, 0)])]));
    step("an epoch twice", next(8, vec![]));
    step("an epoch too far", next(12, vec![]));
    step("still alive", next(9, vec![]));
    step("an absent partition", next(10, vec![asked(vec![partition(9, 0)])]));
    step("an unknown session", next(1, vec![]).with_session_id(id ^ 0x5555));
    step("no session but an epoch", next(1, vec![]).with_session_id(0));
    step("closed", request(vec![]).with_session_id(id).with_session_epoch(-1));
    step("after its end", next(11, vec![]));
    step("none made", full(-1));
}

/// A session made with names is asked with ids and the other way round.
#[test]
fn sessions_change_their_kind() {
    check("sessions_change_their_kind", |session| {
        let id = make_topic(session, "sessions-kind", 1, &[]);
        let by_name = vec![named("sessions-kind", vec![partition(0, 0)])];
        let by_id = vec![identified(id, vec![partition(0, 0)])];
        let made = session.arrange(12, &request(by_name.clone()).with_session_epoch(0));
        let next = request(by_id.clone()).with_session_id(made.session_id).with_session_epoch(1);
        let answer = session.arrange(13, &next);
        session.note("made by name, asked by id", answer);
        let made = session.arrange(13, &request(by_id).with_session_epoch(0));
        let next = request(by_name).with_session_id(made.session_id).with_session_epoch(1);
        let answer = session.arrange(12, &next);
        session.note("made by id, asked by name", answer);
        let unknown = vec![identified(Uuid::from_u128(6), vec![partition(0, 0)])];
        session.ask("an unknown id", 13, &request(unknown).with_session_epoch(0));
    });
}

/// Consumers that pretend to be brokers.
#[test]
fn replicas() {
    check("replicas", |session| {
        make_topic(session, "fetch-replicas", 1, &[]);
        fill(session, "fetch-replicas", 0, &["one"]);
        for replica in [1, 2, -2] {
            for version in [9, 12] {
                let request = fetch("fetch-replicas", 0, 0).with_replica_id(BrokerId(replica));
                session.ask(&format!("replica {replica}"), version, &request);
            }
        }
        let racked = fetch("fetch-replicas", 0, 0).with_rack_id(super::requests::text("nowhere"));
        session.ask("from a rack", 11, &racked);
    });
}
