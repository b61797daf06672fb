//! An earlier run beside the one under way.

use super::out::tell;
use crate::cli::HowArgs;
use crate::compare::{self, Run};
use crate::error::Error;
use crate::journal::RunFacts;
use crate::plan::Plan;
use crate::record::{Record, Warning, WarningKind};
use crate::report::{Baseline, Report};

/// What an earlier run has for the rows of this one.
pub(super) struct Beside<'a> {
    file: &'a Run,
    how: &'a HowArgs,
    baseline: Baseline,
    warnings: Vec<String>,
}

impl<'a> Beside<'a> {
    /// Matches a file with a plan, before anything is measured.
    pub(super) fn new(
        file: &'a Run,
        how: &'a HowArgs,
        plan: &Plan,
        facts: &RunFacts,
    ) -> Result<Self, Error> {
        let planned = Report::new(plan.clone(), facts.clone());
        let (baseline, warnings) = compare::baseline(file, &planned, &how.options())?;
        Ok(Self { file, how, baseline, warnings })
    }

    /// Gives the report its column, and its reader what to know about it.
    pub(super) fn enter(&self, report: Report) -> Report {
        let mut report = report.with_baseline(self.baseline.clone());
        for text in &self.warnings {
            tell(text);
            let warning = Warning::new(WarningKind::Baseline, text.as_str());
            report.fold(&Record::Warned { job: None, warning });
        }
        report
    }

    /// Whether any row is what `--fail-on` is about.
    pub(super) fn fails(&self, report: &Report) -> Result<bool, Error> {
        // What must not be compared was refused before the run.
        let options = compare::CompareOptions { force: true, ..self.how.options() };
        let new = Run::of_report("this run", report);
        Ok(compare::compare(self.file, &new, &options)?.fails(&self.how.fail_on))
    }
}
