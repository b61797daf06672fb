//! A comparison for programs: an array with an object a line.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use super::entry::{ComparedRow, RowEnding};
use super::keys::KEYS;
use super::turns::facts;
use super::{Judged, Run, RunComparison, TestLine};
use crate::terminal::in_json;

/// One test.
#[derive(serde::Serialize)]
struct Object<'a> {
    test: String,
    verdict: String,
    reason: Option<&'static str>,
    change: Option<f64>,
    change_low: Option<f64>,
    change_high: Option<f64>,
    a: Option<JsonSide<'a>>,
    b: Option<JsonSide<'a>>,
    threshold: f64,
    floor: f64,
    confidence: f64,
    warnings: Vec<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rounds: Option<usize>,
}

/// One side of it.
#[derive(serde::Serialize)]
struct JsonSide<'a> {
    /// Null for a side of which nothing was typed.
    file: Option<&'a str>,
    row: usize,
    outcome: &'static str,
    cause: Option<&'a str>,
    n: usize,
    #[serde(flatten)]
    figure: Told<'a>,
    model: Option<&'a str>,
    model_hash: Option<&'a str>,
    key: BTreeMap<&'static str, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facts: Option<BTreeMap<&'static str, &'a str>>,
}

/// What a side came to, under the names of its metric's fields.
struct Told<'a>(&'a ComparedRow);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(ComparedRow { metric, figure, .. }) = self;
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry(metric.fields.value, &figure.as_ref().map(|figure| figure.value))?;
        if let Some(name) = metric.fields.error {
            fields.serialize_entry(name, &figure.as_ref().and_then(|figure| figure.error))?;
        }
        fields.end()
    }
}

pub(super) fn write(comparison: &RunComparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut before = "[\n";
    for at in 0..comparison.lines.len() {
        write!(out, "{before}  {}", in_json(&serde_json::to_string(&object(comparison, at))?))?;
        before = ",\n";
    }
    writeln!(out, "\n]")
}

pub(super) fn write_lines(comparison: &RunComparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    for at in 0..comparison.lines.len() {
        writeln!(out, "{}", serde_json::to_string(&object(comparison, at))?)?;
    }
    Ok(())
}

fn object<'a>(comparison: &'a RunComparison<'_>, at: usize) -> Object<'a> {
    let (line, turns): (&TestLine<'a>, _) = (&comparison.lines[at], comparison.turns.as_ref());
    let judged = line.judged.comparison();
    let interval = judged.and_then(|judged| judged.interval);
    let floor = |entry: Option<&ComparedRow>| entry.and_then(|entry| entry.floor);
    let own = comparison.options.limits;
    let limits = if turns.is_some() { own } else { own.on([floor(line.a), floor(line.b)]) };
    let in_turn = turns.is_some();
    Object {
        test: line.test(),
        verdict: verdict(line),
        reason: (line.judged == Judged::NoSamples).then_some("no samples"),
        change: judged.and_then(|judged| judged.effect),
        change_low: interval.map(|interval| interval.low),
        change_high: interval.map(|interval| interval.high),
        a: line.a.map(|entry| side(comparison.a, entry, in_turn)),
        b: line.b.map(|entry| side(comparison.b, entry, in_turn)),
        threshold: limits.threshold,
        floor: limits.floor,
        confidence: limits.confidence,
        warnings: comparison.warnings.iter().chain(&comparison.notes).collect(),
        rounds: turns.map(|turns| turns.rounds[at]),
    }
}

/// A verdict as programs read it.
fn verdict(line: &TestLine<'_>) -> String {
    line.word().to_lowercase().replace(' ', "_")
}

fn side<'a>(run: &'a Run, entry: &'a ComparedRow, in_turn: bool) -> JsonSide<'a> {
    let keys = KEYS.iter().zip(&entry.keys);
    let (outcome, cause) = match &entry.ending {
        RowEnding::Completed => ("completed", None),
        RowEnding::Interrupted => ("interrupted", None),
        RowEnding::Failed(cause) => ("failed", Some(cause.as_str())),
    };
    JsonSide {
        file: Some(run.name.as_str()).filter(|name| !name.is_empty()),
        row: entry.position,
        outcome,
        cause,
        n: entry.values.len(),
        figure: Told(entry),
        model: entry.model.label.as_deref(),
        model_hash: entry.model.hash.as_deref(),
        key: keys.filter_map(|(key, value)| Some((key.name, as_number(value.as_ref()?)))).collect(),
        facts: in_turn.then(|| facts(entry)),
    }
}

/// Whole numbers as numbers, other values as words.
fn as_number(value: &str) -> Value {
    value.parse::<i64>().map_or_else(|_| value.into(), Value::from)
}
