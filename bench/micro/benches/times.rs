//! How long each case takes: `cargo bench -p rkafka-micro`.

fn main() {
    divan::main();
}

#[divan::bench(args = rkafka_micro::CASES.map(|(name, _)| name))]
fn case(bencher: divan::Bencher<'_, '_>, name: &str) {
    let work = rkafka_micro::case(name).expect("a case of the list");
    bencher.bench_local(work);
}
