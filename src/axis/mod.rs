//! Axes of a sweep, as one table: what a flag is called, what it takes, what it sets.
//!
//! Command line, plan, table columns and JSON fields all read this table, so a new axis is one field of a
//! setup or a work and one entry here.

mod table;

use std::fmt;

pub use table::AXES;

use crate::machine::Host;
use crate::setup::{
    CacheType, Config, FlashAttention, LazyMode, LoadMode, Override, Setup, SplitMode, Word as _,
};
use crate::work::{Speed, Work};

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
    fn int(&self) -> i64 {
        match self {
            Self::Int(value) => *value,
            Self::Flash(mode) => mode.number(),
            _ => 0,
        }
    }

    fn is_on(&self) -> bool {
        matches!(self, Self::Switch(true))
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
    /// The value where the flag is not given.
    fallback: Fallback,
    /// What it is a part of.
    pub lens: Lens,
}

/// Value of an axis that nobody set.
#[derive(Debug, Clone, Copy)]
enum Fallback {
    /// The same everywhere.
    Fixed(fn() -> Value),
    /// The machine's own.
    OfHost(fn(&Host) -> Value),
}

/// Lens of an axis: which part of a job it reads and sets.
#[derive(Debug, Clone, Copy)]
pub enum Lens {
    /// A setting of llama.cpp.
    Llama {
        /// Reads it.
        get: fn(&Config) -> Value,
        /// Sets it.
        set: fn(&mut Config, Value),
    },
    /// A field of a work that measures speed.
    Speed {
        /// Reads it.
        get: fn(&Speed) -> Value,
        /// Sets it.
        set: fn(&mut Speed, Value),
    },
}

/// The axes of which `varying`, an entry for each of [`AXES`], says that they vary.
pub fn those_that(varying: &[bool]) -> impl Iterator<Item = &'static Axis> {
    AXES.iter().zip(varying).filter_map(|(axis, varies)| varies.then_some(axis))
}

impl Axis {
    /// Its value under a setup and a work; `None` where it is an axis of neither.
    pub fn get(&self, setup: &Setup, work: &Work) -> Option<Value> {
        match self.lens {
            Lens::Llama { get, .. } => {
                let Setup::Llama(config) = setup;
                Some(get(config))
            }
            Lens::Speed { get, .. } => {
                let Work::Speed(speed) = work;
                Some(get(speed))
            }
        }
    }

    /// Gives it a value, where it is an axis of this setup or this work.
    pub fn set(&self, setup: &mut Setup, work: &mut Work, value: Value) {
        match self.lens {
            Lens::Llama { set, .. } => {
                let Setup::Llama(config) = setup;
                set(config, value);
            }
            Lens::Speed { set, .. } => {
                let Work::Speed(speed) = work;
                set(speed, value);
            }
        }
    }

    /// The value where the flag is not given.
    pub fn default(&self, host: &Host) -> Value {
        match self.fallback {
            Fallback::Fixed(value) => value(),
            Fallback::OfHost(value) => value(host),
        }
    }

    /// Whether this is what it is at where nobody set it, on every machine.
    pub fn is_default(&self, value: &Value) -> bool {
        match self.fallback {
            Fallback::Fixed(fixed) => fixed() == *value,
            Fallback::OfHost(_) => false,
        }
    }

    /// An axis named as llama-bench's field, with a column of that name. Its flag and values follow.
    const fn new(name: &'static str, scope: Scope, grammar: Grammar, doc: &'static str) -> Self {
        Self {
            name,
            column: Some(name),
            short: "",
            long: "",
            placeholder: "N",
            grammar,
            scope,
            doc,
            fallback: Fallback::Fixed(|| Value::Int(0)),
            lens: Lens::Llama { get: |_| Value::Int(0), set: |_, _| {} },
        }
    }

    /// The heading of its column, if that is not the name; `None` where the test's name says the value.
    const fn column(mut self, column: Option<&'static str>) -> Self {
        self.column = column;
        self
    }

    /// Its flags without dashes, short (empty for none) and long, and what the value is called.
    const fn flags(
        mut self,
        short: &'static str,
        long: &'static str,
        placeholder: &'static str,
    ) -> Self {
        (self.short, self.long, self.placeholder) = (short, long, placeholder);
        self
    }

    /// The value where the flag is not given.
    const fn default_is(mut self, value: fn() -> Value) -> Self {
        self.fallback = Fallback::Fixed(value);
        self
    }

    /// The same where it is the machine's.
    const fn default_of_host(mut self, value: fn(&Host) -> Value) -> Self {
        self.fallback = Fallback::OfHost(value);
        self
    }

    /// How it is read and set, as a setting of llama.cpp.
    const fn of_llama(mut self, get: fn(&Config) -> Value, set: fn(&mut Config, Value)) -> Self {
        self.lens = Lens::Llama { get, set };
        self
    }

    /// How it is read and set, as a field of a work that measures speed.
    const fn of_speed(mut self, get: fn(&Speed) -> Value, set: fn(&mut Speed, Value)) -> Self {
        self.lens = Lens::Speed { get, set };
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::plan::tests::config;

    #[test]
    fn no_name_or_flag_is_used_twice() {
        let picks: [fn(&Axis) -> &'static str; 3] =
            [|axis| axis.name, |axis| axis.long, |axis| axis.short];
        for pick in picks {
            let words: Vec<_> = AXES.iter().map(pick).filter(|word| !word.is_empty()).collect();
            assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
        }
        assert!(AXES.iter().all(|axis| !axis.long.is_empty()));
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
                Grammar::CacheType => CacheType::ALL.iter().copied().map(Value::Cache).collect(),
                Grammar::FlashAttention => {
                    use FlashAttention::{Auto, Off, On};
                    [Auto, Off, On].map(Value::Flash).to_vec()
                }
                Grammar::Switch => vec![Value::Switch(true), Value::Switch(false)],
                Grammar::Percent => vec![Value::Int(0), Value::Int(100)],
                Grammar::SplitMode => SplitMode::ALL.iter().copied().map(Value::Split).collect(),
                Grammar::LoadMode => LoadMode::ALL.iter().copied().map(Value::Load).collect(),
                Grammar::LazyMode => LazyMode::ALL.iter().copied().map(Value::Lazy).collect(),
                Grammar::Mask => vec![Value::Mask("0xf".into())],
                Grammar::Overrides => {
                    let one = Override { pattern: "exps".into(), buffer: "CPU".into() };
                    vec![Value::Overrides(vec![one]), Value::Overrides(Vec::new())]
                }
                Grammar::Shares => vec![Value::Shares(vec![300, 100]), Value::Shares(vec![])],
                Grammar::Servers => vec![Value::Servers(vec!["a:1".into(), "b:2".into()])],
                Grammar::Devices => vec![Value::Devices(vec!["CUDA0".into()])],
            };
            for value in values {
                let (mut setup, mut work) = (config().into(), Work::prompt(512));
                axis.set(&mut setup, &mut work, value.clone());
                assert_eq!(axis.get(&setup, &work), Some(value), "{}", axis.name);
            }
        }
    }
}
