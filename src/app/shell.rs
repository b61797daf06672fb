//! What makes lbench at home in a shell: its defaults, completions and manual pages.

use std::path::Path;

use super::{print, tell};
use crate::cli::defaults::{self, Sources};
use crate::cli::{CompletionsArgs, ConfigArgs, ConfigWhat, ManArgs, man_pages};
use crate::error::{Error, exit};
use crate::machine::Description;
use crate::machine::Host;

/// Shows where defaults come from.
pub(super) fn show_config(args: &ConfigArgs) -> Result<u8, Error> {
    if args.what == ConfigWhat::Path {
        return show_path(args.json);
    }
    let sources = Sources::read(&args.bench)?;
    sources.notes.iter().for_each(|note| tell(note));
    if args.what == ConfigWhat::Presets || args.bench.preset.as_deref() == Some("list") {
        let presets = sources.presets()?;
        print(|out| defaults::show_presets(&presets, args.json, out))?;
        return Ok(exit::OK);
    }
    let mut layered = sources.layered(&args.bench)?;
    layered.iter_mut().for_each(defaults::Layered::with_token_of_hub);
    // The engine is not asked: no default depends on it.
    let host = Host::take(Description::default());
    print(|out| defaults::show(sources.flags(), &layered, &host, args.json, out))?;
    Ok(exit::OK)
}

fn show_path(as_json: bool) -> Result<u8, Error> {
    let path = defaults::path().map(|(path, _)| path.display().to_string());
    print(|out| match (&path, as_json) {
        (path, true) => writeln!(out, "{}", serde_json::json!(path)),
        (Some(path), false) => writeln!(out, "{path}"),
        (None, false) => Ok(()),
    })?;
    Ok(exit::OK)
}

/// Prints a script.
pub(super) fn completions(args: &CompletionsArgs) -> Result<u8, Error> {
    let script = args.shell.completions(&defaults::PRESETS);
    print(|out| out.write_all(script.as_bytes()))?;
    Ok(exit::OK)
}

/// Prints the manual page, or writes all of them.
pub(super) fn man(args: &ManArgs) -> Result<u8, Error> {
    let pages = man_pages()?;
    let Some(folder) = &args.output else {
        print(|out| pages.iter().take(1).try_for_each(|(_, page)| out.write_all(page)))?;
        return Ok(exit::OK);
    };
    let refuse = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| Error::Usage(format!("man --output {path}: {error}"))
    };
    std::fs::create_dir_all(folder).map_err(refuse(folder))?;
    for (name, page) in &pages {
        let path = folder.join(name);
        std::fs::write(&path, page).map_err(refuse(&path))?;
    }
    Ok(exit::OK)
}
