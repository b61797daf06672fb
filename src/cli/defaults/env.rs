//! The environment: `LBENCH_THREADS=8` is `--threads 8`.

use std::ffi::{OsStr, OsString};

use super::{Origin, Sourced};
use crate::cli::flags::{self, Places};
use crate::cli::foreign;
use crate::cli::settings::{self, Flags, Given, Setting, Takes};
use crate::error::Error;
use crate::models::NO_TEXT;
use crate::near;

/// The variable of a flag.
pub fn variable(flag: &str) -> String {
    format!("LBENCH_{}", flag.to_uppercase().replace('-', "_"))
}

/// Variables that are about no flag.
const NO_FLAG: [&str; 5] =
    ["LBENCH_CONFIG", "LBENCH_GPU", "LBENCH_GPU_ROOT", "LBENCH_NVML", "LBENCH_PORTABLE"];

/// A word about each variable that looks like one of these and is not.
pub(super) fn slips(parser: &Flags, names: impl Iterator<Item = OsString>) -> Vec<String> {
    let own = parser.all().map(variable);
    let also = flags::all().filter_map(|flag| flag.variable).chain(NO_FLAG).map(String::from);
    let known: Vec<_> = own.chain(also).collect();
    let ours = names.filter_map(|name| name.into_string().ok());
    let unknown = ours.filter(|name| name.starts_with("LBENCH_") && !known.contains(name));
    let told = unknown.filter_map(|name| {
        let flag = name.trim_start_matches("LBENCH_").to_lowercase();
        if let Some(told) = foreign::told(&flag) {
            return Some(format!("{name} sets nothing: there is no such flag{told}"));
        }
        // What all of them begin with makes none of them like another.
        let rest = |name: &'_ String| name.trim_start_matches("LBENCH_").to_string();
        let meant =
            near::nearest(&rest(&name), known.iter().map(|known| (rest(known), known)), |known| {
                &known.0
            });
        meant.map(|(_, known)| format!("{name} sets nothing: did you mean {known}?"))
    });
    told.collect()
}

/// What the environment sets. An empty variable sets nothing.
///
/// # Errors
/// When a variable's value is not one of its flag.
pub(super) fn read(
    parser: &Flags,
    get: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Sourced>, Error> {
    let own = parser.all().map(|flag| (variable(flag), flag));
    let also = flags::all().filter_map(|flag| Some((flag.variable?.to_string(), flag.long)));
    let mut found: Vec<Sourced> = Vec::new();
    for (name, flag) in own.chain(also) {
        if flags::find(flag).is_none_or(|flag| flag.places == Places::Typed) {
            continue;
        }
        let Some(value) = get(&name).filter(|value| !value.is_empty()) else { continue };
        let Some(takes) = parser.takes(flag) else { continue };
        if found.iter().any(|sourced| sourced.setting.flag == flag) {
            continue;
        }
        let given = given(takes, value).map_err(|text| Error::Usage(format!("{name}: {text}")))?;
        let setting = Setting { flag: flag.to_string(), given };
        settings::check(&[&setting]).map_err(|text| Error::Usage(format!("{name}: {text}")))?;
        found.push(Sourced { setting, origin: Origin::Environment(name) });
    }
    let all: Vec<_> = found.iter().map(|sourced| &sourced.setting).collect();
    settings::check(&all).map_err(|text| Error::Usage(format!("LBENCH_ variables: {text}")))?;
    Ok(found)
}

fn given(takes: Takes, value: OsString) -> Result<Given, String> {
    if value.to_str().is_none() {
        return Err(format!("{}: {NO_TEXT}", quoted(&value)));
    }
    let word = value.to_str().map(str::to_ascii_lowercase);
    match (takes, word.as_deref()) {
        (Takes::Nothing, Some("1" | "true" | "yes" | "on"))
        | (Takes::MaybeValue, Some("true" | "yes" | "on")) => Ok(Given::On),
        (Takes::Nothing, Some("0" | "false" | "no" | "off"))
        | (Takes::MaybeValue, Some("false" | "no" | "off")) => Ok(Given::Off),
        (Takes::Nothing, _) => Err(format!("{} is neither 1 nor 0", quoted(&value))),
        (Takes::MaybeValue | Takes::Value, _) => Ok(Given::Values(vec![value])),
    }
}

fn quoted(value: &OsStr) -> String {
    format!("'{}'", value.to_string_lossy())
}
