//! Documents for people: tables, sentences and notes as data. What stands in them is unescaped, so that a format
//! is one file that knows how to write these few things: escaping, alignment and widths are its own.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | what documents are made of, and what a format must be able to write |
//! | `text.rs` | text from model files and logs made harmless |
//! | `markdown.rs` | markdown |
//! | `html.rs` | HTML, as a piece of a page |

pub mod html;
mod markdown;
pub mod text;

use std::io::{self, Write};

pub use html::Html;
pub use markdown::Markdown;

/// What stands where there is nothing to say.
pub const NOTHING: &str = "–";

/// Longest setting that stands in a table itself, in characters: the names of eight devices fit. Of a longer one the
/// beginning does, and all of it is a note.
pub const LONGEST: usize = 48;

/// How much of a longer setting stands in its cell.
const BEGINNING: usize = 24;

/// Side of a column that its cells stand at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Align {
    /// As words stand.
    #[default]
    Left,
    /// As numbers stand.
    Right,
}

/// Heading of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heading {
    /// What it says.
    pub text: String,
    /// Where its cells stand.
    pub align: Align,
    /// Least width, in characters as they are shown: rows may be written before all of them are known.
    pub width: usize,
}

impl Heading {
    /// The heading of a column that is as wide as it needs to be.
    pub fn new(text: impl Into<String>, align: Align) -> Self {
        Self { text: text.into(), align, width: 0 }
    }
}

/// Cell of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it says, from wherever: nothing in it is taken for markup.
    pub text: String,
    /// Marks behind it.
    pub marks: Vec<Mark>,
}

impl Cell {
    /// A cell with marks behind its text.
    pub fn marked(text: impl Into<String>, marks: Vec<Mark>) -> Self {
        Self { text: text.into(), marks }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), marks: Vec::new() }
    }
}

/// Mark behind the text of a cell: a word of ours, a reference to a note, or one with the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// A word: `T`, `=`, `~1.2%`; empty for a reference alone.
    pub word: String,
    /// Number of the note, from 1.
    pub note: Option<usize>,
}

/// Note under a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its number, where cells refer to it.
    pub number: Option<usize>,
    /// What it says. What stands between backticks is shown letter by letter ([`text::quoted`]); nothing else
    /// in it is taken for markup.
    pub text: String,
}

impl Note {
    /// A note that concerns the whole table.
    pub fn new(text: impl Into<String>) -> Self {
        Self { number: None, text: text.into() }
    }
}

/// A setting as it stands in a line of text: of a long one the beginning.
pub fn shortened(value: &str) -> String {
    if value.chars().count() <= LONGEST {
        return value.into();
    }
    value.chars().take(BEGINNING).chain(['…']).collect()
}

/// Notes that cells refer to: equal ones stand once, numbered as they were first referred to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References(Vec<String>);

impl References {
    /// A mark that refers to a note.
    pub fn mark(&mut self, word: &str, text: String) -> Mark {
        let at = self.0.iter().position(|known| *known == text).unwrap_or_else(|| {
            self.0.push(text);
            self.0.len() - 1
        });
        Mark { word: word.into(), note: Some(at + 1) }
    }

    /// The cell of a setting by this name: of a long value the beginning, and all of it in a note.
    pub fn setting(&mut self, name: &str, value: &str) -> Cell {
        let beginning = shortened(value);
        if beginning == value {
            return value.into();
        }
        let mark = self.mark("", format!("{name} {}", text::quoted(value)));
        Cell::marked(beginning, vec![mark])
    }

    /// The notes.
    pub fn notes(&self) -> impl Iterator<Item = Note> {
        let numbered = self.0.iter().enumerate();
        numbered.map(|(at, text)| Note { number: Some(at + 1), text: text.clone() })
    }
}

/// Table whose rows are all known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its columns.
    pub headings: Vec<Heading>,
    /// Its rows, each with a cell for each heading.
    pub rows: Vec<Vec<Cell>>,
    /// What stands under it.
    pub notes: Vec<Note>,
}

/// Format of documents: how each piece is written. A row is written whole, so that a reader of a table that grows
/// sees whole rows only.
pub trait Page {
    /// Characters that a cell takes.
    fn width(&self, cell: &Cell) -> usize;

    /// What the rows below are about.
    ///
    /// # Errors
    /// When it cannot be written.
    fn title(&mut self, text: &str, out: &mut dyn Write) -> io::Result<()>;

    /// The headings of a table.
    ///
    /// # Errors
    /// When it cannot be written.
    fn head(&mut self, headings: &[Heading], out: &mut dyn Write) -> io::Result<()>;

    /// A row under these headings.
    ///
    /// # Errors
    /// When it cannot be written.
    fn row(&mut self, headings: &[Heading], row: &[Cell], out: &mut dyn Write) -> io::Result<()>;

    /// Sentences, each on a line of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    fn lines(&mut self, lines: &[String], out: &mut dyn Write) -> io::Result<()>;

    /// Notes; nothing where there are none.
    ///
    /// # Errors
    /// When it cannot be written.
    fn notes(&mut self, notes: &[Note], out: &mut dyn Write) -> io::Result<()>;

    /// A whole table, its columns as wide as the cells need, without its notes.
    ///
    /// # Errors
    /// When it cannot be written.
    fn table(&mut self, table: &Table, out: &mut dyn Write) -> io::Result<()> {
        let fitted = table.headings.iter().enumerate().map(|(at, heading)| {
            let cells = table.rows.iter().filter_map(|row| row.get(at));
            let width = cells.map(|cell| self.width(cell)).fold(heading.width, usize::max);
            Heading { width, ..heading.clone() }
        });
        let headings: Vec<_> = fitted.collect();
        self.head(&headings, out)?;
        table.rows.iter().try_for_each(|row| self.row(&headings, row, out))
    }
}
