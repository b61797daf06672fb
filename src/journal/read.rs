//! Reading a journal as far as it goes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::pieces::Pieces;
use super::{Ending, Line, RunHeader, SCHEMA};
use crate::encoding;
use crate::error::Error;
use crate::plan::{self, Part, Plan};
use crate::record::Record;
use crate::wire::MAX_LINE;

/// A journal, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// The file.
    pub path: PathBuf,
    /// The run and its resumptions, in order; never empty.
    pub stretches: Vec<Stretch>,
    /// How the run ended; `None` where it was cut off.
    pub ending: Option<Ending>,
    /// What was passed over, in words.
    pub notes: Vec<String>,
}

/// A run, one resumption of it or one visit to a side of it: what was true of it, and what happened under that.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch {
    /// What was true.
    pub header: Arc<RunHeader>,
    /// What happened.
    pub records: Vec<Record>,
}

impl Stretch {
    /// Nothing so far, under this header.
    fn under(header: &Arc<RunHeader>) -> Self {
        Self { header: Arc::clone(header), records: Vec::new() }
    }
}

impl Journal {
    /// The last header: that of the run, or of its latest resumption.
    ///
    /// # Panics
    /// Never: a journal without a header is not read.
    pub fn header(&self) -> &RunHeader {
        &self.stretches.last().expect("a journal has a header").header
    }

    /// What happened, over all resumptions.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.stretches.iter().flat_map(|stretch| &stretch.records)
    }

    /// The plan of the last stretch, and behind it what earlier ones have measured and it did not ask for.
    pub fn plan(&self) -> Plan {
        let mut plan = self.header().plan.clone();
        let mut known: HashSet<_> = plan.jobs.iter().map(|row| row.job.id.clone()).collect();
        let started = |record: &Record| match record {
            Record::Started { job, .. } => Some(job.clone()),
            _ => None,
        };
        let measured: HashSet<_> = self.records().filter_map(started).collect();
        let first = plan.jobs.len();
        let mut seen = HashSet::new();
        let mut headers = self.stretches.iter().map(|stretch| &stretch.header);
        while let Some(header) = headers.find(|header| seen.insert(Arc::as_ptr(header))) {
            for job in header.plan.measured() {
                if measured.contains(&job.id) && known.insert(job.id.clone()) {
                    plan.jobs.push(job.clone().into());
                }
            }
        }
        if plan.jobs.len() > first {
            if !plan.parts.is_empty() {
                let (title, varying) = ("Rows of earlier runs".into(), Vec::new());
                plan.parts.push(Part { title, first, varying, cold: 0 });
            }
            plan::find_varying(&mut plan, &self.header().facts.host);
        }
        plan
    }
}

/// Reads a file. Lines that are torn or strange are passed over and noted.
///
/// # Errors
/// When it cannot be opened, has no header, or was written by a later lbench.
pub fn read(path: &Path) -> Result<Journal, Error> {
    let refuse = |reason: String| Error::Usage(format!("journal {}: {reason}", path.display()));
    let reader = File::open(path).and_then(encoding::reader);
    parse(path, reader.map_err(|error| refuse(error.to_string()))?).map_err(refuse)
}

/// Reads a text.
///
/// # Errors
/// As [`read`]: a sentence without the file's name.
pub fn parse(path: &Path, mut text: impl BufRead) -> Result<Journal, String> {
    let mut reading = JournalReader::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let limited = (&mut text).take(MAX_LINE as u64).read_until(b'\n', &mut line);
        if limited.map_err(|error| error.to_string())? == 0 {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // A line without its end was cut off, even if what is there makes sense.
        let whole = line.last() == Some(&b'\n');
        let parsed = serde_json::from_slice::<Line>(&line).ok().filter(|_| whole);
        if !parsed.is_some_and(|line| reading.take(line)) {
            if let Some(schema) = later_schema(&line) {
                return Err(format!(
                    "it was written by a later lbench (schema {schema}; this one reads up to {SCHEMA})"
                ));
            }
            reading.strange += 1;
        }
    }
    let JournalReader { stretches, ending, begun, strange, .. } = reading;
    let strange = strange + usize::from(begun.is_some());
    if stretches.is_empty() {
        let lacking = if begun.is_some() { "no whole header" } else { "no header" };
        return Err(format!("it is no journal of lbench: there is {lacking} in it"));
    }
    let mut notes = Vec::new();
    if strange > 0 {
        let lines = if strange == 1 { "1 line is".into() } else { format!("{strange} lines are") };
        notes.push(format!("{}: {lines} cut off or strange and passed over", path.display()));
    }
    Ok(Journal { path: path.to_path_buf(), stretches, ending, notes })
}

