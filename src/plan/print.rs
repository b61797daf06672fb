//! A plan as text, before anything runs.

use std::io::{self, Write};

use super::{Plan, Planned};
use crate::axis;
use crate::document::{Mark, References};
use crate::units::counted;

/// Prints one line a row: its number, the model, the test, the axes that vary, and why it is not
/// measured if it is not. `memory` is what each row would take, where that is known. Under them stands what is too
/// long for a line, and what concerns the models.
///
/// # Errors
/// What the writer reports.
pub fn print(plan: &Plan, memory: &[Option<String>], out: &mut dyn Write) -> io::Result<()> {
    let groups = plan.groups().len();
    let (rows, loads) = (counted(plan.jobs.len(), "row"), counted(groups, "model load"));
    writeln!(out, "{rows}, {} measured, {loads}", plan.measured().count())?;
    let width =
        plan.jobs.iter().map(|planned| planned.job.work.test_name().len()).max().unwrap_or(0);
    let mut references = References::default();
    for (index, planned) in plan.jobs.iter().enumerate() {
        let job = &planned.job;
        let part = plan.part(index);
        if let Some(part) = part.filter(|part| part.first == index) {
            writeln!(out, "{}:", part.title)?;
        }
        let varying = part.map_or(&plan.varying, |part| &part.varying);
        write!(out, "{:>5}  {}  {:<width$}", index + 1, job.setup.subject(), job.work.test_name())?;
        for axis in axis::those_that(varying) {
            if let (Some(column), Some(value)) = (axis.column, job.value(axis)) {
                let cell = references.setting(column, &value.to_string());
                write!(out, "  {column} {}{}", cell.text, marks(&cell.marks))?;
            }
        }
        if let Some(Some(memory)) = memory.get(index) {
            write!(out, "  ≈ {memory}")?;
        }
        ending(planned, &mut references, out)?;
    }
    for note in references.notes() {
        let number = note.number.map(|number| format!("[{number}] ")).unwrap_or_default();
        writeln!(out, "{number}{}", note.text)?;
    }
    plan.remarks().iter().try_for_each(|remark| writeln!(out, "{remark}"))
}

/// Why a row is not measured, or what its settings do not do.
fn ending(planned: &Planned, references: &mut References, out: &mut dyn Write) -> io::Result<()> {
    if let Some(same) = &planned.same_as {
        write!(out, "  = row {}: {}", same.index + 1, same.reason)?;
    }
    if let Some(reason) = &planned.impossible {
        write!(out, "  skipped: {reason}")?;
    }
    let notes: Vec<_> =
        planned.notes.iter().map(|text| references.mark("", text.clone())).collect();
    writeln!(out, "{}", marks(&notes))
}

fn marks(marks: &[Mark]) -> String {
    marks.iter().filter_map(|mark| mark.note.map(|note| format!(" [{note}]"))).collect()
}
