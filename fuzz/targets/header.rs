//! The header of a GGUF file, which anybody may have written.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use lbench::gguf::Header;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        PathBuf::from(format!("/dev/shm/lbench-fuzz-{}.gguf", std::process::id()))
    });
    if std::fs::write(file, bytes).is_err() {
        return;
    }
    if let Ok(header) = Header::read(file) {
        let _ = (header.label(), header.n_params(), header.tensor_bytes(), header.n_layers());
        let _ = (header.n_vocab(), header.synthetic_seed());
    }
});