/// A journal under way.
#[derive(Default)]
struct JournalReader {
    /// The headers so far.
    headers: Vec<Arc<RunHeader>>,
    stretches: Vec<Stretch>,
    ending: Option<Ending>,
    /// A header whose plan is not there as a whole.
    begun: Option<Pieces>,
    /// Lines that were passed over.
    strange: usize,
}

impl JournalReader {
    /// Takes in a line; `false` where it makes no sense here.
    fn take(&mut self, line: Line) -> bool {
        match (line, &mut self.begun) {
            (Line::Header(header), _) if header.schema > SCHEMA => false,
            (Line::Header(header), begun) => {
                // Another one was cut off.
                self.strange += usize::from(begun.take().is_some());
                match Pieces::of(header) {
                    Ok(pieces) => self.begun = Some(pieces),
                    Err(header) => self.begin(header),
                }
                true
            }
            (Line::Tokens(tokens), Some(pieces)) => {
                pieces.tokens(tokens);
                true
            }
            (Line::Rows(rows), Some(pieces)) => {
                let fits = pieces.rows(rows);
                match self.begun.take().filter(|_| fits).map(Pieces::whole) {
                    Some(Ok(header)) => self.begin(header),
                    Some(Err(pieces)) => self.begun = Some(pieces),
                    None => {}
                }
                fits
            }
            (_, Some(_)) | (Line::Tokens(_) | Line::Rows(_), None) => false,
            (Line::Under(back), None) => {
                let place = self.headers.len().checked_sub(back + 1);
                let header = place.and_then(|place| self.headers.get(place));
                self.stretches.extend(header.map(Stretch::under));
                header.is_some()
            }
            (Line::Record(record), None) => {
                let stretch = self.stretches.last_mut();
                stretch.map(|stretch| stretch.records.push(*record)).is_some()
            }
            (Line::End(end), None) => {
                self.ending = Some(end);
                !self.stretches.is_empty()
            }
        }
    }

    /// A run begins, or goes on.
    fn begin(&mut self, mut header: Box<RunHeader>) {
        let host = header.facts.host.clone();
        plan::find_varying(&mut header.plan, &host);
        self.headers.push(Arc::new(*header));
        self.stretches.extend(self.headers.last().map(Stretch::under));
        self.ending = None;
    }
}

/// How every journal begins.
const BEGINNING: &[u8] = b"{\"header\":{\"schema\":";

/// Whether there is a file that is no journal, and not the beginning of one: lbench must not add to it.
pub(super) fn is_foreign(path: &Path) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|data| data.is_file());
    let Some(file) = File::open(path).ok().filter(|_| is_file) else { return false };
    let mut start = Vec::new();
    if file.take(1 << 12).read_to_end(&mut start).is_err() {
        return false;
    }
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start).trim_ascii_start();
    let length = start.len().min(BEGINNING.len());
    start[..length] != BEGINNING[..length]
}

/// The schema of a header that this lbench is too old for.
fn later_schema(line: &[u8]) -> Option<u64> {
    let value: Value = serde_json::from_slice(line).ok()?;
    value.get("header")?.get("schema")?.as_u64().filter(|schema| *schema > u64::from(SCHEMA))
}

/// When the run in a file began, or was resumed last, in seconds since 1970; `None` where there is none in it.
pub(super) fn last_time(path: &Path) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct Peek {
        header: Times,
    }
    #[derive(serde::Deserialize)]
    struct Times {
        unix_time: u64,
    }
    let mut lines = encoding::reader(File::open(path).ok()?).ok()?;
    let (mut last, mut line) = (None, Vec::new());
    loop {
        line.clear();
        match (&mut lines).take(MAX_LINE as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let is_header = line.starts_with(b"{\"header\"") && line.ends_with(b"\n");
        let peeked = is_header.then(|| serde_json::from_slice::<Peek>(&line).ok()).flatten();
        last = last.max(peeked.map(|peek| peek.header.unix_time));
    }
}
