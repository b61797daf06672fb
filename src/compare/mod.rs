//! Two result files, row by row: which rows became faster or slower beyond doubt.
//!
//! A [`Run`] is one side, read from a file of lbench or llama-bench or taken from a report. Rows of the
//! same test are paired and judged by [`verdict::compare`] on their samples; a [`RunComparison`] holds a
//! [`TestLine`] for each, and is written as a table or as JSON.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the comparison and its lines |
//! | `read.rs` | result files as they are found |
//! | `runs.rs` | several runs in one file |
//! | `entry.rs`, `keys.rs` | a row, and what makes two rows the same test |
//! | `pairs.rs` | who is compared with whom |
//! | `turns.rs` | two sides of one run that were visited in turn |
//! | `checks.rs` | apples and oranges |
//! | `baseline.rs` | a file as the baseline of a new run |
//! | `sheet.rs`, `json.rs` | what is shown |
//! | `sighting.rs` | a row, for those who follow it from run to run |

mod baseline;
mod checks;
mod entry;
mod json;
mod keys;
mod pairs;
mod read;
mod runs;
mod sheet;
mod sighting;
#[cfg(test)]
mod tests;
mod turns;

use std::io::{self, Write};
use std::str::FromStr;

pub use baseline::baseline;
pub use read::Run;
pub use sighting::Sighting;
pub use turns::in_turn;

use crate::document::Markdown;
use crate::error::Error;
use crate::stats::noise::Noise;
use crate::stats::verdict::{self, Criteria, Verdict};
use crate::units::counted;
use crate::work::metric::Chance;
use crate::work::{Metric, speed};
use entry::{ComparedRow, RowEnding};
use keys::Ignored;
use pairs::Pairs;

/// How to compare.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// What it takes to call two rows different, or the same.
    pub limits: Criteria,
    /// Settings that may differ within a pair, by their field names.
    pub by: Vec<String>,
    /// Whether apples may be compared with oranges.
    pub force: bool,
}

/// What became of a test from the baseline to the new side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Judged {
    /// Both sides have samples.
    Compared(verdict::Comparison),
    /// A side has means only: those say nothing about chance.
    NoSamples,
    /// It failed in the baseline.
    FailedInA,
    /// It failed in the new run.
    FailedInB,
    /// It failed in both.
    FailedInBoth,
    /// Only the baseline has it.
    OnlyInA,
    /// Only the new side has it.
    OnlyInB,
}

impl Judged {
    fn of(a: &ComparedRow, b: &ComparedRow, limits: Criteria) -> Self {
        let failed = |entry: &ComparedRow| matches!(entry.ending, RowEnding::Failed(_));
        match (failed(a), failed(b)) {
            (true, true) => Self::FailedInBoth,
            (true, false) => Self::FailedInA,
            (false, true) => Self::FailedInB,
            (false, false) if a.values.is_empty() || b.values.is_empty() => Self::NoSamples,
            (false, false) => {
                let limits = limits.on([a.floor, b.floor]);
                Self::Compared(a.metric.compare(a.side(), b.side(), limits))
            }
        }
    }

    /// The verdict in a word or three, those of the metric that is compared.
    fn word(self, metric: &Metric) -> &'static str {
        match self {
            Self::Compared(comparison) => metric.word(comparison.verdict),
            Self::NoSamples => metric.word(Verdict::Unclear),
            Self::FailedInA => "FAILED in A",
            Self::FailedInB => "FAILED in B",
            Self::FailedInBoth => "FAILED in both",
            Self::OnlyInA => "only in A",
            Self::OnlyInB => "only in B",
        }
    }

    fn comparison(self) -> Option<verdict::Comparison> {
        match self {
            Self::Compared(comparison) => Some(comparison),
            _ => None,
        }
    }
}

/// One test, on both sides or on one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TestLine<'a> {
    a: Option<&'a ComparedRow>,
    b: Option<&'a ComparedRow>,
    judged: Judged,
}

