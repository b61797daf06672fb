//! Arguments of `lbench ab`: the flags of a sweep for both sides, and what each side has beside them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, Args};

use crate::cli::BenchArgs;
use crate::cli::defaults::over;
use crate::cli::settings::{Flags, Setting, command_line};
use crate::error::Error;
use crate::report::Format;

/// Measure two sides in turn: did another flag, build or driver help?
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, mut_args = in_turn)]
pub struct AbArgs {
    /// What A has beside the flags of both: flags, and before them variables of its environment
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true, help_heading = "Sides")]
    #[arg(value_hint = clap::ValueHint::CommandString)]
    pub a: Option<String>,
    /// The same of B; its verdict is against A
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true, help_heading = "Sides")]
    #[arg(value_hint = clap::ValueHint::CommandString)]
    pub b: Option<String>,
    /// Another lbench that measures B: another build, or another llama.cpp
    #[arg(long, value_name = "LBENCH", help_heading = "Sides")]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub with: Option<PathBuf>,
    /// Another lbench that measures A; this one if not given
    #[arg(long, value_name = "LBENCH", help_heading = "Sides")]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pub with_a: Option<PathBuf>,
    /// The flags of both.
    #[command(flatten)]
    pub bench: BenchArgs,
}

const EXAMPLES: &str = "\
Examples:
  lbench ab -m model.gguf --b '-fa 1'                    does flash attention help?
  lbench ab -m model.gguf -n 0 --a '-t 8' --b '-t 16'    eight threads or sixteen?
  lbench ab -m model.gguf --with ../new/lbench           another build; this one is A
  lbench ab -m model.gguf --b 'GGML_CUDA_FORCE_MMQ=1'    a variable in B's environment
  lbench ab --a '-m a.gguf' --b '-m b.gguf'              two models
  lbench ab -m model.gguf --b '-fa 1' --fail-on slower   exit code 1 if B is SLOWER

A round visits each test of both sides, one directly after the other, in an order drawn from a seed. Rounds go on \
until every verdict is clear, at most 12 (--rounds N: exactly N); FASTER and SLOWER are about B. What --a and --b say \
wins over the flags of both.

Exit codes: 0 compared, 1 some tests failed or are what --fail-on names, 2 bad flag, file or program, 3 lbench \
itself broke, 130 interrupted.";

/// A flag of a sweep as this command has it.
fn in_turn(arg: Arg) -> Arg {
    let long = arg.get_long().unwrap_or_default();
    if OUT_OF_PLACE.iter().any(|(flag, _)| *flag == long) {
        return arg.hide(true);
    }
    match long {
        "repetitions" => arg.help("Measure exactly N samples in each visit"),
        "rounds" => arg.help("Exactly N rounds, however clear the verdicts are"),
        "max-reps" => arg.help("Most samples of each visit [default: 1000]"),
        "max-time" => arg.help(
            "Longest time to run each side of a test, in seconds [default: 60, and four rounds at least]",
        ),
        "output" => arg.help("Format of the comparison on standard output: md, json, jsonl, none"),
        _ => arg,
    }
}

/// One side of two, as it was typed.
#[derive(Debug)]
pub struct TypedSide {
    /// Its flags, with those of both.
    pub bench: BenchArgs,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// What was typed for it alone; empty where that is nothing.
    pub own: String,
}

/// Flags for one side that are no axes and no tests: they name its model, or say how its process runs.
const OF_A_SIDE: [&str; 6] = ["hf-repo", "hf-file", "numa", "prio", "backend-dir", "scripted"];

/// Flags that mean nothing where two sides are visited in turn, and what to do instead.
const OUT_OF_PLACE: [(&str, &str); 11] = [
    ("resume", "begins anew each time"),
    ("baseline", "has its own: A"),
    (
        "precision",
        "goes on until the verdict is clear; --threshold says from where differences matter",
    ),
    ("cold", "times no cold starts"),
    ("html", "writes a comparison; `lbench report --html` makes a page of its journal"),
    ("columns", "has the columns of a comparison"),
    ("output-err", "writes to standard output alone"),
    ("by", "pairs tests by their order: settings may differ"),
    ("force", "refuses no pair of equal tests"),
    ("list-devices", "measures"),
    ("make", "measures one model a side: make it with `lbench quality --make TYPE --keep`"),
];

impl AbArgs {
    /// Both sides.
    ///
    /// # Errors
    /// When one cannot be followed, or has what is about the whole run.
    pub fn sides(&self) -> Result<[TypedSide; 2], Error> {
        let typed = |flag: &str| self.bench.typed.iter().any(|setting| setting.flag == flag);
        if let Some((flag, why)) = OUT_OF_PLACE.iter().find(|(flag, _)| typed(flag)) {
            return Err(Error::Usage(format!("--{flag}: `lbench ab` {why}")));
        }
        let flags = Flags::new();
        let side = |name: &str, text: Option<&str>| {
            self.side(&flags, text.unwrap_or_default()).map_err(|error| {
                let said = error.to_string();
                Error::Usage(format!("--{name}: {said}"))
            })
        };
        Ok([side("a", self.a.as_deref())?, side("b", self.b.as_deref())?])
    }

