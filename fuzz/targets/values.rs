//! The grammar of what flags take.
#![no_main]

use lbench::cli::parse_value;
use lbench::axis::AXES;

libfuzzer_sys::fuzz_target!(|text: &str| {
    for axis in &AXES {
        let _ = parse_value(axis.grammar, text);
    }
});
