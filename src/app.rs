//! The whole run, in one page: from arguments to exit code.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::time::Duration;

use crate::cache::{self, Cache};
use crate::cli::{
    BenchArgs, Cli, Command, CompareArgs, CompareFormat, HowArgs, SynthArgs, WorkerArgs,
};
use crate::compare::{self, Run};
use crate::error::{Error, exit};
use crate::host::Host;
use crate::plan::{self, Plan, Sweep};
use crate::progress::Progress;
use crate::record::{Record, Warning};
use crate::report::{Baseline, Report, RunFacts, Stream};
use crate::roofline::{self, Roofline, Target};
use crate::runner::{self, End, Runner, Spawn};
use crate::wire::{Description, Settings};
use crate::{models, worker};

/// Does what the command line says; the exit code is returned.
///
/// # Errors
/// When there is nothing to show: a flag or file that cannot be used, or lbench itself broke.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Result<u8, Error> {
    let cli = Cli::parse_args(args)?;
    match cli.command {
        Some(Command::Worker(args)) => serve(args),
        Some(Command::Synth(args)) => synth(&args),
        Some(Command::Compare(args)) => compare_files(&args),
        Some(Command::Doctor(args)) => crate::doctor::main(&args, &mut |text| tell(text)),
        None => bench(&cli.bench),
    }
}

/// Tells the user why there are no results: one line on standard error.
pub fn explain(error: &Error) {
    let quiet =
        matches!(error, Error::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe);
    if !quiet {
        // Nothing is left to do if even this fails.
        let _ = writeln!(io::stderr(), "lbench: {error}");
    }
}

/// Something the user should know, on standard error.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "lbench: {text}");
}

fn serve(args: WorkerArgs) -> Result<u8, Error> {
    let WorkerArgs { parent, verbose, scripted } = args;
    worker::main(&worker::Options { verbose, scripted, parent })?;
    Ok(exit::OK)
}

fn synth(args: &SynthArgs) -> Result<u8, Error> {
    if args.spec == "list" {
        print(|out| crate::gguf::synth::list(out))?;
        return Ok(exit::OK);
    }
    let text = args.spec.strip_prefix("synth:").unwrap_or(&args.spec);
    let spec = models::spec(text, "synth")?;
    let header = spec.header();
    let path = args.output.clone().unwrap_or_else(|| args.models_dir.join(spec.file_name()));
    models::make(&spec, &header, &path, &mut |text| tell(&text))?;
    print(|out| writeln!(out, "{}", path.display()))?;
    Ok(exit::OK)
}

fn compare_files(args: &CompareArgs) -> Result<u8, Error> {
    let options = args.how.options();
    let (a, b) = Run::read_both(&args.a, &args.b)?;
    let comparison = compare::compare(&a, &b, &options)?;
    comparison.warnings().iter().for_each(|text| tell(text));
    print(|out| match args.output {
        CompareFormat::Md => comparison.write_markdown(out),
        CompareFormat::Json => comparison.write_json(out),
    })?;
    Ok(if comparison.fails(&args.how.fail_on) { exit::SOME_FAILED } else { exit::OK })
}

/// What an earlier run has for the rows of this one.
struct Beside<'a> {
    file: &'a Run,
    how: &'a HowArgs,
    baseline: Baseline,
    warnings: Vec<String>,
}

impl<'a> Beside<'a> {
    /// Matches a file with a plan, before anything is measured.
    fn new(file: &'a Run, how: &'a HowArgs, plan: &Plan, facts: &RunFacts) -> Result<Self, Error> {
        let planned = Report::new(plan.clone(), facts.clone());
        let (baseline, warnings) = compare::baseline(file, &planned, &how.options())?;
        Ok(Self { file, how, baseline, warnings })
    }

    /// Gives the report its column, and its reader what to know about it.
    fn enter(&self, report: Report) -> Report {
        let mut report = report.with_baseline(self.baseline.clone());
        for text in &self.warnings {
            tell(text);
            report.fold(&Record::Warned { job: None, warning: Warning { text: text.clone() } });
        }
        report
    }

    /// Whether any row is what `--fail-on` is about.
    fn fails(&self, report: &Report) -> Result<bool, Error> {
        // What must not be compared was refused before the run.
        let options = compare::Options { force: true, ..self.how.options() };
        let new = Run::of_report("this run", report);
        Ok(compare::compare(self.file, &new, &options)?.fails(&self.how.fail_on))
    }
}

fn bench(args: &BenchArgs) -> Result<u8, Error> {
    let file = match &args.baseline {
        Some(path) => Some(Run::read(path)?),
        None => args.how.need_baseline().map(|()| None)?,
    };
    let Some(columns) = args.extra_columns()? else {
        print(|out| crate::report::list_columns(out))?;
        return Ok(exit::OK);
    };
    let works = args.works()?;
    let names = match args.model.as_slice() {
        [] => vec![models::DEFAULT.to_string()],
        given => models::names(given),
    };
    if args.model.is_empty() && !args.list_devices {
        tell(&format!(
            "no -m given: measuring {}, a small model with random weights",
            models::DEFAULT
        ));
    }
    let write = !args.dry_run && args.scripted.is_none();
    let models = if args.list_devices {
        Vec::new()
    } else {
        models::resolve(&names, &args.models_dir, write, &mut |text| tell(&text))?
    };

    let settings = Settings {
        stop: args.rule(),
        warmup: !args.no_warmup,
        delay: Duration::from_secs(args.delay).into(),
    };
    let interleave = args.interleave.map(|seed| seed.unwrap_or_else(some_seed));
    let mut runner = Runner::new(runner_options(args, settings, interleave))?;
    let mut host = Host::take(runner.describe()?);
    if args.scripted.is_none() {
        host.floors = Cache::of_user("noise").get(&cache::key(&host));
    }
    if args.list_devices {
        print(|out| list_devices(&host.engine, out))?;
        return Ok(exit::OK);
    }
    let axes = args.axes.resolve(&host);
    let sweep = Sweep { models, axes, works, collapse: !args.no_collapse };
    let plan = plan::expand(&sweep, &host)?;
    if args.dry_run {
        print(|out| plan::print(&plan, out))?;
        return Ok(exit::OK);
    }
    warn_about_build(&host);
    let mut facts = RunFacts {
        version: env!("CARGO_PKG_VERSION").to_string(),
        host,
        stop: settings.stop,
        cold: args.cold,
        interleave,
        roofs: Vec::new(),
        columns,
    };
    let beside = match &file {
        Some(file) => Some(Beside::new(file, &args.how, &plan, &facts)?),
        None => None,
    };
    if args.needs_roof(&facts.columns) {
        let wanted = roofline::wanted(&plan, &facts.host);
        facts.roofs = rooflines(&mut runner, &wanted, &facts.host, false)?;
    }
    measure(args, settings, &mut runner, &plan, facts, beside.as_ref())
}

