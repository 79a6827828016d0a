#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| portreeve_fuzz::conditions::check(input));
