//! The axes of a sweep, as one table: what a flag is called, what it takes, what it sets.
//!
//! Command line, plan, table columns and JSON fields all read this table, so a new axis is one field in
//! [`Config`] and one entry here.

use std::fmt;

use crate::host::Host;
use crate::job::{CacheType, Config, FlashAttention, SplitMode};

/// One value of an axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A count, or a number of layers where -1 means all.
    Int(i64),
    /// Element type of a cache.
    Cache(CacheType),
    /// When to use flash attention.
    Flash(FlashAttention),
    /// How a model is spread over devices.
    Split(SplitMode),
    /// Shares of devices, in hundredths; none is left to the engine.
    Shares(Vec<u32>),
    /// Names of devices; none is all of them.
    Devices(Vec<String>),
    /// RPC servers; none is this machine alone.
    Servers(Vec<String>),
}

impl fmt::Display for Value {
    /// As llama-bench prints it: flash attention is a number there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Cache(kind) => f.write_str(kind.name()),
            Self::Flash(mode) => mode.number().fmt(f),
            Self::Split(mode) => f.write_str(mode.name()),
            Self::Shares(shares) if shares.is_empty() => f.write_str("0.00"),
            Self::Shares(shares) => {
                let shares = shares.iter().map(|n| format!("{}.{:02}", n / 100, n % 100));
                f.write_str(&shares.collect::<Vec<_>>().join("/"))
            }
            Self::Servers(servers) if servers.is_empty() => f.write_str("none"),
            Self::Servers(servers) => f.write_str(&servers.join(",")),
            Self::Devices(names) if names.is_empty() => f.write_str("auto"),
            Self::Devices(names) => f.write_str(&names.join("/")),
        }
    }
}

impl Value {
    fn int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            Self::Flash(mode) => mode.number(),
            _ => 0,
        }
    }

    /// The value as a count; out of range only if the grammar let it pass.
    fn count(&self) -> u32 {
        u32::try_from(self.int()).unwrap_or(u32::MAX)
    }
}

/// What the text of a flag may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// Whole numbers of at least `min`, ranges allowed.
    Count {
        /// Smallest value that makes sense.
        min: i64,
    },
    /// Whole numbers from -1 (all layers), ranges allowed.
    Layers,
    /// Names of cache types.
    CacheType,
    /// `on`, `off` or `auto`, and `1`, `0`, `-1`.
    FlashAttention,
    /// `none`, `layer`, `row` or `tensor`.
    SplitMode,
    /// Shares of devices: `3/1`.
    Shares,
    /// Names of devices: `CUDA0/CUDA1`, `auto` or `none`.
    Devices,
    /// One set of servers: `host:port,host:port`, or `none`.
    Servers,
}

/// What has to be made anew when the value changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The model is loaded again, in a fresh worker.
    Load,
    /// A new context on the loaded model is enough.
    Context,
}

/// One axis of a sweep.
#[derive(Debug)]
pub struct Axis {
    /// llama-bench's field name, which is ours too: `n_gpu_layers`.
    pub name: &'static str,
    /// Heading of its column, as in llama-bench: `ngl`. `None` where the test's name says it already.
    pub column: Option<&'static str>,
    /// Short flag without the dash; several letters are common: `ngl`. Empty where there is none.
    pub short: &'static str,
    /// Long flag without the dashes: `n-gpu-layers`.
    pub long: &'static str,
    /// What the value is called in a help text: `N`, `TYPE`.
    pub placeholder: &'static str,
    /// What a value may be.
    pub grammar: Grammar,
    /// What a change costs.
    pub scope: Scope,
    /// One sentence for the help text.
    pub doc: &'static str,
    /// The value used when the flag is not given.
    pub default: fn(&Host) -> Value,
    /// Reads the axis from a configuration.
    pub get: fn(&Config) -> Value,
    /// Sets the axis in a configuration.
    pub set: fn(&mut Config, Value),
}

