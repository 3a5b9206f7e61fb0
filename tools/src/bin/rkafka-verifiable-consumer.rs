//! `rkafka verifiable-consumer` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("verifiable-consumer", std::env::args_os())
}
