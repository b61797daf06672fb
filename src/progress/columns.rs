//! Columns of the live table: those that vary, the figures, and as much else as there is room for.

use std::collections::{HashMap, HashSet};
use std::mem::discriminant;
use std::path::PathBuf;

use console::measure_text_width;

use super::board::{Board, Standing};
use crate::axis::{AXES, Axis};
use crate::document::text::plain;
use crate::job::Job;
use crate::plan::Plan;
use crate::record::Phase;
use crate::units::Bytes;
use crate::work::Speed;

/// Blanks between columns.
const GAP: usize = 2;
/// Fewest characters of a text that is shortened.
const LEAST: usize = 6;
/// Most characters of a text that is not.
const MOST: usize = 30;

/// What a column shows.
#[derive(Debug, Clone, Copy)]
enum LiveCell {
    /// The row under way, and rows that show another's speed.
    Mark,
    Model,
    Size,
    Axis(&'static Axis),
    Test,
    Headline,
    FirstToken,
    Ram,
    Vram,
    Visits,
    /// Where the row under way is.
    Phase,
}

/// One column.
#[derive(Debug, Clone)]
pub(super) struct LiveColumn {
    heading: String,
    /// The same where room is short: a flag.
    short: String,
    /// Width of its cells.
    cells: usize,
    right: bool,
    read: LiveCell,
    width: usize,
}

impl LiveColumn {
    fn new(heading: &str, cells: usize, right: bool, read: LiveCell) -> Self {
        let heading = heading.to_string();
        Self { short: heading.clone(), heading, cells, right, read, width: 0 }
    }

    /// Fixes its width, with its heading or the short one.
    fn fitted(&self, in_short: bool) -> Self {
        let heading = if in_short { &self.short } else { &self.heading };
        let width = self.cells.max(measure_text_width(heading));
        Self { heading: heading.clone(), width, ..self.clone() }
    }

    /// Whether its texts may be shortened.
    fn is_text(&self) -> bool {
        matches!(self.read, LiveCell::Model | LiveCell::Axis(_) | LiveCell::Test)
            && self.width > LEAST
    }

    fn pad(&self, text: &str) -> String {
        let text = shortened(text, self.width);
        let blanks = " ".repeat(self.width.saturating_sub(measure_text_width(&text)));
        if self.right { blanks + &text } else { text + &blanks }
    }
}

/// What the rows of a plan have in common, and in what they differ.
#[derive(Debug)]
pub(super) struct Columns {
    /// What is the same in all rows.
    pub(super) common: Vec<String>,
    /// How many of these are about the model.
    pub(super) of_model: usize,
    /// Every column in the order of the table.
    all: Vec<LiveColumn>,
    names: HashMap<PathBuf, String>,
}

/// The columns that there is room for.
#[derive(Debug)]
pub(super) struct Fitted {
    columns: Vec<LiveColumn>,
}

impl Columns {
    /// The columns of a plan.
    pub(super) fn of(plan: &Plan) -> Self {
        let names = names(plan);
        let jobs = || plan.jobs.iter().map(|planned| &planned.job);
        let mut common = Vec::new();
        let mut all = vec![LiveColumn::new("", 1, false, LiveCell::Mark)];
        let labels: HashSet<_> = jobs().map(|job| job.setup.subject()).collect();
        if names.len() > 1 {
            // Files of one label go by their names.
            common.extend(labels.iter().filter(|_| labels.len() == 1).map(|label| plain(label)));
            let longest = names.values().map(|name| measure_text_width(name)).max();
            all.push(LiveColumn::new(
                "model",
                longest.unwrap_or(0).min(MOST),
                false,
                LiveCell::Model,
            ));
            all.push(LiveColumn::new("size", 11, true, LiveCell::Size));
        } else if let Some(model) = jobs().find_map(|job| job.setup.model()) {
            common.push(plain(&model.label));
            common.extend([model.tensor_bytes.to_string(), model.n_params.to_string()]);
        }
        let of_model = common.len();
        let (axes, settings) = axes(plan);
        let tests: HashSet<_> = jobs().map(|job| job.work.test_name()).collect();
        let alone = all.len() == 1 && axes.is_empty();
        all.extend(axes);
        let longest = tests.iter().map(|test| measure_text_width(test)).max().unwrap_or(0);
        if tests.len() > 1 || alone {
            all.push(LiveColumn::new("test", longest.min(MOST), true, LiveCell::Test));
        } else {
            common.extend(tests);
        }
        common.extend(settings);
        all.push(LiveColumn::new(&headings(plan), 16, true, LiveCell::Headline));
        if jobs().any(has_first_token) {
            all.push(LiveColumn::new("ttft ms", 8, true, LiveCell::FirstToken));
        }
        all.push(LiveColumn::new("RAM MiB", 7, true, LiveCell::Ram));
        all.push(LiveColumn::new("VRAM MiB", 8, true, LiveCell::Vram));
        all.push(LiveColumn::new("visits", 6, true, LiveCell::Visits));
        all.push(LiveColumn::new("", 10, false, LiveCell::Phase));
        Self { common, of_model, all, names }
    }

