//! `rkafka consumer-groups` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("consumer-groups", std::env::args_os())
}
