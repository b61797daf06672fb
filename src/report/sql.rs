//! Statements for `SQLite`, so that `lbench -o sql | sqlite3 llama-bench.sqlite` appends to the database
//! that llama-bench's users keep, whoever began it: `llama_bench` is llama-bench's own table, column by
//! column. A column of ours in it would be missing where llama-bench or an older lbench made it, and every
//! row would be refused.
//!
//! So ours stand beside it. `lbench_rows` has each row as JSON, failed ones too, and the view `lbench` has
//! them by column: llama-bench's first, then ours. Rows without a speed are in these two alone: readers of
//! llama-bench's table, where every row has one, fall over a null.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::fields::{Field, FieldKind, all, llama_bench};
use super::json::object;
use super::{Renderer, Report};
use crate::document::text::one_line;
use crate::work::speed;

/// Two tables and a view, then one or two statements a row.
pub(super) struct Sql;

impl Renderer for Sql {
    fn begin(&mut self, _: &Report, out: &mut dyn Write) -> io::Result<()> {
        begin(out)
    }

    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let row = report.row(index);
        let has_speed = row.figure(&speed::RATE).is_some();
        let statements = statements(&object(report, index), has_speed, |field| field.value(&row));
        out.write_all(statements.as_bytes())
    }

    fn end(&mut self, _: &Report, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Rows that were read, each with its JSON.
pub(super) fn write_objects<'a>(
    rows: impl Iterator<Item = (&'a String, Map<String, Value>)>,
    out: &mut dyn Write,
) -> io::Result<()> {
    begin(out)?;
    for (json, row) in rows {
        let value = |field: &Field| row.get(field.name).cloned().unwrap_or_default();
        let has_speed = row.get(speed::RATE.fields.value).is_some_and(Value::is_number);
        out.write_all(statements(json, has_speed, value).as_bytes())?;
    }
    Ok(())
}

/// The tables and the view.
fn begin(out: &mut dyn Write) -> io::Result<()> {
    let columns = columns().map(|field| format!("  {} {}", field.name, kind(field)));
    let columns = columns.collect::<Vec<_>>().join(",\n");
    // Made anew each time: an older lbench did not know all fields.
    let shown = all().map(|field| {
        let name = field.name;
        format!("  json_extract(json, '$.{name}') AS \"{name}\"")
    });
    let shown = shown.collect::<Vec<_>>().join(",\n");
    out.write_all(
        format!(
            "CREATE TABLE IF NOT EXISTS llama_bench (\n{columns}\n);\n\n\
             CREATE TABLE IF NOT EXISTS lbench_rows (\n  llama_bench INTEGER,\n  json TEXT\n);\n\n\
             DROP VIEW IF EXISTS lbench;\n\
             CREATE VIEW lbench AS SELECT\n  llama_bench,\n{shown}\nFROM lbench_rows;\n\n"
        )
        .as_bytes(),
    )
}

/// What a row takes: a place in llama-bench's table where it has a speed, and one in ours.
fn statements(json: &str, has_speed: bool, value: impl Fn(&Field) -> Value) -> String {
    let json = quoted(json);
    if !has_speed {
        return format!("INSERT INTO lbench_rows (llama_bench, json) VALUES (NULL, {json});\n");
    }
    let names = columns().map(|field| field.name).collect::<Vec<_>>().join(", ");
    let values = columns().map(|field| literal(field, &value(field)));
    let values = values.collect::<Vec<_>>().join(", ");
    format!(
        "INSERT INTO llama_bench ({names}) VALUES ({values});\n\
         INSERT INTO lbench_rows (llama_bench, json) VALUES (last_insert_rowid(), {json});\n"
    )
}

/// The columns of llama-bench's table.
fn columns() -> impl Iterator<Item = &'static Field> {
    llama_bench().filter(|field| field.kind != FieldKind::List)
}

/// The type that llama-bench gives a column.
fn kind(field: &Field) -> &'static str {
    match field.kind {
        FieldKind::Text | FieldKind::List => "TEXT",
        FieldKind::Bool | FieldKind::Int => "INTEGER",
        FieldKind::Float => "REAL",
    }
}

/// A value in quotes, numbers too, as llama-bench writes it: a column with a number's type makes it one.
fn literal(field: &Field, value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(value) => quoted(&u8::from(*value).to_string()),
        Value::String(text) => quoted(&one_line(text)),
        other => quoted(&field.json(other)),
    }
}

/// Text as SQL: a quote within it is doubled.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
