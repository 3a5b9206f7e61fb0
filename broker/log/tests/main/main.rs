//! Level L1 of the test plan: the log against a model, on a disk that crashes, fails, fills up and rots.
//!
//! | module | what it does to the log |
//! |---|---|
//! | `images` | a crash at every change of the disk, in every way, and again inside recovery |
//! | `moves` | the same while it moves between log directories |
//! | `flips` | one flipped bit anywhere in any file |
//! | `faults` | the n-th call of each kind fails |
//! | `kill` | a real process on a real disk, ended by kill -9 |
//! | `full` | a real disk that fills up |
//! | `mutants` | deliberate bugs, each of which the others must catch (only with `--cfg rkafka_mutants`) |
//!
//! The others make it possible: `world` runs random scripts on a log and a `model`, `batches` draws what is
//! appended, `verify`, `index_files` and `compaction` compare, `reproduce` names failures. Seeds are fixed: a
//! failure is never chance.

mod batches;
mod compaction;
mod faults;
mod flips;
mod full;
mod images;
mod index_files;
mod kill;
mod model;
mod moves;
#[cfg(rkafka_mutants)]
mod mutants;
mod reproduce;
mod verify;
mod world;
