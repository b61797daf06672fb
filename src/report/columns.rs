//! The columns of the table: llama-bench's first, with its names, order, widths and alignment, then ours.

use std::ops::Range;

use super::notes::Notes;
use super::{Against, Extra, Report, Row};
use crate::axis::{AXES, Axis};
use crate::document::text::quoted;
use crate::document::{Align, Cell, Heading, LONGEST, NOTHING};
use crate::machine::DeviceKind;
use crate::plan::{self, Part as Sweep};
use crate::record::Outcome;
use crate::setup::{Model, Setup};
use crate::work::metric::Face;
use crate::work::{Metric, Work, metric};

/// One column of the table.
#[derive(Clone, Copy)]
pub(super) struct Column {
    /// What stands above it.
    pub heading: &'static str,
    /// Characters that its cells are padded to. Fixed before the first row, because rows are printed as
    /// they finish.
    pub width: usize,
    /// Whether it is aligned to the right, as numbers are.
    pub right: bool,
    /// The room that it takes in a report, where that depends on the report; `None` from there where the table
    /// does without it.
    room: Option<WidthFor>,
    /// Whether its cells are known before anything is measured.
    is_planned: bool,
    read: CellSource,
}

type WidthFor = fn(&TableScope<'_>) -> Option<usize>;

/// The rows of one table.
pub(super) struct TableScope<'a> {
    report: &'a Report,
    rows: Range<usize>,
    /// For each axis, whether it has a column.
    varying: &'a [bool],
    /// Cold starts of each row.
    cold: u32,
}

impl<'a> TableScope<'a> {
    /// The rows of a part, or all where the run is one sweep.
    pub(super) fn new(report: &'a Report, part: Option<&'a Sweep>) -> Self {
        let plan = &report.plan;
        match part {
            None => Self {
                report,
                rows: 0..report.len(),
                varying: &plan.varying,
                cold: report.facts.cold,
            },
            Some(part) => {
                Self { report, rows: plan.rows_of(part), varying: &part.varying, cold: part.cold }
            }
        }
    }
}

impl TableScope<'_> {
    /// What its rows measure.
    fn works(&self) -> impl Iterator<Item = &Work> {
        self.report.plan.jobs[self.rows.clone()].iter().map(|planned| &planned.job.work)
    }

    /// What is to be said of the models of its rows.
    pub(super) fn remarks(&self) -> Vec<String> {
        plan::remarks(&self.report.plan.jobs[self.rows.clone()])
    }
}

