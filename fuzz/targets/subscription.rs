//! What an extension says when it subscribes to telemetry.
#![no_main]

libfuzzer_sys::fuzz_target!(|said: &[u8]| lacewing_runtime_api::fuzzing::subscription(said));
