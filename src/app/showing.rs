//! Showing a run while it goes on: rows where they were asked for, messages on standard error, and none in the
//! middle of the other.

use std::collections::HashSet;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;

use super::out::{output_error, tell};
use super::page_file::{GrowingPage, PageFile};
use crate::cli::BenchArgs;
use crate::error::Error;
use crate::progress::Progress;
use crate::report::{Report, Stream};
use crate::terminal::Harmless;

/// Where rows and messages go.
pub(super) struct Showing {
    stdout: Stream,
    /// A copy of the rows on standard error.
    stderr: Option<Stream>,
    /// The page of the run.
    page: Option<GrowingPage>,
    /// Why there is no copy any more.
    lost: Option<io::Error>,
    /// Rows on standard output wait for the end.
    holds_rows: bool,
    /// The same of the copy.
    holds_copy: bool,
    /// Messages wait for the end, because they would land between rows.
    holds_messages: bool,
    messages: Vec<String>,
    /// What was said: the same trouble of another row is no news.
    told: HashSet<String>,
}

impl Showing {
    pub(super) fn new(args: &BenchArgs, progress: &Progress, page: Option<PageFile>) -> Self {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let together = is_same(&stdout, &stderr);
        // On a terminal the live table has the rows, or the engine's words go there.
        let busy = args.verbose || progress.speaks();
        let holds_rows = together && busy || progress.is_live() && stdout.is_terminal();
        let copy = args.output_err.is_some();
        let holds_copy = copy && busy;
        let holds_messages = together && !holds_rows || copy && !holds_copy;
        Self {
            stdout: Stream::new(args.output),
            stderr: args.output_err.map(Stream::new),
            page: page.map(GrowingPage::new),
            lost: None,
            holds_rows,
            holds_copy,
            holds_messages,
            messages: Vec::new(),
            told: HashSet::new(),
        }
    }

    /// Writes the rows that are final.
    pub(super) fn advance(&mut self, report: &mut Report, progress: &Progress) -> io::Result<()> {
        let (mut rows, mut copied) = (0, report.len());
        let paged = self.page.as_mut().map_or(report.len(), |page| page.advance(report));
        progress.suspend(|| -> io::Result<()> {
            if !self.holds_rows {
                rows = self.stdout.advance(report, &mut Harmless::new(io::stdout().lock()))?;
            }
            if let Some(copy) = &mut self.stderr {
                copied = 0;
                if !self.holds_copy {
                    let written = copy.advance(report, &mut Harmless::new(io::stderr().lock()));
                    match written {
                        Ok(rows) => copied = rows,
                        Err(error) => {
                            // The results go on without it.
                            copied = report.len();
                            (self.stderr, self.lost) = (None, Some(error));
                        }
                    }
                }
            }
            Ok(())
        })?;
        report.forget_details(rows.min(copied).min(paged));
        Ok(())
    }

    /// Says something, once.
    pub(super) fn tell(&mut self, progress: &Progress, text: &str) {
        if !self.told.insert(text.to_string()) {
            return;
        }
        if self.holds_messages {
            self.messages.push(text.to_string());
        } else {
            progress.suspend(|| tell(text));
        }
    }

    /// Writes all that is left, behind the live table.
    pub(super) fn finish(&mut self, report: &Report) -> Result<(), Error> {
        let mut out = Harmless::new(io::stdout().lock());
        let shown = self.stdout.finish(report, &mut out).map(drop).map_err(output_error);
        let copied = match (&mut self.stderr, self.lost.take()) {
            (_, Some(error)) => Err(error),
            (Some(copy), None) => {
                copy.finish(report, &mut Harmless::new(io::stderr().lock())).map(drop)
            }
            (None, None) => Ok(()),
        };
        let paged = self.page.take().map_or(Ok(()), |page| page.finish(report));
        self.messages.drain(..).for_each(|text| tell(&text));
        let what = || "standard error (-oe)".to_string();
        shown.and(paged).and(copied.map_err(|source| Error::Output { what: what(), source }))
    }
}

/// Whether both are one file, pipe or terminal.
fn is_same(a: impl AsFd, b: impl AsFd) -> bool {
    let (Ok(a), Ok(b)) = (rustix::fs::fstat(a), rustix::fs::fstat(b)) else { return false };
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}
