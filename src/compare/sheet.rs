//! A comparison as a table, with what it says in all, and notes.

use std::io::{self, Write};

use super::entry::{ComparedRow, RowEnding};
use super::keys::{FACTS, KEYS, is_in_test_name};
use super::{Judged, Run, RunComparison, TestLine, several_models};
use crate::document::text::{plain, quoted};
use crate::document::{Align, Cell, Heading, Mark, NOTHING, Note, Page, References, Table};
use crate::report::percent;
use crate::units::counted;
use crate::work::metric::{FACE, Face};
use crate::work::{Metric, speed};

/// Most rows that are named one by one where only one side has them.
const MOST: usize = 20;

pub(super) fn write(
    comparison: &RunComparison<'_>,
    page: &mut dyn Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Some(text) = comparison.conclusion() {
        page.lines(&[text], out)?;
    }
    let pairs: Vec<_> = comparison.lines.iter().filter(|line| line.sides().count() == 2).collect();
    let metrics = headlines(comparison);
    let mut notes = Vec::new();
    for metric in &metrics {
        let pairs: Vec<_> = pairs.iter().copied().filter(|line| line.metric() == *metric).collect();
        if pairs.is_empty() {
            continue;
        }
        page.notes(&notes, out)?;
        let table = table(&pairs, metric);
        page.table(&table, out)?;
        page.lines(&[overall(&pairs)], out)?;
        notes = table.notes;
    }
    let only = [Judged::OnlyInA, Judged::OnlyInB];
    notes.extend(only.into_iter().filter_map(|only| lonely(comparison, only)).map(Note::new));
    notes.extend(
        comparison.warnings.iter().chain(&comparison.notes).map(|note| Note::new(plain(note))),
    );
    let limits = comparison.options.limits;
    let faces = metrics.iter().filter_map(|metric| metric.face);
    let means: Vec<_> = faces.map(|face| format!("{}: {}", face.heading, face.says)).collect();
    notes.push(Note::new(format!(
        "{}; {}; SAME is within ±{} %",
        means.join("; "),
        comparison.how(),
        limits.threshold * 100.0
    )));
    page.notes(&notes, out)?;
    let sides = [("A", comparison.a), ("B", comparison.b)];
    let sides = sides.map(|(name, run)| format!("{name}: {}", about(comparison, run)));
    page.lines(&sides, out)
}

