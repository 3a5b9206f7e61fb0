//! Damage of the medium: one bit flipped anywhere in any file of a log.
//!
//! The header of every batch and of every other file is tried exhaustively, bodies at random places.
//! After an unclean stop the log must be what it was up to the damaged batch, and the files that can be
//! rebuilt must not matter at all. After a clean stop nothing is scanned (as in Apache Kafka); then only
//! nothing may panic.
//!
//! What no reader can notice: base offset and partition leader epoch lie outside a batch's CRC. A flip there
//! is accepted if offsets still rise; everything before it must be as it was.

use std::path::Path;

use rkafka_log::OpenOptions;
use rkafka_log::disk::mem::{Crash, DiskState, SimDisk, SimRng};

use crate::model::{Model, split};
use crate::reproduce::Place;
use crate::verify::{Depth, Expected, read_all, recover};
use crate::world::{Run, World, open};

const SCRIPTS: u64 = 14;
const STEPS: usize = 40;
const BODY_BYTES: usize = 64;
const HEADER_BYTES: usize = 61;
/// The run must have flipped at least so many bits.
const FLIPS_MIN: usize = 20_000;

#[test]
fn a_flipped_bit_never_gives_a_wrong_log() {
    let only = Place::from_env("flip");
    let mut flips = 0;
    for seed in 0..SCRIPTS {
        if only.is_none_or(|place| place.seed == seed) {
            flips += Flips::new(seed).all(only.as_ref());
        }
    }
    println!("{flips} flipped bits");
    assert!(only.is_some() || flips >= FLIPS_MIN, "only {flips} flips, {FLIPS_MIN} are wanted: add scripts");
}

struct Flips {
    seed: u64,
    run: Run,
    state: DiskState,
    model: Model,
}

impl Flips {
    /// A script's disk after a kill at its end.
    fn new(seed: u64) -> Self {
        let run = World::run(1000 + seed, STEPS);
        let mut state = run.start.clone();
        run.changes.iter().for_each(|change| state.apply(change));
        let state = state.crashed(Crash::Kill { eighths: 8 }, None, 0);
        let model = run.points.last().map(|point| point.model.clone()).unwrap_or_default();
        Self { seed, run, state, model }
    }

    fn all(&self, only: Option<&Place>) -> usize {
        let mut flips = 0;
        let mut rng = SimRng::new(self.seed);
        for (number, path) in SimDisk::from_state(self.state.clone()).files().iter().enumerate() {
            for at in self.places(path, &mut rng) {
                let place = Place { seed: self.seed, change: number, image: at };
                if only.is_none_or(|only| *only == place) {
                    flips += 1;
                    if let Err(problem) = self.flip(path, at, &place) {
                        let reproduce = place.reproduce("flip", "a_flipped_bit_never_gives_a_wrong_log");
                        panic!("byte {at} of {}: {problem}\n  {reproduce}", path.display());
                    }
                }
            }
        }
        flips
    }

    /// Bytes to damage: all headers, some bodies; small files as a whole.
    fn places(&self, path: &Path, rng: &mut SimRng) -> Vec<usize> {
        let contents = SimDisk::from_state(self.state.clone()).contents(path).unwrap_or_default();
        if path.extension().is_none_or(|extension| extension != "log") {
            let used = contents.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            return (0..used.saturating_add(12).min(contents.len())).collect();
        }
        let (mut places, mut start) = (Vec::new(), 0);
        for batch in split(&contents.clone().into()).unwrap_or_default() {
            places.extend(start..start + HEADER_BYTES);
            start += batch.bytes.len();
        }
        places.extend((0..BODY_BYTES).map(|_| rng.below(contents.len())));
        places.retain(|at| *at < contents.len());
        places
    }

    fn flip(&self, path: &Path, at: usize, place: &Place) -> Result<(), String> {
        let mut rng = SimRng::new(place.mixed());
        let bit = 1 << rng.below(8);
        let damaged = || {
            let disk = SimDisk::from_state(self.state.clone());
            let damage = |contents: &mut Vec<u8>| contents[at] ^= bit;
            disk.corrupt(path, damage).map(|()| disk).map_err(|error| error.to_string())
        };
        let disk = damaged()?;
        if let Ok(log) = open(&disk, &self.run.config, self.options(true)) {
            // Whatever it says, it must say it without a panic.
            drop(read_all(&log));
        }
        let is_segment = path.extension().is_some_and(|extension| extension == "log");
        if is_segment {
            self.segment_flipped(&damaged()?, path, at)
        } else {
            self.other_flipped(&damaged()?, &mut rng)
        }
    }

    fn options(&self, clean_shutdown: bool) -> OpenOptions {
        let log_start_offset = self.model.log_start;
        OpenOptions {
            recovery_point: 0,
            cleaned_to: 0,
            log_start_offset,
            clean_shutdown,
            now_ms: 1_800_000_000_000,
        }
    }

    /// Everything can be rebuilt from the segments.
    fn other_flipped(&self, disk: &SimDisk, rng: &mut SimRng) -> Result<(), String> {
        let expected = Expected {
            candidates: vec![&self.model],
            least_end: self.model.end,
            log_start_max: self.model.log_start,
            is_reset: false,
        };
        let depth = Depth { indexes: true, twice: false, goes_on: false };
        recover(disk, &self.run.config, self.options(false), &expected, depth, rng)
    }

    fn segment_flipped(&self, disk: &SimDisk, path: &Path, at: usize) -> Result<(), String> {
        let log = open(disk, &self.run.config, self.options(false)).map_err(|error| error.to_string())?;
        let found = read_all(&log)?;
        let (damaged, field) = self.damaged_offset(path, at)?;
        let whole = self.model.visible(log.view().log_start_offset);
        let before = whole.partition_point(|batch| batch.last_offset < damaged);
        for (index, expected) in whole.iter().take(before).enumerate() {
            if found.get(index).is_none_or(|found| found.bytes != expected.bytes) {
                return Err(format!("the batch at {} before the damage is lost", expected.base_offset));
            }
        }
        let behind = found.get(before..).unwrap_or_default();
        match behind.first() {
            None => Ok(()),
            Some(_) if matches!(field, 0..8 | 12..16) => {
                let rises = found.windows(2).all(|pair| pair[0].last_offset < pair[1].base_offset);
                if rises { Ok(()) } else { Err("offsets do not rise".to_owned()) }
            }
            // Below the log start: it may have been deleted, or the damage may lie in what nobody can read.
            Some(_) if damaged < self.model.log_start => Ok(()),
            Some(batch) => Err(format!("a batch behind the damage is believed: {:?}", batch.parse())),
        }
    }

    /// Base offset of the batch that holds byte `at`, and the byte within it.
    fn damaged_offset(&self, path: &Path, at: usize) -> Result<(i64, usize), String> {
        let contents =
            SimDisk::from_state(self.state.clone()).contents(path).map_err(|error| error.to_string())?;
        let mut start = 0;
        for batch in split(&contents.into())? {
            if at < start + batch.bytes.len() {
                return Ok((batch.base_offset, at - start));
            }
            start += batch.bytes.len();
        }
        Err(format!("byte {at} is behind all batches"))
    }
}
