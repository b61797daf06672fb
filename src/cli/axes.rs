//! The axis flags, built for clap from the axis table.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::values;
use crate::axis::{AXES, Axis, Value};
use crate::machine::Host;

/// For each entry of [`AXES`], the values given; empty where the flag was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AxisArgs(pub Vec<Vec<Value>>);

impl AxisArgs {
    /// The values of every axis, defaults filled in.
    pub fn resolve(&self, host: &Host) -> Vec<Vec<Value>> {
        let or_default = |(axis, given): (&Axis, &Vec<Value>)| {
            if given.is_empty() { vec![axis.default(host)] } else { given.clone() }
        };
        AXES.iter().zip(&self.0).map(or_default).collect()
    }
}

/// What one occurrence of a flag stands for. A type of its own, since clap would flatten a `Vec`.
#[derive(Debug, Clone)]
struct Values(Vec<Value>);

impl Args for AxisArgs {
    fn augment_args(command: Command) -> Command {
        AXES.iter().fold(command, |command, axis| command.arg(arg(axis)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AxisArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |axis: &Axis| {
            let occurrences = matches.get_many::<Values>(axis.name).into_iter().flatten();
            occurrences.flat_map(|values| values.0.iter().cloned()).collect()
        };
        Ok(Self(AXES.iter().map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn arg(axis: &'static Axis) -> Arg {
    let parser = |text: &str| values::axis(axis.grammar, text).map(Values);
    let arg = Arg::new(axis.name)
        .long(axis.long)
        .value_name(axis.placeholder)
        .value_parser(ValueParser::new(parser))
        .action(ArgAction::Append)
        .allow_hyphen_values(true)
        .help_heading("Sweep")
        .help(match axis.short.len() {
            0 | 1 => axis.doc.to_string(),
            _ => format!("[-{}] {}", axis.short, axis.doc),
        });
    let mut letters = axis.short.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => arg.short(letter),
        _ => arg,
    }
}
