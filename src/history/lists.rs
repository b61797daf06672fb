//! Lists for people and programs: a table as markdown, objects as JSON, lines as CSV.

use std::io::{self, Write};
use std::str::FromStr;

use serde_json::{Value, json};

use super::{History, PastRun};
use crate::document::text::one_line;
use crate::document::{Align, Cell, Heading, Markdown, NOTHING, Page as _, Table};
use crate::terminal::in_json;
use crate::units::rfc3339;

/// Fields of an object, in order.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// A table.
    Markdown,
    /// An array of objects.
    Json,
    /// An object a line.
    Jsonl,
    /// Comma-separated values under a header.
    Csv,
}

impl FromStr for ListFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "md" | "markdown" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            "jsonl" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            _ => {
                Err(format!("there is no format '{text}' of lists; there are md, json, jsonl, csv"))
            }
        }
    }
}

/// Time as a table has it, in UTC: `2026-05-01 12:00`.
pub(super) fn when(unix_time: u64) -> String {
    rfc3339(unix_time).replace('T', " ").chars().take(16).collect()
}

/// Numbers as a table has them: speeds with two decimals, divergences, which are far below 1, with six.
pub(super) fn figure(value: f64) -> String {
    if value.abs() < 1.0 { format!("{value:.6}") } else { format!("{value:.2}") }
}

/// Writes a list of some of the runs.
///
/// # Errors
/// When it cannot be written.
pub fn write_list(
    history: &History,
    runs: &[&PastRun],
    format: ListFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    if format == ListFormat::Markdown {
        return Markdown::default().table(&table(history, runs), out);
    }
    write_objects(&runs.iter().map(|run| object(run)).collect::<Vec<_>>(), format, out)
}

fn table(history: &History, runs: &[&PastRun]) -> Table {
    let digits = history.digits();
    let left = |text: &str| Heading::new(text, Align::Left);
    let headings = vec![
        left("id"),
        left("when (UTC)"),
        left("model"),
        left("varied"),
        left("best"),
        Heading::new("rows", Align::Right),
        left("machine"),
        left("tags"),
    ];
    let rows = runs.iter().map(|run| {
        let summary = &run.summary;
        let or_nothing = |text: String| if text.is_empty() { NOTHING.into() } else { text };
        let cells = [
            summary.id.chars().take(digits).collect(),
            when(summary.unix_time),
            some(&summary.models, 2),
            or_nothing(summary.varied.join("; ")),
            or_nothing(best(run)),
            rows_of(run),
            or_nothing(summary.machine_in_words() + if run.imported { ", imported" } else { "" }),
            or_nothing(run.tags.join(", ")),
        ];
        cells.into_iter().map(Cell::from).collect()
    });
    Table { headings, rows: rows.collect(), notes: Vec::new() }
}

/// The first of some words, and how many more there are.
fn some(words: &[String], most: usize) -> String {
    let more = words.len().saturating_sub(most);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    words[..words.len().min(most)].join(", ") + &more
}

fn best(run: &PastRun) -> String {
    let rows = run.summary.best.iter().map(|row| {
        let setting =
            if row.setting.is_empty() { String::new() } else { format!(" ({})", row.setting) };
        // Other units than that of every table are said.
        let unit = if row.unit == "tokens/s" { String::new() } else { format!(" {}", row.unit) };
        format!("{} {}{}{setting}", row.test, figure(row.value), unit.trim_end())
    });
    rows.collect::<Vec<_>>().join("; ")
}

fn rows_of(run: &PastRun) -> String {
    let summary = &run.summary;
    let all = summary.ok + summary.failed + summary.unfinished;
    let mut words = vec![format!("{} of {all}", summary.ok)];
    if summary.failed > 0 {
        words.push(format!("{} failed", summary.failed));
    }
    words.extend(summary.ending_in_words().map(String::from));
    words.join(", ")
}

fn object(run: &PastRun) -> Fields {
    let summary = &run.summary;
    let ending = summary.ending_in_words().unwrap_or("finished").replace(' ', "_");
    vec![
        ("id", json!(summary.id)),
        ("unix_time", json!(summary.unix_time)),
        ("when", json!(rfc3339(summary.unix_time))),
        ("models", json!(summary.models)),
        ("files", json!(summary.files)),
        ("tests", json!(summary.tests)),
        ("varied", json!(summary.varied)),
        ("best", json!(summary.best)),
        ("rows_ok", json!(summary.ok)),
        ("rows_failed", json!(summary.failed)),
        ("rows_unfinished", json!(summary.unfinished)),
        ("ending", json!(ending)),
        ("machine", json!(summary.machine)),
        ("devices", json!(summary.devices)),
        ("engine", json!(summary.engine)),
        ("driver", json!(summary.driver)),
        ("tags", json!(run.tags)),
        ("imported", json!(run.imported)),
        ("journal", json!(run.path.to_string_lossy())),
    ]
}

/// An object on one line, its fields in order.
fn on_a_line(fields: &Fields) -> String {
    let fields = fields.iter().map(|(name, value)| format!("\"{name}\": {value}"));
    in_json(&format!("{{{}}}", fields.collect::<Vec<_>>().join(", ")))
}

/// Writes objects that all have the same fields.
pub(super) fn write_objects(
    objects: &[Fields],
    format: ListFormat,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        ListFormat::Csv => write_csv(objects, out),
        ListFormat::Json => {
            let lines: Vec<_> = objects.iter().map(|one| format!("  {}", on_a_line(one))).collect();
            let body = if lines.is_empty() { String::new() } else { lines.join(",\n") + "\n" };
            writeln!(out, "[\n{body}]")
        }
        ListFormat::Jsonl | ListFormat::Markdown => {
            objects.iter().try_for_each(|one| writeln!(out, "{}", on_a_line(one)))
        }
    }
}

fn write_csv(objects: &[Fields], out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = objects.first() else { return Ok(()) };
    let mut csv = ::csv::Writer::from_writer(Vec::new());
    csv.write_record(first.iter().map(|(name, _)| name))?;
    for object in objects {
        csv.write_record(object.iter().map(|(_, value)| cell(value)))?;
    }
    let text = csv.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    out.write_all(&text)
}

/// A value in a line of CSV: lists with `; ` between their items, objects with blanks between their values. No spreadsheet takes it for a
/// formula.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(truth) => u8::from(*truth).to_string(),
        Value::String(text) => one_line(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => fields.values().map(cell).collect::<Vec<_>>().join(" "),
        Value::Number(number) => return number.to_string(),
    };
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn small_figures_keep_what_they_say() {
        assert_eq!([figure(0.002_801), figure(397.8)], ["0.002801", "397.80"]);
    }
}
