//! The fuzz targets on stable: every seed, whole and cut at each place, then thousands of damaged ones, the
//! same in every run. Memory is counted: a small input must not take much.

use allocation_counter::measure;
use rkafka_tests::fuzz::{TARGETS, Target};

/// Damaged inputs for each target.
const ROUNDS: usize = 4_000;

/// What reading `input` bytes may take: unpacking is bounded by the target itself.
fn memory_max(input: usize) -> u64 {
    4 * input as u64 + (4 << 20)
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty());
    for seed in &seeds {
        for length in 0..=seed.len() {
            run(target, &seed[..length]);
        }
    }
    let mut random = Random(0x5eed);
    for _ in 0..ROUNDS {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(4) {
            damage(&mut input, &mut random);
        }
        run(target, &input);
    }
}

fn run(target: &Target, input: &[u8]) {
    let run = || {
        let taken = measure(|| (target.run)(input)).bytes_max;
        assert!(taken <= memory_max(input.len()), "{taken} bytes for {} bytes of input", input.len());
    };
    if let Err(panic) = std::panic::catch_unwind(run) {
        eprintln!("target {} with b\"{}\"", target.name, input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

/// Flips, inserts, removes or repeats bytes, or puts in a length that is far too long.
fn damage(input: &mut Vec<u8>, random: &mut Random) {
    if input.is_empty() {
        input.push(random.next() as u8);
        return;
    }
    let at = random.below(input.len());
    match random.below(6) {
        0 => input[at] ^= 1 << random.below(8),
        1 => input[at] = random.next() as u8,
        2 => input.insert(at, random.next() as u8),
        3 => {
            input.remove(at);
        }
        4 => {
            let end = (at + random.below(16)).min(input.len());
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        _ => {
            let lengths: [&[u8]; 4] =
                [&[0x7f, 0xff, 0xff, 0xff], &[0xff; 4], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0x80, 0, 0, 0]];
            let length = lengths[random.below(lengths.len())];
            let end = (at + length.len()).min(input.len());
            input.splice(at..end, length.iter().copied());
        }
    }
}

/// xorshift64*: the same damage in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

macro_rules! tests {
    ($($name:ident),*) => {
        $(#[test] fn $name() { check(stringify!($name)); })*

        #[test]
        fn every_target_has_a_test() {
            let tested = [$(stringify!($name)),*];
            let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(targets, tested);
        }
    };
}

tests!(
    frame,
    produce,
    fetch,
    metadata,
    join_group,
    request_body,
    record_batch,
    decompression,
    properties,
    group_record,
    metadata_record,
    log_files
);
