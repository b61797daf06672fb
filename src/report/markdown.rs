//! The table that a person reads, and pastes into a report: llama-bench's, with more to the right.
//!
//! Lines are laid out by `comfy-table`, one small table a line: rows appear while the run goes on, so
//! the widths are fixed beforehand and a value that is wider than its column widens its row alone.

use std::io::{self, Write};

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, Table, Width};

use super::columns::{self, Column, Scope};
use super::notes::Notes;
use super::{Renderer, Report};
use crate::machine::DeviceKind;
use crate::text::plain;

/// A table with notes under it; one for each sweep, where the run is made of several.
#[derive(Default)]
pub(super) struct Markdown {
    columns: Vec<Column>,
    notes: Notes,
    rows: usize,
    /// The first row of the table under way.
    first: usize,
}

impl Markdown {
    /// The headings of the table that a row belongs to.
    fn head(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let part = report.plan().part(index);
        if let Some(part) = part {
            self.first = part.first;
            writeln!(out, "### {}\n", plain(&part.title))?;
        }
        self.columns = columns::of(&Scope::new(report, part));
        self.notes = Notes::new(report);
        let headings = self.columns.iter().map(|column| column.heading.to_string());
        let mut table = Table::new();
        table.set_header(cells(&self.columns, headings));
        let lines = lay_out(table, &self.columns);
        let mut lines = lines.iter();
        if let Some(headings) = lines.next() {
            writeln!(out, "{headings}")?;
        }
        if let Some(rule) = lines.next() {
            writeln!(out, "{}", with_alignment(rule, &self.columns))?;
        }
        Ok(())
    }
}

impl Renderer for Markdown {
    fn begin(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        self.head(report, 0, out)
    }

    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        if report.plan().part(index).is_some_and(|part| part.first != self.first) {
            let notes = self.notes.of_table(report);
            if !notes.is_empty() {
                writeln!(out, "\n{}", notes.join("\n"))?;
            }
            writeln!(out)?;
            self.head(report, index, out)?;
        }
        let row = report.row(index);
        let marks = self.notes.marks(&row);
        let texts = self.columns.iter().map(|column| column.cell(&row, &marks));
        let mut table = Table::new();
        table.add_row(cells(&self.columns, texts));
        self.rows += 1;
        for line in lay_out(table, &self.columns) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn end(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let mut notes = self.notes.of_table(report);
        notes.extend(self.notes.of_run(report, report.len() - self.rows));
        if !notes.is_empty() {
            writeln!(out, "\n{}", notes.join("\n"))?;
        }
        let engine = &report.facts().host.engine;
        writeln!(out, "\nbuild: {} ({})", plain(&engine.build_commit), plain(&engine.engine))?;
        writeln!(out, "host: {}", host(report))
    }
}

fn cells(columns: &[Column], texts: impl Iterator<Item = String>) -> Vec<Cell> {
    let aligned = columns.iter().zip(texts).map(|(column, text)| {
        let alignment = if column.right { CellAlignment::Right } else { CellAlignment::Left };
        Cell::new(text).set_alignment(alignment)
    });
    aligned.collect()
}

/// The lines of a table whose columns are at least as wide as they should be.
fn lay_out(mut table: Table, columns: &[Column]) -> Vec<String> {
    // The boundary counts the blank on either side.
    let widths = columns.iter().map(|column| {
        let width = u16::try_from(column.width + 2).unwrap_or(u16::MAX);
        ColumnConstraint::LowerBoundary(Width::Fixed(width))
    });
    table.load_style(ASCII_MARKDOWN).set_constraints(widths);
    table.lines().collect()
}

/// The line under the headings, with llama-bench's blanks and colons: `| ----- | ----: |`.
fn with_alignment(rule: &str, columns: &[Column]) -> String {
    let dashes = rule.trim_matches('|').split('|');
    let aligned = dashes.zip(columns).map(|(dashes, column)| {
        let dashes = "-".repeat(dashes.len().saturating_sub(3));
        let last = if column.right { ':' } else { '-' };
        format!("| {dashes}{last} ")
    });
    aligned.collect::<String>() + "|"
}

/// The machine in one line.
fn host(report: &Report) -> String {
    let facts = report.facts();
    let host = &facts.host;
    let cpu = host.engine.device_names(&[DeviceKind::Cpu]);
    let gpu = host.engine.device_names(&[DeviceKind::Gpu, DeviceKind::Igpu]);
    let cores = format!("{} cores, {} threads", host.physical_cores, host.logical_cores);
    let version = format!("lbench {}", facts.version);
    let parts = [cpu, cores, gpu, host.os.clone(), version];
    let parts = parts.iter().filter(|part| !part.is_empty());
    parts.map(|part| plain(part)).collect::<Vec<_>>().join("; ")
}
