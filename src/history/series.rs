//! Series: one setting over time. Rows of the same model, test and settings on the same machine and devices, run by
//! run; engine, driver and the other facts change along it.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::lists::{Fields, ListFormat, figure, when, write_objects};
use super::steps::{self, Change};
use super::{PastRun, report_of};
use crate::compare::{Run, Sighting};
use crate::document::{Align, Cell, Heading, Markdown, NOTHING, Page as _, Table};
use crate::error::Error;
use crate::journal;
use crate::plot::{Chart, Mean, Trace};
use crate::report::percent;
use crate::stats::verdict::{Comparison, Criteria, Verdict};
use crate::stats::visits::Visit;
use crate::units::rfc3339;
use crate::work::metric::Chance;

/// One setting over time, oldest run first.
#[derive(Debug)]
pub struct Series {
    points: Vec<RunPoint>,
    /// Places where it changed, by index of a point.
    pub changes: Vec<Change>,
}

/// A run of it.
#[derive(Debug, Clone)]
struct RunPoint {
    id: String,
    unix_time: u64,
    machine: String,
    driver: Option<String>,
    row: Sighting,
}

/// The series that runs make, of tests whose name holds `test`: those of two points or more, and how many have one
/// alone.
///
/// # Errors
/// When a journal cannot be read any more.
pub fn series(
    runs: &[&PastRun],
    test: Option<&str>,
    limits: Criteria,
) -> Result<(Vec<Series>, usize), Error> {
    let mut all: BTreeMap<(String, String, String), Vec<RunPoint>> = BTreeMap::new();
    for run in runs.iter().rev() {
        let journal = journal::read(&run.path)?;
        let found = Run::of_report("", &report_of(&journal));
        let machine = run.summary.machine_in_words();
        for row in found.sightings().filter(|row| test.is_none_or(|test| is_of(row, test))) {
            if row.figure().is_none() && row.failure().is_none() {
                continue;
            }
            let key = (row.test(), machine.clone(), row.key());
            all.entry(key).or_default().push(RunPoint {
                id: run.short_id(),
                unix_time: run.summary.unix_time,
                machine: machine.clone(),
                driver: run.summary.driver.clone(),
                row,
            });
        }
    }
    let (several, single): (Vec<_>, Vec<_>) =
        all.into_values().partition(|points| points.len() > 1);
    // Everything that is looked at is looked at by chance.
    let looks = several.iter().map(|points| points.len() - 1).sum();
    let limits = steps::limits_of_each(looks, limits);
    let series =
        several.into_iter().map(|points| Series { changes: changes(&points, limits), points });
    Ok((series.collect(), single.len()))
}

/// Whether a row is of a test: by its whole name, or without the depth.
fn is_of(row: &Sighting, test: &str) -> bool {
    let name = row.test();
    name == test || name.split(" @ ").next() == Some(test)
}

fn changes(points: &[RunPoint], limits: Criteria) -> Vec<Change> {
    // What failed, or says of itself that it does not compare, is shown and not judged.
    let judged: Vec<_> = points
        .iter()
        .enumerate()
        .filter(|(_, seen)| seen.row.figure().is_some() && !seen.row.side().marked)
        .collect();
    let Some((_, first)) = judged.first() else { return Vec::new() };
    let mut found = if first.row.metric().chance == Chance::Paired {
        paired(&judged, limits)
    } else {
        let visits: Option<Vec<_>> =
            judged.iter().map(|(_, seen)| Visit::of(seen.row.side().values)).collect();
        visits.map(|visits| steps::changes(&visits, limits)).unwrap_or_default()
    };
    for change in &mut found {
        change.at = judged[change.at].0;
    }
    found
}

/// Of what finds the same each time it is measured, every difference between neighbours is one.
fn paired(judged: &[(usize, &RunPoint)], limits: Criteria) -> Vec<Change> {
    let pairs = judged.windows(2).enumerate();
    let changes = pairs.map(|(before, pair)| {
        let [(_, a), (_, b)] = pair else { unreachable!("windows of two") };
        let comparison = a.row.metric().compare(a.row.side(), b.row.side(), limits);
        Change { at: before + 1, comparison }
    });
    let is_called =
        |change: &Change| matches!(change.comparison.verdict, Verdict::Greater | Verdict::Less);
    changes.filter(is_called).collect()
}

