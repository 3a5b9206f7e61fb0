//! A producer of the Java client in a chaos run: `tests/java/ChaosProducer.java`.

use rkafka_checker::{Event, Outcome, Promise, Send, Value};

use super::cluster::{Cluster, PATIENCE};
use super::workload::{Shared, TOPIC};
use crate::java;
use crate::process::Process;
use crate::stock::Stock;

/// The running program.
#[derive(Debug)]
pub(super) struct JavaProducer {
    process: Process,
    number: u32,
}

impl JavaProducer {
    /// Starts it on the clients' host: idempotent, acks=all.
    pub(super) fn start(cluster: &Cluster, number: u32, partitions: i32) -> Self {
        let (number_text, partitions) = (number.to_string(), partitions.to_string());
        let args = [&cluster.bootstrap(), TOPIC, &number_text, &partitions];
        let program = java::command(Stock::Clients4, "ChaosProducer", &args);
        Self { process: Process::start(cluster.network().clients().inside(&program)), number }
    }

    /// Has it end once the fate of all its records is known, and adds them to the history.
    pub(super) fn finish(mut self, shared: &Shared) {
        self.process.write("\n");
        let outcome = self.process.finish(PATIENCE).success();
        let mut acknowledged = 0;
        for line in outcome.stdout.lines() {
            let Some(event) = event(self.number, line) else { continue };
            acknowledged += usize::from(matches!(event.outcome, Outcome::Acknowledged(_)));
            shared.record(Event::Send(event));
        }
        if acknowledged == 0 {
            shared.found(format!("the Java producer got no acknowledgement:\n{}", outcome.both()));
        }
    }
}

/// What a line says: `sequence partition offset`, or `sequence partition unknown …`.
fn event(producer: u32, line: &str) -> Option<Send> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [sequence, partition, end, ..] = words.as_slice() else { return None };
    let outcome = match *end {
        "unknown" => Outcome::Unknown,
        offset => Outcome::Acknowledged(Some(offset.parse().ok()?)),
    };
    Some(Send {
        partition: partition.parse().ok()?,
        value: Value { producer, sequence: sequence.parse().ok()? },
        promise: Promise { durable: true, idempotent: true },
        transaction: None,
        // Its times are not told: its order is judged by what is in the log.
        invoked_ms: 0,
        completed_ms: u64::MAX,
        acknowledged_by: None,
        outcome,
    })
}
