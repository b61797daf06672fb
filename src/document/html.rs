//! HTML, as a piece of a page: tables with their notes, each with a place below it for plots.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::text::{limited, one_line};
use super::{Align, Cell, Heading, Mark, Note, Page};

/// Most characters that a cell shows, and how many of them stand on one line.
const MAX_CELL: usize = 320;
const LINE: usize = 60;

/// Meaning of the words that marks are, by what they begin with.
pub const MARKS: [(&str, &str); 6] = [
    (
        "~",
        "another run may differ by so much, 95 times out of 100, which is more than was asked for",
    ),
    ("D", "the machine changed while it was measured: it does not compare with other rows"),
    ("T", "the device was held back, by heat or power: it may be faster when it is cooler"),
    ("=", "the same measurement as another row, which was measured once"),
    ("S", "synthetic weights: speed does not depend on them"),
    ("[1]", "see the note with this number below the table"),
];

/// Pieces of a page.
#[derive(Debug, Default)]
pub struct Html {
    /// What the ids in it begin with: a page may have several of these.
    prefix: String,
    /// Tables so far.
    tables: usize,
    /// Whether the last one is not closed.
    open: bool,
}

impl Html {
    /// Pieces of a page whose ids begin with this word.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    fn close(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if std::mem::replace(&mut self.open, false) {
            out.write_all(b"</tbody></table></div>\n")?;
        }
        Ok(())
    }

    fn id(&self, note: usize) -> String {
        format!("{}-{}-{note}", self.prefix, self.tables)
    }

    /// A cell as it is written.
    fn cell(&self, cell: &Cell, align: Align) -> String {
        let text = limited(&cell.text, MAX_CELL);
        let long = text.chars().count() > LINE;
        let class = match (align, long) {
            (Align::Right, false) => " class=\"right\"",
            (Align::Right, true) => " class=\"right long\"",
            (Align::Left, true) => " class=\"long\"",
            (Align::Left, false) => "",
        };
        let mut html = format!("<td{class}>{}", escaped(&text));
        for Mark { word, note } in &cell.marks {
            if !word.is_empty() {
                let meaning = meaning(word).unwrap_or_default();
                let _ =
                    write!(html, "<abbr title=\"{}\">{}</abbr>", escaped(meaning), escaped(word));
            }
            if let Some(note) = note {
                let _ = write!(html, "<a class=\"note\" href=\"#{}\">[{note}]</a>", self.id(*note));
            }
        }
        html + "</td>"
    }
}

/// What a mark means.
fn meaning(word: &str) -> Option<&'static str> {
    MARKS.iter().find(|(mark, _)| word.starts_with(mark)).map(|(_, meaning)| *meaning)
}

/// Text in which nothing is taken for markup, wherever it stands; what would turn its direction is taken out.
pub fn escaped(text: &str) -> String {
    let text = one_line(text);
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A sentence, what it quotes between backticks as code.
pub fn sentence(text: &str) -> String {
    let parts: Vec<_> = text.split('`').collect();
    let whole = parts.len() % 2 == 1;
    let part = |(at, part): (usize, &&str)| match (at % 2 == 1, whole || at + 1 < parts.len()) {
        (true, true) => format!("<code>{}</code>", escaped(part)),
        (true, false) => format!("`{}", blanks_kept(part)),
        (false, _) => blanks_kept(part),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Escaped text with the blanks around it.
fn blanks_kept(text: &str) -> String {
    let blank = |has: bool| if has { " " } else { "" };
    let (before, behind) = (text.starts_with(' '), text.len() > 1 && text.ends_with(' '));
    format!("{}{}{}", blank(before), escaped(text), blank(behind))
}

impl Page for Html {
    fn width(&self, _: &Cell) -> usize {
        0
    }

    fn title(&mut self, text: &str, out: &mut dyn Write) -> io::Result<()> {
        self.close(out)?;
        writeln!(out, "<h3>{}</h3>", escaped(text))
    }

    fn head(&mut self, headings: &[Heading], out: &mut dyn Write) -> io::Result<()> {
        self.close(out)?;
        self.tables += 1;
        self.open = true;
        out.write_all(b"<div class=\"wide\"><table class=\"results\"><thead><tr>")?;
        for Heading { text, align, .. } in headings {
            let class = if *align == Align::Right { " class=\"right\"" } else { "" };
            write!(out, "<th scope=\"col\"{class}>{}</th>", escaped(text))?;
        }
        out.write_all(b"</tr></thead><tbody>\n")
    }

    fn row(&mut self, headings: &[Heading], row: &[Cell], out: &mut dyn Write) -> io::Result<()> {
        let cells = headings.iter().zip(row).map(|(heading, cell)| self.cell(cell, heading.align));
        writeln!(out, "<tr>{}</tr>", cells.collect::<String>())
    }

    fn lines(&mut self, lines: &[String], out: &mut dyn Write) -> io::Result<()> {
        self.close(out)?;
        let lines: Vec<_> = lines.iter().map(|line| sentence(line)).collect();
        writeln!(out, "<p class=\"build\">{}</p>", lines.join("<br>"))
    }

    fn notes(&mut self, notes: &[Note], out: &mut dyn Write) -> io::Result<()> {
        self.close(out)?;
        if !notes.is_empty() {
            out.write_all(b"<ul class=\"notes\">\n")?;
            for Note { number, text } in notes {
                let (id, shown) = number.map_or_else(Default::default, |number| {
                    (format!(" id=\"{}\"", self.id(number)), format!("[{number}] "))
                });
                writeln!(out, "<li{id}>{shown}{}</li>", sentence(text))?;
            }
            out.write_all(b"</ul>\n")?;
        }
        out.write_all(b"<div class=\"plots\"></div>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Table;
    use super::*;

    #[test]
    fn nothing_in_a_cell_is_markup() {
        let evil = "</script><img src=x onerror=\"a\">|'&amp;\u{202e}";
        let cell = Cell::marked(evil, vec![Mark { word: "~1.2%".into(), note: Some(1) }]);
        let notes = vec![Note { number: Some(1), text: format!("`{evil}` a <b> ` c") }];
        let headings = vec![Heading::new(evil, Align::Right)];
        let table = Table { headings, rows: vec![vec![cell]], notes };
        let (mut page, mut out) = (Html::new("n"), Vec::new());
        page.title(evil, &mut out).unwrap();
        page.table(&table, &mut out).unwrap();
        page.notes(&table.notes, &mut out).unwrap();
        page.lines(&[evil.into()], &mut out).unwrap();
        let html = String::from_utf8(out).unwrap();
        assert!(!html.contains("<img") && !html.contains("<b>") && !html.contains('\u{202e}'));
        assert!(!html.contains("</script"), "{html}");
        insta::assert_snapshot!(html);
    }

    #[test]
    fn every_table_is_closed_and_has_room_for_plots() {
        let (mut page, mut out) = (Html::default(), Vec::new());
        for _ in 0..2 {
            page.head(&[Heading::new("a", Align::Left)], &mut out).unwrap();
            page.notes(&[], &mut out).unwrap();
        }
        let html = String::from_utf8(out).unwrap();
        let count = |what| html.matches(what).count();
        assert_eq!([count("<table"), count("</table>"), count("class=\"plots\"")], [2; 3]);
    }
}
