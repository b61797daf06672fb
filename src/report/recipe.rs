//! Recipe of a run: what was typed for it, and when, so that others can repeat it.

use std::borrow::Cow;

use crate::journal::{RunHeader, SIDES};

/// What was typed for a run, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// When it began, in seconds since 1970.
    pub unix_time: u64,
    /// The command line, without the program.
    pub args: Vec<String>,
    /// The sweeps that it was made of, each with all that counted for it, wherever it came from.
    pub sweeps: Vec<(Option<String>, Vec<String>)>,
}

impl Recipe {
    /// That of a run with this header.
    pub fn of(header: &RunHeader) -> Self {
        let sweeps = header.sweeps.iter().map(|sweep| (sweep.title.clone(), sweep.args.clone()));
        Self { unix_time: header.unix_time, args: header.args.clone(), sweeps: sweeps.collect() }
    }

    /// The command that was typed.
    pub fn command(&self) -> String {
        line(&self.args)
    }

    /// Commands that say all of it, also what came from a preset, the environment and the configuration file; none
    /// where what was typed says it.
    pub fn whole(&self) -> Vec<(Option<&str>, String)> {
        let told = self.args.first().is_some_and(|first| first == SIDES)
            || matches!(&self.sweeps[..], [(_, args)] if args.iter().all(|arg| self.args.contains(arg)));
        let sweeps = self.sweeps.iter().filter(|_| !told);
        sweeps.map(|(title, args)| (title.as_deref(), line(args))).collect()
    }
}

/// A command as a shell takes it.
fn line(args: &[String]) -> String {
    let words = args.iter().map(|word| quoted(word));
    std::iter::once("lbench".into()).chain(words).collect::<Vec<_>>().join(" ")
}

/// A word as a shell takes it: lists of values stay as they were typed.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("'{}'", word.replace('\'', r"'\''")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(args: &[&str]) -> Vec<String> {
        args.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_command_is_what_a_shell_takes() {
        let args = words(&["-m", "a b'c.gguf", "-ot", "(up|down)=CPU", "-b", "64,128", ""]);
        let recipe = Recipe { args, ..Recipe::default() };
        let want = r"lbench -m 'a b'\''c.gguf' -ot '(up|down)=CPU' -b 64,128 ''";
        assert_eq!(recipe.command(), want);
    }

    #[test]
    fn what_was_not_typed_is_told_too() {
        let args = words(&["-p", "1"]);
        let typed = Recipe { args: args.clone(), sweeps: vec![(None, args.clone())], unix_time: 0 };
        assert_eq!(typed.whole(), []);
        let more = Recipe { sweeps: vec![(None, words(&["-p", "1", "-r", "2"]))], ..typed };
        assert_eq!(more.whole(), [(None, "lbench -p 1 -r 2".to_string())]);
        let sides = Recipe { args: words(&["ab", "-p", "1"]), ..more };
        assert_eq!(sides.whole(), []);
    }
}
