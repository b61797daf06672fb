//! The command line, word by word, before the parser has it: flags without their value, words that belong to no
//! flag, flags of other programs. The parser takes any of these for something else, and says so: to it, `-fa -p 8`
//! is a value `-p` and a command `8`.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, ValueHint};

use super::{argv, flags, foreign};
use crate::axis::AXES;
use crate::near;

/// What is wrong with a command line, if it is any of these.
pub fn slip(program: &Command, args: &[OsString]) -> Option<String> {
    let words: Vec<_> = args.iter().skip(1).map(|arg| arg.to_string_lossy()).collect();
    let first = words.first().map(AsRef::as_ref).unwrap_or_default();
    let command = program.find_subcommand(first);
    let is_sweep = command.is_none_or(takes_axes);
    if command.is_some_and(|command| command.is_hide_set() || command.get_name() == "help") {
        return None;
    }
    let mut line = CommandLine { program, command: command.unwrap_or(program), is_sweep };
    let mut skipped = usize::from(command.is_some());
    // A command of a command.
    let second = words.get(skipped).map(AsRef::as_ref).unwrap_or_default();
    if let Some(within) = command.and_then(|command| command.find_subcommand(second)) {
        if within.get_name() == "help" {
            return None;
        }
        (line.command, skipped) = (within, skipped + 1);
    }
    line.slip(&words[skipped.min(words.len())..])
}

/// Flags whose value is a command line: the word behind one of them is all its own, whatever it begins with.
pub fn line_takers(program: &Command, args: &[OsString]) -> Vec<String> {
    let first = args.get(1).and_then(|arg| arg.to_str()).unwrap_or_default();
    let command = program.find_subcommand(first).unwrap_or(program);
    let takers = command.get_arguments().filter(|arg| takes_line(arg));
    takers.filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect()
}

fn takes_line(arg: &Arg) -> bool {
    arg.get_value_hint() == ValueHint::CommandString
}

/// Whether a command takes the flags of a sweep.
fn takes_axes(command: &Command) -> bool {
    let has = |long: &str| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    AXES.iter().all(|axis| has(axis.long))
}

/// A command line of one command.
struct CommandLine<'a> {
    program: &'a Command,
    command: &'a Command,
    /// Whether the flags are those of a sweep, which llama-bench's spellings are for.
    is_sweep: bool,
}

/// A word that begins with a dash, as the command knows it.
enum Dashed<'a> {
    /// One of its flags, and whether its value is attached.
    Flag(&'a Arg, bool),
    /// No flag of its.
    Unknown,
    /// No flag at all: a number, or standard input.
    Word,
}

