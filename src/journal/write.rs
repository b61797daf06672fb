//! Appending to a journal, as the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::{Ending, Header, Kept, Line};
use crate::error::Error;
use crate::plan::Plan;
use crate::record::{Record, Warning};

/// A journal that is being written. Trouble with it is told once and never ends the run.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: Option<File>,
}

impl Writer {
    /// Opens or creates the file for this run alone, and appends first what is `kept` of an earlier one in
    /// another file, then the header. The inner error is a reason to go on without a journal.
    ///
    /// # Errors
    /// When another lbench writes to the file.
    pub fn open(
        path: &Path,
        kept: Option<&Kept>,
        header: &Header,
    ) -> Result<Result<Self, Warning>, Error> {
        let trouble = |error: io::Error| Ok(Err(Warning { text: without(path, &error) }));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Err(error) = folder.map_or(Ok(()), std::fs::create_dir_all) {
            return trouble(error);
        }
        let mut file = match OpenOptions::new().create(true).read(true).append(true).open(path) {
            Ok(file) => file,
            Err(error) => return trouble(error),
        };
        // Where the file system has no locks, there is nothing to be told about.
        if flock(&file, FlockOperation::NonBlockingLockExclusive)
            == Err(rustix::io::Errno::WOULDBLOCK)
        {
            return Err(Error::Usage(format!(
                "--journal {}: another lbench is writing to it: wait for its end, or name another file",
                path.display()
            )));
        }
        if let Err(error) = end_torn_line(&mut file) {
            return trouble(error);
        }
        let mut writer = Self { path: path.to_path_buf(), file: Some(file) };
        let trouble = kept.and_then(|kept| writer.copy(kept, &header.plan));
        let header = Line::Header(Box::new(header.clone()));
        Ok(match trouble.or_else(|| writer.append(&header, true)) {
            None => Ok(writer),
            Some(warning) => Err(warning),
        })
    }

    /// Writes down what an earlier run has measured, under what was true of it.
    fn copy(&mut self, kept: &Kept, plan: &Plan) -> Option<Warning> {
        let mut under: Option<Arc<Header>> = None;
        let mut trouble = None;
        kept.replay(plan, false, |header, record| {
            let Some(header) = header.filter(|_| trouble.is_none()) else { return };
            if under.as_ref().is_none_or(|old| !Arc::ptr_eq(old, header)) {
                trouble = self.append(&Line::Header(Box::new((**header).clone())), false);
                under = Some(Arc::clone(header));
            }
            trouble = trouble.take().or_else(|| self.record(record));
        });
        trouble
    }

    /// Begins another side of the run, of which something else is true.
    pub fn side(&mut self, header: &Header) -> Option<Warning> {
        self.append(&Line::Header(Box::new(header.clone())), false)
    }

    /// Goes on under the header that stands so many before the last one.
    pub fn under(&mut self, back: usize) -> Option<Warning> {
        self.append(&Line::Under(back), false)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether everything so far is in the file.
    pub fn is_whole(&self) -> bool {
        self.file.is_some()
    }

    /// Appends what happened; the end of a job is on the disk when this returns. The warning comes once,
    /// when the file can be written no more.
    pub fn record(&mut self, record: &Record) -> Option<Warning> {
        if matches!(record, Record::Phase { .. }) {
            return None;
        }
        let sync = matches!(record, Record::Finished { .. });
        self.append(&Line::Record(Box::new(record.clone())), sync)
    }

    /// Appends how the run ended.
    pub fn end(&mut self, ending: Ending) -> Option<Warning> {
        self.append(&Line::End(ending), true)
    }

    fn append(&mut self, line: &Line, sync: bool) -> Option<Warning> {
        let file = self.file.as_mut()?;
        let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut text| {
            text.push(b'\n');
            file.write_all(&text)?;
            if sync { file.sync_data() } else { Ok(()) }
        });
        let error = written.err()?;
        self.file = None;
        Some(Warning { text: without(&self.path, &error) })
    }
}

/// What a person is told who will have no journal.
fn without(path: &Path, error: &io::Error) -> String {
    format!(
        "journal {}: {error}; the run goes on, and cannot be resumed from here on",
        path.display()
    )
}

/// A line that was cut off gets an end, so that the next one begins a line.
fn end_torn_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}
