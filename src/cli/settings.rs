//! Flags as settings: what was given to which flag, wherever it came from. Command line, environment,
//! presets and configuration files all come to this, and all of it goes through the one parser.

use std::ffi::OsString;
use std::fmt;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use super::{command, flags, message};
use crate::near;

/// What was given to a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A switch that is expressly off: what is said elsewhere does not count.
    Off,
    /// The flag without a value.
    On,
    /// Its values, each as one occurrence of the flag has it.
    Values(Vec<OsString>),
}

/// A flag with what was given to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// The long flag without the dashes: `n-gpu-layers`.
    pub flag: String,
    /// What was given.
    pub given: Given,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: it is on or off.
    Nothing,
    /// A value, or none.
    MaybeValue,
    /// A value.
    Value,
}

/// The flags of a sweep.
pub struct Flags(clap::Command);

impl Flags {
    /// All of them.
    pub fn new() -> Self {
        let mut command = command();
        command.build();
        Self(command)
    }

    /// All long names.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.args().map(|(long, _)| long)
    }

    /// Long names in the order of the help text, without those for tests.
    pub fn shown(&self) -> impl Iterator<Item = &str> {
        let shown = self.args().filter(|(_, arg)| !arg.is_hide_set());
        shown.map(|(long, _)| long)
    }

    /// What a flag takes; `None` where there is no such flag.
    pub fn takes(&self, long: &str) -> Option<Takes> {
        let arg = self.find(long)?;
        Some(match arg.get_num_args() {
            _ if matches!(arg.get_action(), ArgAction::SetTrue) => Takes::Nothing,
            Some(range) if range.min_values() == 0 => Takes::MaybeValue,
            _ => Takes::Value,
        })
    }

    /// The heading that a flag stands under in the help text.
    pub fn heading(&self, long: &str) -> Option<&str> {
        self.find(long)?.get_help_heading()
    }

    /// What a flag is if nothing is given, as far as the parser or the help text knows.
    pub fn default(&self, long: &str) -> Option<String> {
        let arg = self.find(long)?;
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            return Some("false".into());
        }
        let values = arg.get_default_values().iter().map(|value| value.to_string_lossy());
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            return Some(values.join(","));
        }
        // Defaults that are worked out are told to people alone.
        let help = arg.get_help()?.to_string();
        let (_, told) = help.rsplit_once("[default: ")?;
        told.split_once(']').map(|(told, _)| told.to_string())
    }

    /// Whether two flags cannot be given together.
    pub fn conflict(&self, a: &str, b: &str) -> bool {
        let conflicts = |a: &str, b: &str| {
            let conflicting = self.find(a).map(|arg| self.0.get_arg_conflicts_with(arg));
            conflicting.into_iter().flatten().any(|arg| arg.get_long() == Some(b))
        };
        conflicts(a, b) || conflicts(b, a) || flags::exclude(a, b)
    }

    /// The flag that was probably meant.
    pub fn nearest(&self, word: &str) -> Option<&str> {
        near::nearest(&word.replace('_', "-"), self.shown(), |long| long)
    }

    fn find(&self, long: &str) -> Option<&Arg> {
        self.args().find(|(known, _)| *known == long).map(|(_, arg)| arg)
    }

    fn args(&self) -> impl Iterator<Item = (&str, &Arg)> {
        let args = self.0.get_arguments();
        let named = args.filter_map(|arg| Some((arg.get_long()?, arg)));
        named.filter(|(long, _)| flags::find(long).is_none_or(|flag| !flag.is_apart))
    }

    /// What was typed, in the order of the help text.
    pub fn typed(&self, matches: &ArgMatches) -> Vec<Setting> {
        let typed = |(long, arg): (&str, &Arg)| {
            let id = arg.get_id().as_str();
            let is_typed = matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine);
            let values = || {
                let occurrences = matches.get_raw_occurrences(id).into_iter().flatten();
                occurrences.flatten().map(OsString::from).collect::<Vec<_>>()
            };
            is_typed.then(|| Setting {
                flag: long.to_string(),
                given: match arg.get_action() {
                    ArgAction::SetTrue => Given::On,
                    _ => Some(values()).filter(|v| !v.is_empty()).map_or(Given::On, Given::Values),
                },
            })
        };
        self.args().filter_map(typed).collect()
    }
}

impl Default for Flags {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut setting = f.debug_struct("Setting");
        setting.field("flag", &self.flag);
        if self.is_secret() {
            return setting.finish_non_exhaustive();
        }
        setting.field("given", &self.given).finish()
    }
}

impl Setting {
    /// Whether what was given must not be seen.
    pub fn is_secret(&self) -> bool {
        flags::find(&self.flag).is_some_and(|flag| flag.is_secret)
    }

    /// The same, as it would be typed.
    pub fn arguments(&self) -> Vec<OsString> {
        let flag = format!("--{}", self.flag);
        match &self.given {
            Given::Off => Vec::new(),
            Given::On => vec![flag.into()],
            Given::Values(values) => {
                let with = |value: &OsString| {
                    let mut arg = OsString::from(format!("{flag}="));
                    arg.push(value);
                    arg
                };
                values.iter().map(with).collect()
            }
        }
    }
}

/// Settings as a command line.
pub fn command_line<'a>(settings: impl IntoIterator<Item = &'a Setting>) -> Vec<OsString> {
    let arguments = settings.into_iter().flat_map(Setting::arguments);
    std::iter::once("lbench".into()).chain(arguments).collect()
}

/// Whether these settings can be used together.
///
/// # Errors
/// What the parser says, in one line.
pub fn check(settings: &[&Setting]) -> Result<(), String> {
    let parsed = command().try_get_matches_from(command_line(settings.iter().copied()));
    parsed.map_err(|error| message::what(&error))?;
    flags::clash(settings).map_or(Ok(()), |text| Err(text.into()))
}
