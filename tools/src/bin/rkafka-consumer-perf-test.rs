//! `rkafka consumer-perf-test` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("consumer-perf-test", std::env::args_os())
}
