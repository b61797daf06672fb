//! A comparison as a table, with what it says in all, and notes.

use std::fmt::Write as _;
use std::io::{self, Write};

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{Cell, CellAlignment, Table};

use super::entry::{Ending, Entry};
use super::keys::{FACTS, KEYS, is_in_test_name};
use super::{Comparison, Judged, Line, Run, several_models};
use crate::report::percent;
use crate::report::text::{cell, code, plain};

/// Most rows that are named one by one where only one side has them.
const MOST: usize = 20;

pub(super) fn write(comparison: &Comparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut causes = Vec::new();
    if let Some(text) = comparison.conclusion() {
        writeln!(out, "{text}\n")?;
    }
    let pairs: Vec<_> = comparison.lines.iter().filter(|line| line.sides().count() == 2).collect();
    if !pairs.is_empty() {
        for line in table(&pairs, &mut causes) {
            writeln!(out, "{line}")?;
        }
        writeln!(out, "\n{}\n", overall(&pairs))?;
    }
    for (at, cause) in causes.iter().enumerate() {
        writeln!(out, "- [{}] {cause}", at + 1)?;
    }
    for only in [Judged::OnlyInA, Judged::OnlyInB] {
        if let Some(text) = lonely(comparison, only) {
            writeln!(out, "- {text}")?;
        }
    }
    for note in comparison.warnings.iter().chain(&comparison.notes) {
        writeln!(out, "- {}", plain(note))?;
    }
    let limits = comparison.options.limits;
    writeln!(
        out,
        "- t/s: mean ± standard deviation; {}; SAME is within ±{} %",
        comparison.how(),
        limits.threshold * 100.0
    )?;
    let [a, b] = [comparison.a, comparison.b].map(|run| about(comparison, run));
    writeln!(out, "\nA: {a}\nB: {b}")
}

/// A side in one line.
fn about(comparison: &Comparison<'_>, run: &Run) -> String {
    let fact = |name: &str| {
        let at = FACTS.iter().position(|(known, _)| *known == name)?;
        run.entries.first()?.facts[at].as_deref()
    };
    let by = match (fact("lbench_version"), fact("engine")) {
        (Some(version), engine) => format!("lbench {version}, {}", engine.unwrap_or("no engine")),
        (None, _) => "llama-bench".into(),
    };
    let rows = run.entries.len();
    let rows = if rows == 1 { "1 row".into() } else { format!("{rows} rows") };
    let program = comparison.program(run).unwrap_or_default();
    format!("{}, {rows} ({})", code(&run.name), plain(&(by + &program)))
}

