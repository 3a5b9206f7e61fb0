//! Requests against a whole broker: real sockets, real quorum, real logs.

mod admin;
mod cluster;
mod data;
mod documented;
mod fetch;
mod group_errors;
mod groups;
mod log_dirs;
mod offsets;
mod produce;
mod telemetry;
mod topics;
mod versions;
