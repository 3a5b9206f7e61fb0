//! One script on one broker: its requests, its connection, and the transcript of the answers.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use kafka_protocol::protocol::Request;
use rkafka_tests::wire::{Answer, Connection};

use super::render::Names;

/// One answer in a transcript.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What was asked, in the script's words.
    pub(crate) label: String,
    /// The request as sent.
    pub(crate) request: String,
    /// The answer, masked.
    pub(crate) answer: String,
}

/// A script's way to a broker.
pub(crate) struct Session {
    bootstrap: String,
    connection: Connection,
    names: Names,
    pub(crate) transcript: Vec<Step>,
}

impl Session {
    pub(crate) fn new(bootstrap: String) -> Self {
        let connection = Connection::open(&bootstrap);
        Self { bootstrap, connection, names: Names::default(), transcript: Vec::new() }
    }

    /// A second connection to the same broker.
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.bootstrap)
    }

    /// Sends `request`; the answer goes into the transcript under `label` and the version.
    pub(crate) fn ask<R>(&mut self, label: &str, version: i16, request: &R) -> Option<R::Response>
    where
        R: Request + Debug,
        R::Response: Debug,
    {
        let answer = self.connection.ask(version, request);
        self.note_answer(&format!("{label}, version {version}"), request, answer)
    }

    /// [`Self::ask`] again and again until `settled`, since brokers learn of changes a moment later; only
    /// the last answer is noted. A broker that does not settle is given up on after ten seconds.
    pub(crate) fn settle<R>(
        &mut self,
        label: &str,
        version: i16,
        request: &R,
        settled: impl Fn(&R::Response) -> bool,
    ) -> Option<R::Response>
    where
        R: Request + Debug,
        R::Response: Debug,
    {
        let start = Instant::now();
        loop {
            let answer = self.connection.ask(version, request);
            let done = !matches!(&answer, Answer::Decoded(response) if !settled(response));
            if done || start.elapsed() > Duration::from_secs(10) {
                return self.note_answer(&format!("{label}, version {version}"), request, answer);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a request whose answer is not compared.
    pub(crate) fn arrange<R: Request + Debug>(&mut self, version: i16, request: &R) -> R::Response {
        self.connection.ask(version, request).expect("an answer to what merely prepares")
    }

    /// Notes an answer that came another way.
    pub(crate) fn note_answer<R: Debug, T: Debug>(
        &mut self,
        label: &str,
        request: &R,
        answer: Answer<T>,
    ) -> Option<T> {
        let (text, answer) = match answer {
            Answer::Decoded(answer) => (self.names.render(&format!("{answer:?}")), Some(answer)),
            Answer::Undecodable(reason) => (format!("undecodable: {reason}\n"), None),
            Answer::Closed => ("the connection is closed\n".to_owned(), None),
            Answer::Silence => ("no answer\n".to_owned(), None),
        };
        if answer.is_none() {
            self.connection = Connection::open(&self.bootstrap);
        }
        let request = format!("{request:?}").replace(", unknown_tagged_fields: {}", "");
        self.transcript.push(Step { label: label.to_owned(), request, answer: text });
        answer
    }

    /// Notes a fact of the script's own finding.
    pub(crate) fn note(&mut self, label: &str, fact: impl Debug) {
        let answer = self.names.render(&format!("{fact:?}"));
        self.transcript.push(Step { label: label.to_owned(), request: String::new(), answer });
    }
}