/// A seed that is another one in each run.
fn some_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::from(since.subsec_nanos()))
}

fn runner_options(
    args: &BenchArgs,
    settings: Settings,
    interleave: Option<u64>,
) -> runner::Options {
    let mut worker_args = Vec::new();
    if args.verbose {
        worker_args.push("--verbose".to_string());
    }
    if let Some(script) = &args.scripted {
        // Parsed from JSON a moment ago, so it can be written as JSON.
        worker_args
            .push(format!("--scripted={}", serde_json::to_string(script).unwrap_or_default()));
    }
    runner::Options {
        spawn: Spawn { args: worker_args, verbose: args.verbose },
        settings,
        timeout: (args.timeout > 0).then(|| Duration::from_secs(args.timeout)),
        cold: args.cold,
        // Two samples of the first row say nothing about its drift.
        anchor: !args.no_anchor && args.repetitions.is_none_or(|n| n > 2),
        interleave,
        // The scripted engine disturbs nobody, and nobody it.
        neighbours: args.scripted.is_none(),
    }
}

/// Runs the plan, showing rows as they finish.
fn measure(
    args: &BenchArgs,
    settings: Settings,
    runner: &mut Runner,
    plan: &Plan,
    facts: RunFacts,
    beside: Option<&Beside<'_>>,
) -> Result<u8, Error> {
    let mut progress = Progress::new(plan, settings, args.progress);
    let mut report = Report::new(plan.clone(), facts);
    if let Some(beside) = beside {
        report = beside.enter(report);
    }
    let mut stdout = Stream::new(args.output);
    let mut stderr = args.output_err.map(Stream::new);

    let mut advance = |report: &Report, progress: &Progress, last: bool| -> io::Result<()> {
        let step = if last { Stream::finish } else { Stream::advance };
        progress.suspend(|| {
            step(&mut stdout, report, &mut io::stdout().lock())?;
            match &mut stderr {
                Some(copy) => step(copy, report, &mut io::stderr().lock()),
                None => Ok(()),
            }
        })
    };
    advance(&report, &progress, false).map_err(output_error)?;
    let end = runner.run(plan, &mut |record| {
        report.fold(record);
        progress.fold(record);
        match record {
            Record::Settled { .. } => advance(&report, &progress, false),
            Record::Warned { warning, .. } => {
                progress.suspend(|| tell(&warning.text));
                Ok(())
            }
            _ => Ok(()),
        }
    });
    progress.finish();
    // Whatever ended the run: what was measured is shown, and an array that was opened is closed.
    let shown = advance(&report, &progress, true).map_err(output_error);
    let end = end?;
    shown?;
    let worse = beside.map_or(Ok(false), |beside| beside.fails(&report))?;
    Ok(match end {
        End::Interrupted => exit::INTERRUPTED,
        End::Finished if report.tally().failed > 0 || worse => exit::SOME_FAILED,
        End::Finished => exit::OK,
    })
}

/// What these devices can do at best, from the user's file where it is known and not wanted `anew`. The
/// scripted engine's figures are nobody's.
pub(crate) fn rooflines(
    runner: &mut Runner,
    targets: &[Target],
    host: &Host,
    anew: bool,
) -> Result<Vec<Roofline>, Error> {
    let scripted = host.engine.engine == "scripted";
    let cache = if scripted { Cache::none() } else { Cache::of_user("roofline") };
    let mut asked = false;
    let mut ask = |target: &Target| {
        asked = true;
        runner.roof(&target.device, target.threads.unwrap_or(1))
    };
    let rooflines = roofline::measure(targets, host, &cache, anew, &mut ask, &tell)?;
    if asked {
        runner.rest();
    }
    Ok(rooflines)
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

fn list_devices(engine: &Description, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "{}, backends: {}", engine.engine, engine.backends.join(", "))?;
    writeln!(out, "Available devices:")?;
    for device in &engine.devices {
        let mib = |bytes: u64| bytes / 1024 / 1024;
        writeln!(
            out,
            "  {}: {} ({} MiB, {} MiB free)",
            device.name,
            device.description,
            mib(device.total),
            mib(device.free)
        )?;
    }
    if !engine.cpu_features.is_empty() {
        writeln!(out, "CPU kernels: {}", engine.cpu_features.join(", "))?;
    }
    Ok(())
}

/// Prints to standard output, in one go.
fn print(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    write(&mut out).and_then(|()| out.flush()).map_err(output_error)
}

fn output_error(source: io::Error) -> Error {
    Error::Output { what: "standard output".into(), source }
}
