//! The journal of a run, and what an earlier one has of it.

use std::ffi::OsString;
use std::path::PathBuf;

use super::out::tell;
use crate::cli::BenchArgs;
use crate::cli::defaults::{Asked, Request};
use crate::error::Error;
use crate::journal::RunFacts;
use crate::journal::{self, Ending, Given, Header, Journal, Kept, SCHEMA, Writer};
use crate::machine::Host;
use crate::plan::Plan;
use crate::record::Record;
use crate::runner::End;
use crate::units::unix_time;
use crate::wire::Settings;

/// What a resumed run goes by: what was asked for now, where any of it says what to measure, else what the run
/// that it resumes went by. What is shown, and where, is always what was asked for now.
pub(super) fn resumed(mut request: Request) -> Result<(Request, Option<Journal>), Error> {
    let args = &request.sweeps[0].args;
    let Some(file) = &args.resume else { return Ok((request, None)) };
    let path = match file.as_ref().or(args.journal.as_ref()) {
        Some(path) => path.clone(),
        None => journal::last_path().ok_or_else(|| {
            Error::Usage("--resume: there is no earlier run to go on with: name its journal".into())
        })?,
    };
    let found = journal::read(&path)?;
    found.notes.iter().for_each(|note| tell(note));
    if request.says_what {
        return Ok((request, Some(found)));
    }
    let old = &found.header;
    let whole = [Given { title: None, args: old.args.clone() }];
    let sweeps = if old.sweeps.is_empty() { &whole[..] } else { &old.sweeps };
    let again = sweeps.iter().map(|Given { title, args: given }| {
        let line = std::iter::once("lbench").chain(given.iter().map(String::as_str));
        let mut again = BenchArgs::parse(line.map(OsString::from))?;
        again.show_as(args);
        Ok(Asked { title: title.clone(), args: again, given: given.clone() })
    });
    request.sweeps = again.collect::<Result<_, Error>>()?;
    request.typed.clone_from(&old.args);
    Ok((request, Some(found)))
}

/// What an earlier journal has of a plan; with a word about what has changed since.
pub(super) fn kept(earlier: Option<&Journal>, plan: &Plan, host: &Host) -> Kept {
    let Some(earlier) = earlier else { return Kept::default() };
    for text in differences(&earlier.header, plan, host) {
        tell(&format!("{}: {text}", earlier.path.display()));
    }
    let kept = Kept::of(earlier, plan, true);
    let (done, all) = (kept.len(), plan.measured().count());
    tell(&format!("{}: {done} of {all} measurements are there already", earlier.path.display()));
    kept
}

/// What is another thing than it was.
fn differences(header: &Header, plan: &Plan, host: &Host) -> Vec<String> {
    let then = &header.facts.host;
    let mut texts = Vec::new();
    let mut changed = |what: &str, was: String, is: String| {
        if was != is {
            texts.push(format!("{what} was {was} and is {is} now: rows of both do not compare"));
        }
    };
    let devices = |host: &Host| {
        let names = host.engine.devices.iter().map(|device| device.description.clone());
        names.collect::<Vec<_>>().join(", ")
    };
    changed("the hardware", devices(then), devices(host));
    changed("the engine", then.engine.engine.clone(), host.engine.engine.clone());
    changed("its build", then.engine.build_commit.clone(), host.engine.build_commit.clone());
    let kernels = |host: &Host| host.engine.cpu_features.join(" ");
    changed("the set of CPU kernels", kernels(then), kernels(host));
    let governor = |host: &Host| host.governor.clone().unwrap_or_default();
    changed("the governor", governor(then), governor(host));
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
    request: &Request,
    earlier: Option<&Journal>,
    (plan, facts, settings): (&Plan, &RunFacts, Settings),
) -> Result<Option<Writer>, Error> {
    let unix_time = unix_time();
    let Some(path) = path(&request.sweeps[0].args, earlier, unix_time) else { return Ok(None) };
    let given = |asked: &Asked| Given { title: asked.title.clone(), args: asked.given.clone() };
    let header = Header {
        schema: SCHEMA,
        unix_time,
        args: request.typed.clone(),
        sweeps: request.sweeps.iter().map(given).collect(),
        plan: plan.clone(),
        settings,
        facts: facts.clone(),
    };
    match Writer::open(&path, &header)? {
        Ok(writer) => Ok(Some(writer)),
        Err(warning) => {
            tell(&warning.text);
            Ok(None)
        }
    }
}

/// Where the journal goes: to the file that was named, to the one that is resumed, to the user's folder.
/// Runs of the scripted engine are nobody's results.
fn path(args: &BenchArgs, earlier: Option<&Journal>, unix_time: u64) -> Option<PathBuf> {
    if args.no_journal {
        return None;
    }
    let resumed = earlier.map(|journal| journal.path.clone());
    let own = || journal::new_path(unix_time).filter(|_| args.scripted.is_none());
    args.journal.clone().or(resumed).or_else(own)
}

/// Writes down what happened. Trouble is told once.
pub(super) fn keep(journal: &mut Option<Writer>, record: &Record) {
    if let Some(warning) = journal.as_mut().and_then(|journal| journal.record(record)) {
        tell(&warning.text);
    }
}

/// Writes down how the run ended, and says where all of it is.
pub(super) fn close(journal: Option<Writer>, end: End) {
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
        End::Interrupted | End::OutOfTime => {
            tell(&format!("journal: {path}; go on with: lbench --resume {path}"));
        }
    }
}
