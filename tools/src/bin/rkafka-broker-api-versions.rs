//! `rkafka broker-api-versions` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("broker-api-versions", std::env::args_os())
}
