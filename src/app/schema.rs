//! `lbench schema`: what programs can rely on.

use clap::Args;

use super::out::print;
use crate::error::{Error, exit};
use crate::report;

/// In few words.
pub(super) const BRIEF: &str = "Print the JSON Schema of the results";

/// Print the JSON Schema of what -o json and -o jsonl write.
#[derive(Debug, Args)]
pub struct SchemaArgs {}

/// Prints it.
pub(super) fn main(_: &SchemaArgs) -> Result<u8, Error> {
    print(|out| report::write_schema(out)).map(|()| exit::OK)
}
