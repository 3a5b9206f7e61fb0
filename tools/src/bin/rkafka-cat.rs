//! `rkafka cat` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("cat", std::env::args_os())
}
