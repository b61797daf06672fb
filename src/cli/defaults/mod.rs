//! Defaults from elsewhere: a configuration file, the environment, presets.
//!
//! Whatever a setting comes from, it ends as an argument for the one parser: there is one grammar. The
//! command line wins over the environment, that over a preset, that over the file, and what is built in
//! comes last. A flag takes all its values from one place, and a place further down yields where its flag
//! cannot go together with one from further up.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod.rs` | where a setting comes from, and which one counts |
//! | `file.rs` | the configuration file |
//! | `source.rs` | its text, key by key |
//! | `env.rs` | the environment |
//! | `preset.rs` | named sweeps |
//! | `house.rs` | those that lbench brings along |
//! | `request.rs` | all of it together: what is to be run |
//! | `show.rs` | `lbench config` |

mod env;
mod file;
mod house;
mod preset;
mod request;
mod show;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;

pub use file::path;
pub use house::NAMES as PRESETS;
pub use preset::Preset;
pub use request::{Asked, Layered, RunRequest, Sources, for_the_record, settings_of};
pub use show::{presets as show_presets, settings as show};

use crate::cli::settings::{Flags, Given, Setting};

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was typed.
    CommandLine,
    /// An environment variable.
    Environment(String),
    /// A preset, and which of its sweeps where it has several.
    Preset(String, Option<String>),
    /// A file, and the line in it.
    File(PathBuf, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => write!(f, "environment, {name}"),
            Self::Preset(name, None) => write!(f, "preset {name}"),
            Self::Preset(name, Some(title)) => write!(f, "preset {name}: {title}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// A setting, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The setting.
    pub setting: Setting,
    /// Where it comes from.
    pub origin: Origin,
}

/// What counts of two: the first wins.
pub fn over(flags: &Flags, first: &[Setting], second: &[Setting]) -> Vec<Setting> {
    let typed = |settings: &[Setting]| -> Vec<_> {
        let sourced =
            |setting: &Setting| Sourced { setting: setting.clone(), origin: Origin::CommandLine };
        settings.iter().map(sourced).collect()
    };
    let won = winning(flags, &[&typed(first), &typed(second)]);
    won.into_iter().map(|sourced| sourced.setting).collect()
}

/// What counts of several layers, the one that wins first.
fn winning(flags: &Flags, layers: &[&[Sourced]]) -> Vec<Sourced> {
    let mut won: Vec<Sourced> = Vec::new();
    for layer in layers {
        let above = won.len();
        for sourced in *layer {
            let flag = &sourced.setting.flag;
            let yields = won[..above].iter().any(|higher| {
                let other = &higher.setting;
                other.flag == *flag
                    || (other.given != Given::Off && flags.conflict(&other.flag, flag))
            });
            if !yields {
                won.push(sourced.clone());
            }
        }
    }
    won
}
