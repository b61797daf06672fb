//! Flags as typed. Parsed and checked, no I/O yet.

mod ab;
mod argv;
mod axes;
mod compare;
mod config;
pub mod defaults;
mod deprecated;
mod doctor;
mod help;
mod hub;
mod message;
mod process;
mod report;
mod rpc_server;
pub mod settings;
mod shell;
mod values;
mod works;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use settings::{Flags, Setting};

pub use ab::{AbArgs, Side};
pub use argv::{is_worker, long_form};
pub use axes::AxisArgs;
pub use compare::{CompareArgs, CompareFormat, HowArgs};
pub use config::{ConfigArgs, ConfigWhat};
pub use deprecated::DeprecatedArgs;
pub use doctor::{DoctorArgs, DoctorFormat};
pub use hub::HubArgs;
pub use process::ProcessArgs;
pub use report::ReportArgs;
pub use rpc_server::RpcServerArgs;
pub use shell::{CompletionsArgs, ManArgs, Shell, man_pages};
pub use values::axis as parse_value;
pub use works::WorkArgs;

use crate::engine::scripted::Script;
use crate::error::Error;
use crate::report::{Extra, Format};
use crate::stats::stopping::Rule;
use crate::units::{Bytes, Nanos};

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

/// Fewest samples that may be asked for as the most.
const MIN_SAMPLES: i64 = 5;
/// How precise a row is to be, if nothing else is asked for.
const PRECISION: f64 = 0.01;
/// Most samples of a row.
const MAX_SAMPLES: u32 = 1000;
/// Longest time to run a row, in seconds.
const MAX_SECONDS: u64 = 20;
/// Fewest samples of a visit: one says nothing of how they scatter.
const VISIT_SAMPLES: u32 = 2;
/// Least time of a visit, of which the warm-up may be half: what a card or a scheduler does for tenths of seconds
/// is then in it.
const VISIT_TIME: Nanos = Nanos(750_000_000);

/// What to do instead of a sweep.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a GGUF model with random weights and the exact geometry of a real one.
    Synth(SynthArgs),
    /// Compare two result files, row by row: FASTER, SLOWER, SAME or UNCLEAR.
    Compare(CompareArgs),
    /// Measure two sides in turn: did another flag, build or driver help?
    Ab(Box<AbArgs>),
    /// Show journals: any run, finished or not, in any format.
    Report(ReportArgs),
    /// Measure lbench itself and this machine: what differences can be told from noise here.
    Doctor(DoctorArgs),
    /// Print the JSON Schema of what -o json and -o jsonl write.
    Schema,
    /// Serve this machine's devices to llama.cpp's RPC on another, for trusted networks only.
    RpcServer(RpcServerArgs),
    /// Show every flag's value and where it came from: command line, environment, preset, file
    Config(Box<ConfigArgs>),
    /// Print completions for a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder
    Man(ManArgs),
    /// The child process that measures.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

/// Flags of `lbench synth`.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// What to make, e.g. `llama-3.2-3b:q6_k`; `list` shows what there is.
    pub spec: String,
    /// File to write; its own name in the models folder if not given.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Folder of synthetic models.
    #[arg(long, value_name = "DIR", default_value = "models", env = "LBENCH_MODELS")]
    pub models_dir: PathBuf,
}

/// Flags of the hidden worker role.
#[derive(Debug, Args)]
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
    /// Script of the scripted engine.
    #[arg(long, value_parser = script)]
    pub scripted: Option<Script>,
}

/// Flags of a sweep.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools)] // each is a flag that a person typed
pub struct BenchArgs {
    /// Model file, or synth:SPEC for one made on the spot [default: synth:llama-135m:q4_0]
    #[arg(short, long, value_name = "FILE", help_heading = "Sweep")]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub model: Vec<String>,
    /// Models of the hub; they come after those of -m.
    #[command(flatten)]
    pub hub: HubArgs,
    /// What is measured under each combination.
    #[command(flatten)]
    pub works: WorkArgs,
    /// Named sweeps: report, quick, llama-bench, or your own; list shows them. Flags win over a preset's
    #[arg(long, value_name = "NAME", help_heading = "Sweep")]
    pub preset: Option<String>,
    /// The axes.
    #[command(flatten)]
    pub axes: AxisArgs,
    /// Older spellings of axes.
    #[command(flatten)]
    pub deprecated: DeprecatedArgs,

