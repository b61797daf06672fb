//! The table itself.

use super::{Axis, Grammar, Scope, Value};
use crate::setup::{CacheType, FlashAttention, LazyMode, LoadMode, SplitMode};

const ANY: Grammar = Grammar::Count { min: 0 };
const SOME: Grammar = Grammar::Count { min: 1 };

/// Every axis besides the model, outermost first: load axes, then context axes, so that walking the
/// table in order loads a model as rarely as possible. Within that, llama-bench's order.
pub static AXES: [Axis; 30] = [
    Axis::new(
        "fit_target",
        Scope::Load,
        ANY,
        "Fit the model into the devices' free memory but for so many MiB of each; replaces -ngl, -ts and -ot",
    )
    .column(Some("fitt"))
    .flags("fitt", "fit-target", "MIB")
    .of_llama(
        |config| Value::Int(config.loading.fit_target.into()),
        |config, value| config.loading.fit_target = value.count(),
    ),
    Axis::new(
        "fit_min_ctx",
        Scope::Load,
        ANY,
        "Least size of the context, in tokens, when fitting; alone, it fits without a margin",
    )
    .column(Some("fitc"))
    .flags("fitc", "fit-ctx", "N")
    .of_llama(
        |config| Value::Int(config.loading.fit_ctx.into()),
        |config, value| config.loading.fit_ctx = value.count(),
    ),
    Axis::new(
        "n_gpu_layers",
        Scope::Load,
        Grammar::Layers,
        "Layers to offload to the GPU; -1 is all of them",
    )
    .column(Some("ngl"))
    .flags("ngl", "n-gpu-layers", "N")
    .default_is(|| Value::Int(-1))
    .of_llama(
        |config| Value::Int(config.n_gpu_layers.into()),
        |config, value| config.n_gpu_layers = i32::try_from(value.int()).unwrap_or(i32::MAX),
    ),
    Axis::new(
        "n_cpu_moe",
        Scope::Load,
        ANY,
        "Layers, from the first on, whose experts stay on the CPU",
    )
    .flags("ncmoe", "n-cpu-moe", "N")
    .of_llama(
        |config| Value::Int(config.loading.n_cpu_moe.into()),
        |config, value| config.loading.n_cpu_moe = value.count(),
    ),
    Axis::new(
        "split_mode",
        Scope::Load,
        Grammar::SplitMode,
        "How a model is spread over several GPUs",
    )
    .column(Some("sm"))
    .flags("sm", "split-mode", "none|layer|row|tensor")
    .default_is(|| Value::Split(SplitMode::Layer))
    .of_llama(
        |config| Value::Split(config.split_mode),
        |config, value| {
            if let Value::Split(mode) = value {
                config.split_mode = mode;
            }
        },
    ),
    Axis::new(
        "load_mode",
        Scope::Load,
        Grammar::LoadMode,
        "How the file gets into memory: auto, none, mmap, mlock, mmap+mlock, dio (past the file cache)",
    )
    .column(Some("lm"))
    .flags("lm", "load-mode", "MODE")
    .default_is(|| Value::Load(LoadMode::Auto))
    .of_llama(
        |config| Value::Load(config.loading.mode),
        |config, value| {
            if let Value::Load(mode) = value {
                config.loading.mode = mode;
            }
        },
    ),
    Axis::new(
        "lazy_mode",
        Scope::Load,
        Grammar::LazyMode,
        "Read tensors that the architecture marks row by row, when a row is needed",
    )
    .flags("lzm", "lazy-mode", "on|auto|off")
    .default_is(|| Value::Lazy(LazyMode::Auto))
    .of_llama(
        |config| Value::Lazy(config.loading.lazy),
        |config, value| {
            if let Value::Lazy(mode) = value {
                config.loading.lazy = mode;
            }
        },
    ),
    Axis::new(
        "main_gpu",
        Scope::Load,
        ANY,
        "The GPU for what is not spread; all of it with -sm none",
    )
    .flags("mg", "main-gpu", "N")
    .of_llama(
        |config| Value::Int(config.main_gpu.into()),
        |config, value| config.main_gpu = value.count(),
    ),
    Axis::new(
        "devices",
        Scope::Load,
        Grammar::Devices,
        "Devices to use, e.g. CUDA0/CUDA1; auto is all, none the CPU alone",
    )
    .column(Some("dev"))
    .flags("dev", "device", "D0/D1/...")
    .default_is(|| Value::Devices(Vec::new()))
    .of_llama(
        |config| Value::Devices(config.devices.clone()),
        |config, value| {
            if let Value::Devices(names) = value {
                config.devices = names;
            }
        },
    ),
    Axis::new(
        "tensor_split",
        Scope::Load,
        Grammar::Shares,
        "Shares of the GPUs, e.g. 3/1; llama.cpp goes by free memory",
    )
    .column(Some("ts"))
    .flags("ts", "tensor-split", "S0/S1/...")
    .default_is(|| Value::Shares(Vec::new()))
    .of_llama(
        |config| Value::Shares(config.tensor_split.clone()),
        |config, value| {
            if let Value::Shares(shares) = value {
                config.tensor_split = shares;
            }
        },
    ),
    Axis::new(
        "rpc_servers",
        Scope::Load,
        Grammar::Servers,
        "RPC servers to use besides local devices; give the flag again for another set, none is no server",
    )
    .column(Some("rpc"))
    .flags("rpc", "rpc", "HOST:PORT,...")
    .default_is(|| Value::Servers(Vec::new()))
    .of_llama(
        |config| Value::Servers(config.rpc.clone()),
        |config, value| {
            if let Value::Servers(servers) = value {
                config.rpc = servers;
            }
        },
    ),
    Axis::new(
        "tensor_buft_overrides",
        Scope::Load,
        Grammar::Overrides,
        "Place tensors by hand, e.g. 'exps=CPU;attn=CUDA0'; a comma begins another set",
    )
    .column(Some("ot"))
    .flags("ot", "override-tensor", "PATTERN=BUFFER;...")
    .default_is(|| Value::Overrides(Vec::new()))
    .of_llama(
        |config| Value::Overrides(config.loading.overrides.clone()),
        |config, value| {
            if let Value::Overrides(overrides) = value {
                config.loading.overrides = overrides;
            }
        },
    ),
    Axis::new(
        "no_host",
        Scope::Load,
        Grammar::Switch,
        "Keep weights of the host out of the devices' own host memory, so that they can be repacked",
    )
    .column(Some("noh"))
    .flags("", "no-host", "0|1")
    .default_is(|| Value::Switch(false))
    .of_llama(
        |config| Value::Switch(config.loading.no_host),
        |config, value| config.loading.no_host = value.is_on(),
    ),
    Axis::new(
        "repack",
        Scope::Load,
        Grammar::Switch,
        "Store weights in the order that the CPU's kernels like best",
    )
    .column(Some("rpk"))
    .flags("", "repack", "0|1")
    .default_is(|| Value::Switch(true))
    .of_llama(
        |config| Value::Switch(config.loading.repack),
        |config, value| config.loading.repack = value.is_on(),
    ),
    Axis::new(
        "embeddings",
        Scope::Context,
        Grammar::Switch,
        "Compute embeddings besides logits",
    )
    .column(Some("embd"))
    .flags("embd", "embeddings", "0|1")
    .default_is(|| Value::Switch(false))
    .of_llama(
        |config| Value::Switch(config.compute.embeddings),
        |config, value| config.compute.embeddings = value.is_on(),
    ),
    Axis::new(
        "no_op_offload",
        Scope::Context,
        Grammar::Switch,
        "Compute with weights of the host on the CPU, large batches too",
    )
    .column(Some("nopo"))
    .flags("nopo", "no-op-offload", "0|1")
    .default_is(|| Value::Switch(false))
    .of_llama(
        |config| Value::Switch(config.compute.no_op_offload),
        |config, value| config.compute.no_op_offload = value.is_on(),
    ),
    Axis::new(
        "n_batch",
        Scope::Context,
        SOME,
        "Logical batch: most tokens of a prompt handed over at once",
    )
    .flags("b", "batch-size", "N")
    .default_is(|| Value::Int(2048))
    .of_llama(
        |config| Value::Int(config.n_batch.into()),
        |config, value| config.n_batch = value.count(),
    ),
    Axis::new(
        "n_ubatch",
        Scope::Context,
        SOME,
        "Physical batch: most tokens computed at once",
    )
    .flags("ub", "ubatch-size", "N")
    .default_is(|| Value::Int(512))
    .of_llama(
        |config| Value::Int(config.n_ubatch.into()),
        |config, value| config.n_ubatch = value.count(),
    ),
    Axis::new(
        "type_k",
        Scope::Context,
        Grammar::CacheType,
        "Element type of the K cache: f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, f32",
    )
    .flags("ctk", "cache-type-k", "TYPE")
    .default_is(|| Value::Cache(CacheType::F16))
    .of_llama(
        |config| Value::Cache(config.type_k),
        |config, value| {
            if let Value::Cache(kind) = value {
                config.type_k = kind;
            }
        },
    ),
    Axis::new(
        "type_v",
        Scope::Context,
        Grammar::CacheType,
        "Element type of the V cache; a quantized one needs flash attention",
    )
    .flags("ctv", "cache-type-v", "TYPE")
    .default_is(|| Value::Cache(CacheType::F16))
    .of_llama(
        |config| Value::Cache(config.type_v),
        |config, value| {
            if let Value::Cache(kind) = value {
                config.type_v = kind;
            }
        },
    ),
    Axis::new(
        "no_kv_offload",
        Scope::Context,
        Grammar::Switch,
        "Keep the KV cache on the host",
    )
    .column(Some("nkvo"))
    .flags("nkvo", "no-kv-offload", "0|1")
    .default_is(|| Value::Switch(false))
    .of_llama(
        |config| Value::Switch(config.compute.no_kv_offload),
        |config, value| config.compute.no_kv_offload = value.is_on(),
    ),
    Axis::new(
        "flash_attn",
        Scope::Context,
        Grammar::FlashAttention,
        "Flash attention: on, off or auto (1, 0, -1)",
    )
    .column(Some("fa"))
    .flags("fa", "flash-attn", "on|off|auto")
    .default_is(|| Value::Flash(FlashAttention::Auto))
    .of_llama(
        |config| Value::Flash(config.flash_attn),
        |config, value| {
            if let Value::Flash(mode) = value {
                config.flash_attn = mode;
            }
        },
    ),
    Axis::new(
        "n_threads",
        Scope::Context,
        SOME,
        "CPU threads; the default is the number of physical cores",
    )
    .column(Some("threads"))
    .flags("t", "threads", "N")
    .default_of_host(|host| Value::Int(host.default_threads().into()))
    .of_llama(
        |config| Value::Int(config.n_threads.into()),
        |config, value| config.n_threads = value.count(),
    ),
    Axis::new(
        "cpu_mask",
        Scope::Context,
        Grammar::Mask,
        "CPUs that the threads may run on, in hexadecimal, e.g. 0xff; 0x0 is any",
    )
    .flags("C", "cpu-mask", "HEX")
    .default_is(|| Value::Mask("0x0".into()))
    .of_llama(
        |config| Value::Mask(config.compute.cpu_mask.clone()),
        |config, value| {
            if let Value::Mask(mask) = value {
                config.compute.cpu_mask = mask;
            }
        },
    ),
    Axis::new(
        "cpu_strict",
        Scope::Context,
        Grammar::Switch,
        "Tie each thread to one CPU of the mask",
    )
    .flags("", "cpu-strict", "0|1")
    .default_is(|| Value::Switch(false))
    .of_llama(
        |config| Value::Switch(config.compute.cpu_strict),
        |config, value| config.compute.cpu_strict = value.is_on(),
    ),
    Axis::new(
        "n_depth",
        Scope::Context,
        ANY,
        "Tokens already in the context when the clock starts",
    )
    .column(None)
    .flags("d", "n-depth", "N")
    .of_speed(
        |speed| Value::Int(speed.n_depth.into()),
        |speed, value| speed.n_depth = value.count(),
    ),
    Axis::new(
        "poll",
        Scope::Context,
        Grammar::Percent,
        "How hard idle threads look for work: 0 sleeps at once, 100 spins",
    )
    .flags("", "poll", "0...100")
    .default_is(|| Value::Int(50))
    .of_llama(
        |config| Value::Int(config.compute.poll.into()),
        |config, value| config.compute.poll = value.count(),
    ),
    Axis::new(
        "n_parallel",
        Scope::Context,
        SOME,
        "Sequences side by side, each with the test's tokens, as llama-batched-bench does it",
    )
    .column(Some("np"))
    .flags("np", "n-parallel", "N")
    .default_is(|| Value::Int(1))
    .of_speed(
        |speed| Value::Int(speed.n_parallel.into()),
        |speed, value| speed.n_parallel = value.count(),
    ),
    Axis::new(
        "prompt_shared",
        Scope::Context,
        Grammar::Switch,
        "Process the prompt once for all sequences of -np",
    )
    .column(Some("pps"))
    .flags("pps", "prompt-shared", "0|1")
    .default_is(|| Value::Switch(false))
    .of_speed(
        |speed| Value::Switch(speed.prompt_shared),
        |speed, value| speed.prompt_shared = value.is_on(),
    ),
    Axis::new(
        "reserve_ctx",
        Scope::Context,
        ANY,
        "Least size of the context, in tokens: memory figures of the one you will really use",
    )
    .flags("", "reserve-ctx", "N")
    .of_llama(
        |config| Value::Int(config.reserve_ctx.into()),
        |config, value| config.reserve_ctx = value.count(),
    ),
];
