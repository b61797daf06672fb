//! Main plot of a run: what its rows are judged by over the setting that takes most values, a line for each of the
//! others, and their memory below.

use std::ops::Range;

use super::{Report, Row};
use crate::axis::AXES;
use crate::plot::{Chart, Mean, Trace};
use crate::record::Outcome;
use crate::setup::Setup;

/// Lines of text of a plot; of one with a single place.
const HEIGHT: u16 = 12;
const LOW: u16 = 5;
/// Those of the plot of memory.
const MEMORY: u16 = 6;

/// A setting of a row.
#[derive(Debug, Clone, PartialEq)]
struct Coordinate {
    name: &'static str,
    text: String,
    number: Option<f64>,
}

/// The plots of a report: for each of its sweeps, one for each kind of test, and one of memory.
pub fn plots(report: &Report) -> Vec<Chart> {
    let parts = &report.plan.parts;
    if parts.is_empty() {
        return of_rows(report, 0..report.len(), "");
    }
    let each = parts.iter().map(|part| of_rows(report, report.plan.rows_of(part), &part.title));
    each.collect::<Vec<_>>().concat()
}

fn of_rows(report: &Report, rows: Range<usize>, title: &str) -> Vec<Chart> {
    let rows: Vec<_> =
        rows.filter(|&row| report.is_shown(row)).map(|row| report.row(row)).collect();
    let mut classes: Vec<&str> = Vec::new();
    for row in &rows {
        if !classes.contains(&row.job.work.class()) {
            classes.push(row.job.work.class());
        }
    }
    let mut charts = Vec::new();
    for class in classes {
        let of_class: Vec<_> = rows.iter().filter(|row| row.job.work.class() == class).collect();
        let Some(metric) = of_class.first().map(|row| row.job.work.headline()) else { continue };
        let (scale, unit) =
            metric.face.map_or((1.0, metric.name), |face| (face.scale, face.heading));
        let test = of_class[0].job.work.test();
        let is_one = of_class.iter().all(|row| row.job.work.test() == test);
        let heading =
            &(if is_one { format!("{test}, {unit}") } else { format!("{class}, {unit}") });
        charts.extend(chart(&of_class, title, heading, |row| {
            let ends = row.interval().filter(|_| !has_failed(row));
            let ends = ends.map(|ends| (ends.low * scale, ends.high * scale));
            Some((row.headline()?.value * scale, ends))
        }));
    }
    let all: Vec<_> = rows.iter().collect();
    let on_device = |row: &Row<'_>| row.device_memory().filter(|bytes| bytes.0 > 0);
    let any = rows.iter().any(|row| on_device(row).is_some());
    let heading = if any { "VRAM MiB" } else { "RAM MiB" };
    charts.extend(
        chart(&all, title, heading, |row| {
            let bytes = if any { row.device_memory() } else { row.memory.peak_rss };
            bytes.filter(|_| !has_failed(row)).map(|bytes| (bytes.mib(), None))
        })
        .map(|chart| Chart { height: chart.height.min(MEMORY), ..chart }),
    );
    charts
}

fn has_failed(row: &Row<'_>) -> bool {
    !matches!(row.measured.outcome, None | Some(Outcome::Completed | Outcome::Interrupted))
}

/// What a row's height is, and its interval.
type Height = (f64, Option<(f64, f64)>);

