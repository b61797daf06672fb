//! `lbench history`: the runs that are there.

mod args;
mod moves;

use std::path::PathBuf;

pub(super) use args::BRIEF;
pub use args::HistoryArgs;
use args::{Deed, FilterArgs, ListArgs, SeriesArgs, TagArgs};

use super::out::{draw, print, tell};
use super::report;
use crate::error::{Error, exit};
use crate::history::{self, History, PastRun, Register, check_tag};
use crate::units::counted;

/// Does what is asked for; a list where nothing is.
pub(super) fn main(args: &HistoryArgs) -> Result<u8, Error> {
    match &args.deed {
        None => list(&args.filter, &args.list),
        Some(Deed::Show(args)) => {
            let mut past = opened()?;
            past.notes.clear();
            let names = if args.runs.is_empty() { vec!["last".into()] } else { args.runs.clone() };
            let paths = names.iter().map(|name| past.find(name).map(|run| run.path.clone()));
            report::show(&paths.collect::<Result<Vec<PathBuf>, _>>()?, &args.how)
        }
        Some(Deed::Series(args)) => series(args),
        Some(Deed::Tag(args)) => tag(args),
        Some(Deed::Untag(args)) => untag(args),
        Some(Deed::Prune(args)) => moves::prune(args),
        Some(Deed::Export(args)) => moves::export(args),
        Some(Deed::Import(args)) => moves::import(args),
    }
}

/// All runs, with a word about what is odd.
fn opened() -> Result<History, Error> {
    let past = History::open()?;
    past.notes.iter().for_each(|note| tell(note));
    if let Some(first) = past.gone.first() {
        tell(&format!(
            "{} named with --journal {} not there, like {}; `lbench history prune --gone` forgets them",
            counted(past.gone.len(), "journal"),
            if past.gone.len() == 1 { "is" } else { "are" },
            first.display()
        ));
    }
    Ok(past)
}

/// The runs that a filter leaves.
fn filtered<'a>(past: &'a History, filter: &FilterArgs) -> Vec<&'a PastRun> {
    past.runs.iter().filter(|run| filter.leaves(run)).collect()
}

fn list(filter: &FilterArgs, how: &ListArgs) -> Result<u8, Error> {
    let past = opened()?;
    let all = filtered(&past, filter);
    let most = how.limit.unwrap_or(if how.output_is_table() { 20 } else { usize::MAX });
    let shown = &all[..all.len().min(most)];
    if past.runs.is_empty() {
        tell("there is no run yet: each run from now on is kept");
    } else if shown.is_empty() && !all.is_empty() {
        tell("--limit 0 shows none");
    } else if shown.is_empty() {
        tell(&format!("none of {} is like that", counted(past.runs.len(), "run")));
    }
    if !shown.is_empty() || !how.output_is_table() {
        print(|out| history::write_list(&past, shown, how.output, out))?;
    }
    if how.limit.is_none() && shown.len() < all.len() {
        let (shown, all) = (shown.len(), all.len());
        tell(&format!("these are the newest {shown} of {all}; --limit {all} shows all"));
    }
    Ok(exit::OK)
}

fn series(args: &SeriesArgs) -> Result<u8, Error> {
    let past = opened()?;
    let runs = filtered(&past, &args.filter);
    let test = args.filter.test.as_deref();
    let (series, lone) = history::series(&runs, test, args.limits())?;
    if series.is_empty() {
        let one = if lone > 0 {
            format!("{} seen once: a series takes two runs", counted(lone, "setting"))
        } else {
            "no row is like that".into()
        };
        tell(&format!("no series in {}: {one}", counted(runs.len(), "run")));
    } else if lone > 0 {
        tell(&format!("{} more seen in one run alone", counted(lone, "setting")));
    }
    if !series.is_empty() || !args.is_table() {
        print(|out| history::write_series(&series, args.output, out))?;
    }
    if args.plot && !series.is_empty() {
        let charts: Vec<_> = series.iter().map(history::Series::chart).collect();
        draw(&charts, args.is_table())?;
    }
    Ok(exit::OK)
}

/// What is wrong where the register takes no more.
fn unkept(source: std::io::Error) -> Error {
    Error::Output { what: "the register of tags".into(), source }
}

fn register() -> Result<Register, Error> {
    Register::of_user().ok_or_else(|| Error::Usage("history: there is no folder of runs".into()))
}

fn tag(args: &TagArgs) -> Result<u8, Error> {
    check_tag(&args.tag).map_err(|text| Error::Usage(format!("history tag: {text}")))?;
    let past = opened()?;
    let starts = |run: &&PastRun| {
        args.tag.len() >= 4 && run.summary.id.starts_with(&args.tag.to_ascii_lowercase())
    };
    if let Some(run) = past.runs.iter().find(starts) {
        let text = "is the beginning of the id of a run";
        return Err(Error::Usage(format!(
            "history tag: '{}' {text}: {}",
            args.tag, run.summary.id
        )));
    }
    let run = past.find(&args.run)?;
    register()?.tag(&run.summary.id, &args.tag).map_err(unkept)?;
    let newer = past.runs.iter().find(|run| run.tags.contains(&args.tag));
    let newest = newer.filter(|newer| newer.summary.unix_time > run.summary.unix_time);
    let text = format!("{} is tagged {}", run.short_id(), args.tag);
    tell(&match newest {
        Some(newer) => format!("{text}; @{} stays {}, which is newer", args.tag, newer.short_id()),
        None => text,
    });
    Ok(exit::OK)
}

fn untag(args: &TagArgs) -> Result<u8, Error> {
    let past = opened()?;
    let run = past.find(&args.run)?;
    if !run.tags.contains(&args.tag) {
        let tags = if run.tags.is_empty() { "none".into() } else { run.tags.join(", ") };
        let id = run.short_id();
        return Err(Error::Usage(format!(
            "history untag: {id} has no tag '{}'; it has {tags}",
            args.tag
        )));
    }
    register()?.untag(&run.summary.id, &args.tag).map_err(unkept)?;
    tell(&format!("{} is not tagged {} any more", run.short_id(), args.tag));
    Ok(exit::OK)
}
