//! `rkafka client-metrics` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("client-metrics", std::env::args_os())
}