    /// One side: what is said of it alone, over what is said of both.
    fn side(&self, flags: &Flags, text: &str) -> Result<TypedSide, Error> {
        let words = shlex::split(text)
            .ok_or_else(|| Error::Usage(format!("a quote in {text} has no end")))?;
        let variables = words.iter().map_while(|word| variable(word));
        let environment: Vec<_> = variables.collect();
        if let Some((name, _)) = environment.iter().find(|(name, _)| is_ours(name)) {
            return Err(Error::Usage(format!(
                "{name} is read by this lbench and not by the process that measures: give its flag, or set it for \
                 both sides"
            )));
        }
        let line = words.into_iter().skip(environment.len());
        let line = std::iter::once("lbench".to_string()).chain(line).map(OsString::from);
        let line: Vec<_> = line.collect();
        if line
            .iter()
            .any(|word| ["-h", "--help", "-V", "--version"].iter().any(|help| word == help))
        {
            return Err(Error::Usage("give flags; `lbench --help` has them".into()));
        }
        let own = BenchArgs::parse(line)?.typed;
        let is_of_a_side = |setting: &&Setting| {
            // A preset may say what is about the whole run.
            flags.heading(&setting.flag) == Some("Sweep") && setting.flag != "preset"
                || OF_A_SIDE.contains(&setting.flag.as_str())
        };
        if let Some(other) = own.iter().find(|setting| !is_of_a_side(setting)) {
            let flag = &other.flag;
            return Err(Error::Usage(format!("--{flag} is about both sides: give it before them")));
        }
        let all = over(flags, &own, &self.bench.typed);
        let bench = BenchArgs::parse(command_line(&all))?;
        Ok(TypedSide { bench, environment, own: text.trim().to_string() })
    }
}

/// Refuses formats of rows: a comparison has none.
pub(super) fn refuse_rows(format: Format) -> Result<(), Error> {
    match format {
        Format::Csv | Format::Sql => Err(Error::Usage(format!(
            "-o {}: `lbench ab` writes md, json, jsonl, none; `lbench report` has the rows in any format",
            format.name()
        ))),
        _ => Ok(()),
    }
}

/// Whether a variable is one of those that the parent reads: a worker does not look at it.
fn is_ours(name: &str) -> bool {
    ["LBENCH_", "HF_"].iter().any(|beginning| name.starts_with(beginning))
}

/// A variable of the environment as a shell takes it: `NAME=value`.
fn variable(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && name.chars().all(is_name)).then(|| (name.to_string(), value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::super::command::{Cli, Command};
    use super::*;

    fn sides(line: &str) -> Result<[TypedSide; 2], String> {
        let args = shlex::split(line).unwrap().into_iter().map(OsString::from);
        let cli = Cli::parse_args(args).map_err(|error| error.to_string())?;
        let Some(Command::Ab(args)) = cli.unwrap().command else { panic!("{line}") };
        args.sides().map_err(|error| error.to_string())
    }

    fn typed(side: &TypedSide) -> String {
        let words = side.bench.typed.iter().flat_map(Setting::arguments);
        words.map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_side_has_its_own_flags_over_those_of_both() {
        let [a, b] = sides(
            "lbench ab -m m.gguf -t 4 -p 512 --a '-fa 0' --b 'X=1 Y_2=\"a b\" -fa 1 -t 8 -ctk q8_0'",
        )
        .unwrap();
        assert_eq!(typed(&a), "--model=m.gguf --n-prompt=512 --flash-attn=0 --threads=4");
        let b_typed =
            "--model=m.gguf --n-prompt=512 --cache-type-k=q8_0 --flash-attn=1 --threads=8";
        assert_eq!(typed(&b), b_typed);
        let variables = [("X", "1"), ("Y_2", "a b")].map(|(n, v)| (n.to_string(), v.to_string()));
        assert_eq!((a.environment.len(), b.environment), (0, variables.to_vec()));
        assert_eq!((a.own.as_str(), b.own.len()), ("-fa 0", 34));
    }

    #[test]
    fn examples_can_be_followed() {
        let texts = [
            EXAMPLES,
            include_str!("../../../docs/comparing.md"),
            include_str!("../../../README.md"),
        ];
        let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim_start);
        let examples: Vec<_> = lines.filter(|line| line.starts_with("lbench ab ")).collect();
        assert!(examples.len() > 10, "{examples:?}");
        for line in examples {
            // What stands behind two blanks is no part of it.
            let line = line.split("  ").next().unwrap();
            sides(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn what_goes_together_with_nothing_yields() {
        let [a, b] = sides("lbench ab -d 0,512 --b '--depth-curve 1024+512'").unwrap();
        assert_eq!(typed(&a), "--n-depth=0,512");
        assert_eq!(typed(&b), "--depth-curve=1024+512");
    }

    #[test]
    fn what_cannot_be_followed_is_said_in_one_line() {
        let messages: Vec<_> = [
            "lbench ab --b '-r 3'",
            "lbench ab --b '-o json'",
            "lbench ab --b '--preset quick'",
            "lbench ab --a '-ngl x'",
            "lbench ab --b '-nglx 3'",
            "lbench ab --b \"-m 'x\"",
            "lbench ab --b 'compare a b'",
            "lbench ab --b --version",
            "lbench ab --resume",
            "lbench ab --precision 1% --b '-t 1'",
            "lbench ab '-fa 0' '-fa 1'",
            "lbench ab --b -fa 1",
            "lbench ab --b -fa",
            "lbench ab --b '-t 1 -h'",
            "lbench ab --b 'LBENCH_THREADS=3 -fa 1'",
            "lbench ab --b 'A=1 HF_TOKEN=x'",
            "lbench ab --b '-hft secret'",
            "lbench ab --b '-t 1' --b '-t 2'",
            "lbench ab --b",
        ]
        .iter()
        .map(|line| format!("{line}\n    {}", sides(line).unwrap_err()))
        .collect();
        insta::assert_snapshot!(messages.join("\n"));
    }
}
