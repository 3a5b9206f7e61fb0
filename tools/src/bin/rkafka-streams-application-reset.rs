//! `rkafka streams-application-reset` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("streams-application-reset", std::env::args_os())
}
