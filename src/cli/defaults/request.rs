//! Request: what is to be run: what was typed, and what comes from elsewhere, together.

use std::ffi::{OsStr, OsString};

use super::file::{self, File};
use super::{Origin, Preset, Sourced, env, house, winning};
use crate::cli::BenchArgs;
use crate::cli::flags::{self, Concern};
use crate::cli::settings::{Flags, Given, Setting, command_line};
use crate::error::Error;
use crate::journal;

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
pub struct RunRequest {
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
    /// The same, flag by flag, with wishes that wait for something else.
    settings: Vec<Sourced>,
}

/// What a run is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ComparedWith {
    /// The baseline that is given, if one is.
    Given,
    /// Itself: it has two sides.
    Itself,
}

impl Asked {
    fn new(
        title: Option<String>,
        settings: Vec<Sourced>,
        against: ComparedWith,
    ) -> Result<Self, Error> {
        let counting: Vec<_> = to_run(&settings, against).collect();
        let args = BenchArgs::parse(command_line(counting.iter().copied()))?;
        let given = for_the_record(counting);
        Ok(Self { title, args, given, settings })
    }
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
        let mut others = house::presets(&self.flags)?;
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

impl RunRequest {
    /// What was typed together with what comes from elsewhere.
    ///
    /// # Errors
    /// When it cannot be followed.
    pub fn new(typed: &BenchArgs, sources: &Sources) -> Result<Self, Error> {
        Self::against(typed, sources, ComparedWith::Given)
    }

    /// The same of one side of two that are compared with each other: what is about comparisons counts.
    ///
    /// # Errors
    /// As [`RunRequest::new`].
    pub fn comparing(typed: &BenchArgs, sources: &Sources) -> Result<Self, Error> {
        Self::against(typed, sources, ComparedWith::Itself)
    }

    fn against(typed: &BenchArgs, sources: &Sources, against: ComparedWith) -> Result<Self, Error> {
        let layered = sources.layered(typed)?.into_iter();
        let sweeps = layered.map(|layered| Asked::new(layered.title, layered.settings, against));
        Ok(Self {
            sweeps: sweeps.collect::<Result<_, Error>>()?,
            typed: for_the_record(&typed.typed),
            says_what: typed.says_what(),
        })
    }

    /// What an earlier run was asked for, by means that are asked for now, and shown and compared as is asked
    /// for now. All of it goes through the parser once more, so that no flag can be forgotten.
    ///
    /// # Errors
    /// When the earlier run had flags that this lbench does not take.
    pub fn resuming(&self, flags: &Flags, earlier: &[journal::GivenSweep]) -> Result<Self, Error> {
        let now = self.sweeps.first().map(|asked| asked.settings.as_slice()).unwrap_or_default();
        let now = now.iter().filter(|sourced| concern(&sourced.setting) != Concern::Measuring);
        let (typed, elsewhere): (Vec<_>, Vec<_>) =
            now.cloned().partition(|sourced| sourced.origin == Origin::CommandLine);
        let sweeps = earlier.iter().map(|journal::GivenSweep { title, args }| {
            let of_sweep =
                |setting: &Setting| matches!(concern(setting), Concern::Measuring | Concern::Means);
            // As good as typed: whatever it came from, it is what the run goes by.
            let then: Vec<_> = settings_of(args)?
                .into_iter()
                .filter(of_sweep)
                .map(|setting| Sourced { setting, origin: Origin::CommandLine })
                .collect();
            let settings = winning(flags, &[&typed, &then, &elsewhere]);
            Asked::new(title.clone(), settings, ComparedWith::Given)
        });
        Ok(Self {
            sweeps: sweeps.collect::<Result<_, Error>>()?,
            typed: self.typed.clone(),
            says_what: self.says_what,
        })
    }
}

/// What recorded arguments give to which flags.
///
/// # Errors
/// When this lbench does not take them.
pub fn settings_of(args: &[String]) -> Result<Vec<Setting>, Error> {
    let line = std::iter::once("lbench").chain(args.iter().map(String::as_str));
    Ok(BenchArgs::parse(line.map(OsString::from))?.typed)
}

fn concern(setting: &Setting) -> Concern {
    flags::concern(&setting.flag)
}

/// What a sweep is run with. A preset has become what it stands for, and nothing else is to be read again;
/// a standing wish that needs another flag waits for it.
fn to_run(settings: &[Sourced], against: ComparedWith) -> impl Iterator<Item = &Setting> {
    let is_there = move |flag: &str| {
        flag == "baseline" && against == ComparedWith::Itself
            || settings.iter().any(|sourced| sourced.setting.flag == flag)
    };
    let counts = move |sourced: &&Sourced| {
        let Some(flag) = flags::find(&sourced.setting.flag) else { return true };
        let waits = flag.needs.is_some_and(|needed| !is_there(needed.to));
        !["preset", "no-config"].contains(&flag.long)
            && (!waits || sourced.origin == Origin::CommandLine)
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
pub fn for_the_record<'a>(settings: impl IntoIterator<Item = &'a Setting>) -> Vec<String> {
    let open = settings.into_iter().filter(|setting| !setting.is_secret());
    let args = open.flat_map(Setting::arguments);
    args.map(|arg| arg.to_string_lossy().into_owned()).collect()
}
