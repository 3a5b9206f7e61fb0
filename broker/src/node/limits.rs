//! The limit of open files.
//!
//! Each connection and each partition in use takes a descriptor or more. The usual soft limit of 1,024 is
//! there for programs that use `select`; a JVM raises it to the hard one at its start, and so do we.

use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

/// Raises the soft limit to the hard one. A limit that stays low is said, nothing more.
pub(super) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let (before, hard) = (limit.current, limit.maximum);
    limit.current = hard;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => info!(?before, ?hard, "limit of open files raised"),
        Err(error) => warn!(?before, ?hard, %error, "the limit of open files cannot be raised"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_soft_limit_is_the_hard_one() {
        raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