impl Series {
    /// What it came to in each run; `None` where it failed.
    pub fn values(&self) -> impl Iterator<Item = Option<f64>> {
        self.points.iter().map(|seen| seen.row.figure().map(|figure| figure.value))
    }

    /// It as a plot: run after run, with a line at each change.
    pub fn chart(&self) -> Chart {
        let place = |at: usize| f64::from(u32::try_from(at).unwrap_or(u32::MAX));
        let metric = self.points[0].row.metric();
        let (scale, heading) =
            metric.face.map_or((1.0, metric.name), |face| (face.scale, face.heading));
        let (mut points, mut failed) = (Vec::new(), Vec::new());
        for (at, seen) in self.points.iter().enumerate() {
            let Some(figure) = seen.row.figure() else {
                failed.push(place(at));
                continue;
            };
            let known = seen.row.side().known.filter(|_| metric.chance == Chance::Independent);
            let ends = known.and_then(|known| known.interval(0.95));
            let ends = ends.map(|ends| (ends.low * scale, ends.high * scale));
            points.push(Mean { place: place(at), value: figure.value * scale, ends });
        }
        let days = self.points.iter().enumerate();
        let days = days.map(|(at, seen)| (place(at), when(seen.unix_time)[5..10].to_string()));
        let name = format!("{} {}", self.points[0].row.test(), self.points[0].row.label());
        Chart {
            title: format!("{heading} of {name}, run after run"),
            places: days.collect(),
            traces: vec![Trace { name: String::new(), points }],
            failed,
            changes: self.changes.iter().map(|change| place(change.at) - 0.5).collect(),
            height: 12,
        }
    }

    fn change_at(&self, at: usize) -> Option<&Comparison> {
        self.changes.iter().find(|change| change.at == at).map(|change| &change.comparison)
    }

    /// What else is another thing than in the run before.
    fn differences(&self, at: usize) -> Vec<String> {
        let Some(before) = at.checked_sub(1).map(|before| &self.points[before]) else {
            return Vec::new();
        };
        let now = &self.points[at];
        let old: BTreeMap<_, _> = before.row.facts().collect();
        let facts = now.row.facts().filter_map(|(name, value)| {
            let old = *old.get(name)?;
            (old != value).then(|| told(name, old, value))
        });
        let drivers = before.driver.as_deref().zip(now.driver.as_deref());
        let driver = drivers.filter(|(old, new)| old != new);
        facts.chain(driver.map(|(old, new)| told("driver", old, new))).collect()
    }

    /// Its heights, from the least to the greatest.
    fn sparkline(&self) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let values: Vec<_> = self.values().collect();
        let known = || values.iter().flatten().copied();
        let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(0.0, f64::max));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to 7
        let bar = |value: f64| {
            let share = if high > low { (value - low) / (high - low) } else { 0.5 };
            BARS[(share * 7.0).round() as usize]
        };
        values.iter().map(|value| value.map_or('·', bar)).collect()
    }

    fn word(&self, comparison: &Comparison) -> String {
        let metric = self.points[0].row.metric();
        let change = comparison.effect.map(|effect| percent(effect) + " % ").unwrap_or_default();
        change + metric.word(comparison.verdict)
    }
}

/// `engine build b1 → b2`; of long lists only that they differ.
fn told(name: &str, old: &str, new: &str) -> String {
    if old.len() + new.len() > 80 {
        return format!("another {name}");
    }
    format!("{name} {old} → {new}")
}

/// Writes series, each as a table under its name, or each run of each as an object.
///
/// # Errors
/// When they cannot be written.
pub fn write_series(series: &[Series], format: ListFormat, out: &mut dyn Write) -> io::Result<()> {
    if format != ListFormat::Markdown {
        let objects: Vec<_> = series.iter().flat_map(objects).collect();
        return write_objects(&objects, format, out);
    }
    let telling = telling_settings(series);
    let mut page = Markdown::default();
    for one in series {
        page.title(&title(one, &telling), out)?;
        page.lines(&[summary(one)], out)?;
        page.table(&table(one), out)?;
    }
    Ok(())
}

