//! Manner of comparing: how results are compared: flags of `lbench compare`, and of a run beside a baseline.

use clap::Args;

use super::quantities;
use crate::compare::{CompareOptions, FailOn};
use crate::stats::verdict::Criteria;

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
    pub fn options(&self) -> CompareOptions {
        let usual = Criteria::default();
        let limits = Criteria {
            threshold: self.threshold.unwrap_or(usual.threshold),
            floor: self.floor.unwrap_or(usual.floor),
            floor_may_rise: self.floor.is_none(),
            ..usual
        };
        CompareOptions { limits, by: self.by.clone(), force: self.force }
    }
}
