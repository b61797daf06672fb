//! Result files as they are found: whole, cut off in the middle, or with lines of a log among the rows.
//!
//! One scanner reads arrays, JSON lines and several of these in one file: it takes the next object
//! wherever one begins, and where one is broken goes on at the next line that begins one.

use std::fs;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};

use super::entry::ComparedRow;
use super::runs::{self, FileRow};
use crate::encoding;
use crate::error::Error;
use crate::report::{Report, StoredPage, fields, page};

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What to call it: the file's name.
    pub name: String,
    pub(super) entries: Vec<ComparedRow>,
    /// What was odd about the file.
    pub(super) notes: Vec<String>,
}

impl Run {
    /// Reads a file; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, or has no rows.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        let (name, read) = if path.as_os_str() == "-" {
            ("standard input".into(), io::stdin().lock().read_to_end(&mut bytes).map(|_| ()))
        } else {
            (path.display().to_string(), fs::read(path).map(|found| bytes = found))
        };
        read.map_err(|error| {
            Error::Usage(format!(
                "{name}: {error}; give a result file of -o json or -o jsonl, or a page"
            ))
        })?;
        Self::parse(name, &encoding::decode_lossy(&bytes))
    }

    /// Reads both sides.
    ///
    /// # Errors
    /// As [`Run::read`]; and when both are standard input, which can be read once.
    pub fn read_both(a: &Path, b: &Path) -> Result<(Self, Self), Error> {
        if a.as_os_str() == "-" && b.as_os_str() == "-" {
            let text = "- -: standard input can be one of the two; give a file for the other";
            return Err(Error::Usage(text.into()));
        }
        Ok((Self::read(a)?, Self::read(b)?))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it has no rows.
    pub fn parse(name: String, text: &str) -> Result<Self, Error> {
        let page = page::is_page(text).then(|| StoredPage::parse(text));
        let lines = page.as_ref().map(StoredPage::rows_as_lines);
        let text = lines.as_deref().unwrap_or(text).trim_start_matches(encoding::MARK);
        let mut found = FileContent::default();
        if first_line_is_csv(text) {
            found.csv(text);
        } else {
            found.json(text);
        }
        let (mut entries, mut objects) = (Vec::new(), Vec::new());
        for (document, object) in &found.objects {
            let look = |name: &str| object.get(name).cloned().unwrap_or_default();
            let entry = ComparedRow::read(entries.len() + 1, &look);
            objects.extend(entry.is_some().then_some((*document, object)));
            entries.extend(entry);
        }
        if entries.is_empty() {
            return Err(Error::Usage(format!("{name}: {}", found.instead(&name))));
        }
        let mut notes = found.notes(entries.len());
        notes.extend(page.as_ref().and_then(StoredPage::note).map(String::from));
        let rows = objects.into_iter().zip(&entries);
        let rows: Vec<_> =
            rows.map(|((document, object), entry)| FileRow { document, object, entry }).collect();
        notes.extend(runs::several(&rows));
        let notes = notes.into_iter().map(|note| format!("{name}: {note}")).collect();
        Ok(Self { name, entries, notes })
    }

    /// The rows of a run of our own, as far as it got.
    pub fn of_report(name: &str, report: &Report) -> Self {
        Self::of_rows(name, report, 0..report.len())
    }

    /// The same of some of its rows.
    pub fn of_rows(name: &str, report: &Report, rows: Range<usize>) -> Self {
        let mut entries = Vec::new();
        for index in rows {
            let row = report.row(index);
            let look = |name: &str| {
                let field = fields::all().find(|field| field.name == name);
                field.map_or(Value::Null, |field| field.value(&row))
            };
            entries.extend(ComparedRow::read(index + 1, &look));
        }
        Self { name: name.into(), entries, notes: Vec::new() }
    }
}

fn first_line_is_csv(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default();
    !first.starts_with(['{', '[']) && first.contains("n_prompt") && first.contains(',')
}

/// What a text holds.
#[derive(Default)]
struct FileContent {
    /// Each with the document that it stands in: 0 for lines, a number of its own for each array.
    objects: Vec<(usize, Map<String, Value>)>,
    arrays: usize,
    /// Objects that are broken or end too soon.
    torn: usize,
    /// Lines that are nothing of ours.
    stray: usize,
    /// Arrays that were begun and not ended.
    open: bool,
}

