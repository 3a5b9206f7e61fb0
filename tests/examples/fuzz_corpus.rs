//! Writes the seeds of every fuzz target to `tests/fuzz/corpus/<target>/`, where `cargo fuzz` looks for them:
//! `cargo run -p rkafka-tests --example fuzz_corpus`.

use rkafka_tests::build;
use rkafka_tests::fuzz::TARGETS;

fn main() -> anyhow::Result<()> {
    for target in TARGETS {
        let folder = build::root().join("tests/fuzz/corpus").join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (index, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index}")), seed)?;
        }
    }
    Ok(())
}
