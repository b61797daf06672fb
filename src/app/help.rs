//! `-h`: the flags that most people look for, on about one screen. `--help` has all of them.

use std::ffi::OsString;
use std::io::{self, Write as _};

use clap::{Command, CommandFactory as _};

use super::command::{Cli, Command as Deed};
use super::out::output_error;
use crate::cli::flags::{self, Brief};
use crate::error::Error;

const MORE: &str = "\
Examples:
  lbench -m model.gguf                      pp512 and tg128, as llama-bench
  lbench -m model.gguf -n 0 -b 64,128,512   a sweep over batch sizes
  lbench -m model.gguf --preset report      several sweeps, a table each

lbench --help has the rest: more axes, limits, journals, schema, completions, man.";

/// Commands for programs and shells, which few people type: `--help` has them.
const PLUMBING: [&str; 4] = ["schema", "completions", "man", "mock-server"];

/// Under all the flags.
pub(super) const EXAMPLES: &str = "\
Examples:
  lbench -m model.gguf                                  pp512 and tg128, as llama-bench
  lbench -m model.gguf -p 1024 -n 0 -b 64,128,512       a sweep over batch sizes
  lbench -m model.gguf -ngl 10,20,99 -t 4,8 --dry-run   what would be measured
  lbench -m synth:llama-3.2-3b:q6_k -ngl 99             a model that lbench makes itself
  lbench -hf user/model-GGUF:q8_0                       a model of the Hugging Face hub
  lbench -m a.gguf -m b.gguf -p 0 -n 128 -d 0,4096      two models, with and without a long context
  lbench -m model.gguf -r 5 -o csv > rows.csv           llama-bench's fields first, then lbench's
  lbench -o jsonl --baseline main.jsonl --fail-on slower    for CI: exit code 1 if any row is slower
  lbench --resume                                       what an interrupted run has not measured
  lbench --preset report -m model.gguf                  named sweeps; --preset list shows them
  lbench config                                         each flag's value, and where it came from

Defaults come from ~/.config/lbench/config.toml (threads = 8) and from the environment (LBENCH_THREADS=8): the \
command line wins over the environment, that over a preset, that over the file. --no-config ignores both.

Exit codes: 0 all measured, 1 some rows failed or are what --fail-on names, 2 bad flag or file, 3 lbench itself \
broke, 130 interrupted.";

/// Whether `-h` was typed, and no command.
pub(super) fn is_wanted(args: &[OsString]) -> bool {
    let is_flag = |arg: &OsString| arg.to_str().is_none_or(|arg| arg.starts_with('-'));
    args.get(1).is_none_or(is_flag) && args.iter().any(|arg| arg == "-h")
}

/// The command as `-h` shows it.
pub(super) fn brief() -> Command {
    let mut words = Deed::BRIEF.iter();
    Cli::command()
        .about("Benchmark quantized GGUF models on llama.cpp, with llama-bench's flags")
        .mut_args(|arg| {
            let brief = arg.get_long().and_then(flags::find).and_then(|flag| flag.brief);
            let Some(Brief { words, heading, value }) = brief else { return arg.hide(true) };
            let arg = arg.help(words);
            let arg = if let Some(heading) = heading { arg.help_heading(heading) } else { arg };
            if let Some(value) = value { arg.value_name(value) } else { arg }
        })
        .mut_subcommands(|command| {
            let is_hidden = command.is_hide_set() || PLUMBING.contains(&command.get_name());
            match words.next() {
                Some(words) if !words.is_empty() => command.about(*words).hide(is_hidden),
                _ => command,
            }
        })
        .disable_help_subcommand(true)
        .after_help(MORE)
}

/// It, as the parser hands over what was asked for; `None` never: asking for help is no match.
pub(super) fn asked() -> Option<clap::Error> {
    brief().try_get_matches_from(["lbench", "-h"]).err()
}

/// Prints what was asked for: help, or a version.
pub(super) fn show(help: &clap::Error) -> Result<(), Error> {
    help.print().and_then(|()| io::stdout().flush()).map_err(output_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_help_at_two_widths() {
        for width in [80, 100] {
            let brief = brief().term_width(width).render_help().to_string();
            assert!(brief.lines().count() <= 60, "{} lines: {brief}", brief.lines().count());
            assert!(brief.lines().all(|line| line.chars().count() <= width), "{brief}");
            insta::assert_snapshot!(format!("brief_{width}"), brief);
            let whole = Cli::command().term_width(width).render_help().to_string();
            assert!(whole.lines().all(|line| line.chars().count() <= width), "{whole}");
        }
    }
}
