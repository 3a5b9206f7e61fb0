//! Channels and their properties.

#![allow(missing_docs, reason = "the `doc` of a key is its documentation, here and in the reference page")]

use super::{COUNT, KeyDef, Takes, TypeDef, key, optional};

pub static CAPACITY: KeyDef = key("capacity", COUNT, "100", "The most events that wait in it.");
pub static TRANSACTION_CAPACITY: KeyDef =
    key("transactionCapacity", COUNT, "100", "The most events a source puts or a sink takes at a time.");
pub static KEEP_ALIVE: KeyDef = key(
    "keep-alive",
    Takes::Integer(0, 1 << 31),
    "3",
    "Seconds a source waits for room before it backs off.",
);
pub static BYTE_CAPACITY: KeyDef = optional(
    "byteCapacity",
    Takes::Integer(0, i64::MAX),
    "The most bytes of bodies that wait in it (64 MiB if not set; 0 means no limit but capacity).",
);
pub static BYTE_CAPACITY_BUFFER: KeyDef = key(
    "byteCapacityBufferPercentage",
    Takes::Integer(0, 100),
    "20",
    "The part of byteCapacity left for headers.",
);

/// Events in memory. What is in it is not lost by a kill: sources move on only when sinks have delivered.
pub static MEMORY: TypeDef = TypeDef {
    name: "memory",
    names: &["memory", "org.apache.flume.channel.MemoryChannel"],
    keys: &[&CAPACITY, &TRANSACTION_CAPACITY, &KEEP_ALIVE, &BYTE_CAPACITY, &BYTE_CAPACITY_BUFFER],
    open: &[],
    doc: "Events wait in memory. Unlike in Flume nothing is lost with it: a file's position moves only when its records \
          are acknowledged.",
};

/// Served channels.
pub static TYPES: &[&TypeDef] = &[&MEMORY];
