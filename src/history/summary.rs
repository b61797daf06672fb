//! Summary of a run: what a list shows of it, and what lists are filtered by.

use std::fs::File;
use std::io::{BufRead as _, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::axis::AXES;
use crate::encoding;
use crate::journal::{self, Ending, Journal, Kept};
use crate::machine::{DeviceKind, Host};
use crate::report::{Recipe, Report, Row};
use crate::units::{counted, short_hash};
use crate::wire::MAX_LINE;

/// Values of an axis that a list names.
const VALUES: usize = 6;

/// What is known of a run without its journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// What it is called: 16 hexadecimal digits.
    pub id: String,
    /// When it began, or was resumed last, in seconds since 1970.
    pub unix_time: u64,
    /// Its models: family, size class and file type.
    pub models: Vec<String>,
    /// Names of their files.
    pub files: Vec<String>,
    /// The axes that vary with their values: `b 64,128,512`.
    pub varied: Vec<String>,
    /// Names of its tests.
    pub tests: Vec<String>,
    /// The best row of each kind of test.
    pub best: Vec<BestRow>,
    /// Rows that were measured to their end.
    pub ok: usize,
    /// Rows that could not be.
    pub failed: usize,
    /// Rows that were not.
    pub unfinished: usize,
    /// How it ended; `None` where it was cut off, or goes on.
    pub ending: Option<Ending>,
    /// Network name of the machine, where it was written down.
    pub machine: Option<String>,
    /// The GPUs of the machine, or its CPU.
    pub devices: String,
    /// The engine and its build.
    pub engine: String,
    /// Version of the driver, where it is known.
    pub driver: Option<String>,
}

/// A row that is the best of its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestRow {
    /// Name of its test.
    pub test: String,
    /// What it came to, in the unit of the metric.
    pub value: f64,
    /// That unit.
    pub unit: String,
    /// What of the varied settings it had.
    pub setting: String,
}

/// A report of all that stands in a journal.
pub fn report_of(journal: &Journal) -> Report {
    let plan = journal.plan();
    let kept = Kept::to_show(journal, &plan);
    let recipe = Recipe::of(journal.header());
    let facts = journal.header().facts.clone();
    let mut report = Report::new(plan.clone(), facts).with_recipe(recipe);
    report.replay(&kept, &plan, true);
    report
}

impl RunSummary {
    /// Reads a journal; or says why there is no run in it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let journal = journal::read(path).map_err(|error| error.to_string())?;
        let named = journal.stretches.iter().find_map(|stretch| stretch.header.run.clone());
        let id = named.filter(|id| is_id(id)).or_else(|| hash_of_beginning(path));
        let id = id.ok_or_else(|| format!("journal {}: it cannot be read", path.display()))?;
        Ok(Self::of(id, &journal))
    }

    fn of(id: String, journal: &Journal) -> Self {
        let report = report_of(journal);
        let (header, tally) = (journal.header(), report.tally());
        let host = &header.facts.host;
        let times = journal.stretches.iter().map(|stretch| stretch.header.unix_time);
        let setups = || report.plan().jobs.iter().map(|planned| &planned.job.setup);
        let file = |model: &crate::setup::Model| {
            model.path.file_name().map(|name| name.to_string_lossy().into_owned())
        };
        let tests = report.plan().jobs.iter().map(|planned| planned.job.work.test_name());
        Self {
            id,
            unix_time: times.max().unwrap_or(header.unix_time),
            models: distinct(setups().map(|setup| setup.subject().to_string())),
            files: distinct(setups().filter_map(|setup| setup.model().and_then(file))),
            varied: varied(&report),
            tests: distinct(tests),
            best: best(&report),
            ok: tally.completed,
            failed: tally.failed,
            unfinished: tally.unfinished,
            ending: journal.ending,
            machine: header.machine.clone(),
            devices: devices(host),
            engine: engine(host),
            driver: host.cards.driver.as_ref().and_then(|driver| driver.version.clone()),
        }
    }

    /// The machine in words: its name and what computes there.
    pub fn machine_in_words(&self) -> String {
        match &self.machine {
            Some(name) => format!("{name} ({})", self.devices),
            None => self.devices.clone(),
        }
    }

    /// How it ended, in a word or two; none where it ended well.
    pub fn ending_in_words(&self) -> Option<&'static str> {
        match self.ending {
            Some(Ending::Finished) => None,
            Some(Ending::Interrupted) => Some("interrupted"),
            Some(Ending::OutOfTime) => Some("out of time"),
            None => Some("cut off"),
        }
    }
}

