//! `rkafka console-producer`: lines of standard input to a topic, as `kafka-console-producer.sh` of Kafka 4.3
//! and 2.2.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and the settings they make |
//! | `lines.rs` | lines of a file, a pipe or a terminal |
//! | `reader.rs` | lines into records |
//!
//! Differences from the stock tool, all intended: brokers that cannot be reached are named at once and end
//! it; usage mistakes show a hint rather than the whole help; errors come without a stack trace; bytes that
//! are no UTF-8 are sent as they are; unless `acks` is given it is `all` also where 2.2 had 1.

mod lines;
mod options;
mod reader;

use chrono::Local;
use clap::Args;
use rkafka_client::producer::{Delivery, ProduceError, Producer, Record};
use tokio::sync::mpsc;

use super::Invocation;
use crate::common::consume::interrupted;
use crate::common::failure::Failure;
use crate::common::produce;
use crate::common::signals::INTERRUPTED;
use lines::{Input, TerminalGuard};
use options::Options;
use reader::{Parsed, ReaderOptions};

/// Records whose acknowledgement is waited for at a time; `buffer.memory` usually is the tighter bound.
const UNACKNOWLEDGED_MAX: usize = 1 << 20;

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("console-producer"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    options.check().map_err(|failure| failure.or_hint(|| invocation.hint()))?;
    let reader = options.reader()?;
    let config = options.settings()?.producer()?;
    let patience = config.delivery_timeout() + config.max_block;
    let terminal = TerminalGuard::new();
    let ended = produce::with_producer(config, async |producer| {
        let sent = send_lines(&producer, &options, &reader).await;
        producer.close(patience).await;
        sent
    });
    drop(terminal);
    match ended? {
        Ended::Done => Ok(()),
        Ended::Interrupted(code) => std::process::exit(code),
    }
}

/// How sending ended.
enum Ended {
    /// With the input.
    Done,
    /// By a signal; with this exit code, as shells have it.
    Interrupted(i32),
}

/// Sends line after line until the input ends or Ctrl-C comes; then waits for what is on its way.
async fn send_lines(
    producer: &Producer,
    options: &Options,
    reader: &ReaderOptions,
) -> Result<Ended, Failure> {
    let topic = options.topic.as_deref().unwrap_or_default();
    let mut lines = lines::read();
    let (unacknowledged, acknowledgements) = mpsc::channel(UNACKNOWLEDGED_MAX);
    let reporter = tokio::spawn(report_errors(topic.to_owned(), acknowledgements));
    let mut signal = std::pin::pin!(interrupted());
    let mut number = 0;
    let result = loop {
        let input = tokio::select! {
            input = lines.recv() => input,
            code = &mut signal => break Ok(Ended::Interrupted(code.into())),
        };
        let line = match input {
            Some(Input::Line(line)) => line,
            Some(Input::Interrupted) => break Ok(Ended::Interrupted(INTERRUPTED)),
            Some(Input::Failed(error)) => {
                break Err(Failure::message(format!("cannot read standard input: {error}")));
            }
            None => break Ok(Ended::Done),
        };
        number += 1;
        let parsed = match reader.parse(&line, number) {
            Ok(parsed) => parsed,
            Err(error) => break Err(Failure::message(error)),
        };
        let sizes = Sizes::of(&parsed);
        match send(producer, topic, &parsed).await {
            Ok(delivery) if options.sync => {
                if let Err(error) = delivery.await {
                    break Err(Failure::message(error.to_string()));
                }
            }
            Ok(delivery) => {
                let _ = unacknowledged.send((sizes, delivery)).await;
            }
            Err(error) if options.sync => break Err(Failure::message(error.to_string())),
            Err(error) => sizes.report(topic, &error),
        }
    };
    drop(unacknowledged);
    producer.flush().await;
    let _ = reporter.await;
    result
}

async fn send(producer: &Producer, topic: &str, parsed: &Parsed<'_>) -> Result<Delivery, ProduceError> {
    let Parsed { key, value, headers } = parsed;
    let record = Record { key: *key, value: *value, ..Record::to(topic).headers(headers) };
    producer.send(record).await
}

/// What the stock tool says of a record that failed.
#[derive(Debug)]
struct Sizes {
    key: Option<usize>,
    value: Option<usize>,
}

impl Sizes {
    fn of(parsed: &Parsed<'_>) -> Sizes {
        Sizes { key: parsed.key.map(<[u8]>::len), value: parsed.value.map(<[u8]>::len) }
    }

    fn report(&self, topic: &str, error: &ProduceError) {
        let size = |size: Option<usize>| size.map_or("null".to_owned(), |size| format!("{size} bytes"));
        eprintln!(
            "[{}] ERROR Error when sending message to topic {topic} with key: {}, value: {} with error: \
             (org.apache.kafka.clients.producer.internals.ErrorLoggingCallback)\n{}: {error}",
            Local::now().format("%Y-%m-%d %H:%M:%S,%3f"),
            size(self.key),
            size(self.value),
            produce::exception(error),
        );
    }
}

async fn report_errors(topic: String, mut acknowledgements: mpsc::Receiver<(Sizes, Delivery)>) {
    while let Some((sizes, delivery)) = acknowledgements.recv().await {
        if let Err(error) = delivery.await {
            sizes.report(&topic, &error);
        }
    }
}
