//! `rkafka configs` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("configs", std::env::args_os())
}
