//! Flags of `lbench config`.

use clap::{Args, ValueEnum};

use super::BenchArgs;

/// Flags of `lbench config`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ConfigArgs {
    /// What to show
    #[arg(value_enum, default_value = "show")]
    pub what: ConfigWhat,
    /// As JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// A sweep's flags, to see what comes of them.
    #[command(flatten)]
    pub bench: BenchArgs,
}

/// What `lbench config` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigWhat {
    /// Every flag with its value, and where that came from
    Show,
    /// The configuration file that is read, if any
    Path,
    /// The presets, built in and your own
    Presets,
}

const EXAMPLES: &str = "\
Examples:
  lbench config                      every flag, its value, and where that came from
  lbench config -t 8 --preset quick  the same under these flags
  lbench config --json               for programs
  lbench config presets              the named sweeps
  lbench config path                 the file";