    /// The columns that fit into so many characters, and whether the memory is among them and the phase.
    pub(super) fn fitted(&self, board: &Board, width: usize) -> Fitted {
        let is_wanted = |column: &&LiveColumn| match column.read {
            LiveCell::Vram => board.most_memory().1.is_some(),
            LiveCell::Visits => board.round() > 0,
            _ => true,
        };
        let wanted: Vec<_> = self.all.iter().filter(is_wanted).collect();
        let rank = |column: &LiveColumn| match column.read {
            LiveCell::Phase => 1,
            LiveCell::FirstToken => 2,
            LiveCell::Ram => 3,
            LiveCell::Vram => 4,
            LiveCell::Size => 5,
            LiveCell::Visits => 6,
            _ => 0,
        };
        let pick = |most: usize, in_short: bool| -> Vec<LiveColumn> {
            let picked = wanted.iter().filter(|column| rank(column) <= most);
            picked.map(|column| column.fitted(in_short)).collect()
        };
        let tries = (1..=6).rev().map(|most| (most, false)).chain([(1, true), (0, true)]);
        let found = tries.map(|(most, short)| pick(most, short)).find(|all| total(all) <= width);
        let columns = found.unwrap_or_else(|| squeezed(pick(0, true), width));
        Fitted { columns }
    }

    fn name(&self, job: &Job) -> &str {
        let named = job.setup.model().and_then(|model| self.names.get(&model.path));
        named.map_or("", String::as_str)
    }

    fn cell(&self, read: LiveCell, board: &Board, row: usize) -> String {
        let job = board.job(row);
        match read {
            LiveCell::Mark if board.current().is_some_and(|(current, _)| current == row) => {
                ">".into()
            }
            LiveCell::Mark if board.is_equal(row) => "=".into(),
            LiveCell::Mark => String::new(),
            LiveCell::Model => self.name(job).to_string(),
            LiveCell::Size => {
                job.setup.model().map_or_else(String::new, |model| model.tensor_bytes.to_string())
            }
            LiveCell::Axis(axis) => value(job, axis),
            LiveCell::Test => plain(&job.work.test_name()),
            LiveCell::Headline => standing(board.standing(row)),
            LiveCell::FirstToken if !has_first_token(job) => String::new(),
            LiveCell::FirstToken => board.first_token(row).map_or_else(String::new, number),
            LiveCell::Ram => mib(board.ram(row)),
            LiveCell::Vram => mib(board.vram(row)),
            LiveCell::Visits => match board.visits(row) {
                0 => String::new(),
                visits => visits.to_string(),
            },
            LiveCell::Phase => {
                let phase = board.current().filter(|(current, _)| *current == row);
                phase.map_or("", |(_, phase)| word(phase)).into()
            }
        }
    }
}

impl Fitted {
    fn has(&self, read: LiveCell) -> bool {
        let same = |column: &LiveColumn| discriminant(&column.read) == discriminant(&read);
        self.columns.iter().any(same)
    }

    /// Whether each row says what memory it took.
    pub(super) fn has_memory(&self, of_devices: bool) -> bool {
        self.has(if of_devices { LiveCell::Vram } else { LiveCell::Ram })
    }

    /// Whether the row under way says where it is.
    pub(super) fn has_phase(&self) -> bool {
        self.has(LiveCell::Phase)
    }

    pub(super) fn headings(&self) -> String {
        line(self.columns.iter().map(|column| column.pad(&column.heading)))
    }

    pub(super) fn row(&self, columns: &Columns, board: &Board, row: usize) -> String {
        line(self.columns.iter().map(|column| column.pad(&columns.cell(column.read, board, row))))
    }
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_string()
}

fn total(columns: &[LiveColumn]) -> usize {
    let widths: usize = columns.iter().map(|column| column.width).sum();
    widths + GAP * columns.len().saturating_sub(1)
}

/// Columns whose texts are shortened, the longest first, until all fit or none can be any shorter.
fn squeezed(mut columns: Vec<LiveColumn>, width: usize) -> Vec<LiveColumn> {
    while total(&columns) > width {
        let texts = columns.iter_mut().filter(|column| column.is_text());
        let Some(widest) = texts.max_by_key(|column| column.width) else { break };
        widest.width -= 1;
    }
    columns
}

/// A text of so many characters at most: what is left out is in its middle, because names of models differ
/// at their ends.
fn shortened(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_string();
    }
    let keep = width.saturating_sub(1);
    let take = |most: usize, chars: &mut dyn Iterator<Item = char>| {
        let mut taken = String::new();
        for c in chars {
            if measure_text_width(&taken) + measure_text_width(c.encode_utf8(&mut [0; 4])) > most {
                break;
            }
            taken.push(c);
        }
        taken
    };
    let start = take(keep - keep / 2, &mut text.chars());
    let end: String = take(keep / 2, &mut text.chars().rev()).chars().rev().collect();
    format!("{start}…{end}")
}

