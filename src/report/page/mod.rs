//! Page of a report: one HTML file that needs no network, with the results in words, tables and plots, and the rows as
//! JSON, so that the file is the data too.
//!
//! Words and tables are written here; plots are drawn from the rows by the script that every page carries, which
//! `scripts/html/build.sh` makes. The page forbids itself everything but that script and that style sheet.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the page |
//! | `conclusion.rs` | question and answer |
//! | `facts.rs` | the machine, what was measured and what was not, and how to repeat it |
//! | `about.rs` | what the script must know of rows beside their fields |
//! | `read.rs` | a page, read again |
//! | `page.js`, `page.css`, `licences.txt` | what comes of `scripts/html` |

mod about;
mod conclusion;
mod facts;
mod read;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

pub(super) use read::write_stored;
pub use read::{StoredPage, is_page};

use super::json::object;
use super::sheet::Sheet;
use super::{Renderer, Report};
use crate::document::html::escaped;
use crate::document::{Html, Markdown};
use crate::terminal;
use conclusion::Conclusion;

const SCRIPT: &str = include_str!("page.js");
const STYLE: &str = include_str!("page.css");
const LICENCES: &str = include_str!("licences.txt");

/// What every page begins with.
const DOCTYPE: &str = "<!doctype html>\n";
/// What tells pages of lbench from others.
const GENERATOR: &str = "<meta name=\"generator\" content=\"lbench ";
/// What rows stand behind, and what else is known of the run.
const ROWS: &str = "<script type=\"application/json\" class=\"rows\">[\n";
const ABOUT: &str = "<script type=\"application/json\" class=\"run\">";
/// What both end with.
const CLOSED: &str = "</script>\n";

/// A page, written row by row.
pub(super) struct HtmlPage {
    /// Runs so far.
    runs: usize,
    /// The run under way: its table, in both forms, and the rows that were written.
    sheet: Sheet<Html>,
    table: Vec<u8>,
    markdown: Sheet<Markdown>,
    text: Vec<u8>,
    shown: Vec<usize>,
}

impl Default for HtmlPage {
    fn default() -> Self {
        Self {
            runs: 0,
            sheet: Sheet::new(Html::new("note-1")),
            table: Vec::new(),
            markdown: Sheet::new(Markdown::default()),
            text: Vec::new(),
            shown: Vec::new(),
        }
    }
}

/// Writes several runs as one page.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_all(reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
    let mut page = HtmlPage::default();
    if let [report] = reports {
        page.begin(report, out)?;
    } else {
        head(&format!("lbench: {} runs", reports.len()), out)?;
        writeln!(out, "<h1>{} runs</h1>\n<nav class=\"noprint\"><ol>", reports.len())?;
        for (at, report) in reports.iter().enumerate() {
            let question = Conclusion::question(report);
            writeln!(out, "<li><a href=\"#run-{}\">{}</a></li>", at + 1, escaped(&question))?;
        }
        out.write_all(b"</ol></nav>\n")?;
    }
    for (at, report) in reports.iter().enumerate() {
        if at > 0 || reports.len() > 1 {
            page.begin_run(report, out)?;
        }
        for index in (0..report.len()).filter(|&index| report.is_shown(index)) {
            page.row(report, index, out)?;
        }
        page.end_run(report, if reports.len() > 1 { "h2" } else { "h1" }, out)?;
    }
    tail(out)
}

impl HtmlPage {
    fn begin_run(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let runs = self.runs + 1;
        let sheet = Sheet::new(Html::new(format!("note-{runs}")));
        *self = Self { runs, sheet, ..Self::default() };
        self.sheet.begin(report, &mut self.table)?;
        self.markdown.begin(report, &mut self.text)?;
        write!(out, "<section class=\"run\" id=\"run-{runs}\">\n{ROWS}")
    }

    fn end_run(&mut self, report: &Report, heading: &str, out: &mut dyn Write) -> io::Result<()> {
        self.sheet.end(report, &mut self.table)?;
        self.markdown.end(report, &mut self.text)?;
        write!(out, "\n]{CLOSED}")?;
        let Conclusion { question, answers } = Conclusion::of(report, &self.shown);
        writeln!(out, "<{heading}>{}</{heading}>", escaped(&question))?;
        if !answers.is_empty() {
            let answers = answers.iter().map(|answer| format!("<li>{}</li>", escaped(answer)));
            writeln!(out, "<ul class=\"answer\">{}</ul>", answers.collect::<String>())?;
        }
        facts::command(report, out)?;
        let made_of_several = !report.plan().parts.is_empty();
        if made_of_several {
            facts::measures(report, &self.shown, out)?;
        }
        out.write_all(&self.table)?;
        out.write_all(facts::marks().as_bytes())?;
        let button = "<button type=\"button\" class=\"markdown\" hidden>copy as Markdown</button>";
        writeln!(out, "<p class=\"noprint\">{button}</p>")?;
        if !made_of_several {
            facts::measures(report, &self.shown, out)?;
        }
        facts::machine(report, out)?;
        let about = about::of(report, &self.shown, &String::from_utf8_lossy(&self.text));
        writeln!(
            out,
            "{ABOUT}{}{CLOSED}</section>",
            in_script(&terminal::in_json(&about.to_string()))
        )
    }
}

impl Renderer for HtmlPage {
    fn begin(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        head(&format!("lbench: {}", Conclusion::question(report)), out)?;
        self.begin_run(report, out)
    }

    fn row(&mut self, report: &Report, index: usize, out: &mut dyn Write) -> io::Result<()> {
        let before = if self.shown.is_empty() { "" } else { ",\n" };
        self.shown.push(index);
        self.sheet.row(report, index, &mut self.table)?;
        self.markdown.row(report, index, &mut self.text)?;
        write!(out, "{before}{}", in_script(&object(report, index)))
    }

    fn end(&mut self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        self.end_run(report, "h1", out)?;
        tail(out)
    }
}

/// JSON as it may stand in a script: no text in it can end that. Only strings hold such a sign, and nothing else in them is
/// for a terminal to obey any more.
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// What a policy names a piece of text by.
fn digest(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn head(title: &str, out: &mut dyn Write) -> io::Result<()> {
    let (script, style) = (digest(SCRIPT), digest(STYLE));
    write!(
        out,
        "{DOCTYPE}<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src {script}; \
         style-src {style}; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         {GENERATOR}{}\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        crate::machine::build::NUMBER,
        escaped(title),
    )
}

fn tail(out: &mut dyn Write) -> io::Result<()> {
    let licences = LICENCES.replace('&', "&amp;").replace('<', "&lt;");
    write!(
        out,
        "<footer><details><summary>Licences of what draws the plots</summary><pre>{licences}</pre></details></footer>\n\
         <noscript><p class=\"failed\">The plots need scripts, which are off; all else is above.</p></noscript>\n\
         <script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}