    /// Measure each test exactly N times, as llama-bench does, instead of until it is precise
    #[arg(short = 'r', long, value_name = "N", help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    #[arg(allow_hyphen_values = true, conflicts_with_all = ["precision", "max_reps", "max_time"])]
    pub repetitions: Option<u32>,
    /// Measure in rounds until another run would differ by no more than this, 95 times out of 100; without it,
    /// to 1 % at best, in half of llama-bench's time [default: 1%]
    #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
    #[arg(help_heading = "Measuring", allow_hyphen_values = true)]
    pub precision: Option<f64>,
    /// Most rounds: each visits every test that is not precise yet, in a fresh process
    #[arg(long, value_name = "N", help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    #[arg(allow_hyphen_values = true, conflicts_with = "repetitions")]
    pub rounds: Option<u32>,
    /// Most samples of each test, if it does not become precise [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u32).range(MIN_SAMPLES..=1_000_000))]
    #[arg(allow_hyphen_values = true)]
    pub max_reps: Option<u32>,
    /// Longest time to run a test over all rounds, in seconds, if it does not become precise [default: 20]
    #[arg(long, value_name = "SECONDS", help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    #[arg(allow_hyphen_values = true)]
    pub max_time: Option<u64>,
    /// Skip the warm-up runs at each test's real shape and depth
    #[arg(long, help_heading = "Measuring")]
    pub no_warmup: bool,
    /// Rest before each test, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0, help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=86_400))]
    #[arg(allow_hyphen_values = true)]
    pub delay: u64,
    /// How the process runs that measures.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Also time N fresh processes for each prompt, from start through load to the first token
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Measuring")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1000))]
    #[arg(allow_hyphen_values = true)]
    pub cold: u32,
    /// Longest time one test may take, load included, in seconds; 0 for no limit [default: what is silent
    /// for much longer than it should be counts as hung]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    #[arg(allow_hyphen_values = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=8_640_000))]
    pub timeout: Option<u64>,
    /// Longest time of the whole run, in seconds: rows that show every value once come first
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    #[arg(allow_hyphen_values = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=8_640_000))]
    pub max_total_time: Option<u64>,
    /// Skip what would take more memory of a GPU than this, by the engine's own prediction
    #[arg(long, value_name = "SIZE", value_parser = values::size, help_heading = "Limits")]
    pub max_vram: Option<Bytes>,
    /// End a test when the machine has less memory left than this; 0 for no such guard [default: 2 % of it]
    #[arg(long, value_name = "SIZE", value_parser = values::size, help_heading = "Limits")]
    pub min_free: Option<Bytes>,
    /// Try also what needs at least as much memory as a test that found none
    #[arg(long, help_heading = "Limits")]
    pub try_all: bool,
    /// Do not ask the driver for memory, power and clocks while tests run
    #[arg(long, help_heading = "Measuring")]
    pub no_telemetry: bool,
    /// Measure every row, also those that are the same thing as another
    #[arg(long, help_heading = "Measuring")]
    pub no_collapse: bool,

    /// Format of the results on standard output: md, json, jsonl, csv, sql, none
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md", help_heading = "Output")]
    #[arg(value_parser = format)]
    pub output: Format,
    /// [-oe] Format of a second copy on standard error [default: none]
    #[arg(long, value_name = "FORMAT", value_parser = format, help_heading = "Output")]
    pub output_err: Option<Format>,
    /// More columns for the table: short names or fields; help lists them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = "Output")]
    pub columns: Vec<String>,
    /// Do not measure what the devices can do at best; JSON and CSV then have no shares of it
    #[arg(long, help_heading = "Output")]
    pub no_roofline: bool,
    /// Print a line for each step, also where standard error is no terminal
    #[arg(long, help_heading = "Output")]
    pub progress: bool,
    /// Copy the engine's log to standard error
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,

    /// File to write down everything that happens in [default: one for each run in ~/.local/state/lbench]
    #[arg(long, value_name = "FILE", help_heading = "Keeping", conflicts_with = "no_journal")]
    pub journal: Option<PathBuf>,
    /// Write nothing down
    #[arg(long, help_heading = "Keeping")]
    pub no_journal: bool,
    /// Measure only what an earlier run has not: the last one, or that of a journal. Without other flags
    /// it is the same sweep
    #[arg(long, value_name = "FILE", num_args = 0..=1, help_heading = "Keeping")]
    pub resume: Option<Option<PathBuf>>,

    /// Result file of an earlier run: a column says how each row does against it
    #[arg(long, value_name = "FILE", help_heading = "Comparing")]
    pub baseline: Option<PathBuf>,
    /// How.
    #[command(flatten)]
    pub how: HowArgs,

    /// Read no defaults from the configuration file and the environment
    #[arg(long, help_heading = "Other")]
    pub no_config: bool,
    /// Print what would be measured, and stop
    #[arg(long, help_heading = "Other")]
    pub dry_run: bool,
    /// Print the devices that the engine finds, and stop
    #[arg(long, help_heading = "Other")]
    pub list_devices: bool,
    /// Folder of the engine's backend modules, where the build has any [default: backends, beside lbench]
    /// [env: `LBENCH_BACKENDS`]
    #[arg(long, value_name = "DIR", help_heading = "Other")]
    pub backend_dir: Option<PathBuf>,
    /// Folder of synthetic models [env: `LBENCH_MODELS`]
    #[arg(long, value_name = "DIR", default_value = "models")]
    #[arg(help_heading = "Other")]
    pub models_dir: PathBuf,
    /// Use the scripted engine: for tests.
    #[arg(long, hide = true, value_parser = script)]
    pub scripted: Option<Script>,
    /// What was typed, flag by flag.
    #[arg(skip)]
    pub typed: Vec<Setting>,
}

