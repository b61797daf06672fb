//! A sweep, step by step: arguments to plan, plan to runner, records to journal and report.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::beside::Beside;
use super::{keeping, list_devices, output_error, print, rooflines, tell};
use crate::cache::{self, Cache};
use crate::cli::BenchArgs;
use crate::compare::Run;
use crate::config::{self, Asked, Request, Sources};
use crate::error::{Error, exit};
use crate::facts::{Links, RunFacts};
use crate::host::Host;
use crate::hub::{Hub, Shown};
use crate::job::{Job, Model, Text};
use crate::journal::{Kept, Writer};
use crate::models;
use crate::plan::{self, Plan, Sweep, Titled};
use crate::progress::Progress;
use crate::prompts;
use crate::record::Record;
use crate::report::{Extra, Report, Stream};
use crate::roofline;
use crate::runner::{self, End, Runner, Spawn};
use crate::telemetry::sampler::Sampler;
use crate::wire::Settings;

/// Does the sweeps that the flags describe, with what comes from the environment, a preset and the file.
pub(super) fn main(typed: &BenchArgs) -> Result<u8, Error> {
    let sources = Sources::read(typed)?;
    sources.notes.iter().for_each(|note| tell(note));
    if typed.preset.as_deref() == Some("list") {
        print(|out| config::show_presets(&sources.presets(), false, out))?;
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
    let models = if args.list_devices { Vec::new() } else { find_models(args)? };

    let settings = settings(args);
    let interleave = args.interleave.map(|seed| seed.unwrap_or_else(some_seed));
    let mut runner = Runner::new(runner_options(args, settings, interleave))?;
    let mut host = Host::take(runner.describe()?);
    if args.list_devices {
        print(|out| list_devices(&host.engine, out))?;
        return Ok(exit::OK);
    }
    args.deprecated.notes().iter().for_each(|note| tell(note));
    let plan = plan_of(&request.sweeps, &models, &host, &mut runner)?;
    refuse_unforeseeable(args, &plan)?;
    runner.cold_starts(plan.cold_starts());
    if args.dry_run {
        let memory = predictions(&mut runner, &plan)?;
        print(|out| plan::print(&plan, &memory, out))?;
        return Ok(exit::OK);
    }
    warn_about_build(&host);
    if args.process.process().numa.is_some() && host.numa_nodes == Some(1) {
        tell("--numa changes nothing here: this machine has one NUMA node");
    }
    for module in &host.engine.modules {
        if let Some(why) = &module.trouble {
            tell(&format!("{} was refused: {why}", module.file));
        }
    }
    if args.scripted.is_none() {
        host.floors = Cache::of_user("noise").get(&cache::key(&host));
    }
    let version = crate::version::NUMBER.to_string();
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
    facts.links = links_of(&mut runner, &plan)?;
    if !args.no_telemetry {
        match Sampler::start(&facts.host.engine.devices) {
            Ok(Some(sampler)) => runner.watch_devices(sampler),
            Ok(None) => {}
            Err(reason) => tell(&format!(
                "no telemetry of the devices: NVIDIA's management library: {reason}; memory figures are \
                 the engine's"
            )),
        }
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

/// The sweeps as one plan.
fn plan_of(
    sweeps: &[Asked],
    models: &[Model],
    host: &Host,
    runner: &mut Runner,
) -> Result<Plan, Error> {
    let sweep = |asked: &Asked| {
        let args = &asked.args;
        let (axes, works) = (args.axes.resolve(host), args.works.works()?);
        let texts = match &args.works.prompt_file {
            Some(path) => texts_of(path, models, runner)?,
            None => Vec::new(),
        };
        let (models, collapse) = (models.to_vec(), !args.no_collapse);
        let sweep = Sweep { models, axes, works, texts, collapse };
        Ok(Titled { title: asked.title.clone().unwrap_or_default(), cold: args.cold, sweep })
    };
    let sweeps: Vec<_> = sweeps.iter().map(sweep).collect::<Result<_, Error>>()?;
    match sweeps.as_slice() {
        [one] => plan::expand(&one.sweep, host),
        several => plan::expand_all(several, host),
    }
}

/// Refuses a limit that nobody could keep.
fn refuse_unforeseeable(args: &BenchArgs, plan: &Plan) -> Result<(), Error> {
    let placed = |job: &Job| job.config.loading.places_tensors() || job.config.loading.fits();
    if args.max_vram.is_some() && plan.measured().any(placed) {
        let text = "--max-vram needs a prediction, and there is none for what -ot, -ncmoe, -fitt and -fitc \
                    place: give it without them";
        return Err(Error::Usage(text.into()));
    }
    Ok(())
}

/// The prompts of a file, as each model takes them apart.
fn texts_of(path: &Path, models: &[Model], runner: &mut Runner) -> Result<Vec<Vec<Text>>, Error> {
    let prompts = prompts::read(path)?;
    let texts = || prompts.iter().map(|prompt| prompt.text.clone()).collect();
    let of_model = |model: &Model| {
        let tokens = runner.tokenize(&model.path, texts())?.map_err(|reason| {
            let (file, model) = (path.display(), model.path.display());
            Error::Usage(format!("--prompt-file {file} cannot be used with {model}: {reason}"))
        })?;
        let named = prompts.iter().zip(tokens);
        Ok(named
            .map(|(prompt, tokens)| Text::new(prompt.name.clone(), &prompt.text, tokens))
            .collect())
    };
    models.iter().map(of_model).collect()
}

/// The models of `-m` and then those of `-hf`, or the one that is measured without either.
fn find_models(args: &BenchArgs) -> Result<Vec<Model>, Error> {
    let wanted = args.hub.wanted()?;
    let none = args.model.is_empty() && wanted.is_empty();
    let names = if none { vec![models::DEFAULT.to_string()] } else { models::names(&args.model) };
    if none {
        tell(&format!(
            "no -m given: measuring {}, a small model with random weights",
            models::DEFAULT
        ));
    }
    let write = !args.dry_run && args.scripted.is_none();
    let mut models = models::resolve(&names, &args.models_dir, write, &mut |text| tell(&text))?;
    if !wanted.is_empty() {
        let hub = Hub::of_user(args.hub.token(), args.hub.offline)?;
        let found = hub.get_all(wanted, Shown::new(args.progress))?;
        for found in &found {
            models.push(models::of_hub(found)?);
        }
    }
    Ok(models)
}

/// The links to all RPC servers of a plan, measured once.
fn links_of(runner: &mut Runner, plan: &Plan) -> Result<Links, Error> {
    let mut endpoints: Vec<&String> = Vec::new();
    for endpoint in plan.measured().flat_map(|job| &job.config.rpc) {
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    let measured = endpoints.into_iter().map(|endpoint| {
        tell(&format!("RPC {endpoint}: measuring the link …"));
        Ok((endpoint.clone(), runner.link(endpoint)?))
    });
    measured.collect()
}

/// Most jobs whose memory is predicted beforehand: each takes a moment.
const PREDICTIONS: usize = 200;

/// What each row of a plan would take, where that is known.
fn predictions(runner: &mut Runner, plan: &Plan) -> Result<Vec<Option<String>>, Error> {
    let mut texts: Vec<Option<String>> = Vec::new();
    let few = plan.measured().count() <= PREDICTIONS;
    for planned in &plan.jobs {
        let text = match &planned.same_as {
            Some(same) => texts.get(same.index).cloned().flatten(),
            None if few => runner.predict(&planned.job)?.ok().map(|splits| {
                let parts = splits.iter().filter(|split| split.total().0 > 0);
                let parts = parts.map(|split| format!("{} {}", split.device, split.total()));
                parts.collect::<Vec<_>>().join(", ")
            }),
            None => None,
        };
        texts.push(text.filter(|text| !text.is_empty()));
    }
    Ok(texts)
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

/// Kernels that leave speed on the table are worth a word.
fn warn_about_build(host: &Host) {
    let unused = &host.engine.cpu_features_unused;
    if !unused.is_empty() {
        tell(&format!(
            "this CPU has {} and the CPU kernels were built without: `make build` makes faster ones",
            unused.join(", ")
        ));
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
