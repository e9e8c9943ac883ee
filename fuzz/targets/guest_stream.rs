//! What a guest says on our own stream: heads, chunks, and errors at the end of a body.
#![no_main]

libfuzzer_sys::fuzz_target!(|said: &[u8]| lacewing_runtime_api::fuzzing::guest_stream(said));
