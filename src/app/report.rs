//! `lbench report`: journals, in any format, with what shows a run while it goes on.

use std::path::PathBuf;

use clap::Args;

use super::keeping;
use super::out::{print, tell};
use crate::cli;
use crate::error::{Error, exit};
use crate::journal::{self, Kept};
use crate::report::{self, Extra, Format, Report};

/// In few words.
pub(super) const BRIEF: &str = "Show any run again, from its journal";

/// Show journals: any run, finished or not, in any format.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Journals; the last run's if none is given
    pub files: Vec<PathBuf>,
    /// Format: md, json, jsonl, csv, sql, none
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md")]
    #[arg(value_parser = cli::format)]
    pub output: Format,
    /// More columns for the table: short names or fields; help lists them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub columns: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  lbench report                         the last run again
  lbench report run.jsonl -o csv        any run in any format, finished or not
  lbench report --columns median,ci     with more columns

Exit codes: 0 all rows are there, 1 some failed, 2 a file cannot be read.";

impl ReportArgs {
    /// The journals.
    ///
    /// # Errors
    /// When none is named and there is none.
    fn paths(&self) -> Result<Vec<PathBuf>, Error> {
        if !self.files.is_empty() {
            return Ok(self.files.clone());
        }
        let none = || Error::Usage("report: there is no run yet: name a journal".into());
        keeping::last_journal().map(|path| vec![path]).ok_or_else(none)
    }
}

/// Shows them; the exit code is returned.
pub(super) fn main(args: &ReportArgs) -> Result<u8, Error> {
    let Some(columns) = Extra::parse_all(&args.columns)? else {
        print(|out| report::list_columns(out))?;
        return Ok(exit::OK);
    };
    let mut reports = Vec::new();
    for path in args.paths()? {
        let journal = journal::read(&path)?;
        journal.notes.iter().for_each(|note| tell(note));
        let plan = journal.plan();
        let kept = Kept::to_show(&journal, &plan);
        let facts = journal.header().facts.clone();
        let mut report = Report::new(plan.clone(), facts).with_columns(columns.clone());
        report.replay(&kept, &plan, true);
        reports.push(report);
    }
    print(|out| report::write_all(args.output, &reports, out))?;
    let failed = reports.iter().any(|report| report.tally().failed > 0);
    Ok(if failed { exit::SOME_FAILED } else { exit::OK })
}
