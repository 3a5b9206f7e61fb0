//! Hand-made histories: each anomaly once, and the good histories that look most like it.
//!
//! `send 1.0 p0 ok@5` is producer 1's value 0, acknowledged at offset 5 of partition 0. Words after it change
//! what is promised (`acks=1`, `plain` for no idempotence, `tx=7`, `by=2`) or its time (`at=10-20`).

use super::*;

fn value(text: &str) -> Value {
    let (producer, sequence) = text.split_once('.').expect("producer.sequence");
    Value { producer: producer.parse().expect("a number"), sequence: sequence.parse().expect("a number") }
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.trim_start_matches(|c: char| c.is_alphabetic()).parse().ok().expect("a number")
}

fn outcome(text: &str) -> Outcome {
    match text {
        "fail" => Outcome::Failed,
        "info" => Outcome::Unknown,
        _ => Outcome::Acknowledged(text.strip_prefix("ok@").map(number)),
    }
}

fn option<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn records(words: &[&str]) -> Vec<(i64, Value)> {
    let records = words.iter().filter_map(|word| word.split_once(':'));
    records.map(|(offset, text)| (number(offset), value(text))).collect()
}

fn send(words: &[&str], order: u64) -> Event {
    let [what, partition, how, options @ ..] = words else { panic!("{words:?}") };
    let times = option(options, "at").map(|times| times.split_once('-').expect("from-to"));
    let (from, to) = times.map_or((10 * order, 10 * order + 5), |(from, to)| (number(from), number(to)));
    Event::Send(Send {
        partition: number(partition),
        value: value(what),
        promise: Promise {
            durable: option(options, "acks") != Some("1"),
            idempotent: !options.contains(&"plain"),
        },
        transaction: option(options, "tx").map(number),
        invoked_ms: from,
        completed_ms: to,
        acknowledged_by: option(options, "by").map(|by| (number(by), to)),
        outcome: outcome(how),
    })
}

fn event(line: &str, order: u64) -> Event {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["send", rest @ ..] => send(rest, order),
        ["poll", consumer, partition, rest @ ..] => Event::Poll(Poll {
            consumer: number(consumer),
            partition: number(partition),
            records: records(rest),
            committed_only: !rest.contains(&"uncommitted"),
            transaction: option(rest, "tx").map(number),
            high_watermark: option(rest, "hw")
                .map(|text| text.split_once('/').expect("epoch/offset"))
                .map(|(epoch, offset)| (number(epoch), number(offset))),
        }),
        ["reset", consumer, partition] => {
            Event::Reset { consumer: number(consumer), partition: number(partition) }
        }
        ["end", id, how] => Event::Transaction { id: number(id), outcome: outcome(how) },
        ["commit", group, partition, offset, how] => Event::CommitOffset {
            group: number(group),
            partition: number(partition),
            offset: number(offset),
            outcome: outcome(how),
        },
        ["committed", group, partition, offset] => Event::FetchOffset {
            group: number(group),
            partition: number(partition),
            offset: offset.parse().expect("a number"),
        },
        ["deleted", partition, below] => {
            Event::Deleted { partition: number(partition), below: number(below) }
        }
        ["fenced", broker, from, until] => {
            Event::Fenced { broker: number(broker), from_ms: number(from), until_ms: number(until) }
        }
        ["log", partition, rest @ ..] => {
            Event::ReadBack { partition: number(partition), records: records(rest) }
        }
        _ => panic!("{line}"),
    }
}

#[track_caller]
fn check(history: &str, expected: &[Kind]) {
    let lines = history.lines().map(str::trim).filter(|line| !line.is_empty());
    let events = lines.zip(1..).map(|(line, order)| event(line, order)).collect();
    let found = super::check(&History { events });
    let kinds: Vec<Kind> = found.iter().map(|anomaly| anomaly.kind).collect();
    assert_eq!(kinds, expected, "{found:?}");
}

#[test]
fn a_quiet_cluster_is_fine() {
    check("", &[]);
    check("send 1.0 p0 ok@0\nsend 1.1 p0 ok@1\npoll c1 p0 0:1.0\npoll c1 p0 1:1.1\nlog p0 0:1.0 1:1.1", &[]);
}

#[test]
fn an_offset_shows_one_value() {
    let sends = "send 1.0 p0 info\nsend 2.0 p0 info\n";
    let two = format!("{sends}poll c1 p0 4:1.0\nreset c1 p0\npoll c1 p0 4:2.0\nlog p0 4:2.0");
    check(&two, &[Kind::InconsistentOffsets]);
    check(&format!("{sends}poll c1 p0 4:1.0\npoll c2 p0 4:1.0\nlog p0 4:1.0 5:2.0"), &[]);
    // The same offset of another partition is another offset.
    check("send 1.0 p0 ok@4\nsend 2.0 p1 ok@4\nlog p0 4:1.0\nlog p1 4:2.0", &[]);
}

