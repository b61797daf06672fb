//! Flags of a sweep as typed, parsed and checked, with no I/O yet; and what commands share with it.

mod argv;
mod axes;
pub mod defaults;
mod deprecated;
mod engine;
pub mod flags;
mod foreign;
mod how;
mod hub;
mod line;
mod make;
mod message;
mod pattern;
mod process;
mod quality;
pub mod quantities;
pub mod settings;
mod values;
mod works;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, FromArgMatches as _};
use flags::Concern;
use settings::{Flags, Setting};

pub use argv::{long_form, spellings};
pub use axes::AxisArgs;
pub use deprecated::DeprecatedArgs;
pub use engine::EngineArgs;
pub use how::HowArgs;
pub use hub::HubArgs;
pub use line::slip;
pub use make::MakeArgs;
pub use process::ProcessArgs;
pub use quality::QualityArgs;
pub use values::axis as parse_value;
pub use works::WorkArgs;

use crate::error::Error;
use crate::report::{Extra, Format};
use crate::stats::stopping::Rule;
use crate::units::{Bytes, Nanos};
use crate::wire::Guarded;

/// Fewest samples that may be asked for as the most.
const MIN_SAMPLES: i64 = 5;
/// How precise a row is to be, if nothing else is asked for.
const PRECISION: f64 = 0.01;
/// Most samples of a row.
const MAX_SAMPLES: u32 = 1000;
/// Longest time to run a row.
const MAX_TIME: Duration = Duration::from_secs(20);
/// Fewest samples of a visit: one says nothing of how they scatter.
const VISIT_SAMPLES: u32 = 2;
/// Least time of a visit, of which the warm-up may be half: what a card or a scheduler does for tenths of seconds
/// is then in it.
const VISIT_TIME: Nanos = Nanos(750_000_000);

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
    /// What is made of a model first.
    #[command(flatten)]
    pub making: MakeArgs,
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
    #[arg(value_parser = quantities::whole::<u32>(1..=1_000_000))]
    #[arg(allow_hyphen_values = true, conflicts_with_all = ["precision", "max_reps", "max_time"])]
    pub repetitions: Option<u32>,
    /// Measure in rounds until another run would differ by no more than this, 95 times out of 100; without it,
    /// to 1 % at best, in half of llama-bench's time [default: 1%]
    #[arg(long, value_name = "PERCENT", value_parser = quantities::percent)]
    #[arg(help_heading = "Measuring", allow_hyphen_values = true)]
    pub precision: Option<f64>,
    /// Most rounds: each visits every test that is not precise yet, in a fresh process
    #[arg(long, value_name = "N", help_heading = "Measuring")]
    #[arg(value_parser = quantities::whole::<u32>(1..=10_000))]
    #[arg(allow_hyphen_values = true, conflicts_with = "repetitions")]
    pub rounds: Option<u32>,
    /// Most samples of each test, if it does not become precise [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Measuring")]
    #[arg(value_parser = quantities::whole::<u32>(MIN_SAMPLES..=1_000_000))]
    #[arg(allow_hyphen_values = true)]
    pub max_reps: Option<u32>,
    /// Longest time to run a test over all rounds, in seconds, if it does not become precise [default: 20]
    #[arg(long, value_name = "SECONDS", help_heading = "Measuring")]
    #[arg(value_parser = quantities::seconds(0.001..=86_400.0))]
    #[arg(allow_hyphen_values = true)]
    pub max_time: Option<Duration>,
    /// Skip the warm-up runs at each test's real shape and depth
    #[arg(long, help_heading = "Measuring")]
    pub no_warmup: bool,
    /// Rest before each test, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "0", help_heading = "Measuring")]
    #[arg(value_parser = quantities::seconds(0.0..=86_400.0))]
    #[arg(allow_hyphen_values = true)]
    pub delay: Duration,
    /// How the process runs that measures.
    #[command(flatten)]
    pub process: ProcessArgs,
    /// Also time N fresh processes for each prompt, from start through load to the first token
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Measuring")]
    #[arg(value_parser = quantities::whole::<u32>(0..=1000))]
    #[arg(allow_hyphen_values = true)]
    pub cold: u32,
    /// Longest time one test may take, load included, in seconds; 0 for no limit [default: what is silent
    /// for much longer than it should be counts as hung]
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    #[arg(allow_hyphen_values = true)]
    #[arg(value_parser = quantities::seconds(0.0..=8_640_000.0))]
    pub timeout: Option<Duration>,
    /// Longest time of the whole run, in seconds: rows that show every value once come first
    #[arg(long, value_name = "SECONDS", help_heading = "Limits")]
    #[arg(allow_hyphen_values = true)]
    #[arg(value_parser = quantities::seconds(0.001..=8_640_000.0))]
    pub max_total_time: Option<Duration>,
    /// Skip what would take more memory of a GPU than this, by the engine's own prediction
    #[arg(long, value_name = "SIZE", value_parser = quantities::size, help_heading = "Limits")]
    pub max_vram: Option<Bytes>,
    /// End a test when the machine has less memory left than this; 0 for no such guard [default: 2 % of it]
    #[arg(long, value_name = "SIZE", value_parser = quantities::size, help_heading = "Limits")]
    pub min_free: Option<Bytes>,
    /// Try also what needs at least as much memory as a test that found none
    #[arg(long, help_heading = "Limits")]
    pub try_all: bool,
    /// Hold what each load computes against the CPU also where nothing is offloaded, and whatever asking it takes
    #[arg(long, help_heading = "Measuring", conflicts_with = "no_canary")]
    pub canary: bool,
    /// Do not look whether a device computes what the same file gives on the CPU
    #[arg(long, help_heading = "Measuring")]
    pub no_canary: bool,
    /// Do not ask the driver for memory, power and clocks while tests run
    #[arg(long, help_heading = "Measuring")]
    pub no_telemetry: bool,
    /// Measure every row, also those that are the same thing as another
    #[arg(long, help_heading = "Measuring")]
    pub no_collapse: bool,

    /// Format of the results on standard output: md, json, jsonl, csv, sql, html, none
    #[arg(short = 'o', long, value_name = "FORMAT", default_value = "md", help_heading = "Output")]
    #[arg(value_parser = format)]
    pub output: Format,
    /// [-oe] Format of a second copy on standard error [default: none]
    #[arg(long, value_name = "FORMAT", value_parser = format, help_heading = "Output")]
    pub output_err: Option<Format>,
    /// Also write a page to this file: tables, plots and the rows themselves, for any browser
    #[arg(long, value_name = "FILE", help_heading = "Output", value_hint = clap::ValueHint::FilePath)]
    pub html: Option<PathBuf>,
    /// More columns for the table: short names or fields; help lists them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', help_heading = "Output")]
    pub columns: Vec<String>,
    /// Draw what was measured under the table, with characters; beside other formats on standard error
    #[arg(long, help_heading = "Output")]
    pub plot: bool,
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
    /// Measure only what an earlier run has not: the last one, or that of a journal. Without flags that say
    /// what to measure it is the same sweep
    #[arg(long, value_name = "FILE", num_args = 0..=1, help_heading = "Keeping")]
    pub resume: Option<Option<PathBuf>>,

    /// Result file of an earlier run, or @last, @ID, @TAG of `lbench history`: a column says how each row does
    /// against it
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
    /// The engine.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// What was typed, flag by flag.
    #[arg(skip)]
    pub typed: Vec<Setting>,
}

