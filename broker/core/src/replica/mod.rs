//! Replication of one partition: what is committed, and who waits for it.
