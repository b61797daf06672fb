//! Presets: sweeps with a name, built in and the user's, in one grammar.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::{SourceText, TomlKey};
use super::{Origin, Sourced};
use crate::cli::flags;
use crate::error::Error;

/// Named sweeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: String,
    /// Its sweeps, in order; never empty.
    pub sweeps: Vec<PresetSweep>,
}

/// One sweep of a preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetSweep {
    /// What stands above its table; `None` where the preset is this one sweep.
    pub title: Option<String>,
    /// What it sets.
    pub settings: Vec<Sourced>,
}

/// Reads `[preset.NAME]`, or all of `[[preset.NAME]]`.
pub(super) fn parse(
    source: &SourceText<'_>,
    name: &TomlKey<'_>,
    value: &Spanned<DeValue<'_>>,
) -> Result<Preset, Error> {
    let refuse = |text: &str| source.refuse(&name.span(), text);
    let key = name.get_ref().as_ref();
    if key == "list" {
        return Err(refuse("preset.list: --preset list lists presets: give this one another name"));
    }
    let mut sweeps = Vec::new();
    match value.get_ref() {
        DeValue::Table(table) => sweeps.push(part(source, key, None, table)?),
        DeValue::Array(tables) => {
            for (index, table) in tables.iter().enumerate() {
                let Some(table) = table.get_ref().as_table() else {
                    return Err(refuse(&format!(
                        "preset.{key}: its sweeps are tables, [[preset.{key}]]"
                    )));
                };
                sweeps.push(part(source, key, Some(index), table)?);
            }
        }
        _ => return Err(refuse(&format!("preset.{key}: a preset is a table, [preset.{key}]"))),
    }
    if sweeps.is_empty() {
        return Err(refuse(&format!("preset.{key}: it has no sweep")));
    }
    share(&mut sweeps).map_err(|flag| {
        let text = "is about the whole run: its sweeps cannot differ in it";
        refuse(&format!("preset.{key}: {flag} {text}"))
    })?;
    for sweep in &sweeps {
        source.check_together(&sweep.settings)?;
    }
    Ok(Preset { name: key.to_string(), sweeps })
}

fn part(
    source: &SourceText<'_>,
    name: &str,
    index: Option<usize>,
    table: &DeTable<'_>,
) -> Result<PresetSweep, Error> {
    let mut title = index.map(|index| format!("Sweep {}", index + 1));
    let mut settings = Vec::new();
    for (key, value) in table {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("title", DeValue::String(text)) => title = index.and(Some(text.to_string())),
            ("title", _) => return Err(source.refuse(&key.span(), "title: this is a string")),
            _ => settings.push(source.setting(key, value)?),
        }
    }
    for sourced in &mut settings {
        sourced.origin = Origin::Preset(name.to_string(), title.clone());
    }
    Ok(PresetSweep { title, settings })
}

/// Gives every sweep what any of them says about the whole run; the flag in which they differ is the error.
fn share(sweeps: &mut [PresetSweep]) -> Result<(), String> {
    let is_own = |long: &str| flags::find(long).is_some_and(|flag| flag.is_of_a_sweep);
    let all = sweeps.iter().flat_map(|sweep| sweep.settings.clone());
    let common: Vec<_> = all.filter(|sourced| !is_own(&sourced.setting.flag)).collect();
    for sourced in common {
        for sweep in &mut *sweeps {
            let mut settings = sweep.settings.iter();
            match settings.find(|other| other.setting.flag == sourced.setting.flag) {
                Some(other) if other.setting != sourced.setting => {
                    return Err(sourced.setting.flag);
                }
                Some(_) => {}
                None => sweep.settings.push(sourced.clone()),
            }
        }
    }
    Ok(())
}
