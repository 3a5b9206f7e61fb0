//! `rkafka replica-verification` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("replica-verification", std::env::args_os())
}