/// What rows are judged by, each once.
fn headlines(comparison: &RunComparison<'_>) -> Vec<&'static Metric> {
    let mut metrics = Vec::new();
    for line in &comparison.lines {
        if !metrics.contains(&line.metric()) {
            metrics.push(line.metric());
        }
    }
    metrics
}

/// A side in one line.
fn about(comparison: &RunComparison<'_>, run: &Run) -> String {
    let fact = |name: &str| {
        let at = FACTS.iter().position(|(known, _)| *known == name)?;
        run.entries.first()?.facts[at].as_deref()
    };
    let by = match (fact("lbench_version"), fact("engine")) {
        (Some(version), engine) => format!("lbench {version}, {}", engine.unwrap_or("no engine")),
        (None, _) => "llama-bench".into(),
    };
    let rows = run.entries.len();
    let rows = counted(rows, "row");
    let program = comparison.program(run).unwrap_or_default();
    let by = plain(&(by + &program));
    match run.name.as_str() {
        "" => format!("{rows} ({by})"),
        name => format!("{}, {rows} ({by})", quoted(&plain(name))),
    }
}

/// A row for each pair, and the notes that explain some.
fn table(pairs: &[&TestLine<'_>], metric: &Metric) -> Table {
    let face = metric.face.unwrap_or(FACE);
    let models = several_models(pairs);
    let keys = varying(pairs);
    let mut references = References::default();
    let words = |text: &str| Heading::new(text, Align::Left);
    let numbers = |text: &str| Heading::new(text, Align::Right);
    let mut headings = Vec::new();
    headings.extend(models.then(|| words("model")));
    headings.extend(keys.iter().map(|&key| numbers(KEYS[key].heading)));
    headings.push(numbers("test"));
    headings.extend(["A", "B"].map(|side| numbers(&format!("{side} {}", face.heading))));
    headings.push(numbers("change"));
    headings.push(words("verdict"));
    let row = |line: &&TestLine<'_>| {
        let mut cells: Vec<Cell> = Vec::new();
        cells.extend(models.then(|| line.model().into()));
        for &key in &keys {
            cells.push(references.setting(KEYS[key].heading, &line.value(key)));
        }
        cells.push(line.test().into());
        cells.extend(line.sides().map(|entry| figure(entry, face)));
        cells.push(change(line.judged).into());
        cells.push(Cell::marked(line.word(), marks(line, &mut references)));
        cells
    };
    let rows = pairs.iter().map(row).collect();
    Table { headings, rows, notes: references.notes().collect() }
}

/// Positions of the keys that are not the same everywhere, those in the test's name aside.
fn varying(lines: &[&TestLine<'_>]) -> Vec<usize> {
    let differs = |position: &usize| {
        let entries = lines.iter().flat_map(|line| line.sides());
        let mut values = entries.filter_map(|entry| entry.keys[*position].as_ref());
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    (0..KEYS.len()).filter(|&at| !is_in_test_name(at)).filter(differs).collect()
}

/// What a row came to; what became of it where it came to nothing.
fn figure(entry: &ComparedRow, face: Face) -> Cell {
    match (&entry.ending, &entry.figure) {
        (RowEnding::Failed(_), _) => "failed".into(),
        (_, figure) => face.cell(figure.as_ref()).into(),
    }
}

/// The effect and its interval: `+1.2 % [+0.8, +1.6]`.
fn change(judged: Judged) -> String {
    let Some(comparison) = judged.comparison() else { return NOTHING.into() };
    let Some(effect) = comparison.effect else { return NOTHING.into() };
    let interval = comparison.interval;
    let interval =
        interval.map(|range| format!(" [{}, {}]", percent(range.low), percent(range.high)));
    format!("{} %{}", percent(effect), interval.unwrap_or_default())
}

/// References to the notes that explain a line.
fn marks(line: &TestLine<'_>, references: &mut References) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (side, entry) in [("A", line.a), ("B", line.b)] {
        let Some(entry) = entry else { continue };
        let text = match &entry.ending {
            RowEnding::Failed(cause) => format!("{side}: {}", plain(cause)),
            RowEnding::Interrupted => {
                format!("{side}: interrupted after {}", counted(entry.values.len(), "sample"))
            }
            RowEnding::Completed if line.judged == Judged::NoSamples && entry.values.is_empty() => {
                format!("{side}: no samples; a mean alone says nothing about chance")
            }
            RowEnding::Completed => continue,
        };
        marks.push(references.mark("", text));
    }
    marks
}

/// How many of which verdict, and the mean change.
fn overall(pairs: &[&TestLine<'_>]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for line in pairs {
        let word = line.word();
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let rows = counted(pairs.len(), "row");
    let effects = pairs.iter().filter_map(|line| line.judged.comparison()?.effect);
    let logs: Vec<f64> = effects.map(f64::ln_1p).filter(|log| log.is_finite()).collect();
    let mean = crate::stats::Estimate::of(&logs).map(|logs| logs.mean.exp_m1());
    let mean = mean.map(|mean| {
        format!("; B is {:.3} × A in the geometric mean ({} %)", 1.0 + mean, percent(mean))
    });
    format!("{rows}: {}{}", counts.join(", "), mean.unwrap_or_default())
}

/// The rows that only one side has.
fn lonely(comparison: &RunComparison<'_>, only: Judged) -> Option<String> {
    let all: Vec<_> = comparison.lines.iter().collect();
    let (keys, models) = (varying(&all), several_models(&all));
    let lines: Vec<_> = comparison.lines.iter().filter(|line| line.judged == only).collect();
    let names = lines.iter().take(MOST).map(|line| {
        let model = models.then(|| line.model());
        let set = keys.iter().filter_map(|&key| {
            let value = line.value(key);
            (!value.is_empty()).then(|| format!("{} {value}", KEYS[key].heading))
        });
        let settings: Vec<_> = model.into_iter().chain(set).collect();
        let test = line.test();
        if settings.is_empty() { test } else { format!("{test} ({})", settings.join(", ")) }
    });
    let names: Vec<_> = names.map(|name| plain(&name)).collect();
    let more = lines.len().saturating_sub(MOST);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    (!lines.is_empty()).then(|| format!("{}: {}{more}", only.word(&speed::RATE), names.join(", ")))
}
