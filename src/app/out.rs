//! Output of a command: results on standard output, all else on standard error.

use std::io::{self, Write as _};

use crate::error::Error;
use crate::plot::Chart;
use crate::terminal::Harmless;
pub(super) use crate::terminal::tell;

/// Tells the user why there are no results: one line on standard error.
pub fn explain(error: &Error) {
    let quiet =
        matches!(error, Error::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe);
    if !quiet {
        tell(&error.to_string());
    }
}

/// Prints to standard output, in one go.
pub(super) fn print(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<(), Error> {
    let mut out = Harmless::new(io::BufWriter::new(io::stdout().lock()));
    write(&mut out).and_then(|()| out.flush()).map_err(output_error)
}

/// Draws plots as wide as standard output, or 80 characters where that is no terminal: on standard output where
/// `beside` a table, with what keeps them apart in markdown, else on standard error.
pub(super) fn draw(charts: &[Chart], beside: bool) -> Result<(), Error> {
    let size = console::Term::stdout().size_checked();
    let width = size.map_or(80, |(_, columns)| usize::from(columns));
    let drawn = charts.iter().map(|chart| chart.draw(width)).filter(|lines| !lines.is_empty());
    let lines = drawn.collect::<Vec<_>>().join(&String::new());
    if lines.is_empty() {
        tell("--plot: there is nothing to draw");
        return Ok(());
    }
    if beside {
        return print(|out| {
            writeln!(out, "\n```text")?;
            lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
            writeln!(out, "```")
        });
    }
    for line in &lines {
        crate::terminal::copy(line.as_bytes());
    }
    Ok(())
}

/// What is wrong where standard output takes no more.
pub(super) fn output_error(source: io::Error) -> Error {
    Error::Output { what: "standard output".into(), source }
}
