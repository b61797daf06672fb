//! `lbench report`: journals, in any format, with what shows a run while it goes on.

use std::path::PathBuf;

use clap::Args;

use super::out::{draw, print, tell};
use super::page_file::PageFile;
use super::{earlier, keeping};
use crate::cli;
use crate::error::{Error, exit};
use crate::history;
use crate::journal;
use crate::report::{self, Extra, Format, StoredPage};

/// In few words.
pub(super) const BRIEF: &str = "Show any run again, from its journal";

/// Show journals: any run, finished or not, in any format.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Journals, pages of --html, or @last, @ID, @TAG of `lbench history`; the last run's if none is given
    pub files: Vec<PathBuf>,
    /// How.
    #[command(flatten)]
    pub how: ShowArgs,
}

/// How runs are shown again.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Format: md, json, jsonl, csv, sql, html, none
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md")]
    #[arg(value_parser = cli::format)]
    pub output: Format,
    /// More columns for the table: short names or fields; help lists them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Draw what was measured under the table, with characters; beside other formats on standard error
    #[arg(long)]
    pub plot: bool,
    /// Also write a page of all of them to this file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  lbench report                         the last run again
  lbench report run.jsonl -o csv        any run in any format, finished or not
  lbench report @main                   a run of `lbench history`, by tag or id
  lbench report --columns median,ci     with more columns
  lbench report --html page.html a.jsonl b.jsonl
                                        a page with plots, of two runs
  lbench report page.html -o jsonl      the rows of a page again

Exit codes: 0 all rows are there, 1 some failed, 2 a file cannot be read.";

impl ReportArgs {
    /// The journals.
    ///
    /// # Errors
    /// When none is named and there is none.
    fn paths(&self) -> Result<Vec<PathBuf>, Error> {
        if !self.files.is_empty() {
            return self.files.iter().map(|path| earlier::journal_path(path)).collect();
        }
        let none = || Error::Usage("report: there is no run yet: name a journal".into());
        keeping::last_journal().map(|path| vec![path]).ok_or_else(none)
    }
}

/// Shows them; the exit code is returned.
pub(super) fn main(args: &ReportArgs) -> Result<u8, Error> {
    if args.how.lists_columns()? {
        return Ok(exit::OK);
    }
    show(&args.paths()?, &args.how)
}

impl ShowArgs {
    /// Lists the columns that there are, where that was asked for.
    fn lists_columns(&self) -> Result<bool, Error> {
        let asked = Extra::parse_all(&self.columns)?.is_none();
        if asked {
            print(|out| report::list_columns(out))?;
        }
        Ok(asked)
    }
}

/// Shows journals; the exit code is returned.
pub(super) fn show(paths: &[PathBuf], args: &ShowArgs) -> Result<u8, Error> {
    let Some(columns) = Extra::parse_all(&args.columns)? else {
        print(|out| report::list_columns(out))?;
        return Ok(exit::OK);
    };
    let pages: Vec<_> = paths.iter().filter_map(|path| StoredPage::open(path)).collect();
    if !pages.is_empty() {
        return show_pages(args, paths, &pages);
    }
    let page = args.html.as_deref().map(PageFile::new).transpose()?;
    let mut reports = Vec::new();
    for path in paths {
        let journal = journal::read(path)?;
        journal.notes.iter().for_each(|note| tell(note));
        reports.push(history::report_of(&journal).with_columns(columns.clone()));
    }
    if let Some(page) = page {
        page.write(|out| report::write_all(Format::Html, &reports, out))?;
    }
    print(|out| report::write_all(args.output, &reports, out))?;
    if args.plot {
        let charts: Vec<_> = reports.iter().flat_map(report::plots).collect();
        draw(&charts, matches!(args.output, Format::Markdown | Format::None))?;
    }
    let failed = reports.iter().any(|report| report.tally().failed > 0);
    Ok(if failed { exit::SOME_FAILED } else { exit::OK })
}

/// Shows the rows of pages again.
fn show_pages(args: &ShowArgs, paths: &[PathBuf], pages: &[StoredPage]) -> Result<u8, Error> {
    let refuse = |text: &str| Err(Error::Usage(format!("report: {text}")));
    if pages.len() < paths.len() {
        return refuse("pages and journals are not shown together: give journals, or pages, alone");
    }
    if !args.columns.is_empty() {
        return refuse(
            "--columns: a page has the columns that it was written with; give the journal",
        );
    }
    if args.plot {
        return refuse("--plot: a page has its plots; give the journal");
    }
    if args.html.is_some() || args.output == Format::Html && pages.len() > 1 {
        return refuse("a page is made of journals, not of pages: give those");
    }
    for (path, page) in paths.iter().zip(pages) {
        if let Some(note) = page.note() {
            tell(&format!("{}: {note}", path.display()));
        }
    }
    print(|out| report::write_stored(args.output, pages, out))?;
    let failed = pages.iter().any(StoredPage::has_failures);
    Ok(if failed { exit::SOME_FAILED } else { exit::OK })
}
