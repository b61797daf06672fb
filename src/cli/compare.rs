//! Flags of `lbench compare`, and of a run beside a baseline.

use std::path::PathBuf;

use clap::Args;

use super::quantities;
use crate::compare::{FailOn, Options};
use crate::stats::verdict::Limits;

/// Flags of `lbench compare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// Baseline: a result file of lbench or llama-bench (-o json, -o jsonl), or - for standard input
    pub a: PathBuf,
    /// What is compared with it
    pub b: PathBuf,
    /// Format of the comparison: md, json
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md")]
    pub output: CompareFormat,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,
}

const EXAMPLES: &str = "\
Examples:
  lbench compare before.json after.json                     row by row, with a verdict
  lbench compare main.jsonl branch.jsonl --fail-on slower   for CI: exit code 1 if any row is SLOWER
  lbench compare t4.json t8.json --by n_threads             two settings instead of two builds
  lbench -o jsonl --baseline main.jsonl                     measure, with the verdict as a column

Exit codes: 0 compared, 1 a row is what --fail-on names, 2 bad flag or file, or not comparable.";

/// Formats of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CompareFormat {
    /// A markdown table with notes.
    Md,
    /// A JSON array.
    Json,
}

/// How results are compared; common to `lbench compare` and `--baseline`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Comparing")]
pub struct HowArgs {
    /// Differences up to this do not matter: SAME [default: 1%]
    #[arg(long, value_name = "PERCENT", value_parser = quantities::percent)]
    #[arg(allow_hyphen_values = true)]
    threshold: Option<f64>,
    /// How much runs of the same thing differ here beyond their samples [default: what `lbench doctor`
    /// found when the rows were measured, 0.5% at least]
    #[arg(long, value_name = "PERCENT", value_parser = quantities::percent)]
    #[arg(allow_hyphen_values = true)]
    floor: Option<f64>,
    /// Exit with 1 if any row is one of: slower, faster, unclear, failed, missing
    #[arg(long, value_name = "VERDICT,...", value_delimiter = ',')]
    pub fail_on: Vec<FailOn>,
    /// Settings that may differ between the rows compared: threads, ngl, model, ...
    #[arg(long, value_name = "FIELD,...", value_delimiter = ',')]
    by: Vec<String>,
    /// Compare also where model files or random weights differ, or no test is in both
    #[arg(long)]
    force: bool,
}

impl HowArgs {
    /// The same in the terms of a comparison.
    pub fn options(&self) -> Options {
        let usual = Limits::default();
        let limits = Limits {
            threshold: self.threshold.unwrap_or(usual.threshold),
            floor: self.floor.unwrap_or(usual.floor),
            floor_may_rise: self.floor.is_none(),
            ..usual
        };
        Options { limits, by: self.by.clone(), force: self.force }
    }
}
