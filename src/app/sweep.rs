//! A sweep, step by step: arguments to plan, plan to runner, records to journal and report.

use std::io;
use std::time::Duration;

use super::beside::Beside;
use super::out::{output_error, print, tell};
use super::rooflines::rooflines;
use super::{devices, keeping, prepare};
use crate::cli::BenchArgs;
use crate::cli::defaults::{self, Request, Sources};
use crate::compare::Run;
use crate::error::{Error, exit};
use crate::journal::RunFacts;
use crate::journal::{Kept, Writer};
use crate::machine::Host;
use crate::machine::cache::{self, Cache};
use crate::plan::{self, Plan};
use crate::progress::Progress;
use crate::record::Record;
use crate::report::{Extra, Report, Stream};
use crate::roofline;
use crate::runner::{self, End, Runner, Spawn};
use crate::wire::Settings;

/// Does the sweeps that the flags describe, with what comes from the environment, a preset and the file.
pub(super) fn main(typed: &BenchArgs) -> Result<u8, Error> {
    let sources = Sources::read(typed)?;
    sources.notes.iter().for_each(|note| tell(note));
    if typed.preset.as_deref() == Some("list") {
        let presets = sources.presets()?;
        print(|out| defaults::show_presets(&presets, false, out))?;
        return Ok(exit::OK);
    }
    let (request, earlier) = keeping::resumed(Request::new(typed, &sources)?)?;
    let args = &request.sweeps[0].args;
    let file = match &args.baseline {
        Some(path) => Some(Run::read(path)?),
        None => args.how.need_baseline().map(|()| None)?,
    };
    let Some(columns) = Extra::parse_all(&args.columns)? else {
        print(|out| crate::report::list_columns(out))?;
        return Ok(exit::OK);
    };
    request.sweeps.iter().try_for_each(|asked| asked.args.works.works().map(drop))?;
    let models = if args.list_devices { Vec::new() } else { prepare::find_models(args)? };

    let settings = settings(args);
    let interleave = args.interleave.map(|seed| seed.unwrap_or_else(some_seed));
    let mut runner = Runner::new(runner_options(args, settings, interleave))?;
    let mut host = Host::take(runner.describe()?);
    if args.list_devices {
        print(|out| devices::list(&host.engine, out))?;
        return Ok(exit::OK);
    }
    args.deprecated.notes().iter().for_each(|note| tell(note));
    let plan = prepare::plan_of(&request.sweeps, &models, &host, &mut runner)?;
    prepare::refuse_unforeseeable(args, &plan)?;
    runner.cold_starts(plan.cold_starts());
    if args.dry_run {
        let memory = prepare::predictions(&mut runner, &plan)?;
        print(|out| plan::print(&plan, &memory, out))?;
        return Ok(exit::OK);
    }
    prepare::warn(args, &host);
    if args.scripted.is_none() {
        host.floors = Cache::of_user("noise").get(&cache::key(&host));
    }
    let version = crate::machine::build::NUMBER.to_string();
    let cold = request.sweeps.iter().map(|asked| asked.args.cold).max().unwrap_or(0);
    let stop = settings.stop;
    let (roofs, links) = (Vec::new(), Vec::new());
    let process = args.process.process();
    let mut facts = RunFacts { version, host, stop, cold, interleave, roofs, links, process };
    let beside = match &file {
        Some(file) => Some(Beside::new(file, &args.how, &plan, &facts)?),
        None => None,
    };
    if args.needs_roof(&columns) {
        let wanted = roofline::wanted(&plan, &facts.host);
        facts.roofs = rooflines(&mut runner, &wanted, &facts.host, false)?;
    }
    facts.links = prepare::links_of(&mut runner, &plan)?;
    if !args.no_telemetry {
        prepare::watch_devices(&mut runner, &facts.host);
    }
    let kept = keeping::kept(earlier.as_ref(), &plan, &facts.host);
    let journal = keeping::open(&request, earlier.as_ref(), (&plan, &facts, settings))?;
    drop(earlier);
    let mut report = Report::new(plan.clone(), facts).with_columns(columns);
    if let Some(beside) = &beside {
        report = beside.enter(report);
    }
    let run = Measuring { args, settings, plan: &plan, beside: beside.as_ref() };
    run.measure(&mut runner, report, kept, journal)
}

