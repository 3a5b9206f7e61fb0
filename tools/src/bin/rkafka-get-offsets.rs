//! `rkafka get-offsets` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("get-offsets", std::env::args_os())
}