impl<'a> TestLine<'a> {
    /// The sides that have it, the baseline first.
    fn sides(&self) -> impl Iterator<Item = &'a ComparedRow> {
        self.a.into_iter().chain(self.b)
    }

    /// What it is judged by: what a side that has not failed is.
    fn metric(&self) -> &'static Metric {
        let said = self.sides().find(|entry| entry.figure.is_some());
        said.or(self.a).or(self.b).map_or(&speed::RATE, |entry| entry.metric)
    }

    /// The verdict in a word or three.
    fn word(&self) -> &'static str {
        self.judged.word(self.metric())
    }

    /// The test's name; both where `--by` pairs tests of other lengths.
    fn test(&self) -> String {
        let names = [self.a, self.b].map(|side| side.map(ComparedRow::test));
        both(names[0].as_deref(), names[1].as_deref())
    }

    /// The model's name; both where `--by` pairs models.
    fn model(&self) -> String {
        both(self.a.map(ComparedRow::label), self.b.map(ComparedRow::label))
    }

    /// Its value of a key: `4`, or `4 → 8` where the sides differ.
    fn value(&self, key: usize) -> String {
        let value =
            |side: Option<&'a ComparedRow>| side.and_then(|entry| entry.keys[key].as_deref());
        both(value(self.a), value(self.b))
    }
}

/// What makes `--fail-on` fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// A test became slower, or worse in what else it is judged by.
    Slower,
    /// A test became faster, or better.
    Faster,
    /// The samples of a test cannot tell.
    Unclear,
    /// A test failed in the new run.
    Failed,
    /// A test of the baseline is not in the new run.
    Missing,
}

impl FailOn {
    const NAMES: [(&'static str, Self); 5] = [
        ("slower", Self::Slower),
        ("faster", Self::Faster),
        ("unclear", Self::Unclear),
        ("failed", Self::Failed),
        ("missing", Self::Missing),
    ];

    fn is_met(self, line: &TestLine<'_>) -> bool {
        let verdict = line.judged.comparison().map(|comparison| comparison.verdict);
        let better = verdict.and_then(|verdict| line.metric().is_better(verdict));
        match self {
            Self::Slower => better == Some(false),
            Self::Faster => better == Some(true),
            Self::Unclear => line.judged == Judged::NoSamples || verdict == Some(Verdict::Unclear),
            Self::Failed => matches!(line.judged, Judged::FailedInB | Judged::FailedInBoth),
            Self::Missing => line.judged == Judged::OnlyInA,
        }
    }
}

impl FromStr for FailOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text.trim());
        found.map(|(_, on)| *on).ok_or_else(|| {
            let known = Self::NAMES.map(|(name, _)| name).join(", ");
            format!("'{text}' is no verdict; there are {known}")
        })
    }
}

/// Two sides, compared.
#[derive(Debug)]
pub struct RunComparison<'a> {
    a: &'a Run,
    b: &'a Run,
    options: &'a CompareOptions,
    lines: Vec<TestLine<'a>>,
    warnings: Vec<String>,
    notes: Vec<String>,
    /// Where the sides were visited in turn.
    turns: Option<turns::TurnFacts>,
}

/// Compares a new side with a baseline.
///
/// # Errors
/// When the two are apples and oranges and that was not asked for, or `options.by` names no setting.
pub fn compare<'a>(
    a: &'a Run,
    b: &'a Run,
    options: &'a CompareOptions,
) -> Result<RunComparison<'a>, Error> {
    let (ignored, pairs) = paired(a, b, options)?;
    let (rows_a, rows_b) = (rows(a), rows(b));
    let mut lines = Vec::new();
    for (entry, partner) in rows_a.iter().zip(&pairs.partner) {
        let other = partner.map(|index| rows_b[index]);
        let judged = match other {
            Some(other) => Judged::of(entry, other, options.limits),
            None => Judged::OnlyInA,
        };
        lines.push(TestLine { a: Some(entry), b: other, judged });
    }
    let only_b = pairs.only_b.iter().map(|&index| rows_b[index]);
    lines.extend(only_b.map(|b| TestLine { a: None, b: Some(b), judged: Judged::OnlyInB }));
    let mut warnings = [&a.notes[..], &b.notes[..]].concat();
    warnings.extend(checks::differences(&rows_a, &rows_b, &pairs, &[]));
    let notes = notes((&rows_a, &rows_b), &pairs, &ignored, options.limits);
    Ok(RunComparison { a, b, options, lines, warnings, notes, turns: None })
}

