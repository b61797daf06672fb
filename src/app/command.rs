//! Command line: a sweep, or one of the commands.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use super::{
    ab, compare, completions, config, doctor, help, history, man, mock_server, quality, report,
    rpc_server, schema, synth, worker,
};
use crate::cli::{self, BenchArgs};
use crate::error::Error;

/// Benchmark quantized GGUF models on llama.cpp: sweep prompt and generation sizes, batch sizes, threads
/// and offload layers, and print a table that can be pasted.
///
/// llama-bench's flags work as they do there. Values are lists (64,128,512), ranges (1-8, 1-8+2, 64-1024*2)
/// or repeated flags; every combination becomes a row.
#[derive(Debug, Parser)]
#[command(name = "lbench", version, disable_version_flag = true)]
#[command(args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(after_help = help::EXAMPLES)]
pub struct Cli {
    /// What to do instead of a sweep.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The sweep.
    #[command(flatten)]
    pub bench: BenchArgs,
    /// Print what this build is, with its engine, kernels and flavour, and stop
    #[arg(long, help_heading = "Other")]
    pub version: bool,
    /// Print the version of lbench alone, and stop
    #[arg(short = 'V', action = clap::ArgAction::Version, help_heading = "Other")]
    short_version: Option<bool>,
}

/// Lists the commands: the name of each, and the file with its arguments and its deed.
macro_rules! commands {
    ($($name:ident: $file:ident::$args:ident,)*) => {
        /// What to do instead of a sweep.
        #[derive(Debug, Subcommand)]
        #[allow(missing_docs)] // their arguments have the words that help shows
        pub enum Command {
            $($name(Box<$file::$args>),)*
        }

        impl Command {
            /// Each in few words, in order; nothing for one that is hidden.
            pub(super) const BRIEF: &[&str] = &[$($file::BRIEF,)*];

            /// Does it; the exit code is returned.
            ///
            /// # Errors
            /// When there is nothing to show.
            pub(super) fn run(&self) -> Result<u8, Error> {
                match self {
                    $(Self::$name(args) => $file::main(args),)*
                }
            }
        }
    };
}

commands! {
    Synth: synth::SynthArgs,
    Quality: quality::QualitySweepArgs,
    Compare: compare::CompareArgs,
    Ab: ab::AbArgs,
    Report: report::ReportArgs,
    History: history::HistoryArgs,
    Doctor: doctor::DoctorArgs,
    Schema: schema::SchemaArgs,
    RpcServer: rpc_server::RpcServerArgs,
    MockServer: mock_server::MockServerArgs,
    Config: config::ConfigArgs,
    Completions: completions::CompletionsArgs,
    Man: man::ManArgs,
    Worker: worker::WorkerArgs,
}

impl Cli {
    /// Reads the command line, llama-bench's spellings included. The inner error is a wish for help or a version.
    ///
    /// # Errors
    /// A usage error in one line.
    pub fn parse_args(
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<Result<Self, clap::Error>, Error> {
        let args: Vec<_> = args.into_iter().collect();
        let brief = help::is_wanted(&args);
        let matches = match cli::matches(Self::command(), args)? {
            Ok(matches) => matches,
            Err(asked) => {
                let asked = if brief { help::asked().unwrap_or(asked) } else { asked };
                return Ok(Err(asked));
            }
        };
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| cli::usage(&error))?;
        match (&mut cli.command, matches.subcommand()) {
            (Some(Command::Config(config)), Some((_, matches))) => {
                config.bench.complete(matches)?;
            }
            (Some(Command::Ab(ab)), Some((_, matches))) => ab.bench.complete(matches)?,
            (Some(Command::Quality(quality)), Some((_, matches))) => {
                quality.bench.complete(matches)?;
            }
            (None, _) => cli.bench.complete(&matches)?,
            _ => {}
        }
        Ok(Ok(cli))
    }
}