/// A format by its name.
///
/// # Errors
/// A sentence with those that there are.
pub fn format(text: &str) -> Result<Format, String> {
    text.parse()
}

/// A sweep as a command of its own: the flags that every default, preset and journal speaks of.
fn command() -> clap::Command {
    BenchArgs::augment_args(clap::Command::new("lbench"))
}

/// Reads arguments as a command has them, llama-bench's spellings included. The inner error is a wish for help.
///
/// # Errors
/// A usage error in one line.
pub fn matches(
    mut command: clap::Command,
    args: Vec<OsString>,
) -> Result<Result<ArgMatches, clap::Error>, Error> {
    command.build();
    if let Some(text) = argv::no_text(&args) {
        return Err(Error::Usage(text));
    }
    if let Some(text) = line::slip(&command, &args) {
        return Err(Error::Usage(text));
    }
    let takes_line = line::line_takers(&command, &args);
    let args = argv::normalise(args, |word| takes_line.iter().any(|taker| word == taker));
    match command.try_get_matches_from(args) {
        Err(error) if error.use_stderr() => Err(usage(&error)),
        other => Ok(other),
    }
}

/// A usage error in one line.
pub fn usage(error: &clap::Error) -> Error {
    Error::Usage(message::one_line(error))
}

impl BenchArgs {
    /// Reads the flags of a sweep that were put together or written down.
    ///
    /// # Errors
    /// A usage error in one line.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, Error> {
        let matches = matches(command(), args.into_iter().collect())?;
        let matches = matches.map_err(|help| usage(&help))?;
        let mut args = Self::from_arg_matches(&matches).map_err(|error| usage(&error))?;
        args.complete(&matches)?;
        Ok(args)
    }

    /// Adds what the parser alone knows: what was typed, and what older spellings stand for.
    ///
    /// # Errors
    /// When flags that exclude each other are given.
    pub fn complete(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.typed = Flags::new().typed(matches);
        if let Some(text) = flags::clash(&self.typed.iter().collect::<Vec<_>>()) {
            return Err(Error::Usage(text.into()));
        }
        self.deprecated.apply(&mut self.axes);
        self.works.apply(&mut self.axes);
        Ok(())
    }

    /// Whether any flag that was typed says what to measure or how, as opposed to how to show it and where
    /// to keep it.
    pub fn says_what(&self) -> bool {
        self.typed.iter().any(|setting| flags::concern(&setting.flag) == Concern::Measuring)
    }

    /// When a row has been measured enough.
    pub fn goal(&self) -> Rule {
        match self.repetitions {
            Some(n) => Rule::Fixed { n },
            None => Rule::Precision {
                min_samples: VISIT_SAMPLES,
                target: self.precision.unwrap_or(PRECISION),
                max_samples: self.max_reps.unwrap_or(MAX_SAMPLES),
                max_time: self.max_time.unwrap_or(MAX_TIME).into(),
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

    /// Which rows are held against the CPU.
    pub fn guarded(&self) -> Guarded {
        match (self.no_canary, self.canary) {
            (false, true) => Guarded::All,
            (false, false) if self.engine.is_real() => Guarded::Offloaded,
            // A script has no kernels that could be wrong, unless it is told to.
            (true, _) | (false, false) => Guarded::None,
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

    /// Refuses a flag that means nothing without another.
    ///
    /// # Errors
    /// When there is one.
    pub fn refuse_lonely(&self) -> Result<(), Error> {
        flags::lonely(&self.typed).map_or(Ok(()), |text| Err(Error::Usage(text)))
    }

    /// Whether the results have room for what devices can do at best.
    pub fn needs_roof(&self, columns: &[Extra]) -> bool {
        let page = self.html.as_ref().map(|_| Format::Html);
        let formats = [Some(self.output), self.output_err, page];
        let whole = [Format::Json, Format::Jsonl, Format::Csv, Format::Sql, Format::Html];
        let named = columns.iter().any(|column| column.needs_roof());
        !self.no_roofline && (named || formats.iter().flatten().any(|f| whole.contains(f)))
    }
}