impl FileContent {
    fn json(&mut self, text: &str) {
        let mut rest = text;
        // In the remains of a broken object, lines are not strays.
        let mut broken = false;
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { break };
            match first {
                '[' => {
                    self.arrays += 1;
                    (self.open, rest) = (true, &rest[1..]);
                }
                ']' => (self.open, rest) = (false, &rest[1..]),
                ',' => rest = &rest[1..],
                // Files that were put one behind the other.
                encoding::MARK => rest = &rest[encoding::MARK.len_utf8()..],
                '{' => {
                    let (object, length) = object(rest);
                    broken = object.is_none();
                    self.torn += usize::from(broken);
                    let document = if self.open { self.arrays } else { 0 };
                    self.objects.extend(object.map(|object| (document, object)));
                    rest = if broken { next_start(rest) } else { &rest[length..] };
                }
                _ => {
                    self.stray += usize::from(!broken);
                    rest = if broken { next_start(rest) } else { after_line(rest) };
                }
            }
        }
    }

    fn csv(&mut self, text: &str) {
        let mut reader =
            ::csv::ReaderBuilder::new().flexible(true).from_reader(text.trim_start().as_bytes());
        let Ok(names) = reader.headers().cloned() else { return };
        for line in reader.records() {
            match line {
                Ok(line) if line.len() == names.len() => {
                    let cells = names.iter().zip(&line);
                    let cells = cells.map(|(name, cell)| (name.to_string(), cell.into()));
                    self.objects.push((0, cells.collect()));
                }
                _ => self.torn += 1,
            }
        }
    }

    /// What to give in the place of a file without rows.
    fn instead(&self, name: &str) -> String {
        if self.objects.iter().any(|(_, object)| object.contains_key("header")) {
            return format!(
                "it is a journal; compare what `lbench report {name} -o jsonl` writes of it"
            );
        }
        "no rows of lbench or llama-bench in it; give a result file of -o json or -o jsonl".into()
    }

    fn notes(&self, rows: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if self.torn > 0 {
            notes.push(format!("{} cut off or broken and left out", count(self.torn, "row")));
        } else if self.open {
            notes.push("the array is not closed: the run ended before its last row".into());
        }
        if self.stray > 0 {
            notes.push(format!("{} no result and passed over", count(self.stray, "line")));
        }
        let others = self.objects.len() - rows;
        if others > 0 {
            notes.push(format!("{} no benchmark row and passed over", count(others, "object")));
        }
        notes
    }
}

/// `1 row is`, `2 rows are`.
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what} is") } else { format!("{n} {what}s are") }
}

/// The object that a text begins with, and how long it is.
fn object(text: &str) -> (Option<Map<String, Value>>, usize) {
    let mut objects = serde_json::Deserializer::from_str(text).into_iter();
    let object = objects.next().and_then(Result::ok);
    (object, objects.byte_offset())
}

fn after_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end + 1..])
}

/// From the next line on that begins an object or an array.
fn next_start(text: &str) -> &str {
    let mut rest = after_line(text);
    while !rest.is_empty() && !rest.trim_start_matches([' ', '\t']).starts_with(['{', '[', ']']) {
        rest = after_line(rest);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Run, String> {
        Run::parse("a.json".into(), text).map_err(|error| error.to_string())
    }

    const ARRAY: &str = include_str!("../../tests/fixtures/llama-bench.json");
    const LINES: &str = include_str!("../../tests/fixtures/llama-bench.jsonl");

    #[test]
    fn every_kind_of_file() {
        for text in [ARRAY, LINES] {
            let run = parse(text).unwrap();
            assert_eq!((run.entries.len(), run.notes.len()), (2, 0));
            let tests: Vec<_> = run.entries.iter().map(ComparedRow::test).collect();
            assert_eq!(tests, ["pp16", "tg4"]);
            assert!(run.entries.iter().all(|entry| entry.values.len() == 5));
        }
        let csv = "n_prompt,n_gen,avg_ts\n\"512\",\"0\",\"100.5\"\n\"0\",\"128\"\n";
        let run = parse(csv).unwrap();
        assert_eq!((run.entries.len(), run.notes.len()), (1, 1));
    }

    #[test]
    fn wherever_a_file_is_cut_the_rows_before_are_read() {
        for (text, note) in [(ARRAY, true), (LINES, false)] {
            let ends: Vec<_> = text.match_indices('}').map(|(at, _)| at + 1).collect();
            for cut in (0..=text.len()).filter(|&cut| text.is_char_boundary(cut)) {
                let whole = ends.iter().filter(|&&end| end <= cut).count();
                match parse(&text[..cut]) {
                    Ok(run) => {
                        assert_eq!(run.entries.len(), whole, "{cut}");
                        assert!(!note || run.notes.len() == 1 || cut + 2 >= text.len(), "{cut}");
                    }
                    Err(message) => assert_eq!((whole, message.lines().count()), (0, 1), "{cut}"),
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_row_is_passed_over() {
        let noisy =
            format!("ggml_cuda_init: found 1\n{ARRAY}warning: {{odd}}\n{LINES}{{\"a\": 1}}\n");
        let run = parse(&noisy).unwrap();
        assert_eq!(run.entries.len(), 4);
        // The torn row of one run, then another run in the same file.
        let torn = format!("{}\n{ARRAY}", &ARRAY[..ARRAY.len() - 40]);
        let torn = parse(&torn).unwrap();
        assert_eq!(torn.entries.len(), 3);
        let nothing = ["", "[", "[]", "{", "| model | size |\n| --- |", "{}", "[1, 2]", "null"];
        let messages: Vec<_> = nothing.iter().map(|text| parse(text).unwrap_err()).collect();
        assert!(messages.iter().all(|message| *message == messages[0]));
        let shown = [&run.notes[..], &torn.notes, &messages[..1]].concat();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_journal_is_told_what_to_make_of_it() {
        let journal = "{\"header\":{\"schema\":2}}\n{\"record\":{\"started\":{}}}\n";
        let told = parse(journal).unwrap_err();
        assert_eq!(
            told,
            "a.json: it is a journal; compare what `lbench report a.json -o jsonl` writes of it"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_panic(text in r#"([\[\]{},:"a1 \n\\é]|\{"n_prompt":1,"n_gen":0\})*"#) {
            let _ = parse(&text);
        }
    }
}
