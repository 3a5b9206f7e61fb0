//! The table against Apache Kafka, the documentation and the shipped files.

mod golden;
mod reference;
mod shipped;
