//! Runs that are there: the journals of the user's folder, those that were named by hand, and those that came from
//! other machines.
//!
//! Journals are the truth. An index beside them is a cache of what lists show, made anew where it is missing, torn or
//! older than a journal. Tags, and where journals lie that were named by hand, are written nowhere else: they stand
//! in a register that is only ever added to.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | all runs, and finding one |
//! | `summary.rs` | what is known of a run without reading its journal again |
//! | `index.rs` | the cache |
//! | `register.rs` | tags, and journals named by hand |
//! | `copies.rs` | runs on their way to another folder |
//! | `lists.rs` | lists in every format |
//! | `series.rs`, `steps.rs` | one setting over time, and where it changed |

mod copies;
mod index;
mod lists;
mod register;
mod series;
mod steps;
mod summary;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use copies::{Copied, copy};
pub use lists::{ListFormat, write_list};
pub use register::Register;
pub use series::{Series, series, write_series};
pub use summary::{RunSummary, report_of};

use crate::error::Error;
use crate::journal;
use crate::near;
use crate::units::counted;

/// Fewest digits of an id that name a run.
const SHORTEST: usize = 4;

/// Digits of an id that lists show, where these are enough.
const SHOWN: usize = 8;

/// A run of the past.
#[derive(Debug, Clone)]
pub struct PastRun {
    /// Its journal.
    pub path: PathBuf,
    /// What is known of it.
    pub summary: RunSummary,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// Whether it came from another folder.
    pub imported: bool,
    /// Whether the journal was named by hand: it lies outside the user's folder, and is nobody's to remove.
    pub named: bool,
}

/// All runs, newest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The runs.
    pub runs: Vec<PastRun>,
    /// What was passed over, and what is odd, in sentences.
    pub notes: Vec<String>,
    /// Journals that were named by hand and are not there.
    pub gone: Vec<PathBuf>,
}

impl History {
    /// The runs of the user; none where there is no folder yet.
    ///
    /// # Errors
    /// When the environment names no folder, or it cannot be read.
    pub fn open() -> Result<Self, Error> {
        let folder = journal::folder().ok_or_else(|| {
            let text = "history: neither XDG_STATE_HOME nor HOME names a folder with runs";
            Error::Usage(text.into())
        })?;
        Self::of(&folder)
    }

