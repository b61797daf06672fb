//! From arguments to exit code. A command is a file with its arguments and its deed; a further one is that
//! file and two lines, one here and one in `command.rs`.
//!
//! | file | what it holds |
//! |---|---|
//! | `command.rs` | the command line: a sweep, or a command |
//! | `help.rs` | `-h` |
//! | `sweep.rs` | a sweep, step by step |
//! | `prepare.rs` | what it needs before it runs |
//! | `shares.rs` | lists of devices and shares that may be meant as one setting |
//! | `showing.rs` | what is seen of it while it runs |
//! | `beside.rs` | an earlier run beside it |
//! | `earlier.rs` | runs and files that `@last`, `@ID` and `@TAG` stand for |
//! | `keeping.rs` | its journal, and what an earlier one has of it |
//! | `page_file.rs` | the file that a page is written to |
//! | `making.rs` | quantizations that are made for it |
//! | `rooflines.rs` | what the devices can do at best, for those who show it |
//! | `devices.rs`, `version.rs` | flags that ask instead of measuring |
//! | `out.rs` | what is said, and where |
//! | all others | a command each |

mod ab;
mod beside;
mod command;
mod compare;
mod completions;
mod config;
mod devices;
pub mod doctor;
mod earlier;
mod help;
mod history;
mod keeping;
mod making;
mod man;
mod mock_server;
mod out;
mod page_file;
mod prepare;
mod quality;
mod report;
mod rooflines;
mod rpc_server;
mod schema;
mod shares;
mod showing;
mod sweep;
mod synth;
#[cfg(test)]
mod tests;
mod version;
mod worker;

use std::ffi::OsString;
use std::sync::Arc;

pub use out::explain;

use crate::error::{Error, exit};
use command::Cli;

/// Does what the command line says; the exit code is returned.
///
/// # Errors
/// When there is nothing to show: a flag or file that cannot be used, or lbench itself broke.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Result<u8, Error> {
    // A file that may grow no further is an error of whoever writes to it, not a death in silence.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    let cli = match Cli::parse_args(args)? {
        Ok(cli) => cli,
        Err(help) => return help::show(&help).map(|()| exit::OK),
    };
    match &cli.command {
        Some(command) => command.run(),
        None if cli.version => version::main(&cli.bench),
        None => sweep::main(&cli.bench),
    }
}
