//! `rkafka console-consumer` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("console-consumer", std::env::args_os())
}