/// The columns of the axes that differ, and those that are the same in all rows and worth a word.
fn axes(plan: &Plan) -> (Vec<LiveColumn>, Vec<String>) {
    let (mut columns, mut common) = (Vec::new(), Vec::new());
    for (index, axis) in AXES.iter().enumerate() {
        let Some(heading) = axis.column else { continue };
        let values: HashSet<_> =
            plan.jobs.iter().map(|planned| value(&planned.job, axis)).collect();
        if values.len() > 1 {
            let longest = values.iter().map(|value| measure_text_width(value)).max().unwrap_or(0);
            let column = LiveColumn::new(heading, longest.min(MOST), true, LiveCell::Axis(axis));
            let short = if axis.short.is_empty() { heading } else { axis.short };
            columns.push(LiveColumn { short: short.into(), ..column });
        } else if plan.varying.get(index) == Some(&true) || axis.name == "n_threads" {
            common.extend(values.iter().map(|value| format!("{heading} {value}")));
        }
    }
    (columns, common)
}

fn value(job: &Job, axis: &Axis) -> String {
    job.value(axis).map_or_else(String::new, |value| plain(&value.to_string()))
}

fn has_first_token(job: &Job) -> bool {
    job.work.speed().is_some_and(Speed::has_first_token)
}

/// The headings of what rows are judged by.
fn headings(plan: &Plan) -> String {
    let mut headings: Vec<&str> = Vec::new();
    for planned in &plan.jobs {
        let face = planned.job.work.headline().face;
        if let Some(face) = face.filter(|face| !headings.contains(&face.heading)) {
            headings.push(face.heading);
        }
    }
    headings.join(", ")
}

/// What each model is called: by its label, or its file where another one has the same.
fn names(plan: &Plan) -> HashMap<PathBuf, String> {
    let models = || plan.jobs.iter().filter_map(|planned| planned.job.setup.model());
    let paths: HashMap<_, _> = models().map(|model| (&model.path, model)).collect();
    let labels: HashSet<_> = paths.values().map(|model| &model.label).collect();
    let ambiguous = labels.len() < paths.len();
    let name = |model: &crate::setup::Model| match model.path.file_stem().filter(|_| ambiguous) {
        Some(stem) => plain(&stem.to_string_lossy()),
        None => plain(&model.label),
    };
    paths.iter().map(|(path, model)| ((*path).clone(), name(model))).collect()
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Unknown => "·      ".into(),
        Standing::UnderWay(value) | Standing::Final(value) => format!("{}{:7}", number(value), ""),
        Standing::Known(value, precision) => {
            format!("{} ±{:<5}", number(value), percent(precision))
        }
        Standing::Ended(word) => format!("{word}{:7}", ""),
    }
}

fn number(value: f64) -> String {
    if value < 99.995 { format!("{value:.2}") } else { format!("{value:.1}") }
}

/// A share in percent, with two digits that count.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        ..0.0995 => format!("{percent:.2}%"),
        ..9.95 => format!("{percent:.1}%"),
        _ => format!("{percent:.0}%"),
    }
}

fn mib(bytes: Option<Bytes>) -> String {
    bytes.map_or_else(String::new, |bytes| format!("{:.0}", bytes.mib()))
}

/// Where a row is, in a word.
pub(super) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Start => "starting",
        Phase::Load => "loading",
        Phase::Context => "context",
        Phase::Warmup => "warming up",
        Phase::Depth => "filling",
        Phase::Prompt => "prompt",
        Phase::Generate => "generating",
        Phase::Canary => "canary",
        Phase::Score => "foretelling",
        Phase::Idle => "resting",
        Phase::Anchor => "again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(shortened("llama 3B Q6_K", 20), "llama 3B Q6_K");
        assert_eq!(shortened("llama 3B Q6_K - Medium", 9), "llam…dium");
        assert_eq!(shortened("模型模型模型", 6), "模…型");
        assert_eq!(shortened("abc", 1), "…");
    }

    #[test]
    fn shares_have_two_digits() {
        let shares = [0.000_4, 0.021, 0.099_4, 0.123, 0.99];
        assert_eq!(shares.map(percent), ["0.04%", "2.1%", "9.9%", "12%", "99%"]);
    }
}
