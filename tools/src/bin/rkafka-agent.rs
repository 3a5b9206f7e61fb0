//! `rkafka agent` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("agent", std::env::args_os())
}
