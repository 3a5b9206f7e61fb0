//! `rkafka verifiable-producer` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("verifiable-producer", std::env::args_os())
}
