//! Black-box tests: everything here talks to a running broker through its port or its command line.

mod clients;
mod differential;
mod durability;
mod foreign;
mod fuzz_seeds;
mod hostile;
mod orders;
mod tutorial;