/// Flags that do not change what is measured.
const SHOWING: [&str; 17] = [
    "output",
    "output-err",
    "columns",
    "progress",
    "verbose",
    "journal",
    "no-journal",
    "resume",
    "baseline",
    "threshold",
    "floor",
    "fail-on",
    "by",
    "force",
    "hf-token",
    "offline",
    "no-config",
];

fn format(text: &str) -> Result<Format, String> {
    text.parse()
}

fn script(text: &str) -> Result<Script, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

impl Cli {
    /// Reads the command line, llama-bench's spellings included.
    ///
    /// # Errors
    /// A usage error in one line. `--help` and `--version` print and leave.
    pub fn parse_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let args: Vec<_> = args.into_iter().collect();
        if let Some(text) = argv::unknown(&args) {
            return Err(Error::Usage(text));
        }
        let brief = argv::wants_brief_help(&args);
        let matches = Self::command().try_get_matches_from(argv::normalise(args));
        let parsed = matches.and_then(|matches| {
            let mut cli = Self::from_arg_matches(&matches)?;
            match (&mut cli.command, matches.subcommand()) {
                (Some(Command::Config(config)), Some((_, matches))) => {
                    config.bench.typed = Flags::new().typed(matches);
                }
                (Some(Command::Ab(ab)), Some((_, matches))) => {
                    ab.bench.typed = Flags::new().typed(matches);
                }
                (None, _) => cli.bench.typed = Flags::new().typed(&matches),
                _ => {}
            }
            Ok(cli)
        });
        match parsed {
            Ok(mut cli) => {
                cli.bench.deprecated.apply(&mut cli.bench.axes)?;
                cli.bench.works.apply(&mut cli.bench.axes)?;
                Ok(cli)
            }
            Err(error) if error.use_stderr() => Err(Error::Usage(message::one_line(&error))),
            Err(_) if brief => help::exit(),
            Err(help) => help.exit(),
        }
    }
}

impl BenchArgs {
    /// Whether any flag that was typed says what to measure or how, as opposed to how to show it and where
    /// to keep it.
    pub fn says_what(&self) -> bool {
        self.typed.iter().any(|setting| !SHOWING.contains(&setting.flag.as_str()))
    }

    /// When a row has been measured enough.
    pub fn goal(&self) -> Rule {
        match self.repetitions {
            Some(n) => Rule::Fixed { n },
            None => Rule::Precision {
                min_samples: VISIT_SAMPLES,
                target: self.precision.unwrap_or(PRECISION),
                max_samples: self.max_reps.unwrap_or(MAX_SAMPLES),
                max_time: Duration::from_secs(self.max_time.unwrap_or(MAX_SECONDS)).into(),
            },
        }
    }

    /// When a visit to a row has been long enough.
    pub fn visit(&self) -> Rule {
        match self.repetitions {
            Some(n) => Rule::Fixed { n },
            None => Rule::Visit {
                min_samples: VISIT_SAMPLES,
                least_time: VISIT_TIME,
                max_samples: self.max_reps.unwrap_or(MAX_SAMPLES),
            },
        }
    }

    /// Whether it was said how long to go on: the time of llama-bench is then no bound.
    pub fn is_bounded(&self) -> bool {
        self.precision.is_some()
            || self.rounds.is_some()
            || self.max_reps.is_some()
            || self.max_time.is_some()
            || self.max_total_time.is_some()
    }

    /// Takes over how results are shown and kept, and how the hub is reached.
    pub fn show_as(&mut self, other: &Self) {
        self.output = other.output;
        self.output_err = other.output_err;
        self.columns.clone_from(&other.columns);
        self.progress = other.progress;
        self.verbose = other.verbose;
        self.journal.clone_from(&other.journal);
        self.no_journal = other.no_journal;
        self.baseline.clone_from(&other.baseline);
        self.resume.clone_from(&other.resume);
        self.hub.reach_as(&other.hub);
    }

    /// Whether the results have room for what devices can do at best.
    pub fn needs_roof(&self, columns: &[Extra]) -> bool {
        let formats = [Some(self.output), self.output_err];
        let whole = [Format::Json, Format::Jsonl, Format::Csv, Format::Sql];
        let named = columns.iter().any(|column| column.needs_roof());
        !self.no_roofline && (named || formats.iter().flatten().any(|f| whole.contains(f)))
    }
}

#[cfg(test)]
mod tests;
