//! Columns on request: `--columns` takes the name of any field, or a short one from the table here.

use std::io::{self, Write};

use serde_json::Value;

use super::Row;
use super::fields::{Field, FieldKind, all};
use crate::document::NOTHING;
use crate::error::Error;
use crate::near;
use crate::units::{Bytes, Nanos};

/// Short names, and the fields that they stand for. Several share a cell.
static SHORT: [(&str, &[&str]); 16] = [
    ("bandwidth", &["bandwidth_share"]),
    ("compute", &["compute_share"]),
    ("median", &["median_ts"]),
    ("ci", &["ci_low_ts", "ci_high_ts"]),
    ("quartiles", &["q1_ts", "q3_ts"]),
    ("min", &["min_ts"]),
    ("max", &["max_ts"]),
    ("n", &["n_samples"]),
    ("n_eff", &["n_effective"]),
    ("p50", &["itl_p50_ns"]),
    ("p95", &["itl_p95_ns"]),
    ("p99", &["itl_p99_ns"]),
    ("load", &["load_ns"]),
    ("joules", &["joules_per_token"]),
    ("power", &["power_w"]),
    ("clock", &["sm_clock_mhz"]),
];

/// A column that was asked for.
#[derive(Debug, Clone, Copy)]
pub enum Extra {
    /// A field.
    Field(&'static Field),
    /// An entry of the table of short names.
    Short(usize),
}

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        self.heading() == other.heading()
    }
}

impl Extra {
    /// The column of this name, in any case; `-` and `_` are the same.
    ///
    /// # Errors
    /// One sentence with the nearest names.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text.trim().to_ascii_lowercase().replace('-', "_");
        if let Some(index) = SHORT.iter().position(|(short, _)| *short == name) {
            return Ok(Self::Short(index));
        }
        if let Some(field) = shown().find(|field| field.name == name) {
            return Ok(Self::Field(field));
        }
        let names = shown().map(|field| field.name);
        let near = near::all(&name, names.chain(SHORT.iter().map(|(short, _)| *short)));
        let nearest = match near.as_slice() {
            [] => String::new(),
            near => format!("nearest: {}; ", near[..near.len().min(3)].join(", ")),
        };
        Err(format!("there is no column '{text}'; {nearest}--columns help lists them"))
    }

    /// The columns of these names; `None` if the question is what there is.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn parse_all(names: &[String]) -> Result<Option<Vec<Self>>, Error> {
        if names.iter().any(|name| name == "help") {
            return Ok(None);
        }
        let parsed = names.iter().map(|name| Self::parse(name)).collect::<Result<_, _>>();
        parsed.map(Some).map_err(|e| Error::Usage(format!("--columns: {e}")))
    }

    /// Its fields.
    pub fn fields(self) -> impl Iterator<Item = &'static Field> {
        let (one, names): (_, &[&str]) = match self {
            Self::Field(field) => (Some(field), &[]),
            Self::Short(index) => (None, SHORT.get(index).map_or(&[], |(_, names)| names)),
        };
        one.into_iter().chain(names.iter().filter_map(|name| all().find(|f| f.name == *name)))
    }

    /// What stands above it.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Field(field) => field.name,
            Self::Short(index) => SHORT.get(index).map_or("", |(short, _)| short),
        }
    }

    /// Whether what devices can do at best has to be known for it.
    pub fn needs_roof(self) -> bool {
        let of_roof = ["bandwidth_share", "compute_share", "device_bandwidth", "device_compute"];
        self.fields().any(|field| of_roof.contains(&field.name))
    }

    /// Whether it is aligned as numbers are.
    pub(super) fn is_number(self) -> bool {
        self.fields().all(|field| matches!(field.kind, FieldKind::Int | FieldKind::Float))
    }

    /// The text of its cell.
    pub(super) fn cell(self, row: &Row<'_>) -> String {
        let values: Vec<_> = self.fields().map(|field| text(field, &field.value(row))).collect();
        if values.iter().all(|value| value == NOTHING) {
            NOTHING.into()
        } else {
            values.join(" … ")
        }
    }
}

/// Fields that fit into a cell.
fn shown() -> impl Iterator<Item = &'static Field> {
    all().filter(|field| field.kind != FieldKind::List)
}

/// A value for people, by the unit of its field.
fn text(field: &Field, value: &Value) -> String {
    match (value, field.kind, field.unit) {
        (Value::Null, ..) => NOTHING.into(),
        (Value::String(text), ..) => text.clone(),
        (Value::Bool(yes), ..) => if *yes { "yes" } else { "no" }.into(),
        (value, _, "ns") => value.as_u64().map_or_else(|| NOTHING.into(), |n| Nanos(n).to_string()),
        (value, FieldKind::Int, "bytes") => {
            value.as_u64().map_or_else(|| NOTHING.into(), |n| Bytes(n).to_string())
        }
        (value, FieldKind::Float, unit) => {
            value.as_f64().map_or_else(|| NOTHING.into(), |number| float(number, unit))
        }
        (value, ..) => value.to_string(),
    }
}

fn float(number: f64, unit: &str) -> String {
    match unit {
        "share" => format!("{:.1} %", number * 100.0),
        "bytes/s" | "FLOP/s" | "bytes" | "FLOP" => scaled(number, unit),
        _ if number.abs() < 1.0 => format!("{number:.4}"),
        _ => format!("{number:.2}"),
    }
}

/// A big number with a decimal prefix: `21.3 Gbytes/s`.
pub fn scaled(number: f64, unit: &str) -> String {
    let unit = unit.replace("bytes", "B");
    let steps = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match steps.into_iter().find(|(scale, _)| number >= *scale) {
        Some((scale, prefix)) => format!("{:.1} {prefix}{unit}", number / scale),
        None => format!("{number:.0} {unit}"),
    }
}

/// Lists what `--columns` takes.
///
/// # Errors
/// When it cannot be written.
pub fn list(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Short names:")?;
    for (short, names) in SHORT {
        writeln!(out, "  {short:<24}{}", names.join(" … "))?;
    }
    writeln!(out, "Fields:")?;
    for field in shown() {
        let unit = if field.unit.is_empty() { String::new() } else { format!(" [{}]", field.unit) };
        writeln!(out, "  {:<24}{}{unit}", field.name, field.doc)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_stand_for_fields_and_hide_none() {
        for (index, (short, names)) in SHORT.iter().enumerate() {
            assert_eq!(Extra::Short(index).fields().count(), names.len(), "{short}");
            assert!(all().all(|field| field.name != *short), "{short} is a field");
        }
    }

    #[test]
    fn a_slip_is_answered_with_what_is_near() {
        let error = Extra::parse("medain").unwrap_err();
        assert!(error.contains("median"), "{error}");
        assert!(error.contains("--columns help"), "{error}");
        assert!(Extra::parse("samples_ns").is_err(), "lists do not fit into a cell");
        assert_eq!(Extra::parse("P99").unwrap().heading(), "p99");
        assert_eq!(Extra::parse("bandwidth-share").unwrap().heading(), "bandwidth_share");
    }

    #[test]
    fn big_numbers_have_a_prefix() {
        assert_eq!(scaled(21.34e9, "bytes/s"), "21.3 GB/s");
        assert_eq!(scaled(812e12, "FLOP/s"), "812.0 TFLOP/s");
    }
}
