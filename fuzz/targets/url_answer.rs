//! What a function answers on its URL: a whole answer, and the prelude of a streamed one.
#![no_main]

libfuzzer_sys::fuzz_target!(|answer: &[u8]| lacewing_gateway::fuzzing::url_answer(answer));