fn table(pairs: &[&Line<'_>], causes: &mut Vec<String>) -> Vec<String> {
    let models = several_models(pairs);
    let keys = varying(pairs);
    let mut headings: Vec<(&str, bool)> = Vec::new();
    headings.extend(models.then_some(("model", false)));
    headings.extend(keys.iter().map(|&key| (KEYS[key].heading, true)));
    headings.extend([("test", true), ("A t/s", true), ("B t/s", true)]);
    headings.extend([("change", true), ("verdict", false)]);

    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(headings.iter().map(|&(heading, right)| aligned(heading.into(), right)));
    for line in pairs {
        let mut cells = Vec::new();
        if models {
            cells.push(cell(&line.model()));
        }
        cells.extend(keys.iter().map(|&key| cell(&line.value(key))));
        cells.push(cell(&line.test()));
        cells.extend(line.sides().map(rate));
        cells.push(change(line.judged));
        cells.push(format!("{}{}", line.judged.word(), marks(line, causes)));
        let cells = cells.into_iter().zip(&headings);
        table.add_row(cells.map(|(text, &(_, right))| aligned(text, right)));
    }
    let mut lines: Vec<_> = table.lines().collect();
    if let Some(rule) = lines.get_mut(1) {
        *rule = with_alignment(rule, &headings);
    }
    lines
}

fn aligned(text: String, right: bool) -> Cell {
    Cell::new(text).set_alignment(if right { CellAlignment::Right } else { CellAlignment::Left })
}

/// The line under the headings, with markdown's colons.
fn with_alignment(rule: &str, headings: &[(&str, bool)]) -> String {
    let dashes = rule.trim_matches('|').split('|').zip(headings);
    let aligned = dashes.map(|(dashes, &(_, right))| {
        let last = if right { ':' } else { '-' };
        format!("| {}{last} ", "-".repeat(dashes.len().saturating_sub(3)))
    });
    aligned.collect::<String>() + "|"
}

/// Positions of the keys that are not the same everywhere, those in the test's name aside.
fn varying(lines: &[&Line<'_>]) -> Vec<usize> {
    let differs = |position: &usize| {
        let entries = lines.iter().flat_map(|line| line.sides());
        let mut values = entries.filter_map(|entry| entry.keys[*position].as_ref());
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    (0..KEYS.len()).filter(|&at| !is_in_test_name(at)).filter(differs).collect()
}

/// Mean and standard deviation; what became of the row where there is none.
fn rate(entry: &Entry) -> String {
    match (&entry.ending, entry.mean) {
        (Ending::Failed(_), _) => "failed".into(),
        (_, None) => "–".into(),
        (_, Some(rate)) => {
            let sd = rate.sd.map(|sd| format!(" ± {sd:.2}"));
            format!("{:.2}{}", rate.mean, sd.unwrap_or_default())
        }
    }
}

/// The effect and its interval: `+1.2 % [+0.8, +1.6]`.
fn change(judged: Judged) -> String {
    let Some(comparison) = judged.comparison() else { return "–".into() };
    let Some(effect) = comparison.effect else { return "–".into() };
    let interval = comparison.interval;
    let interval =
        interval.map(|range| format!(" [{}, {}]", percent(range.low), percent(range.high)));
    format!("{} %{}", percent(effect), interval.unwrap_or_default())
}

/// Numbers of the notes that explain a line; equal notes stand once.
fn marks(line: &Line<'_>, causes: &mut Vec<String>) -> String {
    let mut marks = String::new();
    for (side, entry) in [("A", line.a), ("B", line.b)] {
        let Some(entry) = entry else { continue };
        let text = match &entry.ending {
            Ending::Failed(cause) => format!("{side}: {}", plain(cause)),
            Ending::Interrupted => {
                format!("{side}: interrupted after {} samples", entry.rates.len())
            }
            Ending::Completed if line.judged == Judged::NoSamples && entry.rates.is_empty() => {
                format!("{side}: no samples; a mean alone says nothing about chance")
            }
            Ending::Completed => continue,
        };
        let at = causes.iter().position(|cause| *cause == text).unwrap_or_else(|| {
            causes.push(text);
            causes.len() - 1
        });
        // Writing into a string cannot fail.
        let _ = write!(marks, " [{}]", at + 1);
    }
    marks
}

/// How many of which verdict, and the mean change.
fn overall(pairs: &[&Line<'_>]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for line in pairs {
        let word = line.judged.word();
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<_> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let rows = if pairs.len() == 1 { "1 row".into() } else { format!("{} rows", pairs.len()) };
    let effects = pairs.iter().filter_map(|line| line.judged.comparison()?.effect);
    let logs: Vec<f64> = effects.map(f64::ln_1p).filter(|log| log.is_finite()).collect();
    let mean = crate::stats::Estimate::of(&logs).map(|logs| logs.mean.exp_m1());
    let mean = mean.map(|mean| {
        format!("; B is {:.3} × A in the geometric mean ({} %)", 1.0 + mean, percent(mean))
    });
    format!("{rows}: {}{}", counts.join(", "), mean.unwrap_or_default())
}

/// The rows that only one side has.
fn lonely(comparison: &Comparison<'_>, only: Judged) -> Option<String> {
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
    (!lines.is_empty()).then(|| format!("{}: {}{more}", only.word(), names.join(", ")))
}
