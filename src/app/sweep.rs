//! A sweep, step by step: arguments to plan, plan to runner, records to journal and report.

use std::ops::Range;

use super::beside::Beside;
use super::out::{draw, output_error, print, tell};
use super::page_file::PageFile;
use super::rooflines::rooflines;
use super::showing::Showing;
use super::{devices, earlier, keeping, making, prepare, shares};
use crate::cli::BenchArgs;
use crate::cli::defaults::{self, RunRequest, Sources};
use crate::error::{Error, exit};
use crate::journal::{self, RunFacts};
use crate::journal::{Demand, Kept, Writer};
use crate::ledger::{Ledger, Priors, Runs};
use crate::machine::Host;
use crate::machine::cache;
use crate::plan::{self, Plan};
use crate::progress::{Bounds, Progress, Wish};
use crate::record::Record;
use crate::report::{Extra, Format, Report};
use crate::roofline;
use crate::runner::{self, Budget, End, Orders, Runner, Spawn};
use crate::wire::Settings;

/// Does the sweeps that the flags describe, with what comes from the environment, a preset and the file.
pub(super) fn main(typed: &BenchArgs) -> Result<u8, Error> {
    let sources = Sources::read(typed)?;
    sources.notes.iter().for_each(|note| tell(note));
    if typed.preset.as_deref() == Some("list") {
        return list_presets(&sources);
    }
    let request = RunRequest::new(typed, &sources)?;
    let (request, earlier) = keeping::resumed(request, sources.flags())?;
    let args = &request.sweeps[0].args;
    args.refuse_lonely()?;
    // Before anything is measured for it.
    args.journal.as_deref().map_or(Ok(()), journal::refuse_foreign)?;
    let file = args.baseline.as_deref();
    let resumed = earlier.as_ref().map(|journal| journal.path.as_path());
    let file = file.map(|file| earlier::side(file, resumed)).transpose()?;
    let Some(columns) = Extra::parse_all(&args.columns)? else {
        print(|out| crate::report::list_columns(out))?;
        return Ok(exit::OK);
    };
    request.sweeps.iter().try_for_each(|asked| asked.args.works.works().map(drop))?;
    let models = if args.list_devices { Vec::new() } else { prepare::find_models(args)? };

    let settings = settings(args);
    let seed = seed(args);
    let sampler = prepare::sampler(args);
    let mut runner = Runner::new(runner_options(args, seed))?;
    let mut host = prepare::host(&mut runner, &args.engine)?;
    if args.list_devices {
        print(|out| devices::list(&host, out))?;
        return Ok(exit::OK);
    }
    args.deprecated.notes().iter().for_each(|note| tell(note));
    shares::tell_of(&request.sweeps, &host);
    let mut models = models;
    let _made = making::make(args, &mut models, &host, &mut runner)?;
    let plan = prepare::plan_of(&request.sweeps, &models, &host, &mut runner)?;
    prepare::refuse_unforeseeable(args, &plan)?;
    runner.cold_starts(plan.cold_starts());
    if args.dry_run {
        let memory = prepare::predictions(&mut runner, &plan, &args.engine)?;
        print(|out| plan::print(&plan, &memory, out))?;
        return Ok(exit::OK);
    }
    for text in prepare::warnings(args.process.process(), &host, &plan) {
        tell(&text);
    }
    host.floors = args.engine.cache("noise").get(&cache::key(&host));
    let cold = request.sweeps.iter().map(|asked| asked.args.cold).max().unwrap_or(0);
    let mut facts = facts(args, host, cold, seed);
    let page = PageFile::of(args)?;
    let beside = match &file {
        Some(file) => Some(Beside::new(file, &args.how, &plan, &facts)?),
        None => None,
    };
    if args.needs_roof(&columns) {
        let wanted = roofline::wanted(&plan, &facts.host);
        facts.roofs =
            rooflines(&mut runner, &wanted, &facts.host, &args.engine.cache("roofline"), false)?;
    }
    facts.links = prepare::links_of(&mut runner, &plan)?;
    prepare::watch_devices(&mut runner, sampler, &facts.host);
    let cold_of = plan.cold_starts();
    let wanted = Demand { facts: &facts, settings, cold_of: &cold_of };
    let kept = keeping::kept(earlier.as_ref(), &plan, &wanted);
    let journal = keeping::open(&request, (earlier.as_ref(), &kept), (&plan, &facts, settings))?;
    drop(earlier);
    let recipe = keeping::recipe(&request);
    let mut report = Report::new(plan.clone(), facts).with_columns(columns).with_recipe(recipe);
    if let Some(beside) = &beside {
        report = beside.enter(report);
    }
    let run = Measuring { args, settings, plan: &plan, beside: beside.as_ref() };
    run.measure(&mut runner, report, &kept, (journal, page))
}

/// What is true of a run before anything is measured.
fn facts(args: &BenchArgs, host: Host, cold: u32, seed: u64) -> RunFacts {
    RunFacts {
        version: crate::machine::build::NUMBER.to_string(),
        stop: args.goal(),
        bound: journal::Bound { rounds: args.rounds, open: args.is_bounded() },
        cold,
        // A row that is visited once has no order.
        interleave: Some(seed).filter(|_| args.repetitions.is_none()),
        priors: args.engine.cache("visits").get(&cache::key(&host)).unwrap_or_default(),
        roofs: Vec::new(),
        links: Vec::new(),
        process: args.process.process(),
        host,
    }
}