    /// The runs of a folder.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let register = Register::of(folder).read();
        let mut files = index::journals_in(folder)?;
        let own = files.len();
        files.extend(index::journals_in(&folder.join(IMPORTED))?);
        let came = files.len();
        let (there, gone): (Vec<_>, Vec<_>) =
            register.named.into_iter().partition(|path| path.is_file());
        files.extend(there.into_iter().filter(|path| !path.starts_with(folder)));
        let found = index::look_up(folder, &files);
        let mut history = Self { gone, ..Self::default() };
        let mut strange = Vec::new();
        for (at, (path, found)) in files.into_iter().zip(found).enumerate() {
            match found {
                Ok(summary) => {
                    let tags = register.tags.get(&summary.id).cloned().unwrap_or_default();
                    let (imported, named) = ((own..came).contains(&at), at >= came);
                    history.runs.push(PastRun { path, summary, tags, imported, named });
                }
                Err(reason) => strange.push(reason),
            }
        }
        history.note_strange(&strange);
        history.note_times();
        history.keep_one_of_each();
        history
            .runs
            .sort_by(|a, b| (b.summary.unix_time, &b.path).cmp(&(a.summary.unix_time, &a.path)));
        Ok(history)
    }

    /// The runs of a folder that others write to as well: nothing of ours is put beside them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_others(folder: &Path) -> Result<Self, Error> {
        let tags = Register::of(folder).read().tags;
        let mut history = Self::default();
        let mut strange = Vec::new();
        for path in index::journals_in(folder)? {
            match RunSummary::read(&path) {
                Ok(summary) => {
                    let tags = tags.get(&summary.id).cloned().unwrap_or_default();
                    let (imported, named) = (false, false);
                    history.runs.push(PastRun { path, summary, tags, imported, named });
                }
                Err(reason) => strange.push(reason),
            }
        }
        history.note_strange(&strange);
        history.keep_one_of_each();
        Ok(history)
    }

    fn note_strange(&mut self, strange: &[String]) {
        let Some(first) = strange.first() else { return };
        self.notes.push(match strange.len() {
            1 => format!("passed over {first}"),
            n => format!("passed over {}, the first: {first}", counted(n, "file")),
        });
    }

    /// A clock that was wrong puts a run where it does not belong.
    fn note_times(&mut self) {
        let now = crate::units::unix_time() + 60;
        let later = self.runs.iter().filter(|run| run.summary.unix_time > now);
        let later: Vec<_> = later.map(PastRun::short_id).collect();
        if let Some(first) = later.first() {
            self.notes.push(format!(
                "{} began in the future, by what it says ({first}): a clock was wrong, and so may the order be",
                counted(later.len(), "run")
            ));
        }
    }

    /// Of copies of one run, leaves the one that goes furthest, the user's own among equals.
    fn keep_one_of_each(&mut self) {
        let size = |run: &PastRun| std::fs::metadata(&run.path).map_or(0, |data| data.len());
        let mut best: HashMap<String, (u64, usize)> = HashMap::new();
        for (at, run) in self.runs.iter().enumerate() {
            let size = size(run);
            let kept = best.entry(run.summary.id.clone()).or_insert((size, at));
            if size > kept.0 {
                *kept = (size, at);
            }
        }
        let mut at = 0;
        self.runs.retain(|run| {
            at += 1;
            best.get(&run.summary.id).is_some_and(|(_, kept)| *kept == at - 1)
        });
    }

    /// Leaves a run out: the one that goes on.
    pub fn leave_out(&mut self, journal: Option<&Path>) {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let Some(journal) = journal.map(real) else { return };
        self.runs.retain(|run| real(&run.path) != journal);
    }

    /// The run of a name: `last`, `last~2` (the second before it), a tag (the newest run that has it), an id or its
    /// beginning; an `@` before it changes nothing. `last` is a run of this machine's user, never an imported one.
    ///
    /// # Errors
    /// When there is no such run, or more than one.
    pub fn find(&self, name: &str) -> Result<&PastRun, Error> {
        let name = name.strip_prefix('@').unwrap_or(name);
        if let Some(back) = name.strip_prefix("last") {
            let back = if back.is_empty() { Some(0) } else { number(back) };
            if let Some(back) = back {
                let own: Vec<_> = self.runs.iter().filter(|run| !run.imported).collect();
                return own
                    .get(back)
                    .copied()
                    .ok_or_else(|| Error::Usage(format!("@{name}: there {}", are(own.len()))));
            }
        }
        if let Some(tagged) = self.runs.iter().find(|run| run.tags.iter().any(|tag| tag == name)) {
            return Ok(tagged);
        }
        let digits = name.to_ascii_lowercase();
        let starts = |run: &&PastRun| run.summary.id.starts_with(&digits);
        let found: Vec<_> = if digits.len() >= SHORTEST {
            self.runs.iter().filter(starts).collect()
        } else {
            Vec::new()
        };
        match found[..] {
            [one] => Ok(one),
            [] => Err(Error::Usage(self.unknown(name))),
            _ => Err(Error::Usage(format!(
                "@{name}: {} begin with that: give more of the id",
                counted(found.len(), "run")
            ))),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let mut tags: Vec<_> = self.runs.iter().flat_map(|run| &run.tags).collect();
        tags.sort();
        tags.dedup();
        let close = tags.iter().find(|tag| near::is_near(name, tag));
        let close = close.map(|tag| format!("; there is a tag {tag}")).unwrap_or_default();
        format!("@{name}: no run has that id or tag{close}; `lbench history` lists them")
    }

    /// Digits of ids that tell the runs apart.
    pub fn digits(&self) -> usize {
        let mut ids: Vec<_> = self.runs.iter().map(|run| run.summary.id.as_str()).collect();
        ids.sort_unstable();
        let shared = |pair: &[&str]| {
            pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count()
        };
        let most = ids.windows(2).map(shared).max().unwrap_or(0);
        SHOWN.max(most + 1)
    }
}

/// Folder of runs that came from elsewhere, in the user's: nobody's last run is among them.
pub const IMPORTED: &str = "imported";

impl PastRun {
    /// The beginning of its id.
    pub fn short_id(&self) -> String {
        self.summary.id.chars().take(SHOWN).collect()
    }
}

fn number(text: &str) -> Option<usize> {
    text.strip_prefix('~')?.parse().ok()
}

fn are(runs: usize) -> String {
    match runs {
        0 => "is no run yet".into(),
        1 => "is 1 run alone".into(),
        n => format!("are {n} runs"),
    }
}

/// Whether a tag can be told from everything else that names a run.
///
/// # Errors
/// Why not.
pub fn check_tag(tag: &str) -> Result<(), String> {
    let fits = |c: char| c.is_alphanumeric() || "._-+/".contains(c);
    if tag.is_empty() || tag.len() > 64 || !tag.chars().all(fits) || tag.starts_with('-') {
        return Err(format!(
            "'{}' cannot be a tag: letters, digits and . _ - + / can, 64 of them at most",
            crate::document::text::limited(tag, 64)
        ));
    }
    if tag.starts_with("last") && (tag == "last" || number(&tag[4..]).is_some()) {
        return Err(format!("'{tag}' cannot be a tag: it is a name of the last run"));
    }
    Ok(())
}
