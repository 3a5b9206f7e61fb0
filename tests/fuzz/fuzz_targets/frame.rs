#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rkafka_tests::fuzz::frame(data));
