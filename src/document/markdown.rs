//! Markdown, as GitHub reads it and a terminal shows it.
//!
//! Lines are laid out by `comfy-table`, one small table a line: rows appear while a run goes on, so the widths
//! are fixed beforehand and a value that is wider than its column widens its row alone.

use std::io::{self, Write};

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ColumnConstraint, Table, Width};

use super::text::{limited, one_line};
use super::{Align, Cell, Heading, Mark, Note, Page};

/// Most characters that a cell shows: a model's header may hold a name of any length.
const MAX_CELL: usize = 80;

/// Pieces of a document, with a blank line between them.
#[derive(Debug, Default)]
pub struct Markdown {
    /// Whether there is something that a blank line must part from what follows.
    begun: bool,
}

impl Markdown {
    /// A blank line, unless nothing stands before it.
    fn part(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::replace(&mut self.begun, true) {
            writeln!(out)?;
        }
        Ok(())
    }
}

impl Page for Markdown {
    fn width(&self, cell: &Cell) -> usize {
        written(cell).chars().count()
    }

    fn title(&mut self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        self.part(out)?;
        writeln!(out, "### {}", sentence(text))
    }

    fn head(&mut self, headings: &[Heading], out: &mut dyn Write) -> io::Result<()> {
        self.part(out)?;
        let mut table = Table::new();
        table.set_header(cells(headings, headings.iter().map(|heading| heading.text.clone())));
        let lines = lay_out(table, headings);
        let mut lines = lines.iter();
        if let Some(names) = lines.next() {
            writeln!(out, "{names}")?;
        }
        if let Some(rule) = lines.next() {
            writeln!(out, "{}", with_alignment(rule, headings))?;
        }
        Ok(())
    }

    fn row(&mut self, headings: &[Heading], row: &[Cell], out: &mut dyn Write) -> io::Result<()> {
        let mut table = Table::new();
        table.add_row(cells(headings, row.iter().map(written)));
        for line in lay_out(table, headings) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn lines(&mut self, lines: &[String], out: &mut dyn Write) -> io::Result<()> {
        self.part(out)?;
        lines.iter().try_for_each(|line| writeln!(out, "{}", sentence(line)))
    }

    fn notes(&mut self, notes: &[Note], out: &mut dyn Write) -> io::Result<()> {
        if notes.is_empty() {
            return Ok(());
        }
        self.part(out)?;
        for Note { number, text } in notes {
            // A list, because a line that begins with `[1]` may be taken for a link.
            let number = number.map(|number| format!("[{number}] ")).unwrap_or_default();
            writeln!(out, "- {number}{}", sentence(text))?;
        }
        Ok(())
    }
}

/// A cell as it is written.
fn written(cell: &Cell) -> String {
    let text = escaped(&limited(&cell.text, MAX_CELL), true);
    cell.marks.iter().fold(text, |text, Mark { word, note }| {
        let note = note.map(|note| format!("[{note}]")).unwrap_or_default();
        format!("{text} {word}{note}")
    })
}

/// A sentence on one line, what it quotes between backticks letter by letter.
fn sentence(text: &str) -> String {
    let text = one_line(text);
    let mut parts: Vec<_> = text.split('`').collect();
    // The last backtick of an odd number ends nothing.
    let rest = if parts.len() % 2 == 0 { parts.pop() } else { None };
    let parts = parts
        .iter()
        .enumerate()
        .map(|(at, part)| if at % 2 == 0 { escaped(part, false) } else { format!("`{part}`") });
    let rest = rest.map(|rest| format!("\\`{}", escaped(rest, false)));
    parts.chain(rest).collect()
}

/// Text with a backslash before every sign that would be taken for markup where it stands; in a cell a bar is
/// one of them, which would begin the next cell.
fn escaped(text: &str, in_cell: bool) -> String {
    let chars: Vec<_> = text.chars().collect();
    let mut escaped = String::with_capacity(text.len());
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1).copied();
        let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let markup = match c {
            '\\' | '`' => true,
            '|' => in_cell,
            '<' | '&' => !blank(after),
            '*' | '~' => !blank(before) || !blank(after),
            '_' => !(word(before) && word(after)),
            ']' => after == Some('('),
            _ => false,
        };
        if markup {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn cells(
    headings: &[Heading],
    texts: impl Iterator<Item = String>,
) -> impl Iterator<Item = comfy_table::Cell> {
    headings.iter().zip(texts).map(|(heading, text)| {
        let alignment = match heading.align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        };
        comfy_table::Cell::new(text).set_alignment(alignment)
    })
}

/// The lines of a table whose columns are at least as wide as they should be.
fn lay_out(mut table: Table, headings: &[Heading]) -> Vec<String> {
    // The boundary counts the blank on either side.
    let widths = headings.iter().map(|heading| {
        let width = heading.width.max(heading.text.chars().count()) + 2;
        ColumnConstraint::LowerBoundary(Width::Fixed(u16::try_from(width).unwrap_or(u16::MAX)))
    });
    table.load_style(ASCII_MARKDOWN).set_constraints(widths);
    table.lines().collect()
}

/// The line under the headings, with llama-bench's blanks and colons: `| ----- | ----: |`.
fn with_alignment(rule: &str, headings: &[Heading]) -> String {
    let dashes = rule.trim_matches('|').split('|');
    let aligned = dashes.zip(headings).map(|(dashes, heading)| {
        let dashes = "-".repeat(dashes.len().saturating_sub(3));
        let last = if heading.align == Align::Right { ':' } else { '-' };
        format!("| {dashes}{last} ")
    });
    aligned.collect::<String>() + "|"
}

#[cfg(test)]
mod tests {
    use super::super::{Align, References, Table};
    use super::*;

