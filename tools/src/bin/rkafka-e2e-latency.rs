//! `rkafka e2e-latency` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("e2e-latency", std::env::args_os())
}
