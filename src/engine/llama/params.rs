//! From a [`Config`] to the engine's parameter structs, step for step as llama-bench fills them in.

use std::ffi::{CStr, CString};

use llama_cpp_sys_2 as sys;

use super::{devices, logs, reason};
use crate::engine::EngineError;
use crate::record::Fit;
use crate::setup::{
    CacheType, Config, FlashAttention, LazyMode, LoadMode, Loading, Numa, Override, Process,
    SplitMode,
};
use crate::work::Extent;

/// Most threads that the engine's thread pools have room for: one bit of the affinity mask for each.
const MAX_THREADS: u32 = 512;

/// Parameters of a load, and what they point to.
pub(super) struct Load {
    pub params: sys::llama_model_params,
    shares: Vec<f32>,
    devices: Vec<sys::ggml_backend_dev_t>,
    overrides: Vec<sys::llama_model_tensor_buft_override>,
    _patterns: Vec<CString>,
}

/// Parameters of the load.
///
/// # Errors
/// When a device or a buffer type is not there.
pub(super) fn model(config: &Config) -> Result<Load, EngineError> {
    let loading = &config.loading;
    // SAFETY: takes nothing, returns plain data.
    let mut params = unsafe { sys::llama_model_default_params() };
    params.n_gpu_layers = config.n_gpu_layers;
    params.split_mode = split_mode(config.split_mode);
    params.main_gpu = i32::try_from(config.main_gpu).unwrap_or(i32::MAX);
    params.load_mode = load_mode(loading.mode);
    params.lazy_mode = lazy_mode(loading.lazy);
    params.no_host = loading.no_host;
    params.use_extra_bufts = loading.repack;
    // Behind the last layer there is nothing to keep.
    let n_cpu_moe = loading.n_cpu_moe.min(config.model.n_layers);
    let (overrides, patterns) = overrides(&loading.overrides, n_cpu_moe)?;
    let mut load = Load {
        params,
        shares: shares(&config.tensor_split)?,
        devices: named_devices(&config.devices)?,
        overrides,
        _patterns: patterns,
    };
    if !config.tensor_split.is_empty() {
        load.params.tensor_split = load.shares.as_ptr();
    }
    if !config.devices.is_empty() {
        load.params.devices = load.devices.as_mut_ptr();
    }
    if loading.places_tensors() {
        load.params.tensor_buft_overrides = load.overrides.as_ptr();
    }
    Ok(load)
}

/// One share for each device that the engine has room for.
fn shares(hundredths: &[u32]) -> Result<Vec<f32>, EngineError> {
    // SAFETY: takes nothing.
    let most = unsafe { sys::llama_max_devices() };
    if hundredths.len() > most {
        return Err(EngineError(format!("-ts: the engine takes {most} shares at most")));
    }
    #[allow(clippy::cast_precision_loss)] // shares: seven digits are plenty
    let mut shares: Vec<_> = hundredths.iter().map(|share| *share as f32 / 100.0).collect();
    shares.resize(most, 0.0);
    Ok(shares)
}

/// The devices of these names. The list ends with a null; an empty one means none at all, as against no
/// list.
fn named_devices(names: &[String]) -> Result<Vec<sys::ggml_backend_dev_t>, EngineError> {
    let names = names.iter().filter(|name| *name != "none");
    let mut found = names.map(|name| devices::named(name)).collect::<Result<Vec<_>, _>>()?;
    found.push(std::ptr::null_mut());
    Ok(found)
}

type Overrides = (Vec<sys::llama_model_tensor_buft_override>, Vec<CString>);

/// What is placed by hand, then the experts of the first layers on the CPU, then a null; and the patterns
/// that they point to.
fn overrides(given: &[Override], n_cpu_moe: u32) -> Result<Overrides, EngineError> {
    let mut all = Vec::new();
    for Override { pattern, buffer } in given {
        all.push((pattern.clone(), devices::buffer_type(buffer)?));
    }
    for layer in 0..n_cpu_moe {
        // llama.cpp's own pattern for the experts of a layer.
        let pattern = format!(r"blk\.{layer}\.ffn_(up|down|gate|gate_up)_(ch|)exps");
        all.push((pattern, devices::buffer_type("CPU")?));
    }
    let (mut overrides, mut patterns) = (Vec::new(), Vec::new());
    for (pattern, buft) in all {
        let pattern = CString::new(pattern)
            .map_err(|_| EngineError("-ot: a pattern has a zero byte".into()))?;
        // The string stays where it is when its owner is moved.
        overrides.push(sys::llama_model_tensor_buft_override { pattern: pattern.as_ptr(), buft });
        patterns.push(pattern);
    }
    overrides.push(NO_OVERRIDE);
    Ok((overrides, patterns))
}

