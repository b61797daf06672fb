//! Schema: what `-o json` and `-o jsonl` write, as JSON Schema, generated from the table of fields.
//!
//! Written by hand, a line for each field, because the order of the fields says something: llama-bench's
//! come first.

use std::io::{self, Write};

use super::fields::{Field, FieldKind, Shape, all, llama_bench, shape};

/// Fields of ours that every row of this version has, with a value. A field that is added to the version
/// later is not among them: files of before stay valid.
const ALWAYS: [&str; 4] = ["schema_version", "outcome", "job_id", "test"];

/// Writes the schema.
///
/// # Errors
/// When it cannot be written.
pub fn write(out: &mut dyn Write) -> io::Result<()> {
    let version = shape::VERSION;
    let required = llama_bench().map(|field| field.name).chain(ALWAYS);
    let required = required.map(|name| format!("        {}", text(name)));
    let required = required.collect::<Vec<_>>().join(",\n");
    let properties =
        all().map(|field| format!("        {}: {}", text(field.name), property(field)));
    let properties = properties.collect::<Vec<_>>().join(",\n");
    writeln!(
        out,
        r##"{{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "urn:lbench:results:{version}",
  "title": "Results of lbench, version {version}",
  "description": "One array of rows (-o json), or one row (a line of -o jsonl). Within a version, fields are added and never removed, renamed or retyped. Null is absent, never 0.",
  "anyOf": [
    {{"type": "array", "items": {{"$ref": "#/$defs/row"}}}},
    {{"$ref": "#/$defs/row"}}
  ],
  "$defs": {{
    "row": {{
      "type": "object",
      "required": [
{required}
      ],
      "properties": {{
{properties}
      }}
    }}
  }}
}}"##
    )
}

/// The schema of a field.
fn property(field: &Field) -> String {
    let unit = if field.unit.is_empty() {
        String::new()
    } else {
        format!(", \"x-unit\": {}", text(field.unit))
    };
    let items = field.items.map(|items| format!(", \"items\": {}", schema(items, None)));
    let values = if field.name == "schema_version" {
        format!("\"const\": {}", shape::VERSION)
    } else {
        format!("\"type\": {}", kind(field))
    };
    let doc = text(field.doc);
    format!("{{{values}, \"description\": {doc}{unit}{}}}", items.unwrap_or_default())
}

/// Its type. A list is empty where there is nothing; anything else may be null.
fn kind(field: &Field) -> String {
    let name = match field.kind {
        FieldKind::List => return text("array"),
        FieldKind::Text => "string",
        FieldKind::Bool => "boolean",
        FieldKind::Int => "integer",
        FieldKind::Float => "number",
    };
    if ALWAYS.contains(&field.name) { text(name) } else { format!("[{}, \"null\"]", text(name)) }
}

/// The schema of what stands in a list, with a sentence about it.
fn schema(shape: &Shape, doc: Option<&str>) -> String {
    let (shape, null) = match shape {
        Shape::Maybe(shape) => (*shape, true),
        shape => (shape, false),
    };
    let (name, more) = match shape {
        Shape::Text | Shape::Maybe(_) => ("string", String::new()),
        Shape::Bool => ("boolean", String::new()),
        Shape::Int => ("integer", String::new()),
        Shape::Float => ("number", String::new()),
        Shape::Several(items) => ("array", format!(", \"items\": {}", schema(items, None))),
        Shape::Record(parts) => {
            let parts = parts
                .iter()
                .map(|(name, shape, doc)| format!("{}: {}", text(name), schema(shape, Some(doc))));
            let parts = parts.collect::<Vec<_>>().join(", ");
            ("object", format!(", \"properties\": {{{parts}}}"))
        }
    };
    let kind = if null { format!("[{}, \"null\"]", text(name)) } else { text(name) };
    let doc = doc.map(|doc| format!(", \"description\": {}", text(doc))).unwrap_or_default();
    format!("{{\"type\": {kind}{doc}{more}}}")
}

/// Text as JSON.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
