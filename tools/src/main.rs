//! The `rkafka` binary: every command of the family, chosen by the first argument or by the name it is called by.

use std::process::ExitCode;

/// Frees memory back to the system sooner and fragments less than the C library's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    rkafka::run(std::env::args_os())
}
