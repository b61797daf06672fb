//! Reading a journal as far as it goes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Ending, Header, Line, SCHEMA};
use crate::error::Error;
use crate::plan;
use crate::record::Record;
use crate::wire::MAX_LINE;

/// A journal, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// The file.
    pub path: PathBuf,
    /// The last header: that of the run, or of its latest resumption.
    pub header: Header,
    /// What happened, over all resumptions.
    pub records: Vec<Record>,
    /// How the run ended; `None` where it was cut off.
    pub ending: Option<Ending>,
    /// What was passed over, in words.
    pub notes: Vec<String>,
}

/// Reads a file. Lines that are torn or strange are passed over and noted.
///
/// # Errors
/// When it cannot be opened, has no header, or was written by a later lbench.
pub fn read(path: &Path) -> Result<Journal, Error> {
    let refuse = |reason: String| Error::Usage(format!("journal {}: {reason}", path.display()));
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    parse(path, BufReader::new(file)).map_err(refuse)
}

/// Reads a text.
///
/// # Errors
/// As [`read`]: a sentence without the file's name.
pub fn parse(path: &Path, mut text: impl BufRead) -> Result<Journal, String> {
    let (mut header, mut records, mut ending) = (None, Vec::new(), None);
    let mut strange = 0_usize;
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
        match parsed {
            Some(Line::Header(found)) if found.schema <= SCHEMA => {
                (header, ending) = (Some(*found), None);
            }
            Some(Line::Record(record)) if header.is_some() => records.push(*record),
            Some(Line::End(end)) if header.is_some() => ending = Some(end),
            _ => {
                if let Some(schema) = later_schema(&line) {
                    return Err(format!(
                        "it was written by a later lbench (schema {schema}; this one reads up to {SCHEMA})"
                    ));
                }
                strange += 1;
            }
        }
    }
    let mut header: Header =
        header.ok_or("it is no journal of lbench: there is no header in it")?;
    plan::find_varying(&mut header.plan, &header.facts.host);
    let mut notes = Vec::new();
    if strange > 0 {
        let lines = if strange == 1 { "1 line is".into() } else { format!("{strange} lines are") };
        notes.push(format!("{}: {lines} cut off or strange and passed over", path.display()));
    }
    Ok(Journal { path: path.to_path_buf(), header, records, ending, notes })
}

/// The schema of a header that this lbench is too old for.
fn later_schema(line: &[u8]) -> Option<u64> {
    let value: Value = serde_json::from_slice(line).ok()?;
    value.get("header")?.get("schema")?.as_u64().filter(|schema| *schema > u64::from(SCHEMA))
}
