//! Reading a page again: its rows are as they were written, letter by letter.

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::Path;

use serde_json::{Map, Value};

use super::{ABOUT, CLOSED, DOCTYPE, GENERATOR, ROWS};
use crate::encoding;
use crate::report::{Format, csv, json, sql};

/// How much of a page tells that it is one.
const BEGINNING: usize = 2048;
/// Field of what is known of a run, whose table it holds.
const MARKDOWN: &str = "markdown";

/// A page that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPage {
    text: String,
    /// Each row as JSON on a line.
    rows: Vec<String>,
    /// The tables of its runs.
    tables: Vec<String>,
    /// Whether it ends in the middle.
    torn: bool,
}

/// Whether a text begins like a page of lbench.
pub fn is_page(text: &str) -> bool {
    let text = text.trim_start_matches(encoding::MARK);
    let end = (0..=BEGINNING.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.starts_with(DOCTYPE) && text[..end.unwrap_or(0)].contains(GENERATOR)
}

impl StoredPage {
    /// Reads a file; `None` where it is something else, or cannot be read: whoever takes it for that will say so.
    pub fn open(path: &Path) -> Option<Self> {
        let mut file = fs::File::open(path).ok().filter(|_| path.is_file())?;
        let mut bytes = Vec::new();
        io::Read::by_ref(&mut file).take(BEGINNING as u64).read_to_end(&mut bytes).ok()?;
        if !is_page(&encoding::decode_lossy(&bytes)) {
            return None;
        }
        file.read_to_end(&mut bytes).ok()?;
        Some(Self::parse(&encoding::decode_lossy(&bytes)))
    }

    /// Reads the text of a page.
    pub fn parse(text: &str) -> Self {
        // Whoever sent it on may have ended its lines in another way.
        let text = text.trim_start_matches(encoding::MARK).replace("\r\n", "\n");
        let (mut rows, mut tables, mut torn) = (Vec::new(), Vec::new(), false);
        let mut rest = text.as_str();
        while let Some(at) = rest.find(ROWS) {
            rest = &rest[at + ROWS.len()..];
            let end = rest.find(CLOSED.trim_end());
            torn |= end.is_none();
            let lines = &rest[..end.unwrap_or(rest.len())];
            for line in lines.lines().filter(|line| line.starts_with('{')) {
                let line = line.strip_suffix(',').unwrap_or(line);
                let row = unescaped(line);
                if serde_json::from_str::<Map<String, Value>>(&row).is_ok() {
                    rows.push(row);
                } else {
                    torn = true;
                }
            }
            rest = &rest[end.unwrap_or(rest.len())..];
            // What is known of a run stands behind its rows, and before those of the next.
            let here = &rest[..rest.find(ROWS).unwrap_or(rest.len())];
            tables.extend(table(here));
        }
        torn |= !text.trim_end().ends_with("</html>");
        Self { text, rows, tables, torn }
    }

    /// The rows as `-o jsonl` writes them.
    pub fn rows_as_lines(&self) -> String {
        self.rows.iter().flat_map(|row| [row, "\n"]).collect()
    }

    /// What a reader must know of the file.
    pub fn note(&self) -> Option<&'static str> {
        self.torn.then_some("the page is cut off: rows behind the cut are missing")
    }

    /// Whether a row has no result.
    pub fn has_failures(&self) -> bool {
        let failed = ["failed", "crashed", "timed_out", "skipped"];
        self.objects().any(|row| {
            row.get("outcome").and_then(Value::as_str).is_some_and(|one| failed.contains(&one))
        })
    }

    fn objects(&self) -> impl Iterator<Item = Map<String, Value>> {
        self.rows.iter().filter_map(|row| serde_json::from_str(row).ok())
    }
}

/// Writes what pages hold in a format. Fields that this lbench does not know stay where rows stay whole.
///
/// # Errors
/// When it cannot be written.
pub(in crate::report) fn write_stored(
    format: Format,
    pages: &[StoredPage],
    out: &mut dyn Write,
) -> io::Result<()> {
    let objects = || pages.iter().flat_map(StoredPage::objects);
    match format {
        Format::Html => pages.iter().try_for_each(|page| out.write_all(page.text.as_bytes())),
        Format::Markdown => {
            let tables: Vec<_> = pages.iter().flat_map(|page| &page.tables).cloned().collect();
            out.write_all(tables.join("\n").as_bytes())
        }
        Format::Jsonl => {
            pages.iter().try_for_each(|page| out.write_all(page.rows_as_lines().as_bytes()))
        }
        Format::Json => json::write_objects(objects(), out),
        Format::Csv => csv::write_objects(objects(), out),
        Format::Sql => {
            let rows = pages.iter().flat_map(|page| &page.rows);
            sql::write_objects(rows.zip(objects()), out)
        }
        Format::None => Ok(()),
    }
}

/// The table of a run as Markdown.
fn table(text: &str) -> Option<String> {
    let text = &text[text.find(ABOUT)? + ABOUT.len()..];
    let about: Value = serde_json::from_str(text[..text.find(CLOSED.trim_end())?].trim()).ok()?;
    about.get(MARKDOWN)?.as_str().map(String::from)
}

/// JSON as it was before it stood in a script: the sign that was written by its number there, and nothing else. A
/// backslash takes what follows with it, so that one which was a text's own stays.
fn unescaped(json: &str) -> String {
    const SIGN: &str = "u003c";
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix(SIGN) {
            text.push('<');
            rest = behind;
        } else {
            text.push('\\');
            let next = rest.chars().next().map_or(0, char::len_utf8);
            text.push_str(&rest[..next]);
            rest = &rest[next..];
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::super::in_script;
    use super::*;

    proptest::proptest! {
        #[test]
        fn json_comes_back_as_it_was(text in r#"([a<\\"u/03c\u{202e}é]|u003c|</script>)*"#) {
            let json = crate::terminal::in_json(&serde_json::to_string(&text).unwrap());
            let inside = in_script(&json);
            assert!(!inside.contains('<'));
            assert_eq!(unescaped(&inside), json);
        }

        #[test]
        fn no_text_is_a_panic(text in r#"(<script type="application/json" class="(rows|run)">|\[\n|\{\}|,|\n|\\|</script>|é)*"#) {
            let _ = StoredPage::parse(&text);
            let _ = is_page(&text);
        }
    }
}