pub(super) fn devices(host: &Host) -> String {
    let gpus = host.engine.device_names(&[DeviceKind::Gpu, DeviceKind::Igpu]);
    if gpus.is_empty() { host.engine.device_names(&[DeviceKind::Cpu]) } else { gpus }
}

pub(super) fn engine(host: &Host) -> String {
    let engine = &host.engine;
    format!("{} ({})", engine.engine, engine.build_commit)
}

fn is_id(text: &str) -> bool {
    text.len() == 16
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Of a journal without an id: nothing before its end ever changes, so the first line is good for one.
fn hash_of_beginning(path: &Path) -> Option<String> {
    let reader = encoding::reader(File::open(path).ok()?).ok()?;
    let mut line = Vec::new();
    reader.take(MAX_LINE as u64).read_until(b'\n', &mut line).ok()?;
    Some(short_hash(&line))
}

fn distinct(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for one in all {
        if !kept.contains(&one) {
            kept.push(one);
        }
    }
    kept
}

/// Places in [`AXES`] of those that take several values, with the values.
fn values_of(report: &Report) -> Vec<(usize, Vec<String>)> {
    let jobs = &report.plan().jobs;
    let values = AXES.iter().enumerate().map(|(at, axis)| {
        let values = jobs.iter().filter_map(|planned| planned.job.value(axis));
        (at, distinct(values.map(|value| value.to_string())))
    });
    values.filter(|(_, values)| values.len() > 1).collect()
}

fn varied(report: &Report) -> Vec<String> {
    let words = values_of(report).into_iter().map(|(at, values)| {
        let name = AXES[at].column.unwrap_or(AXES[at].name);
        let more = values.len().saturating_sub(VALUES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{name} {}{more}", values[..values.len().min(VALUES)].join(","))
    });
    let kinds = distinct(report.plan().jobs.iter().map(|planned| planned.job.work.test()));
    let tests = (kinds.len() > 2).then(|| counted(kinds.len(), "test"));
    words.chain(tests).collect()
}

/// The best row of each kind of test, in the order of the plan.
fn best(report: &Report) -> Vec<BestRow> {
    let axes = values_of(report);
    let mut best: Vec<(&str, f64, BestRow)> = Vec::new();
    for index in 0..report.len() {
        let row = report.row(index);
        let metric = row.job.work.headline();
        let Some(figure) = row.headline().filter(|_| row.outcome_name() == "completed") else {
            continue;
        };
        let (class, score) = (row.job.work.class(), figure.value * metric.sign_of_better());
        let found = best.iter_mut().find(|(known, _, _)| *known == class);
        let entry = || BestRow {
            test: row.job.work.test_name(),
            value: figure.value,
            unit: metric.unit.into(),
            setting: setting(&row, &axes),
        };
        match found {
            Some((_, old, kept)) if score > *old => (*old, *kept) = (score, entry()),
            Some(_) => {}
            None => best.push((class, score, entry())),
        }
    }
    best.into_iter().map(|(_, _, row)| row).collect()
}

fn setting(row: &Row<'_>, axes: &[(usize, Vec<String>)]) -> String {
    let words = axes.iter().filter_map(|(at, _)| {
        // Depth is in the name of the test.
        let name = AXES[*at].column?;
        Some(format!("{name} {}", row.job.value(&AXES[*at])?))
    });
    words.collect::<Vec<_>>().join(", ")
}
