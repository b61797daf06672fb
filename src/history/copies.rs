//! Copies of runs, on their way to another folder: whole, or not at all.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::{History, PastRun};
use crate::journal;
use crate::units::rfc3339;

/// What became of a run on its way to another folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It is there now.
    New,
    /// It was there already, as far as it goes here.
    Known,
    /// It went further here than there, and now goes as far.
    Further,
    /// It was resumed here and there: both are left as they are.
    Apart,
}

/// Copies a run to a folder, of which the runs are given.
///
/// # Errors
/// When the journal cannot be read, or the copy not be written.
pub fn copy(run: &PastRun, folder: &Path, there: &History) -> io::Result<Copied> {
    let bytes = fs::read(&run.path)?;
    let known = there.runs.iter().find(|known| known.summary.id == run.summary.id);
    let Some(known) = known else {
        let time = rfc3339(run.summary.unix_time).replace(':', "");
        let name = format!("{time}-{}.jsonl", run.summary.id);
        return put(&bytes, folder, &name).map(|()| Copied::New);
    };
    let old = fs::read(&known.path)?;
    if old.starts_with(&bytes) {
        return Ok(Copied::Known);
    }
    // Nobody's journal is replaced while he writes to it.
    if !bytes.starts_with(&old) || known.named || journal::is_being_written(&known.path) {
        return Ok(Copied::Apart);
    }
    let (Some(place), Some(name)) = (known.path.parent(), known.path.file_name()) else {
        return Ok(Copied::Apart);
    };
    put(&bytes, place, &name.to_string_lossy()).map(|()| Copied::Further)
}

/// Writes a file that no reader sees half of.
fn put(bytes: &[u8], folder: &Path, name: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".run-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_data()?;
    readable(file.path())?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    Ok(())
}

/// A folder is shared with others: they may read what is put there, as they may any file.
fn readable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}
