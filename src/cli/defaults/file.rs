//! The configuration file: `threads = 8` is `--threads 8`; `[preset.NAME]` are sweeps of one's own.

use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::source::SourceText;
use super::{Preset, Sourced, preset};
use crate::cli::settings::Flags;
use crate::dirs;
use crate::encoding;
use crate::error::Error;

/// Names another file than the usual one; empty for none.
const VARIABLE: &str = "LBENCH_CONFIG";

/// What is in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Defaults.
    pub settings: Vec<Sourced>,
    /// The user's presets.
    pub presets: Vec<Preset>,
}

/// The file that is read: the one that `LBENCH_CONFIG` names, or `lbench/config.toml` in `$XDG_CONFIG_HOME`
/// or `~/.config`; and whether it has to be there.
pub fn path() -> Option<(PathBuf, bool)> {
    match std::env::var_os(VARIABLE) {
        Some(named) if named.is_empty() => None,
        Some(named) => Some((named.into(), true)),
        None => {
            let folder = dirs::user_folder("XDG_CONFIG_HOME", ".config")?;
            Some((folder.join("lbench").join("config.toml"), false))
        }
    }
}

/// Reads the file, where there is one.
///
/// # Errors
/// When it cannot be read, or says what cannot be followed.
pub(super) fn read(flags: &Flags) -> Result<File, Error> {
    let Some((path, must_exist)) = path() else { return Ok(File::default()) };
    let text =
        std::fs::read(&path).and_then(|bytes| encoding::decode(bytes).map_err(io::Error::other));
    match text {
        Ok(text) => parse(flags, &path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => Ok(File::default()),
        Err(error) if must_exist => {
            let path = path.display();
            Err(Error::Usage(format!("{VARIABLE}={path}: {error}: name another file, or none")))
        }
        Err(error) => Err(Error::Usage(format!("{}: {error}", path.display()))),
    }
}

/// Reads a text.
///
/// # Errors
/// One line that names the file, the line and the key.
pub(super) fn parse(flags: &Flags, path: &Path, text: &str) -> Result<File, Error> {
    let source = SourceText { flags, path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().unwrap_or_default();
        let what = text.get(place.clone()).unwrap_or_default().trim();
        let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
        let message = format!("{what}{}", error.message());
        source.refuse(&place, &message.lines().collect::<Vec<_>>().join(" "))
    })?;
    let mut file = File::default();
    for (key, value) in table.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("preset", DeValue::Table(presets)) => {
                for (name, value) in presets {
                    file.presets.push(preset::parse(&source, name, value)?);
                }
            }
            ("preset", _) => {
                let text = "preset: these are tables, [preset.NAME]; choose one with --preset NAME";
                return Err(source.refuse(&key.span(), text));
            }
            _ => file.settings.push(source.setting(key, value)?),
        }
    }
    source.check_together(&file.settings)?;
    Ok(file)
}
