//! A result file as the baseline of a run that is about to start.

use super::entry::RowEnding;
use super::{CompareOptions, Run, checks, paired, rows};
use crate::document::text::plain;
use crate::error::Error;
use crate::report::{Base, Baseline, Report};
use crate::units::counted;

/// Matches a file with the plan of a report in which nothing is measured yet; with it comes what a
/// reader should know beforehand.
///
/// # Errors
/// When the two are apples and oranges and that was not asked for: before anything is measured.
pub fn baseline(
    file: &Run,
    report: &Report,
    options: &CompareOptions,
) -> Result<(Baseline, Vec<String>), Error> {
    let planned = Run::of_report("this run", report);
    let (_, pairs) = paired(file, &planned, options)?;
    let mut matched = vec![None; report.len()];
    for (entry, partner) in file.entries.iter().zip(&pairs.partner) {
        // Every row of a report is an entry, so that positions are those of the plan.
        if let Some(row) = partner.and_then(|index| matched.get_mut(index)) {
            *row = Some(match &entry.ending {
                RowEnding::Failed(_) => Base::Failed,
                RowEnding::Completed | RowEnding::Interrupted => Base::Measured {
                    values: entry.values.clone(),
                    figure: entry.figure.as_ref().map(|figure| figure.value),
                    floor: entry.floor,
                    known: entry.known,
                    marked: entry.marked,
                },
            });
        }
    }
    let mut warnings = file.notes.clone();
    // Where a row runs is known once it is loaded.
    warnings.extend(checks::differences(&rows(file), &rows(&planned), &pairs, &["backends"]));
    if !pairs.only_b.is_empty() {
        let (missing, all) = (pairs.only_b.len(), report.len());
        let name = plain(&file.name);
        let are = if all == 1 { "is" } else { "are" };
        let all = counted(all, "test");
        warnings.push(format!("{missing} of {all} {are} not in the baseline {name}"));
    }
    Ok((Baseline { rows: matched, limits: options.limits }, warnings))
}
