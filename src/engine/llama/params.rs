//! From a [`Config`] to the engine's parameter structs: llama-bench's defaults wherever `Config` has no
//! say.

use llama_cpp_sys_2 as sys;

use crate::engine::EngineError;
use crate::job::{CacheType, Config, FlashAttention, SplitMode};

/// Most threads that the engine's thread pools have room for: one bit of the affinity mask for each.
const MAX_THREADS: u32 = 512;

/// How hard idle threads look for work, from 0 (sleep at once) to 100 (spin).
const POLL: u32 = 50;

/// Parameters of the load. The engine's defaults are llama-bench's: split by layer, load mode and lazy
/// mode automatic, kernels free to repack weights.
pub(super) fn model(config: &Config) -> Result<Load, EngineError> {
    // SAFETY: takes nothing, returns plain data.
    let mut params = unsafe { sys::llama_model_default_params() };
    // SAFETY: takes nothing.
    let most = unsafe { sys::llama_max_devices() };
    params.n_gpu_layers = config.n_gpu_layers;
    params.split_mode = split_mode(config.split_mode);
    params.main_gpu = i32::try_from(config.main_gpu).unwrap_or(i32::MAX);
    if config.tensor_split.len() > most {
        return Err(EngineError(format!("-ts: the engine takes {most} shares at most")));
    }
    let mut shares = vec![0.0; most];
    for (share, hundredths) in shares.iter_mut().zip(&config.tensor_split) {
        #[allow(clippy::cast_precision_loss)] // shares: seven digits are plenty
        let value = *hundredths as f32 / 100.0;
        *share = value;
    }
    let mut devices = Vec::new();
    if config.devices != ["none"] {
        for name in &config.devices {
            devices.push(super::devices::named(name)?);
        }
    }
    // The list ends with a null; an empty one means none at all, as against no list.
    devices.push(std::ptr::null_mut());
    let mut load = Load { params, shares, devices };
    if !config.tensor_split.is_empty() {
        load.params.tensor_split = load.shares.as_ptr();
    }
    if !config.devices.is_empty() {
        load.params.devices = load.devices.as_mut_ptr();
    }
    Ok(load)
}

/// Parameters of a load, and what they point to.
pub(super) struct Load {
    pub params: sys::llama_model_params,
    shares: Vec<f32>,
    devices: Vec<sys::ggml_backend_dev_t>,
}

fn split_mode(mode: SplitMode) -> sys::llama_split_mode {
    match mode {
        SplitMode::None => sys::LLAMA_SPLIT_MODE_NONE,
        SplitMode::Layer => sys::LLAMA_SPLIT_MODE_LAYER,
        SplitMode::Row => sys::LLAMA_SPLIT_MODE_ROW,
        SplitMode::Tensor => sys::LLAMA_SPLIT_MODE_TENSOR,
    }
}

/// Parameters of a context of `n_ctx` tokens.
pub(super) fn context(config: &Config, n_ctx: u32) -> sys::llama_context_params {
    // SAFETY: takes nothing, returns plain data.
    let mut params = unsafe { sys::llama_context_default_params() };
    params.n_ctx = n_ctx;
    params.n_batch = config.n_batch;
    params.n_ubatch = config.n_ubatch;
    params.type_k = cache_type(config.type_k);
    params.type_v = cache_type(config.type_v);
    params.flash_attn_type = flash_attention(config.flash_attn);
    params.offload_kqv = true;
    params.op_offload = true;
    params.swa_full = false;
    params.embeddings = false;
    params
}

/// Number of threads, as the engine counts them.
///
/// # Errors
/// When there are none, or more than the engine has room for: it would write past the end.
pub(super) fn threads(config: &Config) -> Result<i32, EngineError> {
    thread_count(config.n_threads)
}

/// The same for a bare number.
pub(super) fn thread_count(given: u32) -> Result<i32, EngineError> {
    match i32::try_from(given) {
        Ok(threads) if (1..=MAX_THREADS).contains(&given) => Ok(threads),
        _ => Err(EngineError(format!(
            "{given} threads are not possible: the engine takes 1 to {MAX_THREADS}"
        ))),
    }
}

/// Parameters of a thread pool: any core, normal priority.
pub(super) fn threadpool(n_threads: i32) -> sys::ggml_threadpool_params {
    // SAFETY: takes a number, returns plain data.
    let mut params = unsafe { sys::ggml_threadpool_params_default(n_threads) };
    params.prio = sys::GGML_SCHED_PRIO_NORMAL;
    params.poll = POLL;
    params.strict_cpu = false;
    params
}

fn flash_attention(when: FlashAttention) -> sys::llama_flash_attn_type {
    match when {
        FlashAttention::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        FlashAttention::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        FlashAttention::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
    }
}

fn cache_type(cache: CacheType) -> sys::ggml_type {
    match cache {
        CacheType::F32 => sys::GGML_TYPE_F32,
        CacheType::F16 => sys::GGML_TYPE_F16,
        CacheType::Bf16 => sys::GGML_TYPE_BF16,
        CacheType::Q8_0 => sys::GGML_TYPE_Q8_0,
        CacheType::Q4_0 => sys::GGML_TYPE_Q4_0,
        CacheType::Q4_1 => sys::GGML_TYPE_Q4_1,
        CacheType::Q5_0 => sys::GGML_TYPE_Q5_0,
        CacheType::Q5_1 => sys::GGML_TYPE_Q5_1,
        CacheType::Iq4Nl => sys::GGML_TYPE_IQ4_NL,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn cache_types_have_ggmls_names() {
        for cache in CacheType::ALL {
            // SAFETY: a valid type; the name is a string constant.
            let name = unsafe { CStr::from_ptr(sys::ggml_type_name(cache_type(cache))) };
            assert_eq!(name.to_str(), Ok(cache.name()));
        }
    }

    #[test]
    fn shares_of_any_size_keep_their_ratio() {
        let tensor_split = vec![100_000, 300_000];
        let load = model(&Config { tensor_split, ..crate::plan::tests::config() }).unwrap();
        assert_eq!(load.shares[..2], [1000.0, 3000.0]);
        assert!(!load.params.tensor_split.is_null() && load.params.devices.is_null());
    }

    #[test]
    fn a_thread_pool_has_a_bit_for_each_thread() {
        assert_eq!(threadpool(1).cpumask.len(), MAX_THREADS as usize);
    }

    #[test]
    fn flash_attention_has_llama_benchs_numbers() {
        for when in [FlashAttention::Auto, FlashAttention::Off, FlashAttention::On] {
            assert_eq!(i64::from(flash_attention(when)), when.number());
        }
    }
}
