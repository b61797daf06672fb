//! Flags of `lbench report`.

use std::path::PathBuf;

use clap::Args;

use crate::report::Format;

/// Flags of `lbench report`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ReportArgs {
    /// Journals; the last run's if none is given
    pub files: Vec<PathBuf>,
    /// Format: md, json, jsonl, csv, sql, none
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md")]
    #[arg(value_parser = super::format)]
    pub output: Format,
    /// More columns for the table: short names or fields; help lists them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub columns: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  lbench report                         the last run again
  lbench report run.jsonl -o csv        any run in any format, finished or not
  lbench report --columns median,ci     with more columns

Exit codes: 0 all rows are there, 1 some failed, 2 a file cannot be read.";
