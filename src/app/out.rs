//! Output of a command: results on standard output, all else on standard error.

use std::io::{self, Write as _};

use crate::error::Error;
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

/// What is wrong where standard output takes no more.
pub(super) fn output_error(source: io::Error) -> Error {
    Error::Output { what: "standard output".into(), source }
}
