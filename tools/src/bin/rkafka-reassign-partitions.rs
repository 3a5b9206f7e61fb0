//! `rkafka reassign-partitions` under its own name.

fn main() -> std::process::ExitCode {
    rkafka::run_as("reassign-partitions", std::env::args_os())
}
