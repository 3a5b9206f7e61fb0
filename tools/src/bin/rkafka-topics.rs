//! `rkafka topics` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("topics", std::env::args_os())
}