/// Settings that are not the same in all series: without them they could not be told apart.
fn telling_settings(series: &[Series]) -> HashSet<&'static str> {
    let mut values: BTreeMap<&'static str, HashSet<&str>> = BTreeMap::new();
    for (name, value) in series.iter().flat_map(|one| one.points[0].row.settings()) {
        values.entry(name).or_default().insert(value);
    }
    values.into_iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| name).collect()
}

fn title(series: &Series, telling: &HashSet<&'static str>) -> String {
    let RunPoint { row, machine, .. } = &series.points[0];
    let settings = row.settings().filter(|(name, _)| telling.contains(name));
    let settings = settings.map(|(name, value)| format!("{name} {value}"));
    let what = [format!("{}: {}", row.test(), row.label())].into_iter().chain(settings);
    let what: Vec<_> = what.chain([format!("on {machine}")]).collect();
    what.join(", ")
}

/// The series in one line, and where it changed in words.
fn summary(series: &Series) -> String {
    let steps: Vec<_> = series
        .changes
        .iter()
        .map(|change| {
            let at = &series.points[change.at];
            let with = series.differences(change.at);
            let with =
                if with.is_empty() { String::new() } else { format!(", with {}", with.join(", ")) };
            format!(
                "{} from {} on (@{}{with})",
                series.word(&change.comparison),
                when(at.unix_time),
                at.id
            )
        })
        .collect();
    let verdict = match &steps[..] {
        [] => "no change beyond doubt".into(),
        steps => steps.join("; "),
    };
    format!("{}  {verdict}", series.sparkline())
}

fn table(series: &Series) -> Table {
    let metric = series.points[0].row.metric();
    let unit = metric.face.map_or(metric.name, |face| face.heading);
    let headings = vec![
        Heading::new("when (UTC)", Align::Left),
        Heading::new("id", Align::Left),
        Heading::new(unit, Align::Right),
        Heading::new("changed", Align::Left),
        Heading::new("what else changed", Align::Left),
    ];
    let rows = series.points.iter().enumerate().map(|(at, seen)| {
        let value = match (metric.face, seen.row.figure()) {
            (Some(face), Some(figure)) => face.cell(Some(figure)),
            (None, Some(found)) => figure(found.value),
            (_, None) => seen.row.failure().unwrap_or(NOTHING).into(),
        };
        let marked = if seen.row.side().marked { ", not judged" } else { "" };
        let change = series.change_at(at).map(|change| series.word(change));
        let differences = series.differences(at).join(", ");
        let or_nothing = |text: String| if text.is_empty() { NOTHING.into() } else { text };
        let change = change.unwrap_or_default();
        let cells = [
            when(seen.unix_time),
            seen.id.clone(),
            value + marked,
            or_nothing(change),
            or_nothing(differences),
        ];
        cells.into_iter().map(Cell::from).collect()
    });
    Table { headings, rows: rows.collect(), notes: Vec::new() }
}

fn objects(series: &Series) -> impl Iterator<Item = Fields> {
    series.points.iter().enumerate().map(|(at, seen)| {
        let change = series.change_at(at);
        let facts: Map<String, Value> =
            seen.row.facts().map(|(name, value)| (name.into(), value.into())).collect();
        let settings: Map<String, Value> =
            seen.row.settings().map(|(name, value)| (name.into(), value.into())).collect();
        let figure = seen.row.figure();
        vec![
            ("test", json!(seen.row.test())),
            ("model", json!(seen.row.label())),
            ("machine", json!(seen.machine)),
            ("settings", json!(settings)),
            ("id", json!(seen.id)),
            ("unix_time", json!(seen.unix_time)),
            ("when", json!(rfc3339(seen.unix_time))),
            ("metric", json!(seen.row.metric().name)),
            ("value", json!(figure.map(|figure| figure.value))),
            ("error", json!(figure.and_then(|figure| figure.error))),
            ("failure", json!(seen.row.failure())),
            ("marked", json!(seen.row.side().marked)),
            (
                "verdict",
                json!(change.map(|change| seen.row.metric().word(change.verdict).to_lowercase())),
            ),
            ("change", json!(change.and_then(|change| change.effect))),
            ("change_low", json!(change.and_then(|change| change.interval).map(|ends| ends.low))),
            ("change_high", json!(change.and_then(|change| change.interval).map(|ends| ends.high))),
            ("driver", json!(seen.driver)),
            ("facts", json!(facts)),
        ]
    })
}
