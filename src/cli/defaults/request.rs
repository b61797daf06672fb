//! What is to be run: what was typed, and what comes from elsewhere, together.

use std::ffi::OsStr;

use super::file::{self, File};
use super::{Origin, Preset, Sourced, env, preset, winning};
use crate::cli::BenchArgs;
use crate::cli::settings::{Flags, Given, Setting, command_line};
use crate::error::Error;

/// What comes from elsewhere than the command line.
pub struct Sources {
    flags: Flags,
    environment: Vec<Sourced>,
    file: File,
    /// What a person should know about them.
    pub notes: Vec<String>,
}

/// What is to be run.
#[derive(Debug)]
pub struct Request {
    /// Sweeps, one after another; never empty.
    pub sweeps: Vec<Asked>,
    /// What was typed, as arguments: for the record. Without what is nobody's business.
    pub typed: Vec<String>,
    /// Whether anything that was typed says what to measure or how.
    pub says_what: bool,
}

/// One sweep that is to be run.
#[derive(Debug)]
pub struct Asked {
    /// What stands above its table, where there are several.
    pub title: Option<String>,
    /// Its flags.
    pub args: BenchArgs,
    /// All that was given to them by anybody, as arguments: enough to run it again whatever the environment
    /// and the file say by then.
    pub given: Vec<String>,
}

/// One sweep, flag by flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layered {
    /// What stands above its table, where there are several.
    pub title: Option<String>,
    /// What was given to its flags, and by whom.
    pub settings: Vec<Sourced>,
}

impl Layered {
    /// Adds that the environment has a token for the hub, where nothing nearer has one: what asks the hub
    /// takes it from there itself.
    pub fn with_token_of_hub(&mut self) {
        let is_set = std::env::var_os("HF_TOKEN").is_some_and(|token| !token.is_empty());
        if is_set && self.settings.iter().all(|sourced| !sourced.setting.is_secret()) {
            let setting = Setting { flag: "hf-token".into(), given: Given::On };
            let origin = Origin::Environment("HF_TOKEN".into());
            self.settings.push(Sourced { setting, origin });
        }
    }
}

impl Sources {
    /// Reads the configuration file and the environment, unless the flags say not to.
    ///
    /// # Errors
    /// When one of them says what cannot be followed.
    pub fn read(typed: &BenchArgs) -> Result<Self, Error> {
        let flags = Flags::new();
        let (mut environment, mut file, mut notes) = (Vec::new(), File::default(), Vec::new());
        if !typed.no_config {
            let get = |name: &str| std::env::var_os(name);
            environment = env::read(&flags, &get)?;
            file = file::read(&flags)?;
            notes = env::slips(&flags, std::env::vars_os().map(|(name, _)| name));
        }
        Ok(Self { flags, environment, file, notes })
    }

