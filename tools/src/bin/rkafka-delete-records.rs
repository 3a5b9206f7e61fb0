//! `rkafka delete-records` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("delete-records", std::env::args_os())
}
