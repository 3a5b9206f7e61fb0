//! `rkafka features` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("features", std::env::args_os())
}
