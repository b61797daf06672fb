//! Appending to a journal, as the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::{Ending, Kept, Line, RunHeader, pieces, read};
use crate::error::Error;
use crate::plan::Plan;
use crate::record::{Record, Warning, WarningKind};

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
    /// When another lbench writes to the file, or it is there and no journal.
    pub fn open(
        path: &Path,
        kept: Option<&Kept>,
        header: &RunHeader,
    ) -> Result<Result<Self, Warning>, Error> {
        let trouble =
            |error: io::Error| Ok(Err(Warning::new(WarningKind::Journal, without(path, &error))));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Err(error) = folder.map_or(Ok(()), std::fs::create_dir_all) {
            return trouble(error);
        }
        refuse_foreign(path)?;
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
        Ok(match trouble.or_else(|| writer.begin(header)) {
            None => Ok(writer),
            Some(warning) => Err(warning),
        })
    }

    /// Writes down what an earlier run has measured, under what was true of it.
    fn copy(&mut self, kept: &Kept, plan: &Plan) -> Option<Warning> {
        let mut under: Option<Arc<RunHeader>> = None;
        let mut trouble = None;
        kept.replay(plan, false, |header, record| {
            let Some(header) = header.filter(|_| trouble.is_none()) else { return };
            if under.as_ref().is_none_or(|old| !Arc::ptr_eq(old, header)) {
                // A run of its own: what it takes over does not give it its name.
                trouble = self.begin(&RunHeader { run: None, ..RunHeader::clone(header) });
                under = Some(Arc::clone(header));
            }
            trouble = trouble.take().or_else(|| self.record(record));
        });
        trouble
    }

    /// Begins another side of the run, of which something else is true.
    pub fn side(&mut self, header: &RunHeader) -> Option<Warning> {
        self.begin(header)
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

    /// Appends a header, with its plan; on the disk when this returns.
    fn begin(&mut self, header: &RunHeader) -> Option<Warning> {
        self.write(|file| {
            // Of a later schema than it was written under, where it is copied from an older journal.
            pieces::write(header, |line| append(file, line))?;
            file.sync_data()
        })
    }

    fn append(&mut self, line: &Line, sync: bool) -> Option<Warning> {
        self.write(|file| {
            append(file, line)?;
            if sync { file.sync_data() } else { Ok(()) }
        })
    }

    /// Writes to the file, unless that is over. After trouble, it is.
    fn write(&mut self, write: impl FnOnce(&mut File) -> io::Result<()>) -> Option<Warning> {
        let error = write(self.file.as_mut()?).err()?;
        self.file = None;
        Some(Warning::new(WarningKind::Journal, without(&self.path, &error)))
    }
}

/// Appends a line in one go.
fn append(file: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

/// Refuses a file that is there and no journal: nothing is added to what is not ours.
///
/// # Errors
/// When it is one.
pub fn refuse_foreign(path: &Path) -> Result<(), Error> {
    if !read::is_foreign(path) {
        return Ok(());
    }
    let path = path.display();
    Err(Error::Usage(format!(
        "--journal {path}: it is no journal of lbench, and nothing is added to it: name another file"
    )))
}

/// Whether an lbench is writing to a journal at this moment.
pub fn is_being_written(path: &Path) -> bool {
    let file = File::open(path).ok();
    file.is_some_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
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
