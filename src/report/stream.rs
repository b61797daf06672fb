//! Formats, and the order in which rows come out.

use std::io::{self, Write};
use std::str::FromStr;

use super::page::{self, HtmlPage};
use super::{Report, StoredPage, csv, json, sheet, sql};
use crate::document;

/// Writes a report row by row. What was written last is always a beginning of a valid document, and
/// [`Renderer::end`] completes it.
pub trait Renderer {
    /// What comes before all rows.
    ///
    /// # Errors
    /// When it cannot be written.
    fn begin(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()>;

    /// The row at `index`.
    ///
    /// # Errors
    /// When it cannot be written.
    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()>;

    /// What comes after all rows.
    ///
    /// # Errors
    /// When it cannot be written.
    fn end(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()>;
}

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// A markdown table, as llama-bench prints it.
    Markdown,
    /// One JSON array of objects.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
    /// Statements for `SQLite`.
    Sql,
    /// One page with tables, plots and the rows themselves.
    Html,
    /// Nothing.
    None,
}

impl Format {
    /// Every format with the name that `-o` takes.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("md", Self::Markdown),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
        ("csv", Self::Csv),
        ("sql", Self::Sql),
        ("html", Self::Html),
        ("none", Self::None),
    ];

    /// The name that `-o` takes.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// A writer of this format.
    pub fn renderer(self) -> Box<dyn Renderer> {
        match self {
            Self::Markdown => Box::new(sheet::Sheet::new(document::Markdown::default())),
            Self::Json => Box::new(json::Json::default()),
            Self::Jsonl => Box::new(json::Jsonl),
            Self::Csv => Box::new(csv::Csv),
            Self::Sql => Box::new(sql::Sql),
            Self::Html => Box::new(HtmlPage::default()),
            Self::None => Box::new(NoRenderer),
        }
    }
}

/// Writes several reports as one document; tables stand below each other, for each has its own columns.
///
/// # Errors
/// When it cannot be written.
pub fn write_all(format: Format, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
    if format == Format::Markdown {
        for (index, report) in reports.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            Stream::new(format).finish(report, out)?;
        }
        return Ok(());
    }
    if format == Format::Html {
        return page::write_all(reports, out);
    }
    let (Some(first), Some(last)) = (reports.first(), reports.last()) else { return Ok(()) };
    let mut renderer = format.renderer();
    renderer.begin(first, out)?;
    for report in reports {
        for index in (0..report.len()).filter(|&index| report.is_shown(index)) {
            renderer.row(report, index, out)?;
        }
    }
    renderer.end(last, out)
}

/// Writes the rows of pages again.
///
/// # Errors
/// When it cannot be written.
pub fn write_stored(format: Format, pages: &[StoredPage], out: &mut dyn Write) -> io::Result<()> {
    page::write_stored(format, pages, out)
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = if text == "markdown" { "md" } else { text };
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, format)| *format).ok_or_else(|| {
            let known = Self::NAMES.map(|(known, _)| known).join(", ");
            format!("there is no format '{text}'; there are {known}")
        })
    }
}

/// Writes nothing.
struct NoRenderer;

impl Renderer for NoRenderer {
    fn begin(&mut self, _: &Report, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, _: &Report, _: usize, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, _: &Report, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// Writes rows as soon as they are finished. In the order of the plan, so that a document does not depend on how
/// its jobs were scheduled: a row waits for those before it. Lines that stand for themselves do not wait.
pub struct Stream {
    renderer: Box<dyn Renderer>,
    /// Whether rows are written in the order in which they finish.
    as_they_come: bool,
    begun: bool,
    ended: bool,
    /// The first row that is not written.
    next: usize,
    /// Which rows are written; as long as it must be.
    written: Vec<bool>,
    /// How much of [`Report::settled`] was looked at.
    seen: usize,
}

impl Stream {
    /// A stream that has written nothing yet.
    pub fn new(format: Format) -> Self {
        Self {
            renderer: format.renderer(),
            as_they_come: format == Format::Jsonl,
            begun: false,
            ended: false,
            next: 0,
            written: Vec::new(),
            seen: 0,
        }
    }

    /// Writes the heading, if it is not there yet, and every row whose turn it is. Returns how many rows, from
    /// the first on, are written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn advance(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<usize> {
        if !self.begun {
            self.written = vec![false; report.len()];
            self.renderer.begin(report, out)?;
            self.begun = true;
            out.flush()?;
        }
        if self.as_they_come {
            for &index in report.settled().get(self.seen..).unwrap_or_default() {
                if !self.written[index] && report.is_finished(index) {
                    self.write(report, index, out)?;
                }
            }
            self.seen = report.settled().len();
        }
        while self.next < report.len() && (self.written[self.next] || report.is_finished(self.next))
        {
            self.step(report, out)?;
        }
        Ok(self.next)
    }

    /// Writes all that is left, whether finished or not, and the closing lines. Once: nothing comes
    /// after them. Returns how many rows are behind it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<usize> {
        if self.ended {
            return Ok(self.next);
        }
        self.ended = true;
        if !self.begun {
            // Of a run that is over, nothing comes.
            self.seen = report.settled().len();
        }
        self.advance(report, out)?;
        while self.next < report.len() {
            self.step(report, out)?;
        }
        self.renderer.end(report, out)?;
        out.flush()?;
        Ok(self.next)
    }

    /// The next row of the plan.
    fn step(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let index = self.next;
        self.next += 1;
        if self.written[index] { Ok(()) } else { self.write(report, index, out) }
    }

    fn write(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        self.written[index] = true;
        if report.is_shown(index) {
            self.renderer.row(report, index, out)?;
            out.flush()?;
        }
        Ok(())
    }
}
