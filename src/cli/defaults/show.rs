//! `lbench config`: every flag with its value, and where that came from.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::request::Layered;
use super::{Origin, Preset, Sourced};
use crate::axis::AXES;
use crate::cli::settings::{Flags, Given};
use crate::machine::Host;
use crate::terminal::in_json;

/// A line of the table.
pub(super) struct TableLine<'a> {
    flag: &'a str,
    pub(super) value: Option<String>,
    /// `None` where it is built in.
    origin: Option<&'a Origin>,
}

/// Writes every flag with its value and where that came from; more than one line where the sweeps of a
/// preset differ in it.
///
/// # Errors
/// What the writer reports.
pub fn settings(
    flags: &Flags,
    sweeps: &[Layered],
    host: &Host,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut lines: Vec<_> =
        flags.shown().flat_map(|flag| lines(flags, flag, sweeps, host)).collect();
    // As the help text has them: by heading, each in the place where it first comes.
    let headings: Vec<_> = lines.iter().map(|line| flags.heading(line.flag)).collect();
    lines.sort_by_key(|line| headings.iter().position(|other| *other == flags.heading(line.flag)));
    if as_json {
        let all: Vec<_> = lines.iter().map(object).collect();
        return writeln!(out, "{}", in_json(&format!("{:#}", Value::from(all))));
    }
    let width =
        |of: fn(&TableLine<'_>) -> usize, least| lines.iter().map(of).fold(least, usize::max);
    let flag = width(|line| line.flag.len() + 2, 4);
    let value = width(|line| line.value.as_ref().map_or(1, |text| text.chars().count()), 5).min(40);
    let mut heading = None;
    for line in &lines {
        if flags.heading(line.flag) != heading {
            let first = heading.is_none();
            heading = flags.heading(line.flag);
            let end = if first { "" } else { "\n" };
            writeln!(out, "{end}{}", heading.unwrap_or("Flags"))?;
        }
        let (name, text) = (line.flag, line.value.as_deref().unwrap_or("–"));
        let from = line.origin.map_or("default".into(), ToString::to_string);
        writeln!(out, "  --{name:<width$}  {text:<value$}  {from}", width = flag - 2)?;
    }
    Ok(())
}

pub(super) fn lines<'a>(
    flags: &Flags,
    flag: &'a str,
    sweeps: &'a [Layered],
    host: &Host,
) -> Vec<TableLine<'a>> {
    let mut lines: Vec<TableLine<'a>> = Vec::new();
    for sweep in sweeps {
        let found = sweep.settings.iter().find(|sourced| sourced.setting.flag == flag);
        let value = match found {
            Some(sourced) if sourced.setting.is_secret() => Some("(set)".into()),
            Some(sourced) => Some(value(sourced)),
            None => default(flags, flag, host),
        };
        let origin = found.map(|sourced| &sourced.origin);
        let same = |line: &TableLine<'_>| line.value == value && line.origin == origin;
        if !lines.iter().any(same) {
            lines.push(TableLine { flag, value, origin });
        }
    }
    lines
}

fn value(sourced: &Sourced) -> String {
    match &sourced.setting.given {
        Given::On => "true".into(),
        Given::Off => "false".into(),
        Given::Values(values) => {
            let values = values.iter().map(|value| value.to_string_lossy());
            values.collect::<Vec<_>>().join(" ")
        }
    }
}

fn default(flags: &Flags, flag: &str, host: &Host) -> Option<String> {
    let axis = AXES.iter().find(|axis| axis.long == flag);
    axis.map(|axis| axis.default(host).to_string()).or_else(|| flags.default(flag))
}

fn object(line: &TableLine<'_>) -> Value {
    let (source, place) = match line.origin {
        None => ("default", None),
        Some(Origin::CommandLine) => ("command line", None),
        Some(Origin::Environment(name)) => ("environment", Some(name.clone())),
        Some(Origin::Preset(name, None)) => ("preset", Some(name.clone())),
        Some(Origin::Preset(name, Some(title))) => ("preset", Some(format!("{name}: {title}"))),
        Some(Origin::File(path, line)) => {
            ("config file", Some(format!("{}:{line}", path.display())))
        }
    };
    json!({"flag": line.flag, "value": line.value, "source": source, "place": place})
}

/// Writes the presets with what each sets.
///
/// # Errors
/// What the writer reports.
pub fn presets(presets: &[Preset], as_json: bool, out: &mut dyn Write) -> io::Result<()> {
    if as_json {
        let sweeps = |preset: &Preset| {
            let sweeps = preset.sweeps.iter();
            let sweeps =
                sweeps.map(|part| json!({"title": part.title, "flags": flags_of(&part.settings)}));
            sweeps.collect::<Vec<_>>()
        };
        let all =
            presets.iter().map(|preset| json!({"name": preset.name, "sweeps": sweeps(preset)}));
        let all = Value::from(all.collect::<Vec<_>>());
        return writeln!(out, "{}", in_json(&format!("{all:#}")));
    }
    for preset in presets {
        writeln!(out, "{}", preset.name)?;
        for part in &preset.sweeps {
            let title = part.title.as_ref().map(|title| format!("{title}: ")).unwrap_or_default();
            writeln!(out, "  {title}{}", flags_of(&part.settings).join(" "))?;
        }
    }
    Ok(())
}

fn flags_of(settings: &[Sourced]) -> Vec<String> {
    let args = settings.iter().flat_map(|sourced| sourced.setting.arguments());
    args.map(|arg| arg.to_string_lossy().into_owned()).collect()
}
