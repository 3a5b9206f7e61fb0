//! `rkafka producer-perf-test` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("producer-perf-test", std::env::args_os())
}
