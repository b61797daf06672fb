//! Values of axes, and what a flag's text may be.

use std::fmt;

use serde_json::Value as Json;

use crate::setup::{CacheType, FlashAttention, LazyMode, LoadMode, Override, SplitMode, Word as _};

/// One value of an axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A count, or a number of layers where -1 means all.
    Int(i64),
    /// Element type of a cache.
    Cache(CacheType),
    /// When to use flash attention.
    Flash(FlashAttention),
    /// Yes or no.
    Switch(bool),
    /// How a model is spread over devices.
    Split(SplitMode),
    /// How the file is read.
    Load(LoadMode),
    /// Which tensors are read when they are needed.
    Lazy(LazyMode),
    /// CPUs, in hexadecimal.
    Mask(String),
    /// Tensors placed by hand; none is all where their layers go.
    Overrides(Vec<Override>),
    /// Shares of devices, in hundredths; none is left to the engine.
    Shares(Vec<u32>),
    /// Names of devices; none is all of them.
    Devices(Vec<String>),
    /// RPC servers; none is this machine alone.
    Servers(Vec<String>),
}

impl fmt::Display for Value {
    /// As llama-bench prints it: flash attention and switches are numbers there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Cache(kind) => f.write_str(kind.name()),
            Self::Flash(mode) => mode.number().fmt(f),
            Self::Switch(on) => u8::from(*on).fmt(f),
            Self::Split(mode) => f.write_str(mode.name()),
            Self::Load(mode) => f.write_str(mode.name()),
            Self::Lazy(mode) => f.write_str(mode.name()),
            Self::Mask(mask) => f.write_str(mask),
            Self::Overrides(all) if all.is_empty() => f.write_str("none"),
            Self::Overrides(all) => {
                let each = all.iter().map(|one| format!("{}={}", one.pattern, one.buffer));
                f.write_str(&each.collect::<Vec<_>>().join(";"))
            }
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
    /// The value as JSON: numbers and switches are such there, all else is the word that is printed.
    pub fn json(&self) -> Json {
        match self {
            Self::Int(value) => (*value).into(),
            Self::Switch(on) => (*on).into(),
            Self::Flash(mode) => mode.number().into(),
            other => other.to_string().into(),
        }
    }

    pub(super) fn int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            Self::Flash(mode) => mode.number(),
            _ => 0,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(self, Self::Switch(true))
    }

    /// The value as a count; out of range only if the grammar let it pass.
    pub(super) fn count(&self) -> u32 {
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
    /// `0` or `1`, and `off` or `on`.
    Switch,
    /// Whole numbers from 0 to 100, ranges allowed.
    Percent,
    /// `auto`, `none`, `mmap`, `mlock`, `mmap+mlock` or `dio`.
    LoadMode,
    /// `on`, `auto` or `off`.
    LazyMode,
    /// CPUs as hexadecimal digits: `0xff`.
    Mask,
    /// Groups of `pattern=buffer`, parted by `;`.
    Overrides,
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
