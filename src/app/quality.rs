//! `lbench quality`: a sweep with `--quality`.

use std::ffi::OsString;

use clap::Args;

use super::sweep;
use crate::cli::BenchArgs;
use crate::cli::defaults::over;
use crate::cli::settings::{Flags, command_line};
use crate::error::Error;

/// In few words.
pub(super) const BRIEF: &str = "Quality beside speed: what quantization costs";

/// Measure how well models foretell a text, and how far each is from the largest, beside their speed
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct QualitySweepArgs {
    /// The flags of a sweep.
    #[command(flatten)]
    pub bench: BenchArgs,
}

const EXAMPLES: &str = "\
Examples:
  lbench quality -m f16.gguf,q8_0.gguf,q4_k_m.gguf               speed, memory and divergence of each
  lbench quality -m f16.gguf --make q8_0,q6_k,q4_k_m             the same of what is made of one model
  lbench quality -m f16.gguf,q4_k_m.gguf -p 0 -n 0               quality alone
  lbench quality -m model.gguf -p 0 -n 0 -ctk f16,q8_0 -fa on    what a KV cache type costs

It is a sweep with --quality, and takes all flags of one.";

/// Carries it out; the exit code is returned.
pub(super) fn main(typed: &QualitySweepArgs) -> Result<u8, Error> {
    let flags = Flags::new();
    let own = BenchArgs::parse(["lbench", "--quality"].map(OsString::from))?.typed;
    let all = over(&flags, &own, &typed.bench.typed);
    sweep::main(&BenchArgs::parse(command_line(&all))?)
}
