//! What a worker that has lost its mind may write.
#![no_main]

use lbench::wire::{Event, Request};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        let _ = event.job();
        let _ = serde_json::to_vec(&event);
    }
    let _ = serde_json::from_slice::<Request>(bytes);
});
