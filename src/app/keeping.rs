//! The journal of a run, and what an earlier one has of it.

use std::path::{Path, PathBuf};

use super::{earlier, out::tell};
use crate::cli::BenchArgs;
use crate::cli::defaults::{Asked, RunRequest, settings_of};
use crate::cli::flags::{self, Concern};
use crate::cli::settings::{Flags, Setting};
use crate::error::Error;
use crate::history::Register;
use crate::journal::RunFacts;
use crate::journal::{self, Demand, Ending, GivenSweep, Journal, Kept, RunHeader, SCHEMA, Writer};
use crate::machine::Host;
use crate::plan::Plan;
use crate::record::{Record, Warning};
use crate::report::{Recipe, StoredPage};
use crate::runner::End;
use crate::units::{counted, unix_time};
use crate::wire::Settings;

/// What a resumed run goes by: what was asked for now, where any of it says what to measure, else what the run
/// that it resumes went by. What is shown and compared, and where, is always what was asked for now.
pub(super) fn resumed(
    request: RunRequest,
    flags: &Flags,
) -> Result<(RunRequest, Option<Journal>), Error> {
    let args = &request.sweeps[0].args;
    let Some(file) = &args.resume else { return Ok((request, None)) };
    let path = match file.as_ref().or(args.journal.as_ref()) {
        Some(path) => earlier::journal_path(path)?,
        None => last_journal().ok_or_else(|| {
            Error::Usage("--resume: there is no earlier run to go on with: name its journal".into())
        })?,
    };
    if StoredPage::open(&path).is_some() {
        let text = "it is a page, which has the rows of a run and not its journal: name that, or none for the last run";
        return Err(Error::Usage(format!("--resume {}: {text}", path.display())));
    }
    let found = journal::read(&path)?;
    found.notes.iter().for_each(|note| tell(note));
    let old = found.header();
    if old.is_of_sides() {
        let text = "is a run of `lbench ab`, which begins anew each time; `lbench report` shows it";
        return Err(Error::Usage(format!("--resume {}: it {text}", path.display())));
    }
    if request.says_what {
        return Ok((request, Some(found)));
    }
    let whole = [GivenSweep { title: None, args: old.args.clone() }];
    let sweeps = if old.sweeps.is_empty() { &whole[..] } else { &old.sweeps };
    let refuse = |error: Error| match error {
        Error::Usage(text) => Error::Usage(format!("--resume {}: {text}", path.display())),
        other => other,
    };
    let again = request.resuming(flags, sweeps).map_err(refuse)?;
    tell_uncompared(&path, &again, sweeps)?;
    let typed = old.args.clone();
    Ok((RunRequest { typed, ..again }, Some(found)))
}

/// A word about verdicts that the run had, and that it goes on without.
fn tell_uncompared(path: &Path, again: &RunRequest, earlier: &[GivenSweep]) -> Result<(), Error> {
    let had = match earlier {
        [GivenSweep { args, .. }, ..] if again.sweeps[0].args.baseline.is_none() => {
            settings_of(args)?
        }
        _ => return Ok(()),
    };
    let had = had.iter().filter(|setting| flags::concern(&setting.flag) == Concern::Comparing);
    let had: Vec<_> =
        had.flat_map(Setting::arguments).map(|arg| arg.display().to_string()).collect();
    if !had.is_empty() {
        let (path, had) = (path.display(), had.join(" "));
        tell(&format!(
            "{path}: that run was compared, and this one is not: add {had} for verdicts"
        ));
    }
    Ok(())
}

/// The journal of the last run; files that hold none are told of.
pub(super) fn last_journal() -> Option<PathBuf> {
    let (last, notes) = journal::last();
    for note in &notes {
        tell(&format!("passed over {note}"));
    }
    last
}

/// What an earlier journal has of a plan; with a word about what has changed since.
pub(super) fn kept(earlier: Option<&Journal>, plan: &Plan, wanted: &Demand<'_>) -> Kept {
    let Some(earlier) = earlier else { return Kept::default() };
    for text in differences(earlier.header(), plan, wanted.facts) {
        tell(&format!("{}: {text}", earlier.path.display()));
    }
    let kept = Kept::to_resume(earlier, plan, wanted);
    let (done, all) = (kept.len(), plan.visited().count());
    let are = if all == 1 { "is" } else { "are" };
    let all = counted(all, "measurement");
    tell(&format!("{}: {done} of {all} {are} there already", earlier.path.display()));
    kept
}

