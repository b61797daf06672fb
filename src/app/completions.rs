//! `lbench completions`: what a shell wants to know, made from the flags as the parser has them.

use clap::builder::{PossibleValuesParser, Resettable};
use clap::{Arg, Args, Command, CommandFactory as _, ValueEnum, ValueHint};
use clap_complete::aot;

use super::command::Cli;
use super::out::print;
use crate::axis::{AXES, Grammar};
use crate::cli::defaults::PRESETS;
use crate::cli::flags::{self, Choices};
use crate::cli::spellings;
use crate::error::{Error, exit};
use crate::report::Format;
use crate::setup::{CacheType, LazyMode, LoadMode, Numa, SplitMode, Word};

/// In few words.
pub(super) const BRIEF: &str = "Print completions for a shell";

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(lbench completions bash)                                          for this bash
  lbench completions bash > ~/.local/share/bash-completion/completions/lbench
  lbench completions zsh > ~/.zfunc/_lbench                                  in a folder of $fpath
  lbench completions fish > ~/.config/fish/completions/lbench.fish
  lbench completions powershell >> $PROFILE";

/// Prints a script.
pub(super) fn main(args: &CompletionsArgs) -> Result<u8, Error> {
    let script = args.shell.completions(&PRESETS);
    print(|out| out.write_all(script.as_bytes()))?;
    Ok(exit::OK)
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // they are called what they are called
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

/// Stands for llama-bench's single dash in a name that clap takes for a long one.
const DASH: &str = "@";

impl Shell {
    /// The script that teaches the shell lbench's flags, commands and values, these presets among them.
    pub fn completions(self, presets: &[&str]) -> String {
        let mut command = complete(presets);
        let mut text = Vec::new();
        let name = "lbench";
        match self {
            Self::Bash => aot::generate(aot::Bash, &mut command, name, &mut text),
            Self::Zsh => aot::generate(aot::Zsh, &mut command, name, &mut text),
            Self::Fish => aot::generate(aot::Fish, &mut command, name, &mut text),
            Self::Powershell => aot::generate(aot::PowerShell, &mut command, name, &mut text),
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        match self {
            Self::Fish => fish(&text),
            // With -s a shell takes -ngl for three flags of one letter.
            Self::Zsh => text
                .replace(&format!("--{DASH}"), "-")
                .replace("_arguments_options=(-s -S -C)", "_arguments_options=(-S -C)")
                .replace("_arguments_options=(-s -C)", "_arguments_options=(-C)"),
            Self::Bash | Self::Powershell => text.replace(&format!("--{DASH}"), "-"),
        }
    }
}

/// fish calls flags of several letters behind one dash old ones. Its `argparse` does not know them, so the
/// command is looked for where it always is: it is the first word, or there is none.
fn fish(text: &str) -> String {
    const FIRST_WORD: &str = "\
    if set -q cmd[2]; and not string match -q -- '-*' $cmd[2]
        echo $cmd[2]
        return 1
    end
    return 0
end
";
    let text = text.replace(&format!("-l {DASH}"), "-o ");
    let from = text.find("    set -e cmd[1]\n");
    let to = from.and_then(|from| Some(from + text[from..].find("\nend\n")? + "\nend\n".len()));
    match from.zip(to) {
        Some((from, to)) => [&text[..from], FIRST_WORD, &text[to..]].concat(),
        None => text,
    }
}

/// The command with what only completions need: llama-bench's spellings as names of their own, and the
/// values of flags that take one of a few.
fn complete(presets: &[&str]) -> Command {
    let command = sweep(visible(&Cli::command()), presets);
    command
        .mut_subcommand("config", |config| sweep(config, presets))
        .mut_subcommand("quality", |quality| sweep(quality, presets))
        .mut_subcommand("ab", |ab| {
            let formats = ["md", "json", "jsonl", "none"];
            sweep(ab, presets).mut_arg("output", words(&formats))
        })
        .mut_subcommand("report", |report| report.mut_arg("output", words(&formats())))
        .mut_subcommand("history", |history| {
            let lists = ["md", "json", "jsonl", "csv"];
            history
                .mut_arg("output", words(&lists))
                .mut_subcommand("series", |series| series.mut_arg("output", words(&lists)))
                .mut_subcommand("show", |show| show.mut_arg("output", words(&formats())))
        })
}

/// A command that takes the flags of a sweep.
fn sweep(mut command: Command, presets: &[&str]) -> Command {
    for (short, long) in spellings() {
        if let Some(id) = id_of(&command, long) {
            command = command.mut_arg(id, |arg| arg.visible_alias(format!("{DASH}{short}")));
        }
    }
    for axis in &AXES {
        let values = match axis.grammar {
            Grammar::CacheType => names::<CacheType>(),
            Grammar::SplitMode => names::<SplitMode>(),
            Grammar::LoadMode => names::<LoadMode>(),
            Grammar::LazyMode => names::<LazyMode>(),
            Grammar::FlashAttention => vec!["on", "off", "auto"],
            Grammar::Switch => vec!["0", "1"],
            _ => Vec::new(),
        };
        command = if values.is_empty() {
            // Nothing to offer, files least of all.
            command.mut_arg(axis.name, |arg| arg.value_hint(ValueHint::Other))
        } else {
            command.mut_arg(axis.name, words(&values))
        };
    }
    for flag in flags::all() {
        let values = match flag.choices {
            Choices::Any => continue,
            Choices::Formats => formats().to_vec(),
            Choices::NumaModes => names::<Numa>(),
            Choices::Presets => presets.to_vec(),
        };
        if let Some(id) = id_of(&command, flag.long) {
            command = command.mut_arg(id, words(&values));
        }
    }
    command
}

fn names<T: Word>() -> Vec<&'static str> {
    T::ALL.iter().map(|value| value.name()).collect()
}

/// Has a flag take one of these words.
fn words(words: &[&str]) -> impl FnOnce(Arg) -> Arg {
    let parser = PossibleValuesParser::new(words.iter().map(ToString::to_string));
    |arg| arg.value_parser(parser)
}

fn formats() -> [&'static str; Format::NAMES.len()] {
    Format::NAMES.map(|(name, _)| name)
}

/// Without what is hidden: generators write that down too.
pub(super) fn visible(command: &Command) -> Command {
    let name = command.get_name().to_string();
    let mut shown = Command::new(name);
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_string()).disable_version_flag(true);
    }
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
    // What a flag excludes may be hidden.
    let args = args.map(|arg| arg.clone().conflicts_with(Resettable::Reset));
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.args(args).subcommands(commands.map(visible))
}