/// Shows the presets that there are.
pub(super) fn list_presets(sources: &Sources) -> Result<u8, Error> {
    let presets = sources.presets()?;
    print(|out| defaults::show_presets(&presets, false, out))?;
    Ok(exit::OK)
}

/// Seed of the order: the one that was given, or another one in each run.
pub(super) fn seed(args: &BenchArgs) -> u64 {
    // A script gives the same numbers each time.
    let scripted = args.engine.script().map(|script| script.seed);
    let some = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| u64::from(since.subsec_nanos()))
    };
    args.deprecated.seed().or(scripted).unwrap_or_else(some)
}

/// How a visit is measured.
pub(super) fn settings(args: &BenchArgs) -> Settings {
    Settings {
        stop: args.visit(),
        warmup: !args.no_warmup,
        delay: args.delay.into(),
        foresee: true,
        canary: args.guarded(),
    }
}

/// How the workers that measure under these flags are started.
pub(super) fn spawn(args: &BenchArgs) -> Spawn {
    let mut worker_args = Vec::new();
    if args.verbose {
        worker_args.push("--verbose".to_string());
    }
    worker_args.extend(args.process.words());
    if let Some(folder) = &args.backend_dir {
        worker_args.push(format!("--backend-dir={}", folder.display()));
    }
    worker_args.extend(args.engine.words(0));
    Spawn { args: worker_args, verbose: args.verbose, ..Spawn::default() }
}

pub(super) fn runner_options(args: &BenchArgs, seed: u64) -> runner::RunOptions {
    runner::RunOptions {
        spawn: spawn(args),
        settings: settings(args),
        stop: args.goal(),
        rounds: args.rounds,
        budget: if args.is_bounded() { Budget::Open } else { Budget::Share },
        seed,
        timeout: args.timeout,
        cold: args.cold,
        // A script disturbs nobody, and nobody it.
        neighbours: args.engine.is_real(),
        try_all: args.try_all,
        max_vram: args.max_vram,
        least_memory: args.min_free,
        total_time: args.max_total_time,
        limits: args.engine.limits(),
        has_cpus: args.engine.is_limited(),
    }
}

/// A plan about to be carried out.
struct Measuring<'a> {
    args: &'a BenchArgs,
    settings: Settings,
    plan: &'a Plan,
    beside: Option<&'a Beside<'a>>,
}

/// Keeps what visits at these places have shown of the machine's noise, for the next run.
pub(super) fn learn(args: &BenchArgs, host: &Host, ledger: &Ledger, places: Range<usize>) {
    let mut learnt = Priors::new();
    args.engine.cache("runs").update(cache::key(host), |old: Option<Runs>| {
        let mut runs = old.unwrap_or_default();
        learnt = ledger.learnt(places, &mut runs);
        runs
    });
    args.engine.cache("visits").update(cache::key(host), |old: Option<Priors>| {
        let mut all = old.unwrap_or_default();
        all.extend(learnt);
        all
    });
}

impl Measuring<'_> {
    /// What a person sees meanwhile.
    fn progress(&self, priors: &Priors) -> Progress {
        let args = self.args;
        let limits = Bounds {
            visit: self.settings,
            stop: args.goal(),
            rounds: args.rounds,
            shares: !args.is_bounded(),
            total_time: args.max_total_time,
        };
        let wish = Wish { lines: args.progress, shared: args.verbose };
        Progress::new(self.plan, priors, limits, wish)
    }

    /// Carries it out, but for what is kept of an earlier run, showing rows as they finish.
    fn measure(
        &self,
        runner: &mut Runner,
        mut report: Report,
        kept: &Kept,
        (mut journal, page): (Option<Writer>, Option<PageFile>),
    ) -> Result<u8, Error> {
        let priors = report.facts().priors.clone();
        let mut progress = self.progress(&priors);
        report.replay(kept, self.plan, false);
        kept.replay(self.plan, false, |_, record| progress.fold(record));

        let mut showing = Showing::new(self.args, &progress, page);
        if let Err(error) = showing.advance(&mut report, &progress) {
            keeping::leave(journal);
            return Err(output_error(error));
        }
        let orders = Orders { plan: self.plan, kept, priors: &priors };
        let end = runner.run(orders, &mut |record| {
            if let Some(warning) = keeping::keep(&mut journal, record) {
                showing.tell(&progress, &warning.text);
            }
            report.fold(record);
            progress.fold(record);
            match record {
                Record::Settled { .. } => showing.advance(&mut report, &progress),
                Record::Warned { warning, .. } => {
                    showing.tell(&progress, &warning.text);
                    Ok(())
                }
                _ => Ok(()),
            }
        });
        progress.finish();
        report.take_stock();
        // Whatever ended the run: what was measured is shown, and an array that was opened is closed.
        let shown = showing.finish(&report);
        let end = match end {
            Ok((end, ledger)) => {
                keeping::close(journal, end);
                learn(self.args, &report.facts().host, &ledger, 0..ledger.jobs().len());
                Ok(end)
            }
            Err(error) => {
                keeping::leave(journal);
                Err(error)
            }
        }?;
        shown?;
        if self.args.plot {
            let beside = matches!(self.args.output, Format::Markdown | Format::None);
            draw(&crate::report::plots(&report), beside)?;
        }
        let worse = self.beside.map_or(Ok(false), |beside| beside.fails(&report))?;
        Ok(match end {
            End::Interrupted => exit::INTERRUPTED,
            End::OutOfTime => exit::SOME_FAILED,
            End::Finished if report.tally().failed > 0 || worse => exit::SOME_FAILED,
            End::Finished => exit::OK,
        })
    }
}
