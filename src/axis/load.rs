//! Axes that a loaded model depends on, outermost first, in llama-bench's order.

use super::{Axis, Grammar, Scope, Value, collapse};
use crate::setup::{LazyMode, LoadMode, SplitMode};

const ANY: Grammar = Grammar::Count { min: 0 };

const fn load(name: &'static str, grammar: Grammar, doc: &'static str) -> Axis {
    Axis::new(name, Scope::Load, grammar, doc)
}

/// The axes.
pub(super) const AXES: [Axis; 14] = [
    load(
        "fit_target",
        ANY,
        "Fit the model into the devices' free memory but for so many MiB of each; replaces -ngl, -ts and -ot",
    )
    .column("fitt")
    .flags("fitt", "fit-target", "MIB")
    .field("MiB", "Memory to leave free when fitting")
    .of_llama(
        |config| Value::Int(config.loading.fit_target.into()),
        |config, value| config.loading.fit_target = value.count(),
    ),
    load(
        "fit_min_ctx",
        ANY,
        "Least size of the context, in tokens, when fitting; alone, it fits without a margin",
    )
    .column("fitc")
    .flags("fitc", "fit-ctx", "N")
    .field("tokens", "Least context when fitting")
    .of_llama(
        |config| Value::Int(config.loading.fit_ctx.into()),
        |config, value| config.loading.fit_ctx = value.count(),
    ),
    load(
        "n_gpu_layers",
        Grammar::Layers,
        "Layers to offload to the GPU; -1 is all of them",
    )
    .column("ngl")
    .flags("ngl", "n-gpu-layers", "N")
    .width(3)
    .field("layers", "Layers to offload, as asked")
    .default_is(|| Value::Int(-1))
    .of_llama(
        |config| Value::Int(config.n_gpu_layers.into()),
        |config, value| config.n_gpu_layers = i32::try_from(value.int()).unwrap_or(i32::MAX),
    )
    .collapses(collapse::LAYERS),
    load(
        "n_cpu_moe",
        ANY,
        "Layers, from the first on, whose experts stay on the CPU",
    )
    .flags("ncmoe", "n-cpu-moe", "N")
    .field("layers", "Layers whose experts stay on the CPU")
    .of_llama(
        |config| Value::Int(config.loading.n_cpu_moe.into()),
        |config, value| config.loading.n_cpu_moe = value.count(),
    )
    .collapses(collapse::EXPERTS),
    load(
        "split_mode",
        Grammar::SplitMode,
        "How a model is spread over several GPUs",
    )
    .column("sm")
    .flags("sm", "split-mode", "none|layer|row|tensor")
    .field("", "How a model is split over GPUs")
    .default_is(|| Value::Split(SplitMode::Layer))
    .of_llama(
        |config| Value::Split(config.split_mode),
        |config, value| {
            if let Value::Split(mode) = value {
                config.split_mode = mode;
            }
        },
    )
    .collapses(collapse::SPLIT_MODE),
    load(
        "load_mode",
        Grammar::LoadMode,
        "How the file gets into memory: auto, none, mmap, mlock, mmap+mlock, dio (past the file cache)",
    )
    .column("lm")
    .flags("lm", "load-mode", "MODE")
    .field("", "How the file is read")
    .default_is(|| Value::Load(LoadMode::Auto))
    .of_llama(
        |config| Value::Load(config.loading.mode),
        |config, value| {
            if let Value::Load(mode) = value {
                config.loading.mode = mode;
            }
        },
    ),
    load(
        "lazy_mode",
        Grammar::LazyMode,
        "Read tensors that the architecture marks row by row, when a row is needed",
    )
    .flags("lzm", "lazy-mode", "on|auto|off")
    .field("", "Which tensors are read when they are needed")
    .default_is(|| Value::Lazy(LazyMode::Auto))
    .of_llama(
        |config| Value::Lazy(config.loading.lazy),
        |config, value| {
            if let Value::Lazy(mode) = value {
                config.loading.lazy = mode;
            }
        },
    ),
    load(
        "main_gpu",
        ANY,
        "The GPU for what is not spread; all of it with -sm none",
    )
    .flags("mg", "main-gpu", "N")
    .field("", "The GPU for what is not split")
    .of_llama(
        |config| Value::Int(config.main_gpu.into()),
        |config, value| config.main_gpu = value.count(),
    )
    .collapses(collapse::MAIN_GPU),
    load(
        "devices",
        Grammar::Devices,
        "Devices to use, e.g. CUDA0/CUDA1; auto is all, none the CPU alone",
    )
    .column("dev")
    .flags("dev", "device", "D0/D1/...")
    .field("", "Devices to use")
    .default_is(|| Value::Devices(Vec::new()))
    .of_llama(
        |config| Value::Devices(config.devices.clone()),
        |config, value| {
            if let Value::Devices(names) = value {
                config.devices = names;
            }
        },
    ),
    load(
        "tensor_split",
        Grammar::Shares,
        "Shares of the GPUs, e.g. 3/1; llama.cpp goes by free memory",
    )
    .column("ts")
    .flags("ts", "tensor-split", "S0/S1/...")
    .field("", "Shares of the GPUs; 0.00 leaves it to llama.cpp")
    .default_is(|| Value::Shares(Vec::new()))
    .of_llama(
        |config| Value::Shares(config.tensor_split.clone()),
        |config, value| {
            if let Value::Shares(shares) = value {
                config.tensor_split = shares;
            }
        },
    )
    .collapses(collapse::SHARES),
    load(
        "rpc_servers",
        Grammar::Servers,
        "RPC servers to use besides local devices; give the flag again for another set, none is no server",
    )
    .column("rpc")
    .flags("rpc", "rpc", "HOST:PORT,...")
    .field("", "RPC servers in use, or none")
    .default_is(|| Value::Servers(Vec::new()))
    .of_llama(
        |config| Value::Servers(config.rpc.clone()),
        |config, value| {
            if let Value::Servers(servers) = value {
                config.rpc = servers;
            }
        },
    ),
    load(
        "tensor_buft_overrides",
        Grammar::Overrides,
        "Place tensors by hand, e.g. 'exps=CPU;attn=CUDA0'; a comma begins another set",
    )
    .column("ot")
    .flags("ot", "override-tensor", "PATTERN=BUFFER;...")
    .field("", "Tensors placed by hand")
    .default_is(|| Value::Overrides(Vec::new()))
    .of_llama(
        |config| Value::Overrides(config.loading.overrides.clone()),
        |config, value| {
            if let Value::Overrides(overrides) = value {
                config.loading.overrides = overrides;
            }
        },
    )
    .collapses(collapse::PLACES),
    load(
        "no_host",
        Grammar::Switch,
        "Keep weights of the host out of the devices' own host memory, so that they can be repacked",
    )
    .column("noh")
    .flags("", "no-host", "0|1")
    .field("", "Whether host buffers are bypassed")
    .default_is(|| Value::Switch(false))
    .of_llama(
        |config| Value::Switch(config.loading.no_host),
        |config, value| config.loading.no_host = value.is_on(),
    ),
    load(
        "repack",
        Grammar::Switch,
        "Store weights in the order that the CPU's kernels like best",
    )
    .column("rpk")
    .flags("", "repack", "0|1")
    .field("", "Whether weights are repacked for the CPU")
    .default_is(|| Value::Switch(true))
    .of_llama(
        |config| Value::Switch(config.loading.repack),
        |config, value| config.loading.repack = value.is_on(),
    ),
];
