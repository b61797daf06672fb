//! The `lbench` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = lbench::app::main(std::env::args_os()).unwrap_or_else(|error| {
        lbench::app::explain(&error);
        error.exit_code()
    });
    ExitCode::from(code)
}