    /// The same from what is handed in.
    #[cfg(test)]
    pub(super) fn of(vars: &[(&str, &str)], text: &str) -> Result<Self, Error> {
        let flags = Flags::new();
        let get = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        };
        let environment = env::read(&flags, &get)?;
        let file = file::parse(&flags, std::path::Path::new("config.toml"), text)?;
        Ok(Self { flags, environment, file, notes: Vec::new() })
    }

    /// Every flag.
    pub fn flags(&self) -> &Flags {
        &self.flags
    }

    /// Every preset: the user's, then those of lbench that the user has none of the same name for. Those
    /// are read when they are wanted: each of their flags goes through the parser, which takes a while.
    ///
    /// # Errors
    /// Never, if the tests passed.
    pub fn presets(&self) -> Result<Vec<Preset>, Error> {
        let own = &self.file.presets;
        let mut others = preset::built_in(&self.flags)?;
        others.retain(|preset| own.iter().all(|own| own.name != preset.name));
        Ok(own.iter().cloned().chain(others).collect())
    }

    /// What counts for each sweep.
    ///
    /// # Errors
    /// When there is no such preset.
    pub fn layered(&self, typed: &BenchArgs) -> Result<Vec<Layered>, Error> {
        let typed = typed
            .typed
            .iter()
            .map(|setting| Sourced { setting: setting.clone(), origin: Origin::CommandLine });
        let typed: Vec<_> = typed.collect();
        let Some((name, origin)) = chosen(&[&typed, &self.environment]) else {
            let layers: [&[_]; 3] = [&typed, &self.environment, &self.file.settings];
            return Ok(vec![Layered { title: None, settings: winning(&self.flags, &layers) }]);
        };
        let presets = self.presets()?;
        let preset = presets.iter().find(|preset| *name == *preset.name).ok_or_else(|| {
            let known: Vec<_> = presets.iter().map(|preset| preset.name.as_str()).collect();
            let (name, known) = (name.to_string_lossy(), known.join(", "));
            let from = match origin {
                Origin::Environment(name) => name.clone(),
                _ => "--preset".to_string(),
            };
            Error::Usage(format!("{from}: there is no preset '{name}'; there are {known}"))
        })?;
        let sweeps = preset.sweeps.iter().map(|part| {
            let layers: [&[_]; 4] =
                [&typed, &self.environment, &part.settings, &self.file.settings];
            Layered { title: part.title.clone(), settings: winning(&self.flags, &layers) }
        });
        Ok(sweeps.collect())
    }
}

impl Request {
    /// What was typed together with what comes from elsewhere.
    ///
    /// # Errors
    /// When it cannot be followed.
    pub fn new(typed: &BenchArgs, sources: &Sources) -> Result<Self, Error> {
        let sweeps = sources.layered(typed)?.into_iter().map(|layered| {
            let settings: Vec<_> = to_run(&layered.settings).collect();
            let args = BenchArgs::parse(command_line(settings.iter().copied()))?;
            Ok(Asked { title: layered.title, args, given: for_the_record(&settings) })
        });
        Ok(Self {
            sweeps: sweeps.collect::<Result<_, Error>>()?,
            typed: for_the_record(&typed.typed.iter().collect::<Vec<_>>()),
            says_what: typed.says_what(),
        })
    }
}

/// Flags that mean something beside a baseline alone.
const OF_A_BASELINE: [&str; 5] = ["threshold", "floor", "fail-on", "by", "force"];

/// What a sweep is run with. A preset has become what it stands for, and nothing else is to be read again;
/// standing wishes about a comparison wait for one, and a token for a model of the hub.
fn to_run(settings: &[Sourced]) -> impl Iterator<Item = &Setting> {
    let is_there = |flag: &str| settings.iter().any(|sourced| sourced.setting.flag == flag);
    let (compares, asks_hub) = (is_there("baseline"), is_there("hf-repo"));
    let counts = move |sourced: &&Sourced| match sourced.setting.flag.as_str() {
        "preset" | "no-config" => false,
        flag if OF_A_BASELINE.contains(&flag) => compares || sourced.origin == Origin::CommandLine,
        "hf-token" => asks_hub || sourced.origin == Origin::CommandLine,
        _ => true,
    };
    settings.iter().filter(counts).map(|sourced| &sourced.setting)
}

/// The preset that was chosen, and where.
fn chosen<'a>(layers: &[&'a [Sourced]]) -> Option<(&'a OsStr, &'a Origin)> {
    let all = layers.iter().flat_map(|layer| *layer);
    let mut presets = all.filter(|sourced| sourced.setting.flag == "preset");
    presets.find_map(|sourced| match &sourced.setting.given {
        Given::Values(values) => Some((values.last()?.as_os_str(), &sourced.origin)),
        Given::On | Given::Off => None,
    })
}

/// Arguments without secrets.
pub(super) fn for_the_record(settings: &[&Setting]) -> Vec<String> {
    let open = settings.iter().filter(|setting| !setting.is_secret());
    let args = open.flat_map(|setting| setting.arguments());
    args.map(|arg| arg.to_string_lossy().into_owned()).collect()
}
