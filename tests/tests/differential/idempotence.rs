//! Idempotent producers: InitProducerId, the window of sequence numbers, DescribeProducers.

use rkafka_record::BatchOptions;
use rkafka_wire::messages::describe_producers_request::TopicRequest;
use rkafka_wire::messages::{DescribeProducersRequest, InitProducerIdRequest, ProducerId};

use super::check;
use super::fetch::read_all;
use super::requests::{batch, idempotent, make_topic, produce, topic};
use super::session::Session;

fn new_producer(session: &mut Session) -> (i64, i16) {
    // The first block of ids is fetched from the controller: until it is there, the answer is 14.
    rkafka_tests::wait::until("a producer id", || {
        let answer = session.arrange(4, &init());
        (answer.error_code == 0).then_some((answer.producer_id.0, answer.producer_epoch))
    })
}

fn init() -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000)
}

#[test]
fn init_producer_id() {
    check("init_producer_id", |session| {
        new_producer(session);
        for version in 0..=5 {
            session.ask("new", version, &init());
            session.ask("another", version, &init());
            session.ask("without a timeout", version, &init().with_transaction_timeout_ms(0));
        }
        for version in 3..=5 {
            let Some(given) = session.ask("one", version, &init()) else { return };
            let again = init().with_producer_id(given.producer_id).with_producer_epoch(given.producer_epoch);
            session.ask("the same", version, &again);
            session.ask("an id without an epoch", version, &init().with_producer_id(ProducerId(1)));
            session.ask("an epoch without an id", version, &init().with_producer_epoch(1));
        }
    });
}

/// One batch of two records per case; `(epoch, first sequence)`.
fn send(session: &mut Session, label: &str, name: &str, options: BatchOptions) {
    let records = batch(options, &[(Some("a"), Some(label)), (Some("b"), Some(label))]);
    // The request carries the producer's id, which differs: it is told by its label alone.
    let answer = session.arrange(9, &produce(name, 0, -1, records));
    session.note(label, answer);
}

#[test]
fn sequences() {
    check("sequences", |session| {
        make_topic(session, "sequences", 1, &[]);
        let (id, epoch) = new_producer(session);
        let mut step = |label: &str, epoch, sequence| {
            send(session, label, "sequences", idempotent(id, epoch, sequence));
        };
        step("the first", epoch, 0);
        step("again", epoch, 0);
        step("the second", epoch, 2);
        step("the second again", epoch, 2);
        step("the first again", epoch, 0);
        step("a gap", epoch, 6);
        step("an overlap", epoch, 1);
        step("an overlap at the end", epoch, 3);
        step("after the gap", epoch, 4);
        for sequence in [6, 8, 10, 12] {
            step(&format!("batch at {sequence}"), epoch, sequence);
        }
        step("within the window of five", epoch, 4);
        step("out of the window", epoch, 2);
        step("a new epoch, not from 0", epoch + 1, 14);
        step("a new epoch from 0", epoch + 1, 0);
        step("the old epoch", epoch, 14);
        step("the old epoch again", epoch, 12);
        step("an epoch far ahead", epoch + 9, 0);
        step("a negative sequence", epoch + 9, -1);
        step("goes on", epoch + 9, 2);
        read_all(session, "sequences", 1);
    });
}

#[test]
fn unknown_producers() {
    check("unknown_producers", |session| {
        make_topic(session, "unknown-producers", 1, &[]);
        let (id, epoch) = new_producer(session);
        send(session, "begins in the middle", "unknown-producers", idempotent(id, epoch, 7));
        send(session, "goes on", "unknown-producers", idempotent(id, epoch, 9));
        send(session, "never given out", "unknown-producers", idempotent(id + 1_000_000, 3, 0));
        let options = BatchOptions { producer_epoch: -1, ..idempotent(id, 0, 11) };
        send(session, "no epoch", "unknown-producers", options);
        send(session, "no sequence", "unknown-producers", idempotent(id, epoch, -1));
        read_all(session, "unknown-producers", 1);
    });
}

/// Sequence numbers go from 2^31 - 1 to 0.
#[test]
fn sequences_wrap_around() {
    check("sequences_wrap_around", |session| {
        make_topic(session, "sequences-wrap", 1, &[]);
        let (id, epoch) = new_producer(session);
        for (label, sequence) in [
            ("before the end", i32::MAX - 2),
            ("across the end", i32::MAX),
            ("after the end", 1),
            ("across again", i32::MAX),
            ("negative", i32::MIN),
        ] {
            send(session, label, "sequences-wrap", idempotent(id, epoch, sequence));
        }
        read_all(session, "sequences-wrap", 1);
    });
}

#[test]
fn describe_producers() {
    check("describe_producers", |session| {
        make_topic(session, "describe-producers", 2, &[]);
        let request = |name: &str, partitions| {
            let topics = TopicRequest::default().with_name(topic(name)).with_partition_indexes(partitions);
            DescribeProducersRequest::default().with_topics(vec![topics])
        };
        session.ask("none yet", 0, &request("describe-producers", vec![0, 1]));
        let (id, epoch) = new_producer(session);
        send(session, "one", "describe-producers", idempotent(id, epoch, 0));
        send(session, "the same", "describe-producers", idempotent(id, epoch, 2));
        let (id, epoch) = new_producer(session);
        send(session, "another", "describe-producers", idempotent(id, epoch, 5));
        let mut answer = session.arrange(0, &request("describe-producers", vec![0]));
        if let Some(partition) = answer.topics.first_mut().and_then(|topic| topic.partitions.first_mut()) {
            partition.active_producers.sort_by_key(|producer| producer.last_sequence);
        }
        session.note("two", answer);
        session.ask("an absent partition", 0, &request("describe-producers", vec![9]));
        session.ask("an absent topic", 0, &request("describe-producers-absent", vec![0]));
        session.ask("a bad name", 0, &request("a b", vec![0]));
    });
}
