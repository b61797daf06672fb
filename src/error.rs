//! Errors: what ends a run before it has results, and the exit codes of the program.

use std::path::PathBuf;

/// Exit codes, as the README documents them.
pub mod exit {
    /// Everything asked for was measured.
    pub const OK: u8 = 0;
    /// At least one row could not be measured; the others are complete.
    pub const SOME_FAILED: u8 = 1;
    /// The command line or an input file is not usable; nothing was measured.
    pub const USAGE: u8 = 2;
    /// lbench could not do its own work: no worker could be started, results could not be written.
    pub const BROKEN: u8 = 3;
    /// Ended by Ctrl-C or SIGTERM; what was measured until then is printed.
    pub const INTERRUPTED: u8 = 130;
}

/// Why there are no results. Each message is one line that names the flag or file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// A model file cannot be used.
    #[error("-m {path}: {reason}", path = path.display())]
    Model {
        /// The file as given.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A file or stream could not be written.
    #[error("{what}: {source}")]
    Output {
        /// What was being written.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The worker process could not be started or does not speak our protocol.
    #[error("worker: {0}")]
    Worker(String),
    /// The system gives no further thread.
    #[error(
        "the system gives no further thread: {0}; see ulimit -u, and the pids of the control group"
    )]
    Thread(std::io::Error),
    /// The user ended it before there was anything to show.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The exit code that goes with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Model { .. } => exit::USAGE,
            Self::Output { .. } | Self::Worker(_) | Self::Thread(_) => exit::BROKEN,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}
