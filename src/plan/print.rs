//! A plan as text, before anything runs.

use std::io::{self, Write};

use super::Plan;
use crate::axis;
use crate::units::counted;

/// Prints one line a row: its number, the model, the test, the axes that vary, and why it is not
/// measured if it is not. `memory` is what each row would take, where that is known.
///
/// # Errors
/// What the writer reports.
pub fn print(plan: &Plan, memory: &[Option<String>], out: &mut dyn Write) -> io::Result<()> {
    let measured = plan.jobs.iter().filter(|planned| planned.same_as.is_none()).count();
    let groups = plan.groups().len();
    let (rows, loads) = (counted(plan.jobs.len(), "row"), counted(groups, "model load"));
    writeln!(out, "{rows}, {measured} measured, {loads}")?;
    let width =
        plan.jobs.iter().map(|planned| planned.job.work.test_name().len()).max().unwrap_or(0);
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
                write!(out, "  {column} {value}")?;
            }
        }
        if let Some(Some(memory)) = memory.get(index) {
            write!(out, "  ≈ {memory}")?;
        }
        if let Some(same) = &planned.same_as {
            write!(out, "  = row {}: {}", same.index + 1, same.reason)?;
        }
        writeln!(out)?;
    }
    Ok(())
}
