//! A crash at every change of the disk that a script makes, in every way, and recovery from each.

use std::sync::atomic::{AtomicU64, Ordering};

use rkafka_log::OpenOptions;
use rkafka_log::disk::mem::{Change, Crash, DiskState, SimDisk, SimRng};

use crate::model::Model;
use crate::reproduce::Place;
use crate::verify::{Depth, Expected, recover};
use crate::world::{Point, Run, World, open};

/// Scripts of the ordinary run; their seeds are 0, 1, 2, …
const SCRIPTS: u64 = 90;
const STEPS: usize = 60;
/// The run must have recovered at least so often, whatever the scripts did.
const RECOVERIES_MIN: u64 = 200_000;
/// So often must copies have been swapped in.
const COMPACTIONS_MIN: u64 = 60;

#[test]
fn every_crash_of_random_scripts_is_recovered() {
    if let Some(place) = Place::from_env("crash") {
        Images::new(place.seed, STEPS, &AtomicU64::new(0)).crash_all(Some(&place));
        return;
    }
    let (next, recoveries, compactions) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SCRIPTS {
                        break;
                    }
                    let images = Images::new(seed, STEPS, &recoveries);
                    compactions.fetch_add(images.compactions() as u64, Ordering::Relaxed);
                    images.crash_all(None);
                }
            });
        }
    });
    let recoveries = recoveries.load(Ordering::Relaxed);
    let compactions = compactions.load(Ordering::Relaxed);
    println!("{recoveries} recoveries from crashes of {SCRIPTS} scripts with {compactions} compacted groups");
    assert!(compactions >= COMPACTIONS_MIN, "only {compactions} groups were compacted");
    assert!(
        recoveries >= RECOVERIES_MIN,
        "only {recoveries} recoveries, {RECOVERIES_MIN} are wanted: add scripts"
    );
}

/// One script and the crashes of it.
pub(crate) struct Images<'a> {
    seed: u64,
    run: Run,
    recoveries: &'a AtomicU64,
    /// The log before the first step.
    nothing: Model,
}

impl<'a> Images<'a> {
    pub(crate) fn new(seed: u64, steps: usize, recoveries: &'a AtomicU64) -> Self {
        Self { seed, run: World::run(seed, steps), recoveries, nothing: Model::default() }
    }

    fn compactions(&self) -> usize {
        self.run.points.iter().filter(|point| point.what.starts_with("compacted (")).count()
    }

    /// Crashes at each change, or at the one place asked for.
    pub(crate) fn crash_all(&self, only: Option<&Place>) {
        let mut state = self.run.start.clone();
        for at in 0..=self.run.changes.len() {
            if only.is_none_or(|place| place.change == at) {
                self.crash_at(at, &state, only);
            }
            if let Some(change) = self.run.changes.get(at) {
                state.apply(change);
            }
        }
    }

    fn crash_at(&self, at: usize, state: &DiskState, only: Option<&Place>) {
        let in_flight = self.run.changes.get(at);
        for (number, crash) in crashes(in_flight, at).into_iter().enumerate() {
            let place = Place { seed: self.seed, change: at, image: number };
            if only.is_some_and(|only| only.image != number) {
                continue;
            }
            let mut rng = SimRng::new(place.mixed());
            let image = state.crashed(crash, in_flight, rng.next_u64());
            let result = self.recover(at, crash, &image, &mut rng);
            if let Err(problem) = result {
                let step = self.step_of(at).0;
                let what = self.run.points.get(step).map_or("the end", |point| &point.what);
                panic!(
                    "{problem}\n  crash {crash:?} during step {step} ({what}), change {at}: {}\n  {}",
                    in_flight.map_or_else(|| "none".to_owned(), short),
                    place.reproduce("crash", "every_crash_of_random_scripts_is_recovered")
                );
            }
        }
    }

    /// The step during which change `at` is made, and the model before it.
    fn step_of(&self, at: usize) -> (usize, &Model) {
        let step = self.run.points.partition_point(|point| point.changes <= at);
        (step, step.checked_sub(1).map_or(&self.nothing, |before| &self.run.points[before].model))
    }