fn id_of(command: &Command, long: &str) -> Option<clap::Id> {
    let mut args = command.get_arguments();
    args.find(|arg| arg.get_long() == Some(long)).map(|arg| arg.get_id().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRESETS: [&str; 1] = ["report"];

    #[test]
    fn every_shell_is_told_every_flag_and_spelling() {
        let command = visible(&Cli::command());
        let longs = || command.get_arguments().filter_map(Arg::get_long);
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Powershell] {
            let script = shell.completions(&PRESETS);
            let dashes = |long: &str| match shell {
                Shell::Fish => format!("-l {long} "),
                _ => format!("--{long}"),
            };
            for long in longs() {
                assert!(script.contains(&dashes(long)), "{shell:?}: --{long}");
            }
            for (short, long) in spellings() {
                if !longs().any(|shown| shown == long) {
                    continue;
                }
                let known = match shell {
                    Shell::Fish => format!("-o {short} "),
                    _ => format!("-{short}"),
                };
                assert!(script.contains(&known), "{shell:?}: -{short}");
            }
            assert!(!script.contains("--@") && !script.contains("-l @"), "{shell:?}");
            assert!(!script.contains("scripted"), "{shell:?}: what is hidden stays hidden");
            assert!(!script.contains("argparse -s"), "fish's parser would trip over -ngl");
        }
    }
}
