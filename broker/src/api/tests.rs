//! Requests against a whole broker: real sockets, real quorum, real logs.

mod admin;
mod data;
mod groups;
mod versions;
