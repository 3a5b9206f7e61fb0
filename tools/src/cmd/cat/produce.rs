//! `-P`: messages of standard input or of files to a topic.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;

use rkafka_client::producer::{Delivery, Header, ProduceError, Producer, Record};
use tokio::sync::mpsc;

use crate::common::failure::Failure;

/// Messages read ahead of what is sent.
const MESSAGES_AHEAD: usize = 256;

/// Messages whose acknowledgement is waited for at a time.
const UNACKNOWLEDGED_MAX: usize = 1 << 20;

/// What is sent, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) topic: String,
    pub(super) partition: Option<i32>,
    /// The key of every message.
    pub(super) key: Option<Vec<u8>>,
    pub(super) key_delimiter: Option<Vec<u8>>,
    /// Between messages; empty makes all of the input one message.
    pub(super) delimiter: Vec<u8>,
    pub(super) empty_is_null: bool,
    pub(super) headers: Vec<(String, Option<String>)>,
    /// The most messages.
    pub(super) count: Option<u64>,
    /// Whether messages that were sent are printed.
    pub(super) tee: bool,
    pub(super) keep_going: bool,
    pub(super) contents: Contents,
}

/// Where messages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Contents {
    StandardInput,
    LinesOf(Vec<PathBuf>),
    /// Each file is a message.
    Files(Vec<PathBuf>),
}

/// Sends everything until the input ends or Ctrl-C comes; then waits for what is on its way.
pub(super) async fn produce(producer: &Producer, plan: &Sending) -> Result<(), Failure> {
    let mut messages = read(plan);
    let (unacknowledged, acknowledgements) = mpsc::channel(UNACKNOWLEDGED_MAX);
    let reporter = tokio::spawn(report(acknowledgements));
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut failed = false;
    let mut sent = 0;
    while plan.count.is_none_or(|count| sent < count) && (!failed || plan.keep_going) {
        let message = tokio::select! {
            message = messages.recv() => message,
            _ = &mut interrupt => None,
        };
        let Some(message) = message else { break };
        let message = message.map_err(Failure::message)?;
        sent += 1;
        match send(producer, plan, &message).await {
            Ok(delivery) => {
                let _ = unacknowledged.send(delivery).await;
            }
            Err(error) => {
                eprintln!("% ERROR: Failed to produce message ({} bytes): {error}", message.len());
                failed = true;
            }
        }
        if plan.tee {
            tee(&message)?;
        }
    }
    drop(unacknowledged);
    producer.flush().await;
    let all_delivered = reporter.await.unwrap_or(false);
    if failed || !all_delivered { Err(Failure::Said) } else { Ok(()) }
}

async fn send(producer: &Producer, plan: &Sending, message: &[u8]) -> Result<Delivery, ProduceError> {
    let (key, value) = parts(plan, message);
    let headers: Vec<Header<'_>> = plan
        .headers
        .iter()
        .map(|(name, value)| Header { key: name.as_bytes(), value: value.as_deref().map(str::as_bytes) })
        .collect();
    let record =
        Record { key, value, partition: plan.partition, ..Record::to(&plan.topic).headers(&headers) };
    producer.send(record).await
}

/// The key and the value of a message.
fn parts<'a>(plan: &'a Sending, message: &'a [u8]) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let unless_null = |bytes: &'a [u8]| (!bytes.is_empty() || !plan.empty_is_null).then_some(bytes);
    let found =
        plan.key_delimiter.as_deref().filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            let at = message.windows(delimiter.len()).position(|window| window == delimiter)?;
            Some((&message[..at], &message[at + delimiter.len()..]))
        });
    match found {
        Some((key, value)) => (unless_null(key), unless_null(value)),
        None => (plan.key.as_deref(), unless_null(message)),
    }
}

/// Prints a message as kcat does: with nothing behind it.
fn tee(message: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(message);
    written.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Said,
        _ => Failure::message(format!("cannot write to standard output: {error}")),
    })
}

/// Tells what was not delivered; whether all was.
async fn report(mut acknowledgements: mpsc::Receiver<Delivery>) -> bool {
    let mut all = true;
    while let Some(delivery) = acknowledgements.recv().await {
        if let Err(error) = delivery.await {
            eprintln!("% ERROR: Delivery failed for message: {error}");
            all = false;
        }
    }
    all
}

