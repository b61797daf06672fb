//! File that a page is written to: beside it first, and in its place once it is whole, so that a page that was there is
//! one until then.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::out::tell;
use crate::cli::BenchArgs;
use crate::error::Error;
use crate::report::{Format, Report, StoredPage, Stream};
use crate::terminal::Harmless;

/// A page in the making.
pub(super) struct PageFile {
    path: PathBuf,
    /// Where it is written meanwhile; `None` where the file is a pipe or a device.
    part: Option<PathBuf>,
    out: Harmless<BufWriter<File>>,
}

impl PageFile {
    /// The page that a run is to have, if any; before anything is measured for it.
    ///
    /// # Errors
    /// As [`Self::new`]; and where its journal would be the same file.
    pub(super) fn of(args: &BenchArgs) -> Result<Option<Self>, Error> {
        let Some(path) = args.html.as_deref() else { return Ok(None) };
        if args.journal.as_deref() == Some(path) {
            let text = "it is the journal of this run too: name another file for one of them";
            return Err(Error::Usage(format!("--html {}: {text}", path.display())));
        }
        Self::new(path).map(Some)
    }

    /// Begins a page.
    ///
    /// # Errors
    /// When it cannot be written there, or something else than a page is there.
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let refuse = |text: String| Error::Usage(format!("--html {}: {text}", path.display()));
        if path.as_os_str() == "-" {
            return Err(refuse("-o html writes a page to standard output".into()));
        }
        let found = fs::metadata(path).ok();
        if found.as_ref().is_some_and(fs::Metadata::is_dir) {
            return Err(refuse("it is a folder: name a file in it".into()));
        }
        let special = found.as_ref().is_some_and(|found| !found.is_file());
        let full = found.is_some_and(|found| found.is_file() && found.len() > 0);
        if full && StoredPage::open(path).is_none() {
            let text = "it is no page of lbench, and is not written over: name another file";
            return Err(refuse(text.into()));
        }
        let mut part = path.as_os_str().to_os_string();
        part.push(".part");
        let part = Some(PathBuf::from(part)).filter(|_| !special);
        let file = File::create(part.as_deref().unwrap_or(path));
        let file = file.map_err(|error| refuse(error.to_string()))?;
        Ok(Self { path: path.into(), part, out: Harmless::new(BufWriter::new(file)) })
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(
        mut self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Error> {
        let written = write(&mut self.out);
        self.finish(written)
    }

    /// Puts it in its place, if it could be written.
    fn finish(mut self, written: io::Result<()>) -> Result<(), Error> {
        let done = written.and_then(|()| self.out.flush()).and_then(|()| match &self.part {
            Some(part) => fs::rename(part, &self.path),
            None => Ok(()),
        });
        let what = format!("--html {}", self.path.display());
        if done.is_ok() {
            tell(&format!("page: {}", self.path.display()));
        }
        done.map_err(|source| Error::Output { what, source })
    }
}

impl Drop for PageFile {
    /// What did not become a page is no file of the user's.
    fn drop(&mut self) {
        if let Some(part) = &self.part {
            let _ = fs::remove_file(part);
        }
    }
}

/// A page to which the rows of a run go as they are finished.
pub(super) struct GrowingPage {
    file: PageFile,
    stream: Stream,
    lost: Option<io::Error>,
}

impl GrowingPage {
    pub(super) fn new(file: PageFile) -> Self {
        Self { file, stream: Stream::new(Format::Html), lost: None }
    }

    /// Writes the rows whose turn it is; how many, from the first on, it needs no more. Trouble waits for the end:
    /// the run goes on.
    pub(super) fn advance(&mut self, report: &Report) -> usize {
        if self.lost.is_some() {
            return report.len();
        }
        self.stream.advance(report, &mut self.file.out).unwrap_or_else(|error| {
            self.lost = Some(error);
            report.len()
        })
    }

    /// Writes all that is left.
    ///
    /// # Errors
    /// When any of it could not be written.
    pub(super) fn finish(mut self, report: &Report) -> Result<(), Error> {
        let written = match self.lost.take() {
            Some(error) => Err(error),
            None => self.stream.finish(report, &mut self.file.out).map(drop),
        };
        self.file.finish(written)
    }
}