impl CommandLine<'_> {
    fn slip<T: AsRef<str>>(&self, words: &[T]) -> Option<String> {
        let mut room = self.places();
        let mut before: Option<(&str, &Arg)> = None;
        let mut words = words.iter().map(AsRef::as_ref).peekable();
        while let Some(word) = words.next() {
            match self.dashed(word) {
                _ if word == "--" => return None,
                Dashed::Flag(arg, is_attached) => {
                    if matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) {
                        return None;
                    }
                    before = Some((word, arg));
                    if is_attached || !takes_value(arg) {
                        continue;
                    }
                    match words.next_if(|next| takes_line(arg) || self.is_value(next)) {
                        None if needs_value(arg) => return Some(lacking(word, arg, words.peek())),
                        _ => {}
                    }
                }
                Dashed::Unknown => return self.unknown(word),
                Dashed::Word if room > 0 => room -= 1,
                Dashed::Word => return Some(self.stray(word, before)),
            }
        }
        None
    }

    /// How many words this command has a place for.
    fn places(&self) -> usize {
        let of = |arg: &Arg| match arg.get_action() {
            ArgAction::Append => usize::MAX,
            _ => 1,
        };
        self.command.get_positionals().map(of).fold(0, usize::saturating_add)
    }

    fn dashed(&self, word: &str) -> Dashed<'_> {
        let (name, is_attached) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (word, false),
        };
        let found = |arg: Option<_>, is_attached| {
            arg.map_or(Dashed::Unknown, |arg| Dashed::Flag(arg, is_attached))
        };
        if let Some(long) = name.strip_prefix("--") {
            return found(self.long(&long.replace('_', "-")), is_attached);
        }
        let Some(short) = name.strip_prefix('-') else { return Dashed::Word };
        let Some(letter) = short.chars().next().filter(char::is_ascii_alphabetic) else {
            return Dashed::Word;
        };
        if let Some(long) = argv::long_form(short).filter(|_| self.is_sweep) {
            return found(self.long(long), is_attached);
        }
        // `-mla` is no model `la`.
        if short.len() > 1 && self.is_sweep && foreign::find(short).is_some() {
            return Dashed::Unknown;
        }
        let rest = &short[1..];
        match self.short(letter) {
            // A letter with its value, `-t4` or `-ojson`; but `-nglx` is no `-n`.
            Some(arg) if takes_value(arg) && !rest.is_empty() => {
                let is_number = arg.get_value_names().is_some_and(|names| names == ["N"]);
                let is_word = rest.starts_with(|c: char| c.is_ascii_alphabetic());
                if is_number && is_word { Dashed::Unknown } else { Dashed::Flag(arg, true) }
            }
            // Several switches behind one dash, or none of ours.
            Some(_) if !rest.chars().all(|letter| self.short(letter).is_some()) => Dashed::Unknown,
            arg => found(arg, is_attached),
        }
    }

    fn long(&self, long: &str) -> Option<&Arg> {
        self.command.get_arguments().find(|arg| arg.get_long() == Some(long))
    }

    fn short(&self, letter: char) -> Option<&Arg> {
        self.command.get_arguments().find(|arg| arg.get_short() == Some(letter))
    }

    /// Whether a word can be the value of the flag before it: it is no flag that anybody knows.
    fn is_value(&self, word: &str) -> bool {
        match self.dashed(word) {
            Dashed::Word => true,
            Dashed::Flag(..) => false,
            Dashed::Unknown => {
                !self.is_sweep || name(word).is_none_or(|name| foreign::find(name).is_none())
            }
        }
    }

    /// What to say of a flag that this command does not have; where the parser says it as well, nothing.
    fn unknown(&self, word: &str) -> Option<String> {
        let name = name(word).filter(|_| self.is_sweep)?;
        if let Some(flag) = word.split_whitespace().next().filter(|flag| *flag != word) {
            // What follows may be a secret.
            let mut takers = self.command.get_arguments().filter(|arg| takes_line(arg));
            let taker = takers.next().and_then(Arg::get_long);
            let side = taker.map(|taker| format!(", or all of it to --{taker}"));
            let side = side.unwrap_or_default();
            return Some(format!(
                "'{flag} …' is one word: give {flag} and its value as two{side} (see --help)"
            ));
        }
        let typed = word.split('=').next().unwrap_or(word);
        // -c4096 is -c, as -t4 is -t.
        let letter = name.get(..1).filter(|_| name[1..].starts_with(|c: char| c.is_ascii_digit()));
        if let Some(told) = foreign::told(name).or_else(|| foreign::told(letter?)) {
            return Some(format!("there is no flag {typed}{told} (see --help)"));
        }
        if word.starts_with("--") {
            return None;
        }
        let name = open(name);
        let nearest = near::nearest(&name, argv::spellings(), |(short, _)| short);
        let meant = nearest.map(|(short, long)| format!(": did you mean -{short} (--{long})?"));
        Some(format!("there is no flag -{name}{} (see --help)", meant.unwrap_or_default()))
    }

    /// What to say of a word that belongs to no flag.
    fn stray(&self, word: &str, before: Option<(&str, &Arg)>) -> String {
        let is_file = [".gguf", "synth:", "/"].iter().any(|part| word.contains(part));
        let is_repository = !word.contains(".gguf") && word.matches('/').count() == 1;
        let takes_model = self.long("model").is_some();
        let is_command =
            self.program.find_subcommand(word).is_some_and(|command| !command.is_hide_set());
        let is_model = |arg: &Arg| arg.get_long() == Some("model");
        let what = match before {
            _ if is_command => format!("{word} is a command: it comes first, as in lbench {word}"),
            Some((flag, arg)) if is_model(arg) => format!(
                "'{word}' belongs to no flag: {flag} takes one word, and a shell's * becomes several; give each model its \
                 own {flag}, or part them by commas"
            ),
            _ if self.is_sweep && is_repository && !word.starts_with(['.', '/', '~']) => format!(
                "'{word}' belongs to no flag: models are given with -m {word}, or from the hub with -hf {word}"
            ),
            _ if takes_model && is_file => {
                format!("'{word}' belongs to no flag: models are given with -m {word}")
            }
            Some((flag, arg)) if arg.is_require_equals_set() => {
                format!(
                    "'{word}' belongs to no flag: the value of {flag} follows an equals sign, {flag}={word}"
                )
            }
            Some((flag, arg)) if !takes_value(arg) => {
                format!("'{word}' belongs to no flag: {flag} takes no value")
            }
            Some((flag, arg)) if matches!(arg.get_action(), ArgAction::Append) => format!(
                "'{word}' belongs to no flag: several values of {flag} are parted by commas; quote one where a shell makes \
                 several words of it"
            ),
            Some((flag, _)) => {
                format!(
                    "'{word}' belongs to no flag: {flag} takes one value; quote it where a shell makes several words of it"
                )
            }
            None => self.alone(word, takes_model),
        };
        format!("{what} (see --help)")
    }

    /// What to say of a word with no flag before it.
    fn alone(&self, word: &str, takes_model: bool) -> String {
        let model =
            if takes_model { format!(": models are given with -m {word}") } else { String::new() };
        let within = self.command.get_subcommands().map(Command::get_name);
        let within: Vec<_> = within.filter(|name| *name != "help").collect();
        let is_program = self.command.get_name() == self.program.get_name();
        if !is_program && !within.is_empty() {
            let meant = near::nearest(word, within.iter().copied(), |name| name);
            let meant = meant.map(|name| format!("did you mean {name}?"));
            let meant = meant.unwrap_or_else(|| format!("there are {}", within.join(", ")));
            let name = self.command.get_name();
            return format!("there is no command '{word}' of lbench {name}: {meant}");
        }
        if !is_program {
            return format!(
                "'{word}' is one word too many for lbench {}{model}",
                self.command.get_name()
            );
        }
        let commands = self.program.get_subcommands().filter(|command| !command.is_hide_set());
        if self.program.get_subcommands().next().is_none() {
            return format!("'{word}' belongs to no flag{model}");
        }
        match near::nearest(word, commands, |command| command.get_name()) {
            Some(command) => {
                format!(
                    "there is no command {word}: did you mean {}? If it is a model, give -m {word}",
                    command.get_name()
                )
            }
            None => format!("'{word}' is no command{model}"),
        }
    }
}

/// What to say of a flag whose value is not there.
fn lacking(typed: &str, arg: &Arg, next: Option<&&str>) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let value = names.first().map_or("VALUE", |name| name.as_str());
    let next = next.filter(|next| **next != "--");
    let what = next.map(|next| format!(", and {next} is a flag")).unwrap_or_default();
    format!("{typed} lacks its value{what}: give {typed} <{value}> (see --help)")
}

/// The name of a flag, without dashes and value.
fn name(word: &str) -> Option<&str> {
    let name = word.trim_start_matches('-').split('=').next()?;
    (!name.is_empty()).then_some(name)
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
        && (needs_value(arg) || !arg.is_require_equals_set())
}

fn needs_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
        && arg.get_num_args().is_none_or(|range| range.min_values() > 0)
}

/// A word behind one dash that may be shown: what follows a secret's name may be the secret.
fn open(word: &str) -> String {
    let mut secrets = flags::all().filter(|flag| flag.is_secret).flat_map(|flag| flag.spellings);
    let secret = secrets.find(|short| word.starts_with(**short));
    secret.map_or_else(|| word.to_string(), |short| format!("{short}…"))
}
