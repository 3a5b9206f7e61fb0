//! The ingest agent: runs Apache Flume's configuration files, a spooling directory to Kafka first, and never loses a
//! line.
//!
//! ```text
//!  source ──► interceptors ──► selector ──► channel ──► sink (group)
//!    ▲                                                     │
//!    └───────────────── receipts: what has arrived ────────┘
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | an agent's file: components, their checked properties, one table of all of them |
//! | [`agent`] | a plan running: wiring, start and stop |
//! | [`source`] | where events come from; [`source::spooldir`] is the one that matters most |
//! | [`interceptor`] | what changes and drops events |
//! | [`channel`] | where events wait |
//! | [`sink`] | where they go, and the groups of sinks |
//! | [`receipt`] | how a source learns that a batch has arrived |
//! | [`event_format`] | events as Flume's Avro records |
//! | [`text`] | character sets as Java has them, lines with positions |
//! | [`monitor`], [`preview`] | counters over HTTP; what would be done |
//!
//! **Architecture invariant.** A position moves only when the events before it have arrived: no channel, kill or
//! restart loses a line. The agent knows the client and no broker: it writes to any Kafka.

#![forbid(unsafe_code)]

pub mod agent;
pub mod channel;
pub mod event;
pub mod event_format;
pub mod interceptor;
pub mod monitor;
pub mod plan;
pub mod preview;
pub mod receipt;
pub mod sink;
pub mod source;
pub mod text;

pub use agent::{Agent, AgentError, Summary};
pub use monitor::Monitor;
pub use plan::{Plan, PlanErrors, Surroundings};
