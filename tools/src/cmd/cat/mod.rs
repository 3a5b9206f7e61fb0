//! `rkafka cat`: produces, consumes, lists and queries in one line, with the options, the format strings and the
//! output of kcat 1.7.
//!
//! | file | what it does |
//! |---|---|
//! | `options.rs` | options, and the settings of librdkafka by their names in Java |
//! | `format.rs` | format strings, JSON, escapes |
//! | `pack.rs` | `-s`: binary keys and values |
//! | `produce.rs` `consume.rs` `list.rs` | the modes: `-P`, `-C` and `-G`, `-L` and `-Q` |
//!
//! Differences from kcat, all intended: bytes that are no UTF-8 are replaced in JSON; brokers that cannot be reached
//! end it within seconds with the reason; Avro is not served.

mod consume;
mod format;
mod list;
mod options;
mod pack;
mod produce;

use clap::Args;

use super::Invocation;
use crate::common::connect::{self, Problem};
use crate::common::consume::block_on;
use crate::common::failure::Failure;
use crate::common::produce::with_producer;
use options::{Mode, Options};

pub(crate) fn definition() -> clap::Command {
    Options::augment_args(clap::Command::new("cat"))
}

pub(crate) fn run(invocation: &Invocation) -> Result<(), Failure> {
    let options: Options = invocation.parse()?;
    let run = || match options.mode()? {
        Mode::Produce => {
            let plan = options.sending()?;
            with_producer(options.producer()?, async |producer| produce::produce(&producer, &plan).await)
        }
        Mode::Consume => block_on(consume::consume(options.reading()?, options.consumer()?)),
        Mode::List => {
            let work = async |admin: rkafka_client::Admin| list::list(&admin, &options).await;
            connect::with_cluster(options.client()?, work).map_err(failure)
        }
        Mode::Query => {
            let wanted = options.queries()?;
            let work = async |admin: rkafka_client::Admin| list::query(&admin, &wanted).await;
            connect::with_cluster(options.client()?, work).map_err(failure)
        }
    };
    run().map_err(|failure: Failure| failure.or_hint(|| invocation.hint()))
}

fn failure(problem: Problem) -> Failure {
    problem.told(|error| Failure::message(format!("% ERROR: {error}")))
}