#[test]
fn an_acknowledged_offset_holds_what_was_acknowledged() {
    let history = "send 1.0 p0 ok@4\nsend 2.0 p0 ok@4\nlog p0 4:1.0 5:2.0";
    check(history, &[Kind::InconsistentOffsets, Kind::Duplicate]);
}

#[test]
fn acknowledged_records_are_not_lost() {
    check("send 1.0 p0 ok@0\nsend 1.1 p0 ok@1\nlog p0 1:1.1", &[Kind::LostWrite]);
    check("send 1.0 p0 ok@0\nsend 1.1 p0 ok@1\nlog p0 0:1.0", &[Kind::Unseen]);
    check("send 1.0 p0 ok@0\nlog p0", &[Kind::Unseen]);
    check("send 1.0 p0 ok\nlog p0", &[Kind::LostWrite]);
}

#[test]
fn records_may_be_missing_that_nobody_was_promised() {
    check("send 1.0 p0 info\nsend 1.1 p0 fail\nlog p0", &[]);
    check("send 1.0 p0 ok@0 acks=1\nlog p0", &[]);
    check("send 1.0 p0 ok@0\nsend 1.1 p0 ok@1\ndeleted p0 1\nlog p0 1:1.1", &[]);
    check("send 1.0 p0 ok\ndeleted p0 1\nlog p0", &[]);
    // A partition that was not read back says nothing.
    check("send 1.0 p0 ok@0\nlog p1", &[]);
}

#[test]
fn deleting_explains_only_what_is_below() {
    check("send 1.0 p0 ok@5\ndeleted p0 5\nlog p0", &[Kind::Unseen]);
}

#[test]
fn idempotent_values_are_there_once() {
    check("send 1.0 p0 ok@0\nlog p0 0:1.0 1:1.0", &[Kind::Duplicate]);
    check("send 1.0 p0 info\nlog p0 0:1.0 1:1.0", &[Kind::Duplicate]);
    check("send 1.0 p0 ok@0 plain\nlog p0 0:1.0 1:1.0", &[]);
    // A retry answered with another offset than its first copy's.
    check("send 1.0 p0 ok@3\nlog p0 0:1.0", &[Kind::Duplicate]);
}

#[test]
fn nothing_is_invented() {
    check("log p0 0:9.9", &[Kind::Invented]);
    check("send 1.0 p1 ok@0\nlog p0 0:1.0\nlog p1 0:1.0", &[Kind::Duplicate, Kind::Invented]);
}

#[test]
fn what_failed_is_not_there() {
    check("send 1.0 p0 fail\npoll c1 p0 0:1.0 uncommitted", &[Kind::AbortedRead]);
    check("send 1.0 p0 fail\nlog p0 0:1.0", &[Kind::AbortedRead]);
    check("send 1.0 p0 info\nlog p0 0:1.0", &[]);
}

#[test]
fn aborted_transactions_are_not_read() {
    let sends = "send 1.0 p0 ok@0 tx=7\nend t7 fail\n";
    check(&format!("{sends}poll c1 p0 0:1.0"), &[Kind::AbortedRead]);
    check(&format!("{sends}poll c1 p0 0:1.0 uncommitted\nlog p0"), &[]);
    check(&format!("{sends}log p0"), &[]);
    check("send 1.0 p0 ok@0 tx=7\nend t7 info\npoll c1 p0 0:1.0", &[]);
}

#[test]
fn a_transaction_does_not_read_itself() {
    check("send 1.0 p0 ok@0 tx=7\npoll c1 p0 0:1.0 tx=7\nend t7 ok", &[Kind::PrecommittedRead]);
    check("send 1.0 p0 ok@0 tx=7\nend t7 ok\npoll c1 p0 0:1.0 tx=8", &[]);
}

#[test]
fn transactions_are_whole() {
    let sends = "send 1.0 p0 ok@0 tx=7\nsend 1.1 p1 ok@0 tx=7\n";
    check(&format!("{sends}end t7 info\nlog p0 0:1.0\nlog p1"), &[Kind::TornTransaction]);
    let lost = [Kind::Unseen, Kind::TornTransaction];
    check(&format!("{sends}end t7 ok\nlog p0 0:1.0\nlog p1"), &lost);
    check(&format!("{sends}end t7 ok\nlog p0 0:1.0\nlog p1 0:1.1"), &[]);
    check(&format!("{sends}end t7 info\nlog p0\nlog p1"), &[]);
}

