//! Quantizing of model files, by the engine's own quantizer.

use std::ffi::c_char;

use llama_cpp_sys_2 as sys;

use super::model::c_path;
use super::{logs, reason};
use crate::engine::EngineError;
use crate::models::making::{MADE_OF, Quantizing};

/// See [`crate::engine::Engine::quantize`].
pub(super) fn quantize(order: &Quantizing) -> Result<(), EngineError> {
    let (from, to) = (c_path(&order.from)?, c_path(&order.to)?);
    logs::begin();
    // SAFETY: takes nothing, returns plain data.
    let mut params = unsafe { sys::llama_model_quantize_default_params() };
    params.nthread = i32::try_from(order.n_threads).unwrap_or(0);
    params.ftype = sys::llama_ftype::try_from(order.file_type).unwrap_or(0);
    // That it has lost something already was said.
    params.allow_requantize = true;
    let entries = [entry(MADE_OF, &order.made_of), entry("", "")];
    params.kv_overrides = entries.as_ptr();
    // SAFETY: the paths are NUL-terminated, the entries end with one without a key, and all of them outlive the call;
    // the backends are initialised, as the engine that calls shows.
    let code = unsafe { sys::llama_model_quantize(from.as_ptr(), to.as_ptr(), &raw const params) };
    if code == 0 { Ok(()) } else { Err(reason::failure("the model was not quantized")) }
}

/// An entry of text for the metadata. What is too long for the engine's room is cut.
fn entry(key: &str, value: &str) -> sys::llama_model_kv_override {
    // SAFETY: numbers and arrays of numbers, for all of which zero is a value.
    let mut entry: sys::llama_model_kv_override = unsafe { std::mem::zeroed() };
    entry.tag = sys::LLAMA_KV_OVERRIDE_TYPE_STR;
    put(&mut entry.key, key);
    let mut text = [0; 128];
    put(&mut text, value);
    entry.__bindgen_anon_1.val_str = text;
    entry
}

/// Puts a text into an array that ends with a zero.
fn put(room: &mut [c_char; 128], text: &str) {
    for (place, byte) in room[..127].iter_mut().zip(text.bytes()) {
        *place = byte.cast_signed();
    }
}
