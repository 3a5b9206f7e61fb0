//! `rkafka log-dirs` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("log-dirs", std::env::args_os())
}
