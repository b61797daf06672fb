//! Flags of `lbench doctor`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::engine::scripted::Script;

/// Flags of `lbench doctor`.
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
    /// Use the scripted engine: for tests.
    #[arg(long, hide = true, value_parser = super::script)]
    pub scripted: Option<Script>,
}

/// A format of the doctor's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