fn rows(run: &Run) -> Vec<&ComparedRow> {
    run.entries.iter().collect()
}

/// Pairs the rows, unless there are reasons not to.
fn paired(a: &Run, b: &Run, options: &CompareOptions) -> Result<(Ignored, Pairs), Error> {
    let mut ignored = Ignored::of(&options.by).map_err(Error::Usage)?;
    let refuse =
        |reason: String| Error::Usage(format!("{} and {}: {reason}; or --force", a.name, b.name));
    if !ignored.model
        && let Some(reason) = checks::models(a, b)
    {
        if !options.force {
            return Err(refuse(reason));
        }
        ignored.model_file = true;
    }
    let (rows_a, rows_b) = (rows(a), rows(b));
    let pairs = Pairs::of(&rows_a, &rows_b, &ignored);
    if pairs.len() == 0 && !options.force {
        return Err(refuse(checks::nothing_shared(&rows_a, &rows_b, &ignored)));
    }
    Ok((ignored, pairs))
}

/// What a reader must know about how rows were paired.
fn notes(
    (a, b): (&[&ComparedRow], &[&ComparedRow]),
    pairs: &Pairs,
    ignored: &Ignored,
    limits: Criteria,
) -> Vec<String> {
    let mut notes = Vec::new();
    if ignored.model_file {
        notes.push("forced: models of one name are taken for one, and their files differ".into());
    }
    // What finds the same each time it is measured has no floor.
    let unknown = |side: &[&ComparedRow]| {
        let mut noisy = side.iter().filter(|entry| entry.metric.chance == Chance::Independent);
        noisy.next().is_some() && side.iter().all(|entry| entry.floor.is_none())
    };
    if limits.floor_may_rise && (unknown(a) || unknown(b)) {
        notes.push(format!(
            "how much runs of the same thing differ there is not known, and may be {:.0} % or more: only \
             great differences are called; `lbench doctor` finds out, for later runs",
            Noise::unknown().between.sd * 100.0
        ));
    }
    if pairs.repeated {
        notes.push("rows of equal settings were paired in the order of the files".into());
    }
    let partners = a.iter().zip(&pairs.partner);
    let only_a: Vec<_> = partners.filter(|(_, b)| b.is_none()).map(|(a, _)| *a).collect();
    let only_b: Vec<_> = pairs.only_b.iter().map(|&index| b[index]).collect();
    if !pairs.repeated
        && !only_a.is_empty()
        && !only_b.is_empty()
        && let Some((name, more)) = pairs::suggestion(&only_a, &only_b, ignored)
    {
        let more = counted(more, "more row");
        notes.push(format!("`--by {name}` would pair {more}"));
    }
    notes
}

impl RunComparison<'_> {
    /// What a reader should know before the table: odd files, and differences that are no settings.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether any line is what `--fail-on` is about.
    pub fn fails(&self, on: &[FailOn]) -> bool {
        self.lines.iter().any(|line| on.iter().any(|on| on.is_met(line)))
    }

    /// Writes a table with notes under it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        sheet::write(self, &mut Markdown::default(), out)
    }

    /// Writes an array with an object for each line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        json::write(self, out)
    }

    /// Writes an object for each line, each on a line of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_jsonl(&self, out: &mut dyn Write) -> io::Result<()> {
        json::write_lines(self, out)
    }
}

/// Whether lines are about more than one model.
fn several_models(lines: &[&TestLine<'_>]) -> bool {
    let mut labels = lines.iter().flat_map(|line| line.sides()).map(ComparedRow::label);
    let first = labels.next();
    labels.any(|label| Some(label) != first)
}

/// One value where the sides agree or only one has it, else both.
fn both(a: Option<&str>, b: Option<&str>) -> String {
    match (a, b) {
        (Some(a), Some(b)) if a != b => format!("{a} → {b}"),
        (a, b) => a.or(b).unwrap_or_default().to_string(),
    }
}
