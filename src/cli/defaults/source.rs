//! Source of settings: a text in TOML under way, key by key.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use super::{Origin, Sourced};
use crate::cli::flags::{self, Places};
use crate::cli::foreign;
use crate::cli::settings::{self, Flags, Given, Setting, Takes};
use crate::error::Error;

/// A text under way.
pub(super) struct SourceText<'a> {
    pub(super) flags: &'a Flags,
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

/// A key as the parser of TOML has it.
pub(super) type TomlKey<'a> = Spanned<std::borrow::Cow<'a, str>>;

impl SourceText<'_> {
    /// One key with its value, checked by the flag's own parser.
    pub(super) fn setting(
        &self,
        key: &TomlKey<'_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Sourced, Error> {
        let name = key.get_ref().as_ref();
        let refuse = |text: &str| self.refuse(&key.span(), &format!("{name}: {text}"));
        let Some(takes) = self.flags.takes(name) else {
            let near = || crate::cli::long_form(name).or_else(|| self.flags.nearest(name));
            let meant = || near().map(|long| format!(": did you mean {long}?"));
            let told = foreign::told(name).or_else(meant).unwrap_or_default();
            return Err(refuse(&format!("there is no flag --{name}{told}")));
        };
        if flags::find(name).is_none_or(|flag| flag.places != Places::All) {
            return Err(refuse("this is for the command line: leave it out here"));
        }
        let given = given(takes, value.get_ref()).map_err(|text| refuse(&text))?;
        let setting = Setting { flag: name.to_string(), given };
        settings::check(&[&setting]).map_err(|text| refuse(&text))?;
        let origin = Origin::File(self.path.to_path_buf(), self.line(&key.span()));
        Ok(Sourced { setting, origin })
    }

    /// Refuses what cannot stand together.
    pub(super) fn check_together(&self, settings: &[Sourced]) -> Result<(), Error> {
        let all: Vec<_> = settings.iter().map(|sourced| &sourced.setting).collect();
        let refuse = |text| Error::Usage(format!("{}: {text}", self.path.display()));
        settings::check(&all).map_err(refuse)
    }

    pub(super) fn refuse(&self, place: &Range<usize>, text: &str) -> Error {
        Error::Usage(format!("{}:{}: {text}", self.path.display(), self.line(place)))
    }

    fn line(&self, place: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(place.start);
        1 + before.filter(|byte| **byte == b'\n').count()
    }
}

fn given(takes: Takes, value: &DeValue<'_>) -> Result<Given, String> {
    match (takes, value) {
        (Takes::Nothing | Takes::MaybeValue, DeValue::Boolean(true)) => Ok(Given::On),
        (Takes::Nothing | Takes::MaybeValue, DeValue::Boolean(false)) => Ok(Given::Off),
        (Takes::Nothing, _) => Err("this is a switch: give true or false".into()),
        (_, DeValue::Array(values)) if values.is_empty() => Err("the list is empty".into()),
        (_, DeValue::Array(values)) => values
            .iter()
            .map(|value| scalar(value.get_ref()))
            .collect::<Result<_, _>>()
            .map(Given::Values),
        (_, value) => Ok(Given::Values(vec![scalar(value)?])),
    }
}

/// A value as it would be typed.
fn scalar(value: &DeValue<'_>) -> Result<OsString, String> {
    match value {
        DeValue::String(text) => Ok(text.as_ref().into()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map(|number| number.to_string().into()).map_err(|error| error.to_string())
        }
        DeValue::Float(number) => Ok(number.as_str().into()),
        DeValue::Boolean(is) => Ok(is.to_string().into()),
        other => {
            let is = other.type_str();
            Err(format!("a value is a string, a number, true, false or a list of those, no {is}"))
        }
    }
}
