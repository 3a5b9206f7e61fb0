//! `rkafka server` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("server", std::env::args_os())
}
