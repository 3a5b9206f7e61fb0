//! Runs seeds and scenarios of the simulator: `cargo xtask sim`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use rkafka_sim::{Fault, Plan, run_plan, scenarios};

/// Runs clusters of the pure cores and the real log under seeds; `--seed N --trace` shows one again.
#[derive(Debug, Parser)]
struct Arguments {
    /// Run this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Print every event.
    #[arg(long)]
    trace: bool,
    /// Leave the seeds no other faults than these (`None` stands for none of them).
    #[arg(long, value_delimiter = ',')]
    only: Option<Vec<String>>,
    /// Find out which faults the seed needs to fail.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Run the directed scenario of this name, under the seed if one is given.
    #[arg(long)]
    scenario: Option<String>,
    /// The first of many seeds.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Run seeds for so many minutes, however many they are.
    #[arg(long)]
    minutes: Option<u64>,
}

impl Arguments {
    fn plan(&self, seed: u64) -> Plan {
        match &self.only {
            Some(names) => {
                let faults: Vec<Fault> = names.iter().filter_map(|name| Fault::named(name)).collect();
                Plan::of(seed).only(&faults)
            }
            None => Plan::of(seed),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let unknown =
        arguments.only.iter().flatten().find(|name| *name != "None" && Fault::named(name).is_none());
    if let Some(unknown) = unknown {
        eprintln!("there is no fault `{unknown}`; there are {:?}", Fault::ALL);
        return ExitCode::FAILURE;
    }
    // What panics is reported with its seed, once.
    if !arguments.trace {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let failures = match (&arguments.scenario, arguments.seed) {
        (Some(name), seed) => scenario(name, seed, arguments.trace),
        (None, Some(seed)) if arguments.shrink => shrink(arguments.plan(seed)),
        (None, Some(seed)) => one(arguments.plan(seed), arguments.trace),
        (None, None) => many(&arguments),
    };
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn one(plan: Plan, trace: bool) -> usize {
    match run_plan(plan, trace) {
        Ok(report) => println!("{report:?}"),
        Err(error) => {
            println!("{error}");
            return 1;
        }
    }
    0
}

fn scenario(name: &str, seed: Option<u64>, trace: bool) -> usize {
    let known = scenarios().unwrap_or_else(|error| {
        eprintln!("{error}");
        Vec::new()
    });
    let Some(scenario) = known.iter().find(|scenario| scenario.name == name) else {
        eprintln!("there is no scenario `{name}`");
        return 1;
    };
    let outcome = match seed {
        Some(seed) => scenario.run(seed, trace).map(drop),
        None => scenario.run_all(),
    };
    if let Err(error) = &outcome {
        println!("{error}");
    }
    usize::from(outcome.is_err())
}

/// Leaves out one fault after the other as long as the seed still fails.
fn shrink(mut plan: Plan) -> usize {
    let Err(mut error) = run_plan(plan.clone(), false) else {
        println!("seed {} does not fail", plan.seed);
        return 0;
    };
    for fault in Fault::ALL {
        let left: Vec<Fault> =
            plan.faults.iter().map(|(fault, _)| *fault).filter(|kept| *kept != fault).collect();
        let smaller = plan.clone().only(&left);
        if let Err(smaller_error) = run_plan(smaller.clone(), false) {
            (plan, error) = (smaller, smaller_error);
        }
    }
    println!("{error}");
    1
}

/// Runs seeds on all cores.
fn many(arguments: &Arguments) -> usize {
    let end = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let count = if end.is_some() { u64::MAX } else { arguments.seeds };
    let (next, ran, failed) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count || end.is_some_and(|end| Instant::now() >= end) {
                return;
            }
            ran.fetch_add(1, Ordering::Relaxed);
            if let Err(error) = run_plan(arguments.plan(arguments.from + number), false) {
                failed.fetch_add(1, Ordering::Relaxed);
                println!("{error}");
            }
        }
    };
    let began = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let failed = failed.into_inner();
    println!("{} seeds, {failed} failed, {:.0} s", ran.into_inner(), began.elapsed().as_secs_f64());
    failed
}
