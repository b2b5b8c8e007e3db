#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aa_decoders::alert_answer(bytes);
});
