//! Index of journals: a cache of what lists show, one entry a file, which holds as long as the file has its size and
//! time. Whatever is wrong with it, the journals are read again.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::RunSummary;
use super::register::FilePath;
use crate::error::Error;

/// Name of the file. Not that of a journal.
const FILE: &str = "index.json";

/// Version of what is in it.
const VERSION: u32 = 1;

#[derive(Default, Serialize, Deserialize)]
struct IndexFile {
    version: u32,
    files: Vec<Slot>,
}

/// A file, and what is in it, or why there is no run in it.
#[derive(Clone, Serialize, Deserialize)]
struct Slot {
    path: FilePath,
    stamp: Stamp,
    found: Result<RunSummary, String>,
}

/// What another state of a file differs in.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    seconds: u64,
    nanos: u32,
}

impl Stamp {
    fn of(data: &Metadata) -> Self {
        let since = data.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let since = since.unwrap_or_default();
        Self { size: data.len(), seconds: since.as_secs(), nanos: since.subsec_nanos() }
    }
}

/// The files of a folder that may be journals, in order; none where there is no folder.
pub(super) fn journals_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other
            .map_err(|error| Error::Usage(format!("history: {}: {error}", folder.display())))?,
    };
    let paths = listed.flatten().map(|entry| entry.path());
    let is_journal = |path: &PathBuf| {
        // A pipe of such a name would be waited for.
        path.extension().is_some_and(|ending| ending == "jsonl") && path.is_file()
    };
    let mut paths: Vec<_> = paths.filter(is_journal).collect();
    paths.sort();
    Ok(paths)
}

/// What is in each of the files, or why there is no run in it; the index of the folder is brought up to date.
pub(super) fn look_up(folder: &Path, files: &[PathBuf]) -> Vec<Result<RunSummary, String>> {
    let index = folder.join(FILE);
    let text = fs::read(&index).unwrap_or_default();
    let old = serde_json::from_slice::<IndexFile>(&text).ok();
    let old = old.filter(|old| old.version == VERSION).unwrap_or_default();
    let count = old.files.len();
    let known: HashMap<PathBuf, Slot> =
        old.files.into_iter().map(|slot| (slot.path.clone().into(), slot)).collect();
    let (mut slots, mut is_new) = (Vec::new(), count != files.len());
    let mut found = Vec::new();
    for path in files {
        let stamp = fs::metadata(path).map(|data| Stamp::of(&data));
        let slot = known.get(path).filter(|slot| stamp.as_ref().is_ok_and(|s| *s == slot.stamp));
        let slot = match (slot, stamp) {
            (Some(slot), _) => slot.clone(),
            (None, Ok(stamp)) => {
                is_new = true;
                Slot { path: path.as_path().into(), stamp, found: RunSummary::read(path) }
            }
            (None, Err(error)) => {
                found.push(Err(format!("{}: {error}", path.display())));
                continue;
            }
        };
        found.push(slot.found.clone());
        slots.push(slot);
    }
    if is_new {
        write(&index, &IndexFile { version: VERSION, files: slots });
    }
    found
}

/// Puts a new file in the place of the old one, so that no reader sees half of it. Where that fails, the journals
/// are read again next time.
fn write(index: &Path, contents: &IndexFile) {
    let Ok(text) = serde_json::to_vec(contents) else { return };
    let new = index.with_extension(format!("json.{}", std::process::id()));
    if fs::write(&new, text).and_then(|()| fs::rename(&new, index)).is_err() {
        let _ = fs::remove_file(&new);
    }
}
