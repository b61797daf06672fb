//! Register of what no journal says: tags, and where journals lie that were named by hand. Lines are added and never
//! changed, each in one go under a lock, so that two processes lose nothing of each other's; what is torn is passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::journal;

/// Name of the file. Not that of a journal.
const FILE: &str = "history.log";

/// The register of a folder.
#[derive(Debug, Clone)]
pub struct Register {
    folder: PathBuf,
}

/// What it says.
#[derive(Debug, Clone, Default)]
pub struct Registered {
    /// Of each run, by its id, the tags.
    pub tags: BTreeMap<String, Vec<String>>,
    /// Journals outside the folder.
    pub named: BTreeSet<PathBuf>,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RegisterLine {
    Tag { run: String, tag: String },
    Untag { run: String, tag: String },
    Name(FilePath),
    Forget(FilePath),
}

/// A path as JSON has it: a text, or bytes where it is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum FilePath {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&Path> for FilePath {
    fn from(path: &Path) -> Self {
        let bytes = || Self::Bytes(path.as_os_str().as_bytes().to_vec());
        path.to_str().map_or_else(bytes, |text| Self::Text(text.into()))
    }
}

impl From<FilePath> for PathBuf {
    fn from(path: FilePath) -> Self {
        match path {
            FilePath::Text(text) => text.into(),
            FilePath::Bytes(bytes) => std::ffi::OsString::from_vec(bytes).into(),
        }
    }
}

impl Register {
    /// The user's; `None` where the environment names no folder.
    pub fn of_user() -> Option<Self> {
        journal::folder().map(|folder| Self::of(&folder))
    }

    /// That of a folder.
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    /// What it says; nothing where it is not there.
    pub fn read(&self) -> Registered {
        let text = std::fs::read(self.folder.join(FILE)).unwrap_or_default();
        let mut all = Registered::default();
        for line in text.split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(RegisterLine::Tag { run, tag }) => {
                    let tags = all.tags.entry(run).or_default();
                    if !tags.contains(&tag) {
                        tags.push(tag);
                    }
                }
                Ok(RegisterLine::Untag { run, tag }) => {
                    all.tags.entry(run).or_default().retain(|old| *old != tag);
                }
                Ok(RegisterLine::Name(path)) => {
                    all.named.insert(path.into());
                }
                Ok(RegisterLine::Forget(path)) => {
                    all.named.remove(&PathBuf::from(path));
                }
                Err(_) => {}
            }
        }
        all
    }

    /// Gives a run a tag.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn tag(&self, run: &str, tag: &str) -> io::Result<()> {
        self.add(&RegisterLine::Tag { run: run.into(), tag: tag.into() })
    }

    /// Takes a tag from a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn untag(&self, run: &str, tag: &str) -> io::Result<()> {
        self.add(&RegisterLine::Untag { run: run.into(), tag: tag.into() })
    }

    /// Forgets a journal that was named by hand.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn forget(&self, path: &Path) -> io::Result<()> {
        self.add(&RegisterLine::Forget(path.into()))
    }

    /// Takes note of a journal that is written to a file of its own; in the folder itself it is found anyway. What a
    /// person is told where that fails.
    pub fn name(&self, path: &Path) -> Option<String> {
        let path = path.canonicalize().or_else(|_| std::path::absolute(path)).ok()?;
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        // No file of its own: a pipe, or /dev/null.
        if path.starts_with(folder) || !path.is_file() || self.read().named.contains(&path) {
            return None;
        }
        let error = self.add(&RegisterLine::Name(path.as_path().into())).err()?;
        Some(format!(
            "{}: {error}; `lbench history` will not know of {}",
            self.folder.join(FILE).display(),
            path.display()
        ))
    }

    fn add(&self, deed: &RegisterLine) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(FILE);
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        flock(&file, FlockOperation::LockExclusive)?;
        let mut line = serde_json::to_vec(deed)?;
        line.push(b'\n');
        if is_torn(&mut file)? {
            line.insert(0, b'\n');
        }
        file.write_all(&line)?;
        file.sync_data()
    }
}

/// Whether the last line has no end.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
