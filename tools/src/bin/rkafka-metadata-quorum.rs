//! `rkafka metadata-quorum` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("metadata-quorum", std::env::args_os())
}
