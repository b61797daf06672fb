//! `lbench doctor`: lbench itself and the machine, measured, down to one sentence about how small a
//! difference can be told from noise here. The derivations are in `docs/roofline.md`.
//!
//! | file | what it holds |
//! |---|---|
//! | `checkup` | everything that was measured |
//! | `timer` | the clock, the scheduler, lbench's own loop |
//! | `aa` | the same thing measured again and again in fresh workers |
//! | `print` | the report, and what to do about it |

mod aa;
mod checkup;
mod print;
mod timer;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::out::{self, tell};
use super::prepare;
use super::rooflines::rooflines;
use crate::cli::EngineArgs;
use crate::error::{Error, exit};
use crate::job::Job;
use crate::machine::Host;
use crate::machine::cache;
use crate::machine::system::Watch;
use crate::plan;
use crate::roofline::Target;
use crate::runner::{Budget, RunOptions, Runner, Spawn};
use crate::setup::Model;
use crate::terminal::in_json;
use crate::units::Nanos;
use crate::wire::{Guarded, Settings};
use crate::work::Work;
use crate::{models, worker};

use checkup::Checkup;

/// Tokens of the generation with which lbench's own loop is timed.
const LOOP_TOKENS: u32 = 20_000;

/// In few words.
pub(super) const BRIEF: &str = "What differences this machine can tell from noise";

/// Measure lbench itself and this machine: what differences can be told from noise here.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Model to compare with itself [default: synth:llama-135m:q4_0]
    #[arg(short, long, value_name = "FILE")]
    pub model: Option<String>,
    /// A third of the comparisons: 20 seconds instead of a minute
    #[arg(long)]
    pub quick: bool,
    /// Format of the report
    #[arg(short = 'o', long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub output: DoctorFormat,
    /// Copy the engine's log to standard error
    #[arg(short, long)]
    pub verbose: bool,
    /// Folder of synthetic models
    #[arg(long, value_name = "DIR", default_value = "models", env = "LBENCH_MODELS")]
    pub models_dir: PathBuf,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// A format of the doctor's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Does what `lbench doctor` is asked; the exit code is returned.
///
/// # Errors
/// When nothing can be measured: no worker starts, the model cannot be used, the user ends it.
pub(super) fn main(args: &DoctorArgs) -> Result<u8, Error> {
    let checkup = check(args)?;
    out::print(|mut out| match args.output {
        DoctorFormat::Text => print::text(&checkup, &mut out),
        DoctorFormat::Json => {
            writeln!(out, "{}", in_json(&serde_json::to_string_pretty(&checkup)?))
        }
    })?;
    Ok(if checkup.self_test.failure.is_some() { exit::SOME_FAILED } else { exit::OK })
}

fn check(args: &DoctorArgs) -> Result<Checkup, Error> {
    let is_real = args.engine.is_real();
    let name = args.model.clone().unwrap_or_else(|| models::DEFAULT.to_string());
    let found = models::resolve(&[name], &args.models_dir, is_real, &mut |text| tell(&text))?;
    let Some(model) = found.into_iter().next() else {
        return Err(Error::Usage("-m: no model".into()));
    };
    let watch = Watch::start();
    let mut runner = Runner::new(options(args))?;
    let host = prepare::host(&mut runner, &args.engine)?;
    runner.rest();

    tell("clock and scheduler …");
    let clock = timer::clock();
    let spin = Duration::from_millis(if is_real { 1500 } else { 20 });
    let scheduler = timer::scheduler(spin);
    let loop_ns_per_token = worker::cost::per_token(&loop_job(&model, &host)).ok().flatten();

    tell("memory bandwidth and matrix rate …");
    let targets = Target::all(&host, host.default_threads());
    let roofs = rooflines(&mut runner, &targets, &host, &args.engine.cache("roofline"), true)?;

    tell(if args.quick {
        "the same thing again and again, 20 s …"
    } else {
        "the same thing again and again, a minute …"
    });
    let plan = aa::plan(&model, &host)?;
    let anew = |run| spawn(args, run);
    let anew: Option<aa::Respawn<'_>> = if is_real { None } else { Some(&anew) };
    let self_test = aa::run(args.quick, anew, &mut runner, &plan, &host)?;

    if let Some(floors) = self_test.floors() {
        args.engine.cache("noise").update(cache::key(&host), |_| floors);
    }
    let machine = watch.finish();
    let mut checkup = Checkup {
        version: crate::machine::build::NUMBER.to_string(),
        model: model.label,
        conclusion: self_test.conclusion(),
        advice: Vec::new(),
        host,
        machine,
        clock,
        scheduler,
        loop_ns_per_token,
        roofs,
        self_test,
    };
    checkup.advice = print::advice(&checkup);
    Ok(checkup)
}

/// How the runner works here: short rows, since what is looked for is between the runs.
fn options(args: &DoctorArgs) -> RunOptions {
    RunOptions {
        spawn: spawn(args, 0),
        settings: Settings {
            stop: aa::rule(),
            warmup: true,
            delay: Nanos(0),
            foresee: true,
            canary: Guarded::None,
        },
        stop: aa::rule(),
        // Each run of the self-test is one.
        rounds: Some(1),
        budget: Budget::Open,
        seed: 0,
        timeout: Some(Duration::from_mins(5)),
        cold: 0,
        neighbours: false,
        try_all: true,
        max_vram: None,
        least_memory: None,
        total_time: None,
        limits: args.engine.limits(),
        has_cpus: false,
    }
}

/// How the workers of a run are started.
fn spawn(args: &DoctorArgs, run: u64) -> Spawn {
    let mut worker_args = Vec::new();
    if args.verbose {
        worker_args.push("--verbose".to_string());
    }
    worker_args.extend(args.engine.words(run));
    Spawn { args: worker_args, verbose: args.verbose, ..Spawn::default() }
}

/// A long generation. Nothing is loaded for it.
fn loop_job(model: &Model, host: &Host) -> Job {
    let config = plan::config(model, host);
    Job::new(config, Work::generate(LOOP_TOKENS))
}
