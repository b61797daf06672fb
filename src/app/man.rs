//! `lbench man`: the manual, a page for each command.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};

use super::command::Cli;
use super::out::print;
use crate::cli::spellings;
use crate::error::{Error, exit};

/// In few words.
pub(super) const BRIEF: &str = "Print the manual page";

/// Print the manual page, or write those of all commands into a folder
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write the pages of lbench and of all its commands into this folder
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Prints the manual page, or writes all of them.
pub(super) fn main(args: &ManArgs) -> Result<u8, Error> {
    let pages = pages()?;
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
        if std::fs::read(&path).is_ok_and(|old| !is_page(&old)) {
            let path = path.display();
            let text = format!("man --output {path}: it is no page of lbench: name another folder");
            return Err(Error::Usage(text));
        }
        std::fs::write(&path, page).map_err(refuse(&path))?;
    }
    Ok(exit::OK)
}

/// Whether a file is a manual page of lbench, or nothing at all.
fn is_page(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.trim().is_empty() || text.lines().any(|line| line.starts_with(".TH lbench"))
}

/// Manual pages, each with the name of its file: lbench's first, then those of its commands.
///
/// # Errors
/// When a page cannot be put into memory.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Error> {
    // A list of every flag is no synopsis.
    let usage = "lbench [OPTIONS]\nlbench <COMMAND> ...";
    let mut command = Cli::command().disable_help_subcommand(true).override_usage(usage);
    command.build();
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let pages = std::iter::once(&command).chain(commands).map(|command| {
        let man = clap_mangen::Man::new(command.clone()).manual("lbench");
        let name = man.get_filename();
        let mut page = Vec::new();
        match man.render(&mut page) {
            Ok(()) => Ok((name, with_spellings(&String::from_utf8_lossy(&page)).into_bytes())),
            Err(source) => Err(Error::Output { what: name, source }),
        }
    });
    pages.collect()
}

/// A manual page with llama-bench's spellings beside the long flags, and examples on lines of their own.
fn with_spellings(page: &str) -> String {
    let mut page = page.replace(".SH EXTRA\n", ".SH NOTES\n");
    let longs: BTreeSet<_> = spellings().map(|(_, long)| long).collect();
    for long in longs {
        let of_long = spellings().filter(|(_, other)| *other == long);
        let shorts: Vec<_> = of_long.map(|(short, _)| format!("\\-{short}")).collect();
        let flag = format!("\\fB\\-\\-{}\\fR", long.replace('-', "\\-"));
        let all = shorts.iter().fold(String::new(), |all, short| all + "\\fB" + short + "\\fR, ");
        page = page.replace(&format!("\n{flag}"), &format!("\n{all}{flag}"));
        page = page.replace(&format!("\n[{}] ", shorts.join(", ")), "\n");
    }
    let mut lines: Vec<&str> = Vec::new();
    let mut filled = true;
    for line in page.lines() {
        let is_example = line.starts_with("  ");
        if is_example == filled {
            lines.push(if is_example { ".nf" } else { ".fi" });
        }
        filled = !is_example;
        lines.push(line);
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;
    use crate::app::completions::visible;

    #[test]
    fn the_manual_has_a_page_for_each_command_and_shows_both_spellings() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[0], "lbench.1");
        assert!(names.contains(&"lbench-compare.1") && !names.contains(&"lbench-worker.1"));
        let page = String::from_utf8(pages[0].1.clone()).unwrap();
        assert!(page.contains(r"\fB\-ngl\fR, \fB\-\-n\-gpu\-layers\fR"), "{page}");
        let command = visible(&Cli::command());
        let shown: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
        for (short, long) in spellings().filter(|(_, long)| shown.contains(long)) {
            let (short, long) = (format!(r"\fB\-{short}\fR, "), long.replace('-', r"\-"));
            let line = page.lines().find(|line| line.contains(&format!(r", \fB\-\-{long}\fR")));
            assert!(line.is_some_and(|line| line.contains(&short)), "{short} {long}");
        }
        assert!(!page.contains(r"[\-ngl]"));
    }
}