fn chart(
    rows: &[&Row<'_>],
    title: &str,
    heading: &str,
    height: impl Fn(&Row<'_>) -> Option<Height>,
) -> Option<Chart> {
    let settings: Vec<_> = rows.iter().map(|row| coordinates(row)).collect();
    let varying = varying(&settings);
    let over = varying.iter().copied().max_by_key(|&at| {
        // The first of equals.
        (distinct(&settings, at).len(), settings[0][at].number.is_some(), usize::MAX - at)
    });
    let place_of = |at: usize| match over {
        Some(over) => settings[at][over].clone(),
        None => Coordinate { name: "test", text: rows[at].job.work.test_name(), number: None },
    };
    let all: Vec<_> = (0..rows.len()).map(place_of).collect();
    let places = places(&all);
    let mut chart = Chart { places: places.clone(), ..Chart::default() };
    let mut traces: Vec<Trace> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let place =
            places.iter().find(|(_, name)| *name == all[at].text).map(|(place, _)| *place)?;
        let others = varying.iter().filter(|other| Some(**other) != over);
        let (tests, others): (Vec<_>, Vec<_>) =
            others.partition(|&&other| is_of_test(settings[at][other].name));
        let test = (!tests.is_empty()).then(|| row.job.work.test_name());
        let words = others.iter().map(|&&other| settings[at][other].in_words());
        let name = test.into_iter().chain(words).collect::<Vec<_>>().join(", ");
        if has_failed(row) {
            chart.failed.push(place);
            continue;
        }
        let Some((value, ends)) = height(row) else { continue };
        let point = Mean { place, value, ends };
        match traces.iter_mut().find(|trace| trace.name == name) {
            Some(trace) => trace.points.push(point),
            None => traces.push(Trace { name, points: vec![point] }),
        }
    }
    for trace in &mut traces {
        trace.points.sort_by(|a, b| a.place.total_cmp(&b.place));
    }
    let title = if title.is_empty() { String::new() } else { format!("{title}: ") };
    let of = match &all[..] {
        [first, ..] if over.is_none() => format!("of {}", first.text),
        [first, ..] => format!("over {}", first.name),
        [] => return None,
    };
    let title = format!("{title}{heading} {of}");
    let height = if places.len() > 1 { HEIGHT } else { LOW };
    (!traces.is_empty()).then_some(Chart { title, traces, height, ..chart })
}

/// Whether the name of a test says it.
fn is_of_test(setting: &str) -> bool {
    matches!(setting, "n_prompt" | "n_gen" | "n_depth")
}

impl Coordinate {
    fn in_words(&self) -> String {
        if self.name == "model" {
            self.text.clone()
        } else {
            format!("{} {}", self.name, self.text)
        }
    }
}

/// Everything that a row may differ in from others, the same for every row.
fn coordinates(row: &Row<'_>) -> Vec<Coordinate> {
    let word = |name, text: String| Coordinate { name, number: text.parse().ok(), text };
    let speed = row.job.work.speed();
    let count = |count: Option<u32>| count.map_or_else(String::new, |count| count.to_string());
    let axes = AXES.iter().map(|axis| {
        let text = row.job.value(axis).map(|value| value.to_string()).unwrap_or_default();
        let mut found = word(axis.column.unwrap_or(axis.name), text);
        if axis.name == "n_gpu_layers" {
            // All of them, asked for as -1 or as more than there are, are as many as there are.
            let Setup::Llama(config) = &row.job.setup;
            found.number = Some(config.effective_gpu_layers(true).into());
        }
        found
    });
    let tests = [
        word("n_prompt", count(speed.map(|speed| speed.n_prompt))),
        word("n_gen", count(speed.map(|speed| speed.n_gen))),
    ];
    let model = Coordinate { name: "model", text: row.job.setup.subject().into(), number: None };
    axes.chain(tests).chain([model]).collect()
}

fn distinct(settings: &[Vec<Coordinate>], at: usize) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for row in settings {
        if !found.contains(&row[at].text.as_str()) {
            found.push(&row[at].text);
        }
    }
    found
}

fn varying(settings: &[Vec<Coordinate>]) -> Vec<usize> {
    let count = settings.first().map_or(0, Vec::len);
    (0..count).filter(|&at| distinct(settings, at).len() > 1).collect()
}

/// Places along the axis, by their names: numbers where they are, evenly where each is so many times the one before
/// it; words one after the other.
fn places(all: &[Coordinate]) -> Vec<(f64, String)> {
    let mut found: Vec<(Option<f64>, String)> = Vec::new();
    for one in all {
        if !found.iter().any(|(_, text)| *text == one.text) {
            found.push((one.number, one.text.clone()));
        }
    }
    let numbers: Option<Vec<f64>> = found.iter().map(|(number, _)| *number).collect();
    let Some(numbers) = numbers.filter(|numbers| numbers.iter().all(|n| *n >= 0.0)) else {
        let nth = |at: usize| f64::from(u32::try_from(at).unwrap_or(u32::MAX));
        return found.into_iter().enumerate().map(|(at, (_, text))| (nth(at), text)).collect();
    };
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    let least = sorted.iter().copied().find(|number| *number > 0.0).unwrap_or(1.0);
    let is_log = multiplies(&sorted);
    let place = |number: f64| match (is_log, number > 0.0) {
        (false, _) => number,
        (true, true) => number.log2(),
        // Zero is a step below the least.
        (true, false) => least.log2() - 1.0,
    };
    let texts = found.into_iter().map(|(_, text)| text);
    let mut places: Vec<_> = numbers.into_iter().map(place).zip(texts).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    places
}

/// Whether numbers grow by factors rather than by steps.
fn multiplies(sorted: &[f64]) -> bool {
    let positive: Vec<_> = sorted.iter().copied().filter(|number| *number > 0.0).collect();
    if positive.len() < 3 {
        return false;
    }
    let unevenness = |of: fn(f64) -> f64| {
        let gaps: Vec<_> = positive.windows(2).map(|pair| of(pair[1]) - of(pair[0])).collect();
        let estimate = crate::stats::Estimate::of(&gaps);
        estimate.map_or(0.0, |gaps| gaps.sd.unwrap_or(0.0) / gaps.mean.max(f64::MIN_POSITIVE))
    };
    unevenness(f64::log2) < unevenness(|number| number)
}
