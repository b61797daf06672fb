//! `lbench config`: every flag with its value, and where that came from.

use clap::{Args, ValueEnum};

use super::out::{print, tell};
use crate::cli::BenchArgs;
use crate::cli::defaults::{self, Sources};
use crate::error::{Error, exit};
use crate::machine::{Description, Host};
use crate::terminal::in_json;

/// In few words.
pub(super) const BRIEF: &str = "Show each flag's value, and where it came from";

/// Show every flag's value and where it came from: command line, environment, preset, file
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

/// Shows where defaults come from.
pub(super) fn main(args: &ConfigArgs) -> Result<u8, Error> {
    if args.what == ConfigWhat::Path {
        return show_path(args.json);
    }
    let sources = Sources::read(&args.bench)?;
    sources.notes.iter().for_each(|note| tell(note));
    if args.what == ConfigWhat::Presets || args.bench.preset.as_deref() == Some("list") {
        let presets = sources.presets()?;
        print(|out| defaults::show_presets(&presets, args.json, out))?;
        return Ok(exit::OK);
    }
    let mut layered = sources.layered(&args.bench)?;
    layered.iter_mut().for_each(defaults::Layered::with_token_of_hub);
    // The engine is not asked: no default depends on it.
    let host = Host::take(Description::default(), &args.bench.engine.limits());
    print(|out| defaults::show(sources.flags(), &layered, &host, args.json, out))?;
    Ok(exit::OK)
}

fn show_path(as_json: bool) -> Result<u8, Error> {
    let path = defaults::path().map(|(path, _)| path.display().to_string());
    print(|out| match (&path, as_json) {
        (path, true) => writeln!(out, "{}", in_json(&serde_json::json!(path).to_string())),
        (Some(path), false) => writeln!(out, "{path}"),
        (None, false) => Ok(()),
    })?;
    Ok(exit::OK)
}
