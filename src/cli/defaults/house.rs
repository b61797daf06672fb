//! Presets of the house: a file of the user's kind that lbench brings along.

use std::path::Path;

use super::{Preset, file};
use crate::cli::settings::Flags;
use crate::error::Error;

/// The presets that lbench brings along.
const BUILT_IN: &str = include_str!("presets.toml");

/// Their names.
pub const NAMES: [&str; 3] = ["report", "quick", "llama-bench"];

/// The presets that lbench brings along.
///
/// # Errors
/// Never, if the tests passed.
pub(super) fn presets(flags: &Flags) -> Result<Vec<Preset>, Error> {
    let file = file::parse(flags, Path::new("built in"), BUILT_IN)?;
    let mut presets = file.presets;
    presets.sort_by_key(|preset| NAMES.iter().position(|name| *name == preset.name));
    Ok(presets)
}