/// What is to be said of tensors that were to be placed by hand, where none was.
pub(super) fn without_effect(loading: &Loading, placed: usize) -> Option<String> {
    if placed > 0 || loading.fits() || !loading.places_tensors() {
        return None;
    }
    let (by_name, experts) = (!loading.overrides.is_empty(), loading.n_cpu_moe > 0);
    let flags = match (by_name, experts) {
        (true, true) => "-ot and -ncmoe change",
        (true, false) => "-ot changes",
        _ => "-ncmoe changes",
    };
    Some(format!("{flags} nothing: the model has no tensor of such a name"))
}

fn split_mode(mode: SplitMode) -> sys::llama_split_mode {
    match mode {
        SplitMode::None => sys::LLAMA_SPLIT_MODE_NONE,
        SplitMode::Layer => sys::LLAMA_SPLIT_MODE_LAYER,
        SplitMode::Row => sys::LLAMA_SPLIT_MODE_ROW,
        SplitMode::Tensor => sys::LLAMA_SPLIT_MODE_TENSOR,
    }
}

/// Has the engine choose layers, shares and places of a load so that a context of this extent fits into
/// the devices' free memory beside it, as llama-bench does for `-fitt`.
///
/// # Errors
/// When the model cannot be looked at. One that does not fit is loaded as it is, as llama-bench has it.
pub(super) fn fit(
    path: &CStr,
    load: &mut Load,
    config: &Config,
    extent: Extent,
) -> Result<Fit, EngineError> {
    logs::begin();
    // SAFETY: they take nothing.
    let (most, defaults) =
        unsafe { (sys::llama_max_tensor_buft_overrides(), sys::llama_model_default_params()) };
    load.overrides = vec![NO_OVERRIDE; most];
    load.shares.fill(0.0);
    load.params.n_gpu_layers = defaults.n_gpu_layers;
    load.params.tensor_split = load.shares.as_ptr();
    load.params.tensor_buft_overrides = load.overrides.as_ptr();
    let mut context = context(config, extent);
    let mut margins = vec![config.loading.fit_target as usize * MIB; load.shares.len()];
    // SAFETY: the path is NUL-terminated; both parameter structs, the shares, the overrides and the margins
    // are as long as the engine wants them and live until the load; there is no second model.
    let status = unsafe {
        sys::llama_rs_fit_params(
            path.as_ptr(),
            &raw mut load.params,
            &raw mut context,
            load.shares.as_mut_ptr(),
            load.overrides.as_mut_ptr(),
            margins.as_mut_ptr(),
            config.loading.fit_ctx,
            std::ptr::null(),
            sys::GGML_LOG_LEVEL_ERROR,
        )
    };
    if status > 1 {
        return Err(reason::failure("-fitt: the model could not be fitted"));
    }
    let placed = load.overrides.iter().take_while(|one| !one.pattern.is_null());
    let used = load.shares.iter().rposition(|share| *share > 0.0).map_or(0, |last| last + 1);
    Ok(Fit {
        found: status == 0,
        n_gpu_layers: load.params.n_gpu_layers,
        tensor_split: load.shares[..used].iter().copied().map(hundredths).collect(),
        // SAFETY: the engine's patterns are NUL-terminated and live as long as the process.
        overrides: placed.map(|one| unsafe { devices::text(one.pattern) }).collect(),
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and `as` saturates
fn hundredths(share: f32) -> u32 {
    (share * 100.0).round() as u32
}

const MIB: usize = 1 << 20;

/// What ends a list of overrides.
const NO_OVERRIDE: sys::llama_model_tensor_buft_override =
    sys::llama_model_tensor_buft_override { pattern: std::ptr::null(), buft: std::ptr::null_mut() };

/// Parameters of a context of this extent.
pub(super) fn context(config: &Config, extent: Extent) -> sys::llama_context_params {
    // SAFETY: takes nothing, returns plain data.
    let mut params = unsafe { sys::llama_context_default_params() };
    params.n_ctx = extent.n_ctx;
    params.n_batch = config.n_batch;
    params.n_ubatch = config.n_ubatch;
    params.type_k = cache_type(config.type_k);
    params.type_v = cache_type(config.type_v);
    params.flash_attn_type = flash_attention(config.flash_attn);
    params.offload_kqv = !config.compute.no_kv_offload;
    params.op_offload = !config.compute.no_op_offload;
    params.swa_full = false;
    params.embeddings = config.compute.embeddings;
    params.n_seq_max = extent.n_parallel;
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

/// Parameters of a thread pool: any CPU, normal priority, llama-bench's polling.
pub(super) fn plain_threadpool(n_threads: i32) -> sys::ggml_threadpool_params {
    // SAFETY: takes a number, returns plain data.
    unsafe { sys::ggml_threadpool_params_default(n_threads) }
}

/// Parameters of the thread pool of a configuration.
///
/// # Errors
/// As [`threads`], and when the mask is none.
pub(super) fn threadpool(
    config: &Config,
    process: Process,
) -> Result<sys::ggml_threadpool_params, EngineError> {
    let mut params = plain_threadpool(threads(config)?);
    params.prio = process.priority;
    params.poll = config.compute.poll;
    params.strict_cpu = config.compute.cpu_strict;
    mask(&config.compute.cpu_mask, &mut params.cpumask)?;
    Ok(params)
}

/// Sets the CPUs of a hexadecimal mask, the last digit standing for the first four.
pub(super) fn mask(text: &str, cpus: &mut [bool]) -> Result<(), EngineError> {
    let bad = || EngineError(format!("-C {text}: no set of CPUs"));
    let digits = text.strip_prefix("0x").unwrap_or(text).chars().rev();
    for (at, digit) in digits.enumerate() {
        let digit = digit.to_digit(16).ok_or_else(bad)?;
        let four = cpus.get_mut(4 * at..4 * at + 4).ok_or_else(bad)?;
        for (bit, cpu) in four.iter_mut().enumerate() {
            *cpu = digit >> bit & 1 == 1;
        }
    }
    Ok(())
}

/// The engine's number of a NUMA strategy.
pub(super) fn numa(strategy: Option<Numa>) -> sys::ggml_numa_strategy {
    match strategy {
        None => sys::GGML_NUMA_STRATEGY_DISABLED,
        Some(Numa::Distribute) => sys::GGML_NUMA_STRATEGY_DISTRIBUTE,
        Some(Numa::Isolate) => sys::GGML_NUMA_STRATEGY_ISOLATE,
        Some(Numa::Numactl) => sys::GGML_NUMA_STRATEGY_NUMACTL,
    }
}

fn load_mode(mode: LoadMode) -> sys::llama_load_mode {
    match mode {
        LoadMode::Auto => sys::LLAMA_LOAD_MODE_AUTO,
        LoadMode::None => sys::LLAMA_LOAD_MODE_NONE,
        LoadMode::Mmap => sys::LLAMA_LOAD_MODE_MMAP,
        LoadMode::Mlock => sys::LLAMA_LOAD_MODE_MLOCK,
        LoadMode::MmapMlock => sys::LLAMA_LOAD_MODE_MMAP_MLOCK,
        LoadMode::Dio => sys::LLAMA_LOAD_MODE_DIRECT_IO,
    }
}

fn lazy_mode(mode: LazyMode) -> sys::llama_lazy_mode {
    match mode {
        LazyMode::On => sys::LLAMA_LAZY_MODE_ON,
        LazyMode::Auto => sys::LLAMA_LAZY_MODE_AUTO,
        LazyMode::Off => sys::LLAMA_LAZY_MODE_OFF,
    }
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
    use super::*;
    use crate::setup::Word as _;

    #[test]
    fn words_are_the_engines() {
        // SAFETY: valid values; the names are string constants.
        let text = |name| unsafe { CStr::from_ptr(name) }.to_str().unwrap();
        for cache in CacheType::ALL {
            // SAFETY: a valid type.
            assert_eq!(text(unsafe { sys::ggml_type_name(cache_type(*cache)) }), cache.name());
        }
        for mode in LoadMode::ALL {
            // SAFETY: a valid mode.
            assert_eq!(text(unsafe { sys::llama_load_mode_name(load_mode(*mode)) }), mode.name());
        }
    }

    #[test]
    fn every_setting_reaches_its_parameter() {
        let mut config = crate::plan::tests::config();
        let defaults = model(&config).unwrap().params;
        assert!(defaults.tensor_buft_overrides.is_null() && defaults.use_extra_bufts);
        config.loading = Loading {
            n_cpu_moe: 2,
            mode: LoadMode::Dio,
            lazy: LazyMode::Off,
            overrides: vec![Override { pattern: "attn".into(), buffer: "CPU".into() }],
            no_host: true,
            repack: false,
            ..Loading::default()
        };
        config.compute = crate::setup::Compute {
            embeddings: true,
            no_op_offload: true,
            no_kv_offload: true,
            cpu_mask: "0x5".into(),
            cpu_strict: true,
            poll: 7,
        };
        let load = model(&config).unwrap();
        assert_eq!(load.params.load_mode, sys::LLAMA_LOAD_MODE_DIRECT_IO);
        assert_eq!(load.params.lazy_mode, sys::LLAMA_LAZY_MODE_OFF);
        assert!(load.params.no_host && !load.params.use_extra_bufts);
        assert_eq!(load.params.tensor_buft_overrides, load.overrides.as_ptr());
        let patterns = load.overrides[..3].iter().map(|one| {
            // SAFETY: NUL-terminated, and owned by `load`.
            unsafe { CStr::from_ptr(one.pattern) }.to_str().unwrap()
        });
        let experts = |n| format!(r"blk\.{n}\.ffn_(up|down|gate|gate_up)_(ch|)exps");
        assert_eq!(patterns.collect::<Vec<_>>(), ["attn", &experts(0), &experts(1)]);
        assert!(load.overrides[3].pattern.is_null());
        config.loading.n_cpu_moe = u32::MAX;
        let all = config.model.n_layers as usize;
        assert_eq!(model(&config).unwrap().overrides.len(), 1 + all + 1, "its layers, and no more");
        config.loading.n_cpu_moe = 2;
        let params = context(&config, Extent { n_parallel: 3, ..Extent::of(512) });
        assert!(params.embeddings && !params.op_offload && !params.offload_kqv);
        assert_eq!(params.n_seq_max, 3);
        let process = Process { priority: 2, ..Process::default() };
        let threads = threadpool(&config, process).unwrap();
        assert_eq!(threads.cpumask[..5], [true, false, true, false, false]);
        assert!(threads.strict_cpu);
        assert_eq!((threads.poll, threads.prio), (7, sys::GGML_SCHED_PRIO_HIGH));
    }

    #[test]
    fn tensors_that_are_not_there_are_told() {
        let places = |overrides: &[&str], n_cpu_moe| {
            let place =
                |pattern: &&str| Override { pattern: (*pattern).to_owned(), buffer: "CPU".into() };
            Loading {
                overrides: overrides.iter().map(place).collect(),
                n_cpu_moe,
                ..Loading::default()
            }
        };
        assert_eq!(without_effect(&places(&["exps"], 0), 3), None);
        assert_eq!(without_effect(&Loading::default(), 0), None);
        for (loading, flags) in [
            (places(&["exps"], 0), "-ot changes"),
            (places(&[], 2), "-ncmoe changes"),
            (places(&["x"], 2), "-ot and -ncmoe change"),
        ] {
            let told = without_effect(&loading, 0).unwrap();
            assert!(told.starts_with(&format!("{flags} nothing: ")), "{told}");
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
        let params = threadpool(&crate::plan::tests::config(), Process::default()).unwrap();
        assert_eq!(params.cpumask.len(), MAX_THREADS as usize);
    }

    #[test]
    fn flash_attention_has_llama_benchs_numbers() {
        for when in [FlashAttention::Auto, FlashAttention::Off, FlashAttention::On] {
            assert_eq!(i64::from(flash_attention(when)), when.number());
        }
    }
}
