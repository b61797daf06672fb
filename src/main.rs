//! The `lbench` command: parse, run, exit code.

use std::process::ExitCode;

use lbench::error::exit;

fn main() -> ExitCode {
    let run = || {
        lbench::app::main(std::env::args_os()).unwrap_or_else(|error| {
            lbench::app::explain(&error);
            error.exit_code()
        })
    };
    // What panics has said so on standard error.
    ExitCode::from(std::panic::catch_unwind(run).unwrap_or(exit::BROKEN))
}
