//! The `rkafka` binary: every command of the family, chosen by the first argument or by the name it is called by.
//!
//! It keeps the C library's allocator: an idle broker has 29 MB of anonymous memory with it (debug build) and 57 MB
//! with mimalloc, whose first arena becomes resident in huge pages.

use std::process::ExitCode;

fn main() -> ExitCode {
    rkafka::run(std::env::args_os())
}