/// Every axis besides the model, outermost first: load axes, then context axes, so that walking the
/// table in order loads a model as rarely as possible. Within that, llama-bench's order.
pub static AXES: [Axis; 14] = [
    Axis {
        name: "n_gpu_layers",
        column: Some("ngl"),
        short: "ngl",
        long: "n-gpu-layers",
        placeholder: "N",
        grammar: Grammar::Layers,
        scope: Scope::Load,
        doc: "Layers to offload to the GPU; -1 is all of them",
        default: |_| Value::Int(-1),
        get: |config| Value::Int(i64::from(config.n_gpu_layers)),
        set: |config, value| {
            config.n_gpu_layers = i32::try_from(value.int()).unwrap_or(i32::MAX);
        },
    },
    Axis {
        name: "split_mode",
        column: Some("sm"),
        short: "sm",
        long: "split-mode",
        placeholder: "none|layer|row|tensor",
        grammar: Grammar::SplitMode,
        scope: Scope::Load,
        doc: "How a model is spread over several GPUs",
        default: |_| Value::Split(SplitMode::Layer),
        get: |config| Value::Split(config.split_mode),
        set: |config, value| {
            if let Value::Split(mode) = value {
                config.split_mode = mode;
            }
        },
    },
    Axis {
        name: "main_gpu",
        column: Some("main_gpu"),
        short: "mg",
        long: "main-gpu",
        placeholder: "N",
        grammar: Grammar::Count { min: 0 },
        scope: Scope::Load,
        doc: "The GPU for what is not spread; all of it with -sm none",
        default: |_| Value::Int(0),
        get: |config| Value::Int(i64::from(config.main_gpu)),
        set: |config, value| config.main_gpu = value.count(),
    },
    Axis {
        name: "tensor_split",
        column: Some("ts"),
        short: "ts",
        long: "tensor-split",
        placeholder: "S0/S1/...",
        grammar: Grammar::Shares,
        scope: Scope::Load,
        doc: "Shares of the GPUs, e.g. 3/1; llama.cpp goes by free memory",
        default: |_| Value::Shares(Vec::new()),
        get: |config| Value::Shares(config.tensor_split.clone()),
        set: |config, value| {
            if let Value::Shares(shares) = value {
                config.tensor_split = shares;
            }
        },
    },
    Axis {
        name: "devices",
        column: Some("dev"),
        short: "dev",
        long: "device",
        placeholder: "D0/D1/...",
        grammar: Grammar::Devices,
        scope: Scope::Load,
        doc: "Devices to use, e.g. CUDA0/CUDA1; auto is all, none the CPU alone",
        default: |_| Value::Devices(Vec::new()),
        get: |config| Value::Devices(config.devices.clone()),
        set: |config, value| {
            if let Value::Devices(names) = value {
                config.devices = names;
            }
        },
    },
    Axis {
        name: "rpc_servers",
        column: Some("rpc"),
        short: "rpc",
        long: "rpc",
        placeholder: "HOST:PORT,...",
        grammar: Grammar::Servers,
        scope: Scope::Load,
        doc: "RPC servers to use besides local devices; give the flag again for another set, none is no server",
        default: |_| Value::Servers(Vec::new()),
        get: |config| Value::Servers(config.rpc.clone()),
        set: |config, value| {
            if let Value::Servers(servers) = value {
                config.rpc = servers;
            }
        },
    },
    Axis {
        name: "n_batch",
        column: Some("n_batch"),
        short: "b",
        long: "batch-size",
        placeholder: "N",
        grammar: Grammar::Count { min: 1 },
        scope: Scope::Context,
        doc: "Logical batch: most tokens of a prompt handed over at once",
        default: |_| Value::Int(2048),
        get: |config| Value::Int(i64::from(config.n_batch)),
        set: |config, value| config.n_batch = value.count(),
    },
    Axis {
        name: "n_ubatch",
        column: Some("n_ubatch"),
        short: "ub",
        long: "ubatch-size",
        placeholder: "N",
        grammar: Grammar::Count { min: 1 },
        scope: Scope::Context,
        doc: "Physical batch: most tokens computed at once",
        default: |_| Value::Int(512),
        get: |config| Value::Int(i64::from(config.n_ubatch)),
        set: |config, value| config.n_ubatch = value.count(),
    },
    Axis {
        name: "type_k",
        column: Some("type_k"),
        short: "ctk",
        long: "cache-type-k",
        placeholder: "TYPE",
        grammar: Grammar::CacheType,
        scope: Scope::Context,
        doc: "Element type of the K cache: f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, iq4_nl, f32",
        default: |_| Value::Cache(CacheType::F16),
        get: |config| Value::Cache(config.type_k),
        set: |config, value| {
            if let Value::Cache(kind) = value {
                config.type_k = kind;
            }
        },
    },
    Axis {
        name: "type_v",
        column: Some("type_v"),
        short: "ctv",
        long: "cache-type-v",
        placeholder: "TYPE",
        grammar: Grammar::CacheType,
        scope: Scope::Context,
        doc: "Element type of the V cache; a quantized one needs flash attention",
        default: |_| Value::Cache(CacheType::F16),
        get: |config| Value::Cache(config.type_v),
        set: |config, value| {
            if let Value::Cache(kind) = value {
                config.type_v = kind;
            }
        },
    },
    Axis {
        name: "flash_attn",
        column: Some("fa"),
        short: "fa",
        long: "flash-attn",
        placeholder: "on|off|auto",
        grammar: Grammar::FlashAttention,
        scope: Scope::Context,
        doc: "Flash attention: on, off or auto (1, 0, -1)",
        default: |_| Value::Flash(FlashAttention::Auto),
        get: |config| Value::Flash(config.flash_attn),
        set: |config, value| {
            if let Value::Flash(mode) = value {
                config.flash_attn = mode;
            }
        },
    },
    Axis {
        name: "n_threads",
        column: Some("threads"),
        short: "t",
        long: "threads",
        placeholder: "N",
        grammar: Grammar::Count { min: 1 },
        scope: Scope::Context,
        doc: "CPU threads; the default is the number of physical cores",
        default: |host| Value::Int(i64::from(host.default_threads())),
        get: |config| Value::Int(i64::from(config.n_threads)),
        set: |config, value| config.n_threads = value.count(),
    },
    Axis {
        name: "n_depth",
        column: None,
        short: "d",
        long: "n-depth",
        placeholder: "N",
        grammar: Grammar::Count { min: 0 },
        scope: Scope::Context,
        doc: "Tokens already in the context when the clock starts",
        default: |_| Value::Int(0),
        get: |config| Value::Int(i64::from(config.n_depth)),
        set: |config, value| config.n_depth = value.count(),
    },
    Axis {
        name: "reserve_ctx",
        column: Some("reserve_ctx"),
        short: "",
        long: "reserve-ctx",
        placeholder: "N",
        grammar: Grammar::Count { min: 0 },
        scope: Scope::Context,
        doc: "Least size of the context, in tokens: memory figures of the one you will really use",
        default: |_| Value::Int(0),
        get: |config| Value::Int(i64::from(config.reserve_ctx)),
        set: |config, value| config.reserve_ctx = value.count(),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::plan::tests::config;

    #[test]
    fn no_name_or_flag_is_used_twice() {
        let words = |pick: fn(&Axis) -> &'static str| AXES.iter().map(pick).collect::<HashSet<_>>();
        let picks: [fn(&Axis) -> &'static str; 3] =
            [|axis| axis.name, |axis| axis.long, |axis| axis.short];
        for pick in picks {
            assert_eq!(words(pick).len(), AXES.len());
        }
        let columns: Vec<_> = AXES.iter().filter_map(|axis| axis.column).collect();
        assert_eq!(columns.iter().collect::<HashSet<_>>().len(), columns.len());
    }

    #[test]
    fn load_axes_come_before_context_axes() {
        assert!(AXES.iter().map(|axis| axis.scope).is_sorted());
    }

    #[test]
    fn what_is_set_is_what_is_read() {
        for axis in &AXES {
            let values = match axis.grammar {
                Grammar::Count { .. } | Grammar::Layers => vec![Value::Int(7), Value::Int(42)],
                Grammar::CacheType => CacheType::ALL.map(Value::Cache).to_vec(),
                Grammar::FlashAttention => {
                    use FlashAttention::{Auto, Off, On};
                    [Auto, Off, On].map(Value::Flash).to_vec()
                }
                Grammar::SplitMode => SplitMode::ALL.map(Value::Split).to_vec(),
                Grammar::Shares => vec![Value::Shares(vec![300, 100]), Value::Shares(vec![])],
                Grammar::Servers => vec![Value::Servers(vec!["a:1".into(), "b:2".into()])],
                Grammar::Devices => vec![Value::Devices(vec!["CUDA0".into()])],
            };
            for value in values {
                let mut config = config();
                (axis.set)(&mut config, value.clone());
                assert_eq!((axis.get)(&config), value, "{}", axis.name);
            }
        }
    }
}
