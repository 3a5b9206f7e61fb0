//! `rkafka agent` as a program of its own: less than half of the code of `rkafka` to load.

fn main() -> std::process::ExitCode {
    rkafka::run_agent(std::env::args_os())
}