/// A seed that is another one in each run.
fn some_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::from(since.subsec_nanos()))
}

pub(super) fn settings(args: &BenchArgs) -> Settings {
    Settings {
        stop: args.rule(),
        warmup: !args.no_warmup,
        delay: Duration::from_secs(args.delay).into(),
    }
}

pub(super) fn runner_options(
    args: &BenchArgs,
    settings: Settings,
    interleave: Option<u64>,
) -> runner::Options {
    let mut worker_args = Vec::new();
    if args.verbose {
        worker_args.push("--verbose".to_string());
    }
    worker_args.extend(args.process.words());
    if let Some(folder) = &args.backend_dir {
        worker_args.push(format!("--backend-dir={}", folder.display()));
    }
    if let Some(script) = &args.scripted {
        // Parsed from JSON a moment ago, so it can be written as JSON.
        worker_args
            .push(format!("--scripted={}", serde_json::to_string(script).unwrap_or_default()));
    }
    runner::Options {
        spawn: Spawn { args: worker_args, verbose: args.verbose },
        settings,
        timeout: args.timeout.map(Duration::from_secs),
        cold: args.cold,
        // Two samples of the first row say nothing about its drift.
        anchor: !args.no_anchor && args.repetitions.is_none_or(|n| n > 2),
        interleave,
        // The scripted engine disturbs nobody, and nobody it.
        neighbours: args.scripted.is_none(),
        try_all: args.try_all,
        max_vram: args.max_vram,
        least_memory: args.min_free,
        total_time: args.max_total_time.map(Duration::from_secs),
    }
}

/// A plan about to be carried out.
struct Measuring<'a> {
    args: &'a BenchArgs,
    settings: Settings,
    plan: &'a Plan,
    beside: Option<&'a Beside<'a>>,
}

impl Measuring<'_> {
    /// Carries it out, but for what is kept of an earlier run, showing rows as they finish.
    fn measure(
        &self,
        runner: &mut Runner,
        mut report: Report,
        kept: Kept,
        mut journal: Option<Writer>,
    ) -> Result<u8, Error> {
        for job in self.plan.measured() {
            let of_job = kept.attempts.get(&job.id).into_iter().flatten();
            of_job.filter_map(|attempt| attempt.outcome.as_ref()).for_each(|outcome| {
                runner.remember(job, outcome);
            });
        }
        let done = kept.attempts.iter().map(|(id, of_job)| (id, of_job.len())).collect();
        let groups = self.plan.groups_but(done);
        let mut progress = Progress::new(&groups, self.settings, self.args.progress);
        kept.replay(self.plan, |record| report.fold(record));

        let mut stdout = Stream::new(self.args.output);
        let mut stderr = self.args.output_err.map(Stream::new);
        let mut advance = |report: &mut Report, progress: &Progress, last: bool| {
            let step = if last { Stream::finish } else { Stream::advance };
            progress.suspend(|| -> io::Result<()> {
                let shown = step(&mut stdout, report, &mut io::stdout().lock())?;
                if let Some(copy) = &mut stderr {
                    step(copy, report, &mut io::stderr().lock())?;
                }
                report.forget_details(shown);
                Ok(())
            })
        };
        advance(&mut report, &progress, false).map_err(output_error)?;
        let end = runner.run(&groups, &mut |record| {
            keeping::keep(&mut journal, record);
            report.fold(record);
            progress.fold(record);
            match record {
                Record::Settled { .. } => advance(&mut report, &progress, false),
                Record::Warned { warning, .. } => {
                    progress.suspend(|| tell(&warning.text));
                    Ok(())
                }
                _ => Ok(()),
            }
        });
        progress.finish();
        // Whatever ended the run: what was measured is shown, and an array that was opened is closed.
        let shown = advance(&mut report, &progress, true).map_err(output_error);
        if let Ok(end) = end {
            keeping::close(journal, end);
        }
        let end = end?;
        shown?;
        let worse = self.beside.map_or(Ok(false), |beside| beside.fails(&report))?;
        Ok(match end {
            End::Interrupted => exit::INTERRUPTED,
            End::OutOfTime => exit::SOME_FAILED,
            End::Finished if report.tally().failed > 0 || worse => exit::SOME_FAILED,
            End::Finished => exit::OK,
        })
    }
}
