//! Sheet of a report: the table that a person reads, and pastes into a report of theirs. llama-bench's, with more
//! to the right, in any format that writes [`document`](crate::document)s.

use std::io::{self, Write};

use super::columns::{self, Column, TableScope};
use super::notes::Notes;
use super::{Renderer, Report};
use crate::document::text::plain;
use crate::document::{Heading, Page};
use crate::machine::DeviceKind;

/// A table with notes under it; one for each sweep, where the run is made of several.
pub(super) struct Sheet<P> {
    page: P,
    columns: Vec<Column>,
    headings: Vec<Heading>,
    notes: Notes,
    rows: usize,
    /// The first row of the table under way.
    first: usize,
}

impl<P: Page> Sheet<P> {
    /// A sheet on which nothing stands yet.
    pub(super) fn new(page: P) -> Self {
        Self {
            page,
            columns: Vec::new(),
            headings: Vec::new(),
            notes: Notes::default(),
            rows: 0,
            first: 0,
        }
    }

    /// The headings of the table that a row belongs to.
    fn head(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let part = report.plan().part(index);
        if let Some(part) = part {
            self.first = part.first;
            self.page.title(&plain(&part.title), out)?;
        }
        let scope = TableScope::new(report, part);
        self.columns = columns::of(&scope);
        self.notes = Notes::new(report, columns::shared(&scope), scope.remarks());
        self.headings = columns::headings(&self.columns, &scope, |cell| self.page.width(cell));
        self.page.head(&self.headings, out)
    }
}

impl<P: Page> Renderer for Sheet<P> {
    fn begin(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        self.head(report, 0, out)
    }

    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        if report.plan().part(index).is_some_and(|part| part.first != self.first) {
            self.page.notes(&self.notes.of_table(report), out)?;
            self.head(report, index, out)?;
        }
        let row = report.row(index);
        let cells: Vec<_> =
            self.columns.iter().map(|column| column.cell(&row, Some(&mut self.notes))).collect();
        self.rows += 1;
        self.page.row(&self.headings, &cells, out)
    }

    fn end(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let mut notes = self.notes.of_table(report);
        notes.extend(self.notes.of_run(report, report.len() - self.rows));
        self.page.notes(&notes, out)?;
        let engine = &report.facts().host.engine;
        let build = format!("build: {} ({})", plain(&engine.build_commit), plain(&engine.engine));
        self.page.lines(&[build, format!("host: {}", host(report))], out)
    }
}

/// The machine in one line.
fn host(report: &Report) -> String {
    let facts = report.facts();
    let host = &facts.host;
    let cpu = host.engine.device_names(&[DeviceKind::Cpu]);
    let gpu = host.engine.device_names(&[DeviceKind::Gpu, DeviceKind::Igpu]);
    let cores = host.cores();
    let version = format!("lbench {}", facts.version);
    let parts = [cpu, cores, gpu, host.os.clone(), version];
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.map(|part| plain(part)).collect::<Vec<_>>().join("; ")
}
