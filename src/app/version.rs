//! `lbench --version`: what this build is, its engine asked in a worker.

use super::out::print;
use super::{prepare, sweep};
use crate::cli::BenchArgs;
use crate::error::{Error, exit};
use crate::machine::build;
use crate::runner::Runner;

/// Prints it. A build whose engine does not start is broken.
pub(super) fn main(args: &BenchArgs) -> Result<u8, Error> {
    let (text, code) = if args.engine.is_built_in() {
        let mut runner = Runner::new(sweep::runner_options(args, 0))?;
        match runner.describe() {
            Ok(engine) => {
                let cards = prepare::cards(&args.engine);
                (build::text(Ok(&engine), cards.as_ref()), exit::OK)
            }
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(why) => (build::text(Err(&why.to_string()), None), exit::BROKEN),
        }
    } else {
        let why = "this lbench was built without llama.cpp (--no-default-features)";
        (build::text(Err(why), None), exit::OK)
    };
    print(|out| writeln!(out, "{text}"))?;
    Ok(code)
}
