//! Everything that happened in a run, on disk while it happens: one JSON value a line.
//!
//! A journal begins with a [`RunHeader`], which holds what it takes to repeat the run and to show its results, and the
//! rows of its plan in pieces; then come the run's [`Record`]s. A resumed run appends another header and goes on. A run
//! of two sides of which not the same is true begins with a header for each, and says before each visit which of them
//! counts. Whatever cuts a journal off, what stands before the cut is worth what it was.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | the format, and where journals are |
//! | `pieces.rs` | a header and its plan, in lines of bounded length |
//! | `write.rs` | appending, as the run goes on |
//! | `read.rs` | reading what is there, torn or not |
//! | `replay.rs` | which measurements of a journal stand |

mod facts;
mod pieces;
mod read;
mod replay;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use facts::{Bound, Links, RunFacts};
pub use pieces::{Rows, Tokens};
pub use read::{Journal, Stretch, parse, read};
pub use replay::{Attempt, Demand, Kept};
pub use write::{Writer, is_being_written, refuse_foreign};

use crate::dirs;
use crate::plan::Plan;
use crate::record::Record;
use crate::wire::Settings;

/// Version of the format. A journal with a greater one was written by a later lbench.
///
/// 1: a job that began again was measured anew. 2: it was visited again, and all visits count. 3: the rows of the
/// plan, and the tokens of its prompts, are lines of their own.
pub const SCHEMA: u32 = 3;

/// What [`RunHeader::args`] begins with where a run had two sides; those of a sweep are flags.
pub const SIDES: &str = "ab";

/// What a run was about: enough to repeat it, and to show its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`SCHEMA`] of what follows.
    pub schema: u32,
    /// Name of the run, 16 hexadecimal digits that no other run has; `None` in journals of before there were any,
    /// and where what an earlier run has measured is written down again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Network name of the machine that measured; `None` where nobody wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// When the run began, in seconds since 1970.
    pub unix_time: u64,
    /// The command line, without the program.
    pub args: Vec<String>,
    /// The sweeps of the run, with all that counted for each: what was typed, and what came from a preset,
    /// the environment and the configuration file. Whoever repeats the run goes by these alone.
    #[serde(default)]
    pub sweeps: Vec<GivenSweep>,
    /// What was to be measured, in order.
    pub plan: Plan,
    /// On the disk: how many rows of the plan follow in lines of their own; `None` where they are in it, as those
    /// of the first two schemas are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<usize>,
    /// How.
    pub settings: Settings,
    /// The machine, the build, and what else is true of the whole run.
    pub facts: RunFacts,
}

impl RunHeader {
    /// Whether both are of one run, which was not resumed between them.
    pub fn is_of_run(&self, other: &Self) -> bool {
        (self.unix_time, &self.args) == (other.unix_time, &other.args)
    }

    /// Whether the run had two sides that were visited in turn.
    pub fn is_of_sides(&self) -> bool {
        self.args.first().is_some_and(|first| first == SIDES)
    }
}

/// What was given for one sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenSweep {
    /// What stands above its table, where there are several.
    pub title: Option<String>,
    /// Arguments, without the program.
    pub args: Vec<String>,
}

/// A line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// A run begins, or goes on.
    Header(Box<RunHeader>),
    /// What follows is true under an earlier header: so many headers before the last one.
    Under(usize),
    /// Tokens of a prompt of the plan that begins.
    Tokens(pieces::Tokens),
    /// Rows of the plan that begins.
    Rows(pieces::Rows),
    /// Something happened.
    Record(Box<Record>),
    /// The run came to its end.
    End(Ending),
}

/// How a run ended. A journal without an ending was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Every job has its outcome.
    Finished,
    /// The user ended it.
    Interrupted,
    /// The time for the whole run was over.
    OutOfTime,
}

/// The user's folder of journals: `lbench` in `$XDG_STATE_HOME` or `~/.local/state`.
pub fn folder() -> Option<PathBuf> {
    Some(dirs::user_folder("XDG_STATE_HOME", ".local/state")?.join("lbench"))
}

/// The file for a run that begins now, in the user's folder. Names sort by time.
pub fn new_path(unix_time: u64) -> Option<PathBuf> {
    let time = crate::units::rfc3339(unix_time).replace(':', "");
    Some(folder()?.join(format!("{time}-{}.jsonl", std::process::id())))
}

/// The last run's journal in the user's folder, by the times that stand in the journals, and a note for each
/// file written since that holds no run.
pub fn last() -> (Option<PathBuf>, Vec<String>) {
    let files = folder().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let files = files.flatten().map(|entry| entry.path());
    let journals = files.filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    let mut found: Vec<_> = journals.map(|path| (read::last_time(&path), path)).collect();
    found.sort();
    let Some((Some(_), last)) = found.last().cloned() else { return (None, Vec::new()) };
    let written = |path: &PathBuf| std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let empty =
        found.iter().filter(|(time, path)| time.is_none() && written(path) > written(&last));
    let notes = empty.map(|(_, path)| format!("{}: there is no run in it", path.display()));
    let notes = notes.collect();
    (Some(last), notes)
}
