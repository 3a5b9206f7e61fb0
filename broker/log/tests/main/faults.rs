//! The n-th call of each kind fails, for n = 1, 2, … until a script gets through without meeting the failure.
//!
//! An error must be an error and nothing else: nothing that was refused can be read, nothing that was
//! accepted is gone, and what a failed sync dropped is never taken for durable. A log may refuse everything
//! after a failure (its directory is offline); then the last word on the step that failed is spoken by the
//! restart, one way or the other.

use rkafka_log::OpenOptions;
use rkafka_log::disk::mem::{CallKind, Crash, Failure, SimDisk, SimRng};

use crate::compaction;
use crate::model::Model;
use crate::reproduce::Place;
use crate::verify::{self, Depth, Expected, recover};
use crate::world::{World, open};

const SCRIPTS: u64 = 5;
const STEPS: usize = 40;
const FAILURES: [Failure; 3] = [Failure::Io, Failure::NoSpace, Failure::ShortWrite];

#[test]
fn the_nth_failure_of_any_call_loses_and_invents_nothing() {
    let only = Place::from_env("fault");
    let mut failures = 0;
    for seed in 0..SCRIPTS {
        for (kind_number, kind) in CallKind::ALL.into_iter().enumerate() {
            for (failure_number, failure) in FAILURES.into_iter().enumerate() {
                if failure == Failure::ShortWrite && kind != CallKind::Write {
                    continue;
                }
                let image = kind_number * FAILURES.len() + failure_number;
                for nth in 1.. {
                    let place = Place { seed, change: nth, image };
                    if only.is_some_and(|only| only.seed != seed || only.image != image || only.change < nth)
                    {
                        break;
                    }
                    if only.is_some_and(|only| only != place) {
                        continue;
                    }
                    let met = script(seed, kind, failure, nth as u64).unwrap_or_else(|problem| {
                        let test = "the_nth_failure_of_any_call_loses_and_invents_nothing";
                        panic!(
                            "call {nth} of {kind:?} fails by {failure:?}: {problem}\n  {}",
                            place.reproduce("fault", test)
                        )
                    });
                    if !met {
                        break;
                    }
                    failures += 1;
                }
            }
        }
    }
    println!("{failures} failures of single calls");
    assert!(only.is_some() || failures >= 3_000, "only {failures} failures: add scripts");
}

/// Runs a script whose n-th call of a kind fails; returns whether it came so far.
fn script(seed: u64, kind: CallKind, failure: Failure, nth: u64) -> Result<bool, String> {
    let mut world = World::new(2000 + seed);
    world.disk.fail_nth(kind, nth, failure);
    for number in 0..=STEPS {
        let armed = world.disk.has_faults();
        match world.step() {
            Ok(_) => checked(&mut world, armed).map_err(|problem| format!("step {number}: {problem}"))?,
            Err(trouble) if !armed || world.disk.has_faults() => {
                return Err(format!("step {number} failed without a cause: {}", trouble.0));
            }
            // No room for a batch: nothing has happened, and writing goes on.
            Err(_) if world.is_append && world.log.as_ref().is_some_and(|log| log.health().is_online()) => {
                world.note_partial_append();
                verify::live(&mut world)
                    .map_err(|problem| format!("after step {number} failed: {problem}"))?;
            }
            // Anything else takes the directory offline; only a restart goes on.
            Err(_) => {
                restarts(&mut world, kind)?;
                return Ok(true);
            }
        }
    }
    let met = !world.disk.has_faults();
    world.attempt = world.model.clone();
    restarts(&mut world, kind)?;
    Ok(met)
}

/// Compares log and model; a read of this comparison may be the call that fails.
fn checked(world: &mut World, armed: bool) -> Result<(), String> {
    let armed = armed && world.disk.has_faults();
    match verify::live(world) {
        Err(_) if armed && !world.disk.has_faults() => verify::live(world),
        result => result,
    }
}

/// The log with a compacted group whose swapping in was cut short, if a restart completes that.
fn after_swap(world: &World, before: &Model, end: i64) -> Option<Model> {
    let disk = SimDisk::from_state(world.disk.state().crashed(Crash::Kill { eighths: 8 }, None, 0));
    let log = open(&disk, &world.config, world.options(false)).ok()?;
    let found = verify::read_all(&log).ok()?;
    compaction::check(before, &found, end, world.now_ms).ok()?;
    Some(before.with_batches(found))
}

/// The process ends, or the power fails, and the log is opened again.
fn restarts(world: &mut World, kind: CallKind) -> Result<(), String> {
    let (before, mut attempt) = (world.model.clone(), world.attempt.clone());
    if let Some(end) = world.swaps {
        attempt = after_swap(world, &before, end).unwrap_or(attempt);
    }
    let mut recovery_point = before.recovery_point.min(attempt.recovery_point);
    let mut flushed = before.flushed.min(attempt.flushed);
    if let Some(log) = world.log.as_mut().filter(|_| kind == CallKind::Sync) {
        // A caller that tries once more must not be told that all is well.
        if log.flush().is_ok() && !world.is_append {
            flushed = before.end.min(attempt.end);
        }
        recovery_point = recovery_point.max(log.recovery_point().min(before.end));
    }
    let reset = world.resets;
    let crashes = [Crash::Kill { eighths: 8 }, Crash::PowerCutAll, Crash::PowerCutNone, Crash::PowerCut];
    for (number, crash) in crashes.into_iter().enumerate() {
        let killed = number == 0;
        let mut candidates: Vec<&Model> = if killed { vec![] } else { world.history.iter().collect() };
        candidates.extend([&before, &attempt]);
        let least_end = match (reset, killed) {
            (true, _) => 0,
            (false, true) => before.end.min(attempt.end),
            (false, false) => flushed,
        };
        let log_start_max = before.log_start.max(attempt.log_start);
        let expected = Expected { candidates, least_end, log_start_max, is_reset: reset };
        let log_start_offset = before.log_start;
        let now_ms = 1_800_000_000_000;
        let options =
            OpenOptions { recovery_point, cleaned_to: 0, log_start_offset, clean_shutdown: false, now_ms };
        let disk = SimDisk::from_state(world.disk.state().crashed(crash, None, number as u64));
        let depth = Depth { indexes: true, twice: true, goes_on: number == 1 };
        recover(&disk, &world.config, options, &expected, depth, &mut SimRng::new(7))
            .map_err(|problem| format!("{problem}, after the failure and {crash:?}"))?;
    }
    Ok(())
}
