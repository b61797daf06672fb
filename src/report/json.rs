//! JSON, as one array or as one object a line, laid out as llama-bench does: one field a line there, one
//! row a line here.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::fields::all;
use super::{Renderer, Report};
use crate::terminal;

/// One array of all rows.
#[derive(Default)]
pub(super) struct Json {
    /// Whether a row was written: the next one needs a comma before it.
    any: bool,
}

impl Renderer for Json {
    fn begin(&mut self, _: &Report, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"[\n")
    }

    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let before = if self.any { ",\n" } else { "" };
        self.any = true;
        let fields = encoded(report, index).join(",\n    ");
        // In one piece: a reader of the stream sees whole rows only.
        out.write_all(format!("{before}  {{\n    {fields}\n  }}").as_bytes())
    }

    fn end(&mut self, _: &Report, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(if self.any { b"\n]\n" } else { b"]\n" })
    }
}

/// One object a line.
pub(super) struct Jsonl;

impl Renderer for Jsonl {
    fn begin(&mut self, _: &Report, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(format!("{}\n", object(report, index)).as_bytes())
    }

    fn end(&mut self, _: &Report, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// A row on one line.
pub(super) fn object(report: &Report, index: usize) -> String {
    format!("{{{}}}", encoded(report, index).join(", "))
}

/// Rows that were read, as one array; fields that are not known stand behind the others.
pub(super) fn write_objects(
    rows: impl Iterator<Item = Map<String, Value>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(b"[\n")?;
    let mut before = "";
    for mut row in rows {
        let known = all().filter_map(|field| {
            let value = row.remove(field.name)?;
            Some(format!("\"{}\": {}", field.name, field.json(&value)))
        });
        let mut fields: Vec<_> = known.collect();
        let later = row.iter().map(|(name, value)| format!("{}: {value}", json!(name)));
        fields.extend(later.map(|field| terminal::in_json(&field)));
        out.write_all(format!("{before}  {{\n    {}\n  }}", fields.join(",\n    ")).as_bytes())?;
        before = ",\n";
    }
    out.write_all(if before.is_empty() { b"]\n" } else { b"\n]\n" })
}

/// Every field as `"name": value`, in the order of the table, which a JSON map would not keep.
fn encoded(report: &Report, index: usize) -> Vec<String> {
    let row = report.row(index);
    all().map(|field| format!("\"{}\": {}", field.name, field.json(&field.value(&row)))).collect()
}
