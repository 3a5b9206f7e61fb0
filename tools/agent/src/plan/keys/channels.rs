//! Channels and their properties.

#![allow(missing_docs, reason = "the `doc` of a key is its documentation, here and in the reference page")]

use super::{COUNT, KeyDef, MILLISECONDS, Takes, TypeDef, key, optional};

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
    "The most bytes of bodies that wait in it (16 MiB if not set; 0 means no limit but capacity).",
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

pub static CHECKPOINT_DIR: KeyDef = key(
    "checkpointDir",
    Takes::Text,
    "~/.flume/file-channel/checkpoint",
    "The directory for the checkpoint: how far events have been delivered.",
);
pub static DATA_DIRS: KeyDef = key(
    "dataDirs",
    Takes::Text,
    "~/.flume/file-channel/data",
    "Directories for events, separated by commas. One of them holds the log: the one that has it, else the one with the most room.",
);
pub static USE_DUAL_CHECKPOINTS: KeyDef = key(
    "useDualCheckpoints",
    Takes::Flag,
    "false",
    "Whether a second checkpoint is kept in backupCheckpointDir.",
);
pub static BACKUP_CHECKPOINT_DIR: KeyDef =
    optional("backupCheckpointDir", Takes::Text, "The directory for the second checkpoint.");
pub static COMPRESS_BACKUP: KeyDef =
    key("compressBackupCheckpoint", Takes::Flag, "false", "Without effect: a checkpoint has 32 bytes.");
pub static FILE_CAPACITY: KeyDef = key("capacity", COUNT, "1000000", "The most events in it.");
pub static FILE_TRANSACTION_CAPACITY: KeyDef =
    key("transactionCapacity", COUNT, "10000", "The most events a source puts or a sink takes at a time.");
pub static CHECKPOINT_INTERVAL: KeyDef = key(
    "checkpointInterval",
    MILLISECONDS,
    "30000",
    "Milliseconds after which files that have been delivered are deleted. The checkpoint itself moves with each delivery.",
);
pub static MAX_FILE_SIZE: KeyDef = key(
    "maxFileSize",
    Takes::Integer(64 * 1024, i32::MAX as i64),
    "1623195647",
    "The most bytes of one file of events. No event may be larger.",
);
pub static MINIMUM_REQUIRED_SPACE: KeyDef = key(
    "minimumRequiredSpace",
    Takes::Integer(0, i64::MAX),
    "524288000",
    "Bytes that must be free on the volume; with less nothing is put. At least 1 MiB.",
);
pub static CHECKPOINT_ON_CLOSE: KeyDef = key(
    "checkpointOnClose",
    Takes::Flag,
    "true",
    "Whether a stop writes the checkpoint and deletes what has been delivered.",
);
pub static FSYNC_PER_TRANSACTION: KeyDef = key(
    "fsyncPerTransaction",
    Takes::Flag,
    "true",
    "Whether a put is synced to disk before it returns. Without it a kill still loses nothing, a power cut may.",
);
pub static FSYNC_INTERVAL: KeyDef = key(
    "fsyncInterval",
    Takes::Integer(1, 1 << 31),
    "5",
    "Seconds between syncs if fsyncPerTransaction is false.",
);
pub static FAST_REPLAY: KeyDef = key(
    "use-fast-replay",
    Takes::Flag,
    "false",
    "Without effect: nothing is replayed, the log is the queue.",
);
pub static REPLAY_V1: KeyDef = key(
    "use-log-replay-v1",
    Takes::Flag,
    "false",
    "Without effect: nothing is replayed, the log is the queue.",
);
const NOT_ENCRYPTED: Takes =
    Takes::Unserved("events are not encrypted on disk: put the directories on an encrypted volume");
pub static ACTIVE_KEY: KeyDef = optional("encryption.activeKey", NOT_ENCRYPTED, "Not served.");
pub static CIPHER_PROVIDER: KeyDef = optional("encryption.cipherProvider", NOT_ENCRYPTED, "Not served.");
pub static KEY_PROVIDER: KeyDef = optional("encryption.keyProvider", NOT_ENCRYPTED, "Not served.");

/// Events on disk.
pub static FILE: TypeDef = TypeDef {
    name: "file",
    names: &["file", "org.apache.flume.channel.file.FileChannel"],
    keys: &[
        &CHECKPOINT_DIR,
        &DATA_DIRS,
        &USE_DUAL_CHECKPOINTS,
        &BACKUP_CHECKPOINT_DIR,
        &COMPRESS_BACKUP,
        &FILE_CAPACITY,
        &FILE_TRANSACTION_CAPACITY,
        &CHECKPOINT_INTERVAL,
        &MAX_FILE_SIZE,
        &MINIMUM_REQUIRED_SPACE,
        &KEEP_ALIVE,
        &CHECKPOINT_ON_CLOSE,
        &FSYNC_PER_TRANSACTION,
        &FSYNC_INTERVAL,
        &FAST_REPLAY,
        &REPLAY_V1,
        &ACTIVE_KEY,
        &CIPHER_PROVIDER,
        &KEY_PROVIDER,
    ],
    open: &[],
    doc: "Events wait on disk: a source is told as soon as they are synced, and no kill or power cut loses them then. \
          After a kill what was on its way is sent again.",
};

/// Served channels.
pub static TYPES: &[&TypeDef] = &[&MEMORY, &FILE];
