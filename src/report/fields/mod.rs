//! Fields: what can be read from a row, as data: JSON and CSV write this table, in this order. llama-bench's
//! fields come first, with its names, types and order, so that its readers read ours; our own follow. A
//! new field is one entry; an axis and a metric have theirs by themselves.

mod llama_bench;
mod nested;
mod of_model;
mod own;
mod quality;
pub mod shape;

use std::sync::LazyLock;

use serde_json::Value;

use super::Row;
use crate::axis::{self, AXES, Axis, Grammar};
use crate::setup::Model;
use crate::terminal;
use crate::work::metric::FieldNames;
use crate::work::{Metric, metric};
pub use shape::Shape;

/// What the values of a field are. Every field may also be null: absent is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Words.
    Text,
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// Several values; in JSON only.
    List,
}

/// One thing that can be read from a row.
#[derive(Debug)]
pub struct Field {
    /// Its name; llama-bench's where that has the field.
    pub name: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// What its numbers count; empty for words and plain numbers.
    pub unit: &'static str,
    /// One sentence about it.
    pub doc: &'static str,
    /// Decimal places that its numbers are written with; `None` is as many as they need.
    pub places: Option<usize>,
    /// What its entries are, where it is a list.
    pub items: Option<&'static Shape>,
    reader: FieldReader,
}

/// Reader of a field.
#[derive(Debug, Clone, Copy)]
enum FieldReader {
    /// It looks at the row.
    Row(Get),
    /// It is an axis.
    Axis(&'static Axis),
    /// It is what the row came to in a metric.
    Figure(&'static Metric),
    /// It is the error of that.
    Error(&'static Metric),
    /// It is the values behind it.
    Values(&'static Metric),
}

type Get = fn(&Row<'_>) -> Value;

impl Field {
    const fn new(
        name: &'static str,
        kind: FieldKind,
        unit: &'static str,
        doc: &'static str,
        get: Get,
    ) -> Self {
        Self { name, kind, unit, doc, places: None, items: None, reader: FieldReader::Row(get) }
    }

    /// The field of an axis, by its name.
    const fn axis(name: &str) -> Self {
        Self::of_axis(axis::named(name))
    }

    /// The field of an axis: all about it stands in the axis's own entry.
    const fn of_axis(axis: &'static Axis) -> Self {
        let kind = match axis.grammar {
            Grammar::Switch if !axis.is_number => FieldKind::Bool,
            Grammar::Switch
            | Grammar::Count { .. }
            | Grammar::Layers
            | Grammar::Percent
            | Grammar::FlashAttention => FieldKind::Int,
            Grammar::CacheType
            | Grammar::LoadMode
            | Grammar::LazyMode
            | Grammar::Mask
            | Grammar::Overrides
            | Grammar::SplitMode
            | Grammar::Shares
            | Grammar::Devices
            | Grammar::Servers => FieldKind::Text,
        };
        let (name, unit, doc) = (axis.name, axis.unit, axis.field_doc);
        Self { name, kind, unit, doc, places: None, items: None, reader: FieldReader::Axis(axis) }
    }

    /// The fields of a metric: its figure, the error of that, and the values behind it.
    fn of_metric(metric: &'static Metric) -> impl Iterator<Item = Self> {
        let FieldNames { value, error, samples } = metric.fields;
        let number = |name, doc, reader| Self {
            reader,
            ..Self::float(name, metric.unit, doc, |_| Value::Null)
        };
        let figure = number(value, metric.doc, FieldReader::Figure(metric));
        let error = error.map(|name| number(name, "Its error", FieldReader::Error(metric)));
        let values = samples.map(|name| Self {
            kind: FieldKind::List,
            items: Some(&Shape::Float),
            ..number(name, "The values behind it, in order", FieldReader::Values(metric))
        });
        [Some(figure), error, values].into_iter().flatten()
    }

    const fn text(name: &'static str, doc: &'static str, get: Get) -> Self {
        Self::new(name, FieldKind::Text, "", doc, get)
    }

    const fn flag(name: &'static str, doc: &'static str, get: Get) -> Self {
        Self::new(name, FieldKind::Bool, "", doc, get)
    }

    const fn int(name: &'static str, unit: &'static str, doc: &'static str, get: Get) -> Self {
        Self::new(name, FieldKind::Int, unit, doc, get)
    }

    const fn float(name: &'static str, unit: &'static str, doc: &'static str, get: Get) -> Self {
        Self::new(name, FieldKind::Float, unit, doc, get)
    }

    /// A speed as llama-bench writes it, with the six decimals of C++'s `std::to_string`.
    const fn speed(name: &'static str, doc: &'static str, get: Get) -> Self {
        Self { places: Some(6), ..Self::float(name, "tokens/s", doc, get) }
    }

    const fn list(
        name: &'static str,
        items: &'static Shape,
        unit: &'static str,
        doc: &'static str,
        get: Get,
    ) -> Self {
        Self { items: Some(items), ..Self::new(name, FieldKind::List, unit, doc, get) }
    }

    /// Reads it.
    pub fn value(&self, row: &Row<'_>) -> Value {
        match self.reader {
            FieldReader::Row(get) => get(row),
            FieldReader::Axis(axis) => {
                row.job.value(axis).map_or(Value::Null, |value| axis.json(&value))
            }
            FieldReader::Figure(metric) => value(row, metric).into(),
            FieldReader::Error(metric) => error(row, metric).into(),
            FieldReader::Values(metric) => values(row, metric).iter().copied().collect(),
        }
    }

    /// A value of this field as JSON.
    pub fn json(&self, value: &Value) -> String {
        match (self.places, value.as_f64()) {
            (Some(places), Some(number)) => format!("{number:.places$}"),
            _ => terminal::in_json(&value.to_string()),
        }
    }
}

/// Every field: llama-bench's, then ours, then axes and metrics that have no place among them.
pub fn all() -> impl Iterator<Item = &'static Field> {
    placed().chain(FURTHER.iter())
}

/// Fields that have a place.
fn placed() -> impl Iterator<Item = &'static Field> {
    let own = own::FIELDS.iter().chain(&of_model::FIELDS).chain(&quality::FIELDS);
    llama_bench::FIELDS.iter().chain(own)
}

static FURTHER: LazyLock<Vec<Field>> = LazyLock::new(|| {
    let further = AXES.iter().map(Field::of_axis).chain(metric::all().flat_map(Field::of_metric));
    further.filter(|field| placed().all(|known| known.name != field.name)).collect()
});

/// The fields of llama-bench's JSON. Its CSV and its SQL have those that are no lists.
pub fn llama_bench() -> impl Iterator<Item = &'static Field> {
    llama_bench::FIELDS.iter()
}

/// What a model file says; null where there is none.
fn model(row: &Row<'_>, read: fn(&Model) -> Value) -> Value {
    row.job.setup.model().map_or(Value::Null, read)
}

/// What a row came to in a metric.
fn value(row: &Row<'_>, metric: &Metric) -> Option<f64> {
    row.figure(metric).map(|figure| figure.value)
}

/// The error of that.
fn error(row: &Row<'_>, metric: &Metric) -> Option<f64> {
    row.figure(metric).and_then(|figure| figure.error)
}

/// The values of a row's headline; none where that is another one.
fn values<'a>(row: &'a Row<'_>, headline: &Metric) -> &'a [f64] {
    if row.job.work.headline() == headline { &row.summary.values } else { &[] }
}

/// A figure in nanoseconds, to the nearest whole one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // durations: positive, and `as` saturates
fn whole(ns: Option<f64>) -> Value {
    ns.map(|ns| ns.round() as u64).into()
}