#[test]
fn transactions_do_not_read_in_a_circle() {
    let sends = "send 1.0 p0 ok@0 tx=7\nsend 2.0 p1 ok@0 tx=8\n";
    let circle = format!("{sends}poll c1 p1 0:2.0 tx=7\npoll c2 p0 0:1.0 tx=8");
    check(&circle, &[Kind::CircularRead]);
    check(&format!("{sends}poll c1 p1 0:2.0 tx=7\npoll c2 p0 0:1.0 tx=9"), &[]);
}

const THREE: &str = "send 1.0 p0 ok@0\nsend 1.1 p0 ok@1\nsend 1.2 p0 ok@2\nlog p0 0:1.0 1:1.1 2:1.2\n";

#[test]
fn polls_leave_nothing_out() {
    check(&format!("{THREE}poll c1 p0 0:1.0\npoll c1 p0 2:1.2"), &[Kind::PollSkip]);
    check(&format!("{THREE}poll c1 p0 0:1.0 2:1.2"), &[Kind::InternalPollSkip]);
    check(&format!("{THREE}poll c1 p0 0:1.0\nreset c1 p0\npoll c1 p0 2:1.2"), &[]);
    // A gap in the offsets is none in the log.
    check("send 1.0 p0 ok@0\nsend 1.1 p0 ok@9\nlog p0 0:1.0 9:1.1\npoll c1 p0 0:1.0 9:1.1", &[]);
}

#[test]
fn polls_do_not_go_back() {
    check(&format!("{THREE}poll c1 p0 0:1.0 1:1.1\npoll c1 p0 1:1.1"), &[Kind::NonmonotonicPoll]);
    check(&format!("{THREE}poll c1 p0 1:1.1 0:1.0"), &[Kind::InternalNonmonotonicPoll]);
    check(&format!("{THREE}poll c1 p0 0:1.0 1:1.1\npoll c2 p0 0:1.0"), &[]);
    check(&format!("{THREE}poll c1 p0 0:1.0 1:1.1\nreset c1 p0\npoll c1 p0 0:1.0"), &[]);
}

#[test]
fn later_sends_lie_behind_earlier_ones() {
    let sends = "send 1.0 p0 ok@5 plain at=0-10\nsend 1.1 p0 ok@3 plain at=20-30\nlog p0 3:1.1 5:1.0";
    check(sends, &[Kind::NonmonotonicSend]);
    // Both under way at once: either may be first.
    check("send 1.0 p0 ok@5 plain at=0-25\nsend 1.1 p0 ok@3 plain at=20-30\nlog p0 3:1.1 5:1.0", &[]);
}

#[test]
fn idempotent_sends_keep_their_order_even_if_all_are_under_way() {
    let sends = "send 1.0 p0 ok@5 at=0-25\nsend 1.1 p0 ok@3 at=20-30\nlog p0 3:1.1 5:1.0";
    check(sends, &[Kind::InternalNonmonotonicSend]);
    check("send 1.0 p0 info\nsend 1.1 p0 info\nlog p0 3:1.1", &[]);
    check("send 1.0 p0 info\nsend 2.1 p0 info\nlog p0 3:2.1 4:1.0", &[]);
}

#[test]
fn committed_offsets_do_not_go_back() {
    check("commit g1 p0 5 ok\ncommit g1 p0 9 ok\ncommitted g1 p0 5", &[Kind::OffsetCommitRegress]);
    check("commit g1 p0 5 ok\ncommitted g1 p0 -1", &[Kind::OffsetCommitRegress]);
    check("commit g1 p0 5 ok\ncommit g1 p0 9 info\ncommitted g1 p0 9\ncommitted g1 p0 5", &[]);
    check("committed g1 p0 -1\ncommit g1 p0 5 fail\ncommitted g1 p0 -1", &[]);
}

#[test]
fn high_watermarks_do_not_go_back_within_an_epoch() {
    check("poll c1 p0 hw=3/9\npoll c1 p0 hw=3/8", &[Kind::HighWatermarkRegress]);
    check("poll c1 p0 hw=3/9\npoll c1 p0 hw=4/8\npoll c1 p0 hw=4/9", &[]);
    check("poll c1 p0 hw=3/9\npoll c2 p0 hw=3/8", &[]);
}

#[test]
fn fenced_brokers_acknowledge_nothing() {
    let send = "send 1.0 p0 ok@0 by=2 at=0-50\nlog p0 0:1.0\n";
    check(&format!("{send}fenced b2 50 60"), &[Kind::AcknowledgedByFenced]);
    check(&format!("{send}fenced b2 51 60\nfenced b3 0 90\nfenced b2 20 50"), &[]);
}
