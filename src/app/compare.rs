//! `lbench compare`: two result files, row by row.

use std::path::PathBuf;

use clap::Args;

use super::earlier;
use super::out::{print, tell};
use crate::cli::HowArgs;
use crate::compare;
use crate::error::{Error, exit};

/// In few words.
pub(super) const BRIEF: &str = "Compare two result files, row by row";

/// Compare two result files, row by row: FASTER, SLOWER, SAME or UNCLEAR.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// Baseline: a result file of lbench or llama-bench (-o json, -o jsonl), - for standard input,
    /// or @last, @ID, @TAG for a run of `lbench history`
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
  lbench compare @main @last                                two runs of `lbench history`
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

/// Compares; the exit code is returned.
pub(super) fn main(args: &CompareArgs) -> Result<u8, Error> {
    let options = args.how.options();
    let (a, b) = earlier::sides(&args.a, &args.b)?;
    let comparison = compare::compare(&a, &b, &options)?;
    comparison.warnings().iter().for_each(|text| tell(text));
    print(|out| match args.output {
        CompareFormat::Md => comparison.write_markdown(out),
        CompareFormat::Json => comparison.write_json(out),
    })?;
    Ok(if comparison.fails(&args.how.fail_on) { exit::SOME_FAILED } else { exit::OK })
}