/// How a column gets its cells.
#[derive(Clone, Copy)]
enum CellSource {
    /// From the row.
    Row(fn(&Row<'_>) -> String),
    /// The value of an axis.
    Axis(&'static Axis),
    /// What it came to in a metric; in its headline with the row's marks.
    Figure(&'static Metric, Face),
    /// Asked for by name.
    Extra(Extra),
}

impl Column {
    const fn text(heading: &'static str, width: usize, read: fn(&Row<'_>) -> String) -> Self {
        Self {
            heading,
            width,
            right: false,
            room: None,
            is_planned: true,
            read: CellSource::Row(read),
        }
    }

    const fn number(heading: &'static str, width: usize, read: fn(&Row<'_>) -> String) -> Self {
        Self { right: true, ..Self::text(heading, width, read) }
    }

    const fn measured(heading: &'static str, room: WidthFor, read: CellSource) -> Self {
        Self { heading, width: 0, right: true, room: Some(room), is_planned: false, read }
    }

    /// The column of an axis; `None` where the test's name says the value.
    fn axis(axis: &'static Axis) -> Option<Self> {
        let heading = axis.column?;
        let number = Self::number(heading, axis.width, |_| String::new());
        Some(Self { read: CellSource::Axis(axis), ..number })
    }

    /// A cell; with notes where it may refer to some.
    pub(super) fn cell(&self, row: &Row<'_>, notes: Option<&mut Notes>) -> Cell {
        match self.read {
            CellSource::Row(read) => read(row).into(),
            CellSource::Axis(axis) => axis_cell(axis, row, notes),
            CellSource::Figure(metric, face) if row.job.work.headline() == metric => {
                headline(row, face, notes)
            }
            CellSource::Figure(metric, face) => face.cell(row.figure(metric)).into(),
            CellSource::Extra(extra) => match notes {
                Some(notes) => notes.references.setting(extra.heading(), &extra.cell(row)),
                None => extra.cell(row).into(),
            },
        }
    }

    /// As wide as it needs to be; `None` where the table does without it.
    fn fitted(self, scope: &TableScope<'_>) -> Option<Self> {
        let width = match self.room {
            Some(room) => room(scope)?,
            None => self.width,
        };
        Some(Self { width, ..self })
    }
}

#[allow(clippy::redundant_closure_for_method_calls)] // a method of one lifetime is no column of any
static BEFORE_AXES: [Column; 4] = [
    Column::text("model", 30, |row| row.job.setup.subject().to_string()),
    Column::number("size", 10, |row| of_model(row, |model| model.tensor_bytes.to_string())),
    Column::number("params", 10, |row| of_model(row, |model| model.n_params.to_string())),
    // A method of a type with a lifetime is no function of every one.
    #[allow(clippy::redundant_closure_for_method_calls)]
    Column::text("backend", 10, |row| row.backends()),
];

static TEST: Column = Column::number("test", 15, |row| row.job.work.test_name());

/// A file type's name says little of a small model, whose odd rows fall back to larger types.
static BITS: Column = Column::measured(
    "bpw",
    |scope| scope.works().any(|work| work.quality().is_some()).then_some(5),
    CellSource::Row(|row| {
        row.bits_per_weight().map_or_else(|| NOTHING.into(), |bits| format!("{bits:.2}"))
    }),
);

static AGAINST: Column = Column::measured(
    "vs base",
    |scope| scope.report.baseline.is_some().then_some(15),
    CellSource::Row(|row| {
        let cell = row.against.as_ref().and_then(Against::cell);
        cell.unwrap_or_else(|| NOTHING.into())
    }),
);

static MEMORY: [Column; 2] = [
    Column::measured(
        "RAM MiB",
        |_| Some(8),
        CellSource::Row(|row| {
            let peak = row.memory.peak_rss;
            peak.map_or_else(|| NOTHING.into(), |bytes| format!("{:.0}", bytes.mib()))
        }),
    ),
    Column::measured("VRAM MiB", room_for_devices, CellSource::Row(device_memory)),
];

/// The metrics that have a column in a table: the headlines of its rows and their parts, or the others.
fn metrics<'a>(scope: &'a TableScope<'_>, judged_by: bool) -> impl Iterator<Item = Column> + 'a {
    metric::all().filter_map(move |metric| {
        let is_headline = || scope.works().any(|work| work.headline() == metric);
        let face = metric.face.filter(|face| {
            judged_by == (face.is_part || is_headline())
                && scope.works().any(|work| (face.shows)(work, scope.cold))
        })?;
        Some(Column {
            heading: face.heading,
            width: face.width,
            right: true,
            is_planned: false,
            room: None,
            read: CellSource::Figure(metric, face),
        })
    })
}

/// The columns of a table, as wide as the plan's cells need.
pub(super) fn of(scope: &TableScope<'_>) -> Vec<Column> {
    let before = BEFORE_AXES.iter().copied();
    let figures = metrics(scope, true).chain([AGAINST]).chain(metrics(scope, false));
    let after = [BITS, TEST].into_iter().chain(figures).chain(MEMORY);
    let extras = scope.report.columns.iter().map(|extra| Column {
        right: extra.is_number(),
        ..Column::measured(extra.heading(), |_| Some(10), CellSource::Extra(*extra))
    });
    let axes = axes(scope).filter(|axis| shared_value(scope, axis).is_none());
    let shown = before.chain(axes.filter_map(Column::axis)).chain(after).chain(extras);
    shown.filter_map(|column| column.fitted(scope)).collect()
}

/// The headings of columns, wide enough for the cells that are known before anything is measured; `width` says
/// what a cell takes.
pub(super) fn headings(
    columns: &[Column],
    scope: &TableScope<'_>,
    width: impl Fn(&Cell) -> usize,
) -> Vec<Heading> {
    let heading = |column: &Column| Heading {
        width: column.width,
        ..Heading::new(column.heading, if column.right { Align::Right } else { Align::Left })
    };
    let mut headings: Vec<_> = columns.iter().map(heading).collect();
    for index in scope.rows.clone() {
        let row = scope.report.row(index);
        for (column, heading) in columns.iter().zip(&mut headings) {
            if column.is_planned {
                let cell = column.cell(&row, Some(&mut Notes::default()));
                heading.width = heading.width.max(width(&cell));
            }
        }
    }
    headings
}

/// What stands under the table instead of a column: the values of axes that are the same in all rows, and long.
pub(super) fn shared(scope: &TableScope<'_>) -> Vec<String> {
    let axes = axes(scope).filter_map(|axis| Some((axis.column?, shared_value(scope, axis)?)));
    axes.map(|(heading, value)| format!("{heading} is {} in all rows", quoted(&value))).collect()
}

/// The long value that an axis has in all rows; `None` where it has a column.
fn shared_value(scope: &TableScope<'_>, axis: &'static Axis) -> Option<String> {
    let mut jobs = scope.report.plan.jobs[scope.rows.clone()].iter().map(|planned| &planned.job);
    let value = jobs.next()?.value(axis)?;
    let text = value.to_string();
    let same =
        text.chars().count() > LONGEST && jobs.all(|job| job.value(axis).as_ref() == Some(&value));
    same.then_some(text)
}

/// The value of an axis; the beginning of one that is long, and the rest in a note.
fn axis_cell(axis: &'static Axis, row: &Row<'_>, notes: Option<&mut Notes>) -> Cell {
    if axis.name == "n_gpu_layers" {
        return gpu_layers(row).into();
    }
    let Some(value) = row.job.value(axis) else { return NOTHING.into() };
    let (name, text) = (axis.column.unwrap_or(axis.name), value.to_string());
    match notes {
        Some(notes) => notes.references.setting(name, &text),
        None => text.into(),
    }
}

/// The axes that have a column: those that vary or are not at their default, and as in llama-bench the
/// layers wherever a device could take some, the threads where none can.
fn axes(scope: &TableScope<'_>) -> impl Iterator<Item = &'static Axis> {
    let report = scope.report;
    let can_offload = report.facts.host.can_offload && report.facts.host.backends() != "CPU";
    let mut axes: Vec<_> = AXES
        .iter()
        .enumerate()
        .filter(|(index, axis)| {
            scope.varying.get(*index) == Some(&true)
                || match axis.name {
                    "n_gpu_layers" => can_offload,
                    "n_threads" => !can_offload,
                    _ => false,
                }
        })
        .map(|(_, axis)| axis)
        .collect();
    // llama-bench has the threads second; the table of axes has load axes first.
    axes.sort_by_key(|axis| match axis.name {
        "n_gpu_layers" => 0,
        "n_threads" => 1,
        _ => 2,
    });
    axes.into_iter()
}

/// What a model file says; nothing where there is none.
fn of_model(row: &Row<'_>, read: fn(&Model) -> String) -> String {
    row.job.setup.model().map_or_else(|| NOTHING.into(), read)
}

/// Layers as asked, and beside them in brackets how many there really are where that is another number:
/// `99 (29)`. All of them, asked for as -1, needs no comment.
fn gpu_layers(row: &Row<'_>) -> String {
    let Setup::Llama(config) = &row.job.setup;
    let asked = config.n_gpu_layers;
    let effective = row.gpu_layers();
    let as_asked = match u32::try_from(asked) {
        Ok(asked) => asked == effective,
        Err(_) => effective == config.model.n_layers + 1,
    };
    if as_asked {
        return asked.to_string();
    }
    format!("{asked} ({effective})")
}

/// What a row is judged by, or what became of the row, with the row's marks.
fn headline(row: &Row<'_>, face: Face, notes: Option<&mut Notes>) -> Cell {
    let text = match row.measured.outcome {
        Some(Outcome::Failed { .. }) => "failed".into(),
        Some(Outcome::Crashed { .. }) => "crashed".into(),
        Some(Outcome::TimedOut { .. }) => "timeout".into(),
        Some(Outcome::Skipped { .. }) => "skipped".into(),
        Some(Outcome::Completed | Outcome::Interrupted) | None => face.cell(row.headline()),
    };
    Cell::marked(text, notes.map_or_else(Vec::new, |notes| notes.marks(row)))
}

/// Most memory taken on each device that took any, in MiB: `20480 + 18211`.
fn device_memory(row: &Row<'_>) -> String {
    let devices = row.peaks();
    let used = devices.iter().filter(|peak| peak.bytes.0 > 0);
    let used: Vec<_> = used.map(|peak| format!("{:.0}", peak.bytes.mib())).collect();
    match (used.is_empty(), devices.is_empty()) {
        (_, true) => NOTHING.into(),
        (true, false) => "0".into(),
        (false, false) => used.join(" + "),
    }
}

/// Five digits for each device that can take layers.
fn room_for_devices(scope: &TableScope<'_>) -> Option<usize> {
    let host = &scope.report.facts.host;
    let devices = host.engine.devices.iter();
    let gpus = devices.filter(|device| matches!(device.kind, DeviceKind::Gpu | DeviceKind::Igpu));
    host.can_offload.then(|| gpus.count() * 8)
}
