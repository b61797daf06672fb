//! `lbench worker`: the hidden role, the child process that measures.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{EngineArgs, ProcessArgs};
use crate::error::{Error, exit};
use crate::worker;

/// It is hidden.
pub(super) const BRIEF: &str = "";

/// The child process that measures.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct WorkerArgs {
    /// Process id of the parent.
    #[arg(long)]
    pub parent: Option<u32>,
    /// Copy the engine's log to standard error.
    #[arg(long)]
    pub verbose: bool,
    /// Folder of backend modules.
    #[arg(long)]
    pub backend_dir: Option<PathBuf>,
    /// How it runs.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Serves the parent until that is gone.
pub(super) fn main(args: &WorkerArgs) -> Result<u8, Error> {
    worker::main(&worker::WorkerOptions {
        verbose: args.verbose,
        scripted: args.engine.script().cloned(),
        parent: args.parent,
        backend_dir: args.backend_dir.clone(),
        process: args.process.process(),
        limits: args.engine.is_limited().then(|| args.engine.limits()),
    })?;
    Ok(exit::OK)
}
