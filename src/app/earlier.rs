//! Earlier runs, by name: what `@last`, `@ID` and `@TAG` stand for wherever a result file or a journal is taken.

use std::path::{Path, PathBuf};

use super::out::tell;
use crate::compare::Run;
use crate::error::Error;
use crate::history::{self, History};
use crate::journal;

/// The name of a run, where an argument is one: what stands behind its `@`. A file of such a name is `./@name`.
fn name(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix('@')
}

/// One side of a comparison: a file, or a run by its name. `@last` is never the run that is `resumed`.
pub(super) fn side(path: &Path, resumed: Option<&Path>) -> Result<Run, Error> {
    let Some(name) = name(path) else { return Run::read(path) };
    let mut past = History::open()?;
    past.leave_out(resumed);
    let found = past.find(name)?;
    let journal = journal::read(&found.path)?;
    journal.notes.iter().for_each(|note| tell(note));
    let report = history::report_of(&journal);
    let called = format!("@{name} ({})", found.path.display());
    Ok(Run::of_report(&called, &report))
}

/// Both sides.
pub(super) fn sides(a: &Path, b: &Path) -> Result<(Run, Run), Error> {
    if name(a).is_none() && name(b).is_none() {
        return Run::read_both(a, b);
    }
    Ok((side(a, None)?, side(b, None)?))
}

/// The journal that an argument means: a file, or that of a run by its name.
pub(super) fn journal_path(path: &Path) -> Result<PathBuf, Error> {
    let Some(name) = name(path) else { return Ok(path.to_path_buf()) };
    Ok(History::open()?.find(name)?.path.clone())
}
