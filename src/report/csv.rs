//! Comma-separated values, quoted as llama-bench does: the header bare, every value in quotes, truth
//! values as 1 and 0. Lists have no place in a table and are left to JSON.

use std::io::{self, Write};

use ::csv::{QuoteStyle, WriterBuilder};
use serde_json::{Map, Value};

use super::fields::{Field, FieldKind, all};
use super::{Renderer, Report};
use crate::document::text::one_line;

/// One line a row, after a header.
pub(super) struct Csv;

impl Renderer for Csv {
    fn begin(&mut self, _: &Report, out: &mut dyn Write) -> io::Result<()> {
        let names = columns().map(|field| field.name.to_string());
        write(out, QuoteStyle::Necessary, names)
    }

    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let row = report.row(index);
        let values = columns().map(|field| text(field, &field.value(&row)));
        write(out, QuoteStyle::Always, values)
    }

    fn end(&mut self, _: &Report, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Rows that were read.
pub(super) fn write_objects(
    rows: impl Iterator<Item = Map<String, Value>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let names = columns().map(|field| field.name.to_string());
    write(out, QuoteStyle::Necessary, names)?;
    for row in rows {
        let values = columns()
            .map(|field| row.get(field.name).map_or_else(String::new, |value| text(field, value)));
        write(out, QuoteStyle::Always, values)?;
    }
    Ok(())
}

fn columns() -> impl Iterator<Item = &'static Field> {
    all().filter(|field| field.kind != FieldKind::List)
}

fn write(
    out: &mut dyn Write,
    quotes: QuoteStyle,
    cells: impl Iterator<Item = String>,
) -> io::Result<()> {
    let mut line = WriterBuilder::new().quote_style(quotes).from_writer(vec![]);
    line.write_record(cells)?;
    let line = line.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    out.write_all(&line)
}

/// The text of a value; empty where there is none.
fn text(field: &Field, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => u8::from(*value).to_string(),
        Value::String(text) => harmless(text),
        other => field.json(other),
    }
}

/// Text on one line that no spreadsheet takes for a formula, as it would if it began with one of these
/// signs; model files and logs come from anywhere.
fn harmless(text: &str) -> String {
    let text = one_line(text);
    if text.starts_with(['=', '+', '-', '@']) {
        return format!("'{text}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_begins_like_a_formula() {
        assert_eq!(harmless("=1+1"), "'=1+1");
        assert_eq!(harmless("\t\r@a"), "'@a");
        assert_eq!(harmless("a=1"), "a=1");
    }
}