/// Reads messages on a thread of their own, which nobody can wake: it is left behind at the end.
fn read(plan: &Sending) -> mpsc::Receiver<Result<Vec<u8>, String>> {
    let (sender, receiver) = mpsc::channel(MESSAGES_AHEAD);
    let (contents, delimiter) = (plan.contents.clone(), plan.delimiter.clone());
    std::thread::spawn(move || {
        let tell = |message: io::Result<Vec<u8>>, what: &str| {
            let message = message.map_err(|error| format!("% ERROR: cannot read {what}: {error}"));
            let is_last = message.is_err();
            sender.blocking_send(message).is_ok() && !is_last
        };
        match contents {
            Contents::StandardInput => {
                let mut stdin = io::stdin().lock();
                while let Some(message) = next(&mut stdin, &delimiter) {
                    if !tell(message, "standard input") {
                        return;
                    }
                }
            }
            Contents::LinesOf(files) => {
                for file in files {
                    let name = file.display().to_string();
                    let mut input = match File::open(&file) {
                        Ok(file) => BufReader::new(file),
                        Err(error) => {
                            tell(Err(error), &name);
                            return;
                        }
                    };
                    while let Some(message) = next(&mut input, &delimiter) {
                        if !tell(message, &name) {
                            return;
                        }
                    }
                }
            }
            Contents::Files(files) => {
                for file in files {
                    if !tell(std::fs::read(&file), &file.display().to_string()) {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

/// The next message of the input without its delimiter; none at the end.
fn next(input: &mut impl BufRead, delimiter: &[u8]) -> Option<io::Result<Vec<u8>>> {
    let mut message = Vec::new();
    let Some(last) = delimiter.last() else {
        let read = input.read_to_end(&mut message);
        return match read {
            Ok(0) => None,
            read => Some(read.map(|_| message)),
        };
    };
    loop {
        match input.read_until(*last, &mut message) {
            Ok(0) if message.is_empty() => return None,
            Ok(0) => return Some(Ok(message)),
            // As with kcat, nothing between two delimiters is no message.
            Ok(_) if message == delimiter => message.clear(),
            Ok(_) if message.ends_with(delimiter) => {
                message.truncate(message.len() - delimiter.len());
                return Some(Ok(message));
            }
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(key_delimiter: Option<&[u8]>, empty_is_null: bool) -> Sending {
        Sending {
            topic: "t".into(),
            partition: None,
            key: Some(b"fixed".to_vec()),
            key_delimiter: key_delimiter.map(<[u8]>::to_vec),
            delimiter: b"\n".to_vec(),
            empty_is_null,
            headers: Vec::new(),
            count: None,
            tee: false,
            keep_going: false,
            contents: Contents::StandardInput,
        }
    }

    #[test]
    fn keys_and_nulls() {
        let check = |plan: &Sending, message: &str, expected: (Option<&str>, Option<&str>)| {
            let (key, value) = parts(plan, message.as_bytes());
            let expected = (expected.0.map(str::as_bytes), expected.1.map(str::as_bytes));
            assert_eq!((key, value), expected, "{message}");
        };
        check(&plan(None, false), "a:b", (Some("fixed"), Some("a:b")));
        check(&plan(Some(b":"), false), "a:b:c", (Some("a"), Some("b:c")));
        check(&plan(Some(b":"), false), "a", (Some("fixed"), Some("a")));
        check(&plan(Some(b"::"), false), "::", (Some(""), Some("")));
        check(&plan(Some(b"::"), true), "::", (None, None));
        check(&plan(None, true), "", (Some("fixed"), None));
    }

    #[test]
    fn messages_between_delimiters() {
        let check = |input: &str, delimiter: &str, expected: &[&str]| {
            let mut input = input.as_bytes();
            let all = std::iter::from_fn(|| next(&mut input, delimiter.as_bytes()));
            let all: Vec<String> = all.map(|message| String::from_utf8(message.unwrap()).unwrap()).collect();
            assert_eq!(all, expected);
        };
        check("a\nb\n", "\n", &["a", "b"]);
        check("a\n\nb\n\n", "\n", &["a", "b"]);
        check("a--b-c--", "--", &["a", "b-c"]);
        check("a\nb", "", &["a\nb"]);
        check("", "\n", &[]);
        check("", "", &[]);
    }
}
