//! `lbench doctor`: lbench itself and the machine, measured, down to one sentence about how small a
//! difference can be told from noise here. The derivations are in `docs/roofline.md`.
//!
//! | file | what it holds |
//! |---|---|
//! | `timer` | the clock, the scheduler, lbench's own loop |
//! | `aa` | the same thing measured again and again in fresh workers |
//! | `print` | the report, and what to do about it |

pub mod aa;
mod print;
pub mod timer;

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::cli::{DoctorArgs, DoctorFormat};
use crate::error::{Error, exit};
use crate::job::Job;
use crate::machine::Host;
use crate::machine::cache::{self, Cache};
use crate::machine::system::{Machine, Watch};
use crate::plan;
use crate::roofline::{Roofline, Target};
use crate::runner::{Budget, Options, Runner, Spawn};
use crate::setup::Model;
use crate::stats::stopping::Rule;
use crate::units::Nanos;
use crate::wire::Settings;
use crate::work::Work;
use crate::{app, models, worker};

use aa::SelfTest;
use timer::{Clock, Scheduler};

/// Tokens of the generation with which lbench's own loop is timed.
const LOOP_TOKENS: u32 = 20_000;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Checkup {
    /// Version of lbench.
    pub version: String,
    /// The machine and the engine on it.
    pub host: Host,
    /// What the system tells.
    pub machine: Machine,
    /// The clock that times everything.
    pub clock: Clock,
    /// What a thread that only reads the clock notices of others.
    pub scheduler: Scheduler,
    /// Nanoseconds that lbench's loop adds to a generated token.
    pub loop_ns_per_token: Option<f64>,
    /// What the devices can do at best.
    pub roofs: Vec<Roofline>,
    /// The model that was compared with itself.
    pub model: String,
    /// How it compared.
    pub self_test: SelfTest,
    /// What should be different, and what to do about it.
    pub advice: Vec<String>,
    /// What differences can be told from noise, in a sentence.
    pub conclusion: String,
}

/// Does what `lbench doctor` is asked; the exit code is returned.
///
/// # Errors
/// When nothing can be measured: no worker starts, the model cannot be used, the user ends it.
pub fn main(args: &DoctorArgs, tell: &mut dyn FnMut(&str)) -> Result<u8, Error> {
    let checkup = check(args, tell)?;
    let mut out = std::io::stdout().lock();
    let written = match args.output {
        DoctorFormat::Text => print::text(&checkup, &mut out),
        DoctorFormat::Json => serde_json::to_writer_pretty(&mut out, &checkup)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out)),
    };
    written.map_err(|source| Error::Output { what: "standard output".into(), source })?;
    Ok(if checkup.self_test.failure.is_some() { exit::SOME_FAILED } else { exit::OK })
}

fn check(args: &DoctorArgs, tell: &mut dyn FnMut(&str)) -> Result<Checkup, Error> {
    let scripted = args.scripted.is_some();
    let name = args.model.clone().unwrap_or_else(|| models::DEFAULT.to_string());
    let found = models::resolve(&[name], &args.models_dir, !scripted, &mut |text| tell(&text))?;
    let Some(model) = found.into_iter().next() else {
        return Err(Error::Usage("-m: no model".into()));
    };
    let watch = Watch::start();
    let mut runner = Runner::new(options(args))?;
    let host = app::prepare::host(&mut runner, scripted)?;
    runner.rest();

    tell("clock and scheduler …");
    let clock = timer::clock();
    let spin = if scripted { Duration::from_millis(20) } else { Duration::from_millis(1500) };
    let scheduler = timer::scheduler(spin);
    let loop_ns_per_token = worker::cost::per_token(&loop_job(&model, &host)).ok().flatten();

    tell("memory bandwidth and matrix rate …");
    let targets = Target::all(&host, host.default_threads());
    let roofs = app::rooflines(&mut runner, &targets, &host, true)?;

    tell(if args.quick {
        "the same thing again and again, 20 s …"
    } else {
        "the same thing again and again, a minute …"
    });
    let plan = aa::plan(&model, &host)?;
    let self_test = aa::run(args, &mut runner, &plan, &host)?;

    if let Some(floors) = self_test.floors().filter(|_| !scripted) {
        Cache::of_user("noise").update(cache::key(&host), |_| floors);
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
fn options(args: &DoctorArgs) -> Options {
    Options {
        spawn: spawn(args, 0),
        settings: Settings { stop: aa::rule(), warmup: true, delay: Nanos(0), foresee: true },
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
    }
}

/// How the workers of a run are started. The scripted engine's noise is another one in each run, as a
/// machine's is.
fn spawn(args: &DoctorArgs, run: u64) -> Spawn {
    let mut worker_args = Vec::new();
    if args.verbose {
        worker_args.push("--verbose".to_string());
    }
    if let Some(script) = &args.scripted {
        let mut script = script.clone();
        script.seed = script.seed.wrapping_add(run);
        // Parsed from JSON a moment ago, so it can be written as JSON.
        let text = serde_json::to_string(&script).unwrap_or_default();
        worker_args.push(format!("--scripted={text}"));
    }
    Spawn { args: worker_args, verbose: args.verbose, ..Spawn::default() }
}

/// A long generation. Nothing is loaded for it.
fn loop_job(model: &Model, host: &Host) -> Job {
    let config = plan::config(model, host);
    Job::new(config, Work::generate(LOOP_TOKENS))
}

/// The rule by which rows are measured when nothing is asked for: what the sentence is about.
fn default_rule() -> Rule {
    Rule::default()
}
