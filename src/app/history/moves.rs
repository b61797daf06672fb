//! Runs that go: to another folder, from one, or altogether.

use std::collections::HashSet;
use std::path::Path;

use super::args::{ExportArgs, ImportArgs, PruneArgs};
use super::{filtered, opened, register, unkept};
use crate::app::out::{print, tell};
use crate::error::{Error, exit};
use crate::history::{self, Copied, History, IMPORTED, ListFormat, PastRun, Register};
use crate::journal;
use crate::units::{counted, unix_time};

/// Removes runs, or says which would go.
pub(super) fn prune(args: &PruneArgs) -> Result<u8, Error> {
    let past = opened()?;
    let mut going = Vec::new();
    if args.keep.is_some() || args.older_than.is_some() {
        let since = args.older_than.map(|time| unix_time().saturating_sub(time.as_secs()));
        let old = past.runs.iter().skip(args.keep.unwrap_or(0));
        let old = old.filter(|run| since.is_none_or(|since| run.summary.unix_time < since));
        let free = old.filter(|run| run.tags.is_empty());
        going = free.filter(|run| !journal::is_being_written(&run.path)).collect();
    }
    let gone = if args.gone { &past.gone[..] } else { &[] };
    if going.is_empty() && gone.is_empty() {
        tell("nothing to remove");
        return Ok(exit::OK);
    }
    if !args.yes {
        if !going.is_empty() {
            print(|out| history::write_list(&past, &going, ListFormat::Markdown, out))?;
        }
        for path in gone {
            tell(&format!("not there: {}", path.display()));
        }
        let runs = counted(going.len() + gone.len(), "run");
        tell(&format!("{runs} would go, and nothing is removed; --yes removes them"));
        return Ok(exit::OK);
    }
    let register = register()?;
    let mut failed = 0;
    for run in &going {
        // What was named by hand is a file of the user's own: it is forgotten and stays.
        let done =
            if run.named { register.forget(&run.path) } else { std::fs::remove_file(&run.path) };
        if let Err(error) = done {
            failed += 1;
            tell(&format!("{}: {error}; it stays", run.path.display()));
        }
    }
    for path in gone {
        register.forget(path).map_err(unkept)?;
    }
    let named = going.iter().filter(|run| run.named).count();
    let files = if named > 0 {
        format!("; {} named with --journal forgotten, its file stays", counted(named, "run"))
    } else {
        String::new()
    };
    tell(&format!("{} removed{files}", counted(going.len() + gone.len() - failed - named, "run")));
    Ok(if failed > 0 { exit::SOME_FAILED } else { exit::OK })
}

/// Copies runs to a folder.
pub(super) fn export(args: &ExportArgs) -> Result<u8, Error> {
    let past = opened()?;
    let runs = if args.runs.is_empty() {
        filtered(&past, &args.filter)
    } else {
        let named = args.runs.iter().map(|name| past.find(name));
        let named = named.collect::<Result<Vec<_>, _>>()?;
        named.into_iter().filter(|run| args.filter.leaves(run)).collect()
    };
    std::fs::create_dir_all(&args.folder)
        .map_err(|source| Error::Output { what: args.folder.display().to_string(), source })?;
    let there = History::of_others(&args.folder)?;
    let register = Register::of(&args.folder);
    let known = register.read();
    let code = move_all(&runs, &args.folder, &there);
    for run in runs {
        let old = known.tags.get(&run.summary.id);
        for tag in run.tags.iter().filter(|tag| old.is_none_or(|old| !old.contains(tag))) {
            register.tag(&run.summary.id, tag).map_err(unkept)?;
        }
    }
    Ok(code)
}

/// Takes over the runs of a folder.
pub(super) fn import(args: &ImportArgs) -> Result<u8, Error> {
    if !args.folder.is_dir() {
        let text = "there is no such folder";
        return Err(Error::Usage(format!("history import {}: {text}", args.folder.display())));
    }
    let from = History::of_others(&args.folder)?;
    from.notes.iter().for_each(|note| tell(note));
    if from.runs.is_empty() {
        let text = "there is no journal in it";
        return Err(Error::Usage(format!("history import {}: {text}", args.folder.display())));
    }
    let past = opened()?;
    let folder = journal::folder().map(|folder| folder.join(IMPORTED));
    let folder =
        folder.ok_or_else(|| Error::Usage("history: there is no folder of runs".into()))?;
    let runs: Vec<_> = from.runs.iter().collect();
    let code = move_all(&runs, &folder, &past);
    if args.tags {
        let register = register()?;
        for run in runs {
            for tag in &run.tags {
                register.tag(&run.summary.id, tag).map_err(unkept)?;
            }
        }
    }
    Ok(code)
}

/// Copies runs, and says what became of them.
fn move_all(runs: &[&PastRun], folder: &Path, there: &History) -> u8 {
    let (mut new, mut known, mut further, mut failed) = (0, 0, 0, 0);
    let mut machines = HashSet::new();
    for run in runs {
        match history::copy(run, folder, there) {
            Ok(Copied::New) => new += 1,
            Ok(Copied::Known) => known += 1,
            Ok(Copied::Further) => further += 1,
            Ok(Copied::Apart) => {
                failed += 1;
                let text = "went on both here and there since: both stay as they are";
                tell(&format!("{}: {text} ({})", run.short_id(), run.path.display()));
            }
            Err(error) => {
                failed += 1;
                tell(&format!("{}: {error}", run.path.display()));
            }
        }
        machines.insert(run.summary.machine_in_words());
    }
    let mut text = vec![format!("{} copied to {}", counted(new, "run"), folder.display())];
    for (count, what) in [(known, "there already"), (further, "brought up to date")] {
        if count > 0 {
            text.push(format!("{count} {what}"));
        }
    }
    let mut machines: Vec<_> = machines.into_iter().collect();
    machines.sort();
    if !machines.is_empty() {
        text.push(format!("measured on {}", machines.join(", ")));
    }
    tell(&text.join(", "));
    if failed > 0 { exit::SOME_FAILED } else { exit::OK }
}
