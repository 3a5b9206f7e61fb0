//! The `rkafka` binary.
fn main() {}
