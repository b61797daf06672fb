//! Axes of a sweep, as one table: what a flag is called, what it takes, what it sets.
//!
//! Command line, plan, table columns and JSON fields all read this table, so a new axis is one field of a
//! setup or a work and one entry here.

mod collapse;
mod context;
mod load;
#[cfg(test)]
pub(crate) mod tests;
mod value;

pub use collapse::{CONTEXT_GRAIN, Collapse};
pub use value::{Grammar, Value};

use serde_json::Value as Json;

use crate::machine::Host;
use crate::setup::{Config, Setup};
use crate::work::{Speed, Work};

/// Every axis besides the model, outermost first: load axes, then context axes, so that walking the
/// table in order loads a model as rarely as possible.
pub static AXES: [Axis; load::AXES.len() + context::AXES.len()] = {
    let mut all = [load::AXES[0]; load::AXES.len() + context::AXES.len()];
    let mut at = 0;
    while at < all.len() {
        let loads = load::AXES.len();
        all[at] = if at < loads { load::AXES[at] } else { context::AXES[at - loads] };
        at += 1;
    }
    all
};

/// The axis of a name, where the name is known when lbench is built.
///
/// # Panics
/// Where there is none: in a constant, lbench is then not built.
pub const fn named(name: &str) -> &'static Axis {
    let mut at = 0;
    while at < AXES.len() {
        if is_same(AXES[at].name, name) {
            return &AXES[at];
        }
        at += 1;
    }
    panic!("there is no axis of this name")
}

/// `==`, which constants do not have for text.
const fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
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
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// llama-bench's field name, which is ours too: `n_gpu_layers`.
    pub name: &'static str,
    /// Heading of its column, as in llama-bench: `ngl`. `None` where the test's name says it already.
    pub column: Option<&'static str>,
    /// Characters that the cells of its column are padded to.
    pub width: usize,
    /// What its field counts; empty for words and plain numbers.
    pub unit: &'static str,
    /// One sentence about its field.
    pub field_doc: &'static str,
    /// Whether a switch is 1 or 0 in its field, as llama-bench has it for some.
    pub is_number: bool,
    /// Whether a row without the field was measured with the default.
    pub is_implied: bool,
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
    /// What its values come to, where they are not always taken as asked.
    pub collapse: Option<Collapse>,
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
            Lens::Speed { get, .. } => Some(get(work.speed()?)),
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
                if let Some(speed) = work.speed_mut() {
                    set(speed, value);
                }
            }
        }
    }

    /// The value of its field.
    pub fn json(&self, value: &Value) -> Json {
        match value {
            Value::Switch(on) if self.is_number => u8::from(*on).into(),
            other => other.json(),
        }
    }

    /// The value where the flag is not given.
    pub fn default(&self, host: &Host) -> Value {
        match self.fallback {
            Fallback::Fixed(value) => value(),
            Fallback::OfHost(value) => value(host),
        }
    }

    /// The same where it is one on every machine.
    pub fn fixed_default(&self) -> Option<Value> {
        match self.fallback {
            Fallback::Fixed(value) => Some(value()),
            Fallback::OfHost(_) => None,
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
            width: 10,
            unit: "",
            field_doc: doc,
            is_number: false,
            is_implied: false,
            collapse: None,
        }
    }

    /// The heading of its column, if that is not the name.
    const fn column(mut self, column: &'static str) -> Self {
        self.column = Some(column);
        self
    }

    /// The test's name says the value, and there is no column.
    const fn without_column(mut self) -> Self {
        self.column = None;
        self
    }

    /// The width of its column, where llama-bench has another than 10.
    const fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// What its field counts, and a sentence about it.
    const fn field(mut self, unit: &'static str, doc: &'static str) -> Self {
        (self.unit, self.field_doc) = (unit, doc);
        self
    }

    /// In its field, a switch is a number.
    const fn as_number(mut self) -> Self {
        self.is_number = true;
        self
    }

    /// Results without its field were measured with the default.
    const fn implied(mut self) -> Self {
        self.is_implied = true;
        self
    }

    /// Not every value is taken as asked.
    const fn collapses(mut self, collapse: Collapse) -> Self {
        self.collapse = Some(collapse);
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
