//! `rkafka console-producer` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("console-producer", std::env::args_os())
}
