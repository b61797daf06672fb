//! What a shell wants to know, made from the flags as the parser has them: completions and manual pages.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command, CommandFactory as _, ValueEnum, ValueHint};
use clap_complete::aot;

use super::flags::{self, Choices};
use super::{Cli, argv};
use crate::axis::{AXES, Grammar};
use crate::error::Error;
use crate::report::Format;
use crate::setup::{CacheType, LazyMode, LoadMode, Numa, SplitMode, Word};

/// Flags of `lbench completions`.
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

/// Flags of `lbench man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the pages of lbench and of all its commands into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
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
        .mut_subcommand("report", |report| report.mut_arg("output", words(&formats())))
}

/// A command that takes the flags of a sweep.
fn sweep(mut command: Command, presets: &[&str]) -> Command {
    for (short, long) in argv::spellings() {
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
fn visible(command: &Command) -> Command {
    let name = command.get_name().to_string();
    let mut shown = Command::new(name);
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_string()).disable_version_flag(true);
    }
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.args(args.cloned()).subcommands(commands.map(visible))
}

fn id_of(command: &Command, long: &str) -> Option<clap::Id> {
    let mut args = command.get_arguments();
    args.find(|arg| arg.get_long() == Some(long)).map(|arg| arg.get_id().clone())
}

/// Manual pages, each with the name of its file: lbench's first, then those of its commands.
///
/// # Errors
/// When a page cannot be put into memory.
pub fn man_pages() -> Result<Vec<(String, Vec<u8>)>, Error> {
    // A list of every flag is no synopsis.
    let usage = "lbench [OPTIONS]\nlbench <COMMAND> ...";
    let mut command = Cli::command().disable_help_subcommand(true).override_usage(usage);
    command.build();
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let pages = std::iter::once(&command).chain(commands).map(|command| {
        let man = clap_mangen::Man::new(command.clone()).manual("lbench");
        let name = man.get_filename();
        let mut page = Vec::new();
        match man.render(&mut page) {
            Ok(()) => Ok((name, with_spellings(&String::from_utf8_lossy(&page)).into_bytes())),
            Err(source) => Err(Error::Output { what: name, source }),
        }
    });
    pages.collect()
}

/// A manual page with llama-bench's spellings beside the long flags, and examples on lines of their own.
fn with_spellings(page: &str) -> String {
    let mut page = page.replace(".SH EXTRA\n", ".SH NOTES\n");
    let longs: BTreeSet<_> = argv::spellings().map(|(_, long)| long).collect();
    for long in longs {
        let of_long = argv::spellings().filter(|(_, other)| *other == long);
        let shorts: Vec<_> = of_long.map(|(short, _)| format!("\\-{short}")).collect();
        let flag = format!("\\fB\\-\\-{}\\fR", long.replace('-', "\\-"));
        let all = shorts.iter().fold(String::new(), |all, short| all + "\\fB" + short + "\\fR, ");
        page = page.replace(&format!("\n{flag}"), &format!("\n{all}{flag}"));
        page = page.replace(&format!("\n[{}] ", shorts.join(", ")), "\n");
    }
    let mut lines: Vec<&str> = Vec::new();
    let mut filled = true;
    for line in page.lines() {
        let is_example = line.starts_with("  ");
        if is_example == filled {
            lines.push(if is_example { ".nf" } else { ".fi" });
        }
        filled = !is_example;
        lines.push(line);
    }
    lines.join("\n") + "\n"
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
            for (short, long) in argv::spellings() {
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

    #[test]
    fn the_manual_has_a_page_for_each_command_and_shows_both_spellings() {
        let pages = man_pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "lbench.1");
        assert!(names.contains(&"lbench-compare.1") && !names.contains(&"lbench-worker.1"));
        let page = String::from_utf8(pages[0].1.clone()).unwrap();
        assert!(page.contains(r"\fB\-ngl\fR, \fB\-\-n\-gpu\-layers\fR"), "{page}");
        let command = visible(&Cli::command());
        let shown: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
        for (short, long) in argv::spellings().filter(|(_, long)| shown.contains(long)) {
            let (short, long) = (format!(r"\fB\-{short}\fR, "), long.replace('-', r"\-"));
            let line = page.lines().find(|line| line.contains(&format!(r", \fB\-\-{long}\fR")));
            assert!(line.is_some_and(|line| line.contains(&short)), "{short} {long}");
        }
        assert!(!page.contains(r"[\-ngl]"));
    }
}
