//! `rkafka leader-election` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("leader-election", std::env::args_os())
}
