//! A side: what it measures, by which program, and on what that finds.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::{prepare, sweep};
use super::args;
use crate::cli::BenchArgs;
use crate::cli::defaults::RunRequest;
use crate::cli::settings::Setting;
use crate::error::Error;
use crate::journal::Bound;
use crate::journal::RunFacts;
use crate::machine::cache;
use crate::machine::{Description, Host, build};
use crate::plan::Titled;
use crate::runner::{Runner, Spawn};
use crate::setup::{Model, Process};
use crate::wire;

/// One side of two.
pub(super) struct AbSide {
    /// What it is called: what was typed for it; empty where that is nothing.
    pub name: String,
    /// What it measures.
    pub sweeps: Vec<Titled>,
    /// The flags that name its models.
    names: Vec<Setting>,
    /// Its models, in order.
    pub models: Vec<Model>,
    /// How its workers are started.
    pub spawn: Spawn,
    /// The machine and the engine as its program finds them.
    pub host: Host,
    /// Version of its program.
    version: String,
    /// Its process.
    pub process: Process,
}

/// Flags that name models.
const OF_MODELS: [&str; 3] = ["model", "hf-repo", "hf-file"];

/// What was asked of a side.
#[derive(Clone, Copy)]
pub(super) struct AskedSide<'a> {
    /// `A` or `B`.
    pub letter: &'a str,
    /// What it is to measure.
    pub request: &'a RunRequest,
    /// What was typed for it.
    pub typed: &'a args::TypedSide,
    /// Its program, where that is another lbench.
    pub with: Option<&'a Path>,
}

impl AbSide {
    /// A side, `before` being the one whose model and machine it has if nothing else was said.
    pub(super) fn new(
        asked: AskedSide<'_>,
        before: Option<&Self>,
        runner: &mut Runner,
    ) -> Result<Self, Error> {
        let AskedSide { letter, request, typed, with } = asked;
        let args = &request.sweeps[0].args;
        let works = request.sweeps.iter().try_for_each(|part| part.args.works.works().map(drop));
        works.map_err(|error| Error::Usage(format!("{letter}: {error}")))?;
        let is_of_model = |setting: &&Setting| OF_MODELS.contains(&setting.flag.as_str());
        let names: Vec<_> = args.typed.iter().filter(is_of_model).cloned().collect();
        let models = match before.filter(|before| before.names == names) {
            Some(before) => before.models.clone(),
            None => prepare::find_models(args)?,
        };
        let spawn = spawn(asked);
        let (host, version) = if let Some(before) = before.filter(|before| before.spawn == spawn) {
            (before.host.clone(), before.version.clone())
        } else {
            runner.set_spawn(spawn.clone());
            let cards = prepare::cards(&args.engine).unwrap_or_default();
            let found = meet(asked, runner)?;
            (Host { cards, ..Host::take(found, &args.engine.limits()) }, version(with))
        };
        let program = with.map(|path| path.display().to_string());
        let own = Some(typed.own.clone()).filter(|own| !own.is_empty());
        let name = program.into_iter().chain(own).collect::<Vec<_>>().join(" ");
        let mut sweeps = prepare::sweeps_of(&request.sweeps, &models, &host, runner)?;
        for titled in &mut sweeps {
            // Each side is measured itself, and each row of it.
            titled.sweep.collapse = false;
            let parts = [letter, name.as_str(), titled.title.as_str()];
            titled.title =
                parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
        }
        let process = args.process.process();
        Ok(Self { name, sweeps, names, models, spawn, host, version, process })
    }

    /// Whether its workers are the other's too.
    pub(super) fn runs_as(&self, other: &Self) -> bool {
        self.spawn == other.spawn
    }

    /// Whether another lbench measures it.
    pub(super) fn has_own_program(&self) -> bool {
        self.spawn.program.is_some()
    }

    /// What is true of it.
    pub(super) fn facts(&self, args: &BenchArgs, seed: u64) -> RunFacts {
        let mut host = self.host.clone();
        host.floors = args.engine.cache("noise").get(&cache::key(&host));
        let priors = args.engine.cache("visits").get(&cache::key(&host)).unwrap_or_default();
        RunFacts {
            version: self.version.clone(),
            host,
            // Rows have no precision of their own to reach.
            stop: args.visit(),
            bound: Bound { rounds: args.rounds, open: true },
            cold: 0,
            interleave: Some(seed),
            priors,
            roofs: Vec::new(),
            links: Vec::new(),
            process: self.process,
        }
    }
}

/// How workers of a side are started.
pub(super) fn spawn(AskedSide { request, typed, with, .. }: AskedSide<'_>) -> Spawn {
    // A name without a folder is looked for as a shell does, unless it is here.
    let program = with.map(|path| path.canonicalize().unwrap_or_else(|_| PathBuf::from(path)));
    let environment = typed.environment.clone();
    Spawn { program, environment, ..sweep::spawn(&request.sweeps[0].args) }
}

/// What its program finds on this machine, if it is an lbench with which this one can talk.
fn meet(asked: AskedSide<'_>, runner: &mut Runner) -> Result<Description, Error> {
    let Some(path) = asked.with else { return runner.describe() };
    let flag = if asked.letter == "A" { "--with-a" } else { "--with" };
    let refuse = |reason: String| Error::Usage(format!("{flag} {}: {reason}", path.display()));
    match runner.meet() {
        Ok(Ok(description)) => Ok(description),
        Ok(Err(version)) => Err(refuse(format!(
            "it speaks version {version} of the protocol between processes, this lbench {}: give builds of the \
             same version, or compare result files of both with `lbench compare`",
            wire::VERSION
        ))),
        Err(Error::Worker(reason)) => {
            Err(refuse(format!("it is no lbench that this one can talk to: {reason}")))
        }
        Err(error) => Err(error),
    }
}

/// The version of a program that is an lbench, as it says itself.
fn version(with: Option<&Path>) -> String {
    let Some(path) = with else { return build::NUMBER.to_string() };
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let said = Command::new(path).arg("-V").output().ok();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let number = said.as_deref().and_then(|text| text.trim().strip_prefix("lbench "));
    number.unwrap_or("unknown").to_string()
}
