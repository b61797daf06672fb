//! Formats, and the order in which rows come out.

use std::io::{self, Write};
use std::str::FromStr;

use super::{Report, csv, json, sheet, sql};
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
    /// Nothing.
    None,
}

impl Format {
    /// Every format with the name that `-o` takes.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("md", Self::Markdown),
        ("json", Self::Json),
        ("jsonl", Self::Jsonl),
        ("csv", Self::Csv),
        ("sql", Self::Sql),
        ("none", Self::None),
    ];

    /// A writer of this format.
    pub fn renderer(self) -> Box<dyn Renderer> {
        match self {
            Self::Markdown => Box::new(sheet::Sheet::new(document::Markdown::default())),
            Self::Json => Box::new(json::Json::default()),
            Self::Jsonl => Box::new(json::Jsonl),
            Self::Csv => Box::new(csv::Csv),
            Self::Sql => Box::new(sql::Sql),
            Self::None => Box::new(Nothing),
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
struct Nothing;

impl Renderer for Nothing {
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

/// Writes rows as soon as they are finished, and in the order of the plan: a row waits for those before
/// it, so that the output of a run does not depend on how its jobs were scheduled.
pub struct Stream {
    renderer: Box<dyn Renderer>,
    begun: bool,
    ended: bool,
    next: usize,
}

impl Stream {
    /// A stream that has written nothing yet.
    pub fn new(format: Format) -> Self {
        Self { renderer: format.renderer(), begun: false, ended: false, next: 0 }
    }

    /// Writes the heading, if it is not there yet, and every row up to the first unfinished one. Returns
    /// how many rows are behind it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn advance(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<usize> {
        if !self.begun {
            self.renderer.begin(report, out)?;
            self.begun = true;
            out.flush()?;
        }
        while self.next < report.len() && report.is_finished(self.next) {
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
        self.advance(report, out)?;
        while self.next < report.len() {
            self.step(report, out)?;
        }
        self.renderer.end(report, out)?;
        out.flush()?;
        Ok(self.next)
    }

    fn step(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let index = self.next;
        self.next += 1;
        if report.is_shown(index) {
            self.renderer.row(report, index, out)?;
            out.flush()?;
        }
        Ok(())
    }
}
