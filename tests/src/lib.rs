//! The rig of the black-box tests: it starts rkafka (and, for comparison, Apache Kafka itself) on free ports
//! and runs stock clients and tools against them.
//!
//! | file | what it does |
//! |---|---|
//! | `process.rs` | child processes with captured output and a time limit; always ended by pid |
//! | `build.rs` | finds or builds the `rkafka` binary under test |
//! | `node.rs` | one broker (rkafka, or Apache Kafka to compare) in a temporary directory: start, stop, kill -9 |
//! | `stock.rs` | stock Kafka artifacts from Maven Central, cached under `target/stock/` |
//! | `stock_shell.rs` | many command lines of stock tools in one virtual machine |
//! | `java.rs` | compiles and runs the Java programs under `tests/java/` |
//! | `foreign.rs` | kcat, Python and Go clients |
//! | `wire.rs` | single requests over one connection, well-formed or not |
//! | `fuzz.rs` | what fuzzers run: functions of bytes that must not panic |
//! | `netns.rs` | hosts of a network of their own, with links that can be cut (network namespaces, nftables) |
//! | `proxy.rs` | a TCP proxy that delays, stalls and breaks |
//! | `chaos/` | clusters under faults: schedules, clients, the verdict |
//! | `wait.rs` | waiting for a condition (never for a time) |
//!
//! A tool that is absent makes the test that needs it fail with the command that installs it; nothing is
//! skipped silently.

pub mod build;
pub mod chaos;
pub mod foreign;
pub mod fuzz;
pub mod java;
pub mod netns;
pub mod node;
pub mod process;
pub mod proxy;
pub mod stock;
pub mod stock_shell;
pub mod wait;
pub mod wire;
