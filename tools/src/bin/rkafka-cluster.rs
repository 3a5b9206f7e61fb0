//! `rkafka cluster` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("cluster", std::env::args_os())
}