    /// What a reader of markdown sees in the cells of a row.
    fn read(row: &str) -> Vec<String> {
        let mut cells = vec![String::new()];
        let mut chars = row.trim_matches(['|', '\n']).chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => cells.last_mut().unwrap().extend(chars.next()),
                '|' => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells.iter().map(|cell| cell.trim().to_string()).collect()
    }

    fn render(table: &Table) -> String {
        let (mut page, mut out) = (Markdown::default(), Vec::new());
        page.table(table, &mut out).unwrap();
        page.notes(&table.notes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_stay_what_they_are() {
        let hard = [
            "(up|down)=CPU",
            r"blk\.(2[0-9])(a).ffn_.*_exps.*=CPU",
            "pp1 a|b`x`<b>.txt:1",
            "_a_ ~b~ **c** &lt; <i>",
            r"\|",
            r"ends\",
        ];
        let headings = hard.map(|_| Heading::new("h", Align::Right)).to_vec();
        let table = Table { headings, rows: vec![hard.map(Cell::from).to_vec()], notes: vec![] };
        let text = render(&table);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(read(lines[2]), hard);
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].len()), "{text}");
        for bad in ["`x`", " <b>", "**", "_a_", "](", " &lt"] {
            assert!(!lines[2].contains(bad), "{bad}: {text}");
        }
    }

    #[test]
    fn what_harms_no_one_is_left_alone() {
        for text in ["n_batch", "CUDA0/CUDA1", "a < b & c * d ~ e", "0.00", "–", "f.gguf"] {
            assert_eq!(escaped(text, true), text);
        }
        assert_eq!(written(&"a\nb\u{1b}[1m".into()), "a b [1m");
        assert_eq!(written(&"x".repeat(500).into()).chars().count(), MAX_CELL + 1);
    }

    #[test]
    fn notes_quote_and_escape() {
        let mut references = References::default();
        let marks = vec![
            references.mark("", "it failed: <b> in `<decode>` ` | *x*".into()),
            references.mark("T", "held back".into()),
            references.mark("", "it failed: <b> in `<decode>` ` | *x*".into()),
            Mark { word: "S".into(), note: None },
        ];
        let table = Table {
            headings: vec![Heading::new("t/s", Align::Left)],
            rows: vec![vec![Cell::marked("1.00", marks)]],
            notes: references.notes().chain([Note::new("all is well")]).collect(),
        };
        insta::assert_snapshot!(render(&table));
    }
}