/// What is another thing than it was.
fn differences(header: &RunHeader, plan: &Plan, facts: &RunFacts) -> Vec<String> {
    let changed = header.facts.differences(facts).into_iter();
    let mut texts: Vec<_> =
        changed.map(|text| format!("{text} now: rows of both do not compare")).collect();
    for planned in &plan.jobs {
        let Some(model) = planned.job.setup.model() else { continue };
        let mut same = header.plan.jobs.iter().filter_map(|planned| planned.job.setup.model());
        let old = same.find(|old| old.path == model.path);
        let new_file = |old: &&crate::setup::Model| {
            (&old.header_hash, old.file_size) != (&model.header_hash, model.file_size)
        };
        let text = format!(
            "{} is not the file that it was: its rows are measured again",
            model.path.display()
        );
        if old.as_ref().is_some_and(new_file) && !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The journal of a run that begins now; `None` where it is not wanted, or cannot be had.
pub(super) fn open(
    request: &RunRequest,
    (earlier, kept): (Option<&Journal>, &Kept),
    (plan, facts, settings): (&Plan, &RunFacts, Settings),
) -> Result<Option<Writer>, Error> {
    let header = header(request.typed.clone(), &request.sweeps, (plan, facts, settings));
    begin(&request.sweeps[0].args, earlier, &header, Some(kept))
}

/// What was typed for a run that begins now.
pub(super) fn recipe(request: &RunRequest) -> Recipe {
    let sweeps = request.sweeps.iter().map(|asked| (asked.title.clone(), asked.given.clone()));
    Recipe { unix_time: unix_time(), args: request.typed.clone(), sweeps: sweeps.collect() }
}

/// The header of a run that begins now.
pub(super) fn header<'a>(
    typed: impl IntoIterator<Item = String>,
    sweeps: impl IntoIterator<Item = &'a Asked>,
    (plan, facts, settings): (&Plan, &RunFacts, Settings),
) -> RunHeader {
    let given =
        |asked: &Asked| GivenSweep { title: asked.title.clone(), args: asked.given.clone() };
    RunHeader {
        schema: SCHEMA,
        run: Some(format!("{:016x}", rand::random::<u64>())),
        machine: Host::name(),
        unix_time: unix_time(),
        args: typed.into_iter().collect(),
        sweeps: sweeps.into_iter().map(given).collect(),
        plan: plan.clone(),
        rows: None,
        settings,
        facts: facts.clone(),
    }
}

/// A journal that begins with a header; `None` where it is not wanted, or cannot be had.
pub(super) fn begin(
    args: &BenchArgs,
    earlier: Option<&Journal>,
    header: &RunHeader,
    kept: Option<&Kept>,
) -> Result<Option<Writer>, Error> {
    let Some(path) = path(args, earlier, header.unix_time) else { return Ok(None) };
    // What another file has of the plan is wanted in this one too.
    let elsewhere = earlier.is_some_and(|earlier| !is_same(&earlier.path, &path));
    match Writer::open(&path, kept.filter(|_| elsewhere), header)? {
        Ok(writer) => {
            // A script's runs are nobody's results.
            if args.engine.is_kept()
                && let Some(trouble) = Register::of_user().and_then(|known| known.name(&path))
            {
                tell(&trouble);
            }
            Ok(Some(writer))
        }
        Err(warning) => {
            tell(&warning.text);
            Ok(None)
        }
    }
}

/// Whether two paths are one file.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    real(a) == real(b)
}

/// Where the journal goes: to the file that was named, to the one that is resumed, to the user's folder.
/// A script's runs are nobody's results.
fn path(args: &BenchArgs, earlier: Option<&Journal>, unix_time: u64) -> Option<PathBuf> {
    if args.no_journal {
        return None;
    }
    let resumed = earlier.map(|journal| journal.path.clone());
    if let Some(path) = args.journal.clone().or(resumed) {
        return Some(path);
    }
    let own = journal::new_path(unix_time).filter(|_| args.engine.is_kept());
    if own.is_none() && args.engine.is_kept() {
        tell(
            "no journal: neither XDG_STATE_HOME nor HOME names a folder, so this run cannot be shown or resumed \
             later; --journal FILE keeps it, --no-journal says that it need not be",
        );
    }
    own
}

/// Writes down what happened. Trouble is to be told, once.
pub(super) fn keep(journal: &mut Option<Writer>, record: &Record) -> Option<Warning> {
    journal.as_mut()?.record(record)
}

/// Says where all of it is that was measured before the run broke off.
pub(super) fn leave(journal: Option<Writer>) {
    if let Some(journal) = journal.filter(Writer::is_whole) {
        let path = journal.path().display();
        tell(&format!("journal: {path}; go on with: lbench --resume {path}"));
    }
}

/// Writes down how a sweep ended, and says where all of it is.
pub(super) fn close(journal: Option<Writer>, end: End) {
    finish(journal, end, true);
}

/// The same of any run: one that can be gone on with, or not.
pub(super) fn finish(journal: Option<Writer>, end: End, goes_on: bool) {
    let Some(mut journal) = journal else { return };
    let ending = match end {
        End::Finished => Ending::Finished,
        End::Interrupted => Ending::Interrupted,
        End::OutOfTime => Ending::OutOfTime,
    };
    if let Some(warning) = journal.end(ending) {
        tell(&warning.text);
    }
    if !journal.is_whole() {
        return;
    }
    let path = journal.path().display();
    match end {
        End::Finished => tell(&format!("journal: {path}")),
        _ if !goes_on => tell(&format!("journal: {path}")),
        End::Interrupted | End::OutOfTime => {
            tell(&format!("journal: {path}; go on with: lbench --resume {path}"));
        }
    }
}
