#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aa_decoders::link_frames(bytes);
});
