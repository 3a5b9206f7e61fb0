//! Deliberate bugs, to prove that the simulator would find such ones.
//!
//! `mutant!("id", right, wrong)` is `right`, always and at no cost. Only a build with `--cfg rkafka_mutants`
//! holds the wrong expressions too and takes the one that the environment variable `RKAFKA_MUTANT` names. Every
//! mutant must make a scenario of the simulator fail:
//! ```text
//! RUSTFLAGS="--cfg rkafka_mutants" cargo test --target-dir target/mutants -p rkafka-sim mutants -- --nocapture
//! ```

/// The right expression, or the wrong one if this mutant was asked for. See the module's documentation.
#[cfg(not(rkafka_mutants))]
macro_rules! mutant {
    ($id:literal, $right:expr, $wrong:expr) => {
        $right
    };
}

#[cfg(rkafka_mutants)]
macro_rules! mutant {
    ($id:literal, $right:expr, $wrong:expr) => {
        if $crate::mutants::is_chosen($id) { $wrong } else { $right }
    };
}

/// Whether `RKAFKA_MUTANT` names this mutant.
#[cfg(rkafka_mutants)]
pub(crate) fn is_chosen(id: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("RKAFKA_MUTANT").ok()).as_deref() == Some(id)
}
