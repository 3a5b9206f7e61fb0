//! `rkafka storage` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("storage", std::env::args_os())
}
