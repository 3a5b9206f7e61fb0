//! `rkafka dump-log` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("dump-log", std::env::args_os())
}
