//! Black-box tests: everything here talks to a running broker through its port or its command line.

mod adoption;
mod chaos;
mod chaos_tutorial;
mod cleanup;
mod client_admin;
mod client_consumer;
mod client_producer;
mod client_suite;
mod clients;
mod cluster;
mod commands;
mod consumer_commands;
mod crash_images;
mod differential;
mod disk_full;
mod durability;
mod foreign;
mod fuzz_seeds;
mod group_tools;
mod hostile;
mod ingest;
mod ingest_parts;
mod orders;
mod producer_tools;
mod sharing;
mod tutorial;
