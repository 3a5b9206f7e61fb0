//! `rkafka groups` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("groups", std::env::args_os())
}