    fn recover(&self, at: usize, crash: Crash, image: &DiskState, rng: &mut SimRng) -> Result<(), String> {
        let (step, before) = self.step_of(at);
        let after = self.run.points.get(step);
        let killed = matches!(crash, Crash::Kill { .. });
        let expected = self.expected(step, before, after, killed);
        let options = OpenOptions {
            // Its checkpoint is lowered before a truncation.
            recovery_point: after
                .map_or(before, |after| &after.model)
                .recovery_point
                .min(before.recovery_point),
            cleaned_to: 0,
            log_start_offset: before.log_start,
            clean_shutdown: false,
            now_ms: 1_800_000_000_000,
        };
        self.recoveries.fetch_add(1, Ordering::Relaxed);
        let depth = Depth { indexes: rng.chance(1, 8), twice: rng.chance(1, 6), goes_on: rng.chance(1, 10) };
        let again = rng.chance(1, 20);
        let disk = SimDisk::from_state(image.clone());
        recover(&disk, &self.run.config, options, &expected, depth, rng)?;
        if again { self.crash_in_recovery(image, options, &expected, rng) } else { Ok(()) }
    }

    /// What may be found: after a kill the log as before or after the step in flight, after a power cut as at
    /// any moment since the last flush.
    fn expected<'b>(
        &'b self,
        step: usize,
        before: &'b Model,
        after: Option<&'b Point>,
        killed: bool,
    ) -> Expected<'b> {
        let after_model = after.map_or(before, |point| &point.model);
        let first =
            if killed { step.saturating_sub(1) } else { before.flushed_by.min(step.saturating_sub(1)) };
        let mut candidates =
            if before.flushed == 0 && !killed || step == 0 { vec![&self.nothing] } else { vec![] };
        candidates.extend(self.run.points[first..step].iter().map(|point| &point.model));
        candidates.push(after_model);
        let is_reset = after.is_some_and(|point| point.resets);
        let least_end = match (killed, is_reset) {
            (_, true) => 0,
            (true, false) => before.end.min(after_model.end),
            (false, false) => before.flushed.min(after_model.flushed),
        };
        Expected {
            candidates,
            least_end,
            log_start_max: before.log_start.max(after_model.log_start),
            is_reset,
        }
    }

    /// Recovery itself is crashed at each of its changes.
    fn crash_in_recovery(
        &self,
        image: &DiskState,
        options: OpenOptions,
        expected: &Expected<'_>,
        rng: &mut SimRng,
    ) -> Result<(), String> {
        let disk = SimDisk::from_state(image.clone());
        disk.start_recording();
        drop(open(&disk, &self.run.config, options).map_err(|error| format!("recovery failed: {error}"))?);
        let changes = disk.take_recording();
        let mut state = image.clone();
        for (at, change) in changes.iter().enumerate() {
            for crash in [Crash::Kill { eighths: 4 }, Crash::PowerCutAll, Crash::PowerCut] {
                let image = state.crashed(crash, Some(change), rng.next_u64());
                self.recoveries.fetch_add(1, Ordering::Relaxed);
                let depth = Depth { indexes: rng.chance(1, 8), twice: false, goes_on: rng.chance(1, 10) };
                let disk = SimDisk::from_state(image);
                recover(&disk, &self.run.config, options, expected, depth, rng).map_err(|problem| {
                    format!("{problem}\n  after crash {crash:?} in recovery, change {at}: {}", short(change))
                })?;
            }
            state.apply(change);
        }
        Ok(())
    }
}

/// A change without the bytes written.
fn short(change: &Change) -> String {
    match change {
        Change::Write { inode, position, bytes } => {
            format!("Write {} bytes at {position} of {inode}", bytes.len())
        }
        other => format!("{other:?}"),
    }
}

/// The images to build while `in_flight` is being done.
pub(crate) fn crashes(in_flight: Option<&Change>, at: usize) -> Vec<Crash> {
    let mut crashes = vec![Crash::Kill { eighths: 0 }];
    match in_flight {
        Some(Change::Write { bytes, .. }) if bytes.len() > 60 => {
            crashes.extend((1..8).map(|eighths| Crash::Kill { eighths }));
            crashes.extend([Crash::PowerCutAll, Crash::PowerCut, Crash::PowerCut, Crash::Torn, Crash::Torn]);
            crashes.extend([Crash::ZeroTail, Crash::ZeroTail, Crash::Garbage, Crash::Garbage]);
        }
        Some(Change::Write { .. }) => {
            let eighths = 1 + (at % 7) as u8;
            crashes.extend([Crash::Kill { eighths }, Crash::PowerCut, Crash::Torn, Crash::Garbage]);
        }
        _ => crashes.extend([
            Crash::PowerCutAll,
            Crash::PowerCutNone,
            Crash::PowerCut,
            Crash::PowerCut,
            Crash::Torn,
            Crash::ZeroTail,
            Crash::Garbage,
        ]),
    }
    crashes
}
