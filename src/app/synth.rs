//! `lbench synth`: a model with random weights, in a file.

use std::path::PathBuf;

use clap::Args;

use super::out::{print, tell};
use crate::error::{Error, exit};
use crate::gguf;
use crate::models::{self, Replace};

/// In few words.
pub(super) const BRIEF: &str = "Make a model with random weights";

/// Make a GGUF model with random weights and the exact geometry of a real one.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// What to make, e.g. `llama-3.2-3b:q6_k`; `list` shows what there is.
    pub spec: String,
    /// File to write; its own name in the models folder if not given.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace whatever file is there.
    #[arg(long)]
    pub force: bool,
    /// Folder of synthetic models.
    #[arg(long, value_name = "DIR", default_value = "models", env = "LBENCH_MODELS")]
    pub models_dir: PathBuf,
}

/// Makes it, or lists what there is; the exit code is returned.
pub(super) fn main(args: &SynthArgs) -> Result<u8, Error> {
    if args.spec == "list" {
        print(|out| gguf::synth::list(out))?;
        return Ok(exit::OK);
    }
    let text = args.spec.strip_prefix("synth:").unwrap_or(&args.spec);
    let spec = models::spec(text, "synth")?;
    let header = spec.header();
    let path = args.output.clone().unwrap_or_else(|| args.models_dir.join(spec.file_name()));
    let replace = match (&args.output, args.force) {
        (_, true) => Replace::Any,
        (Some(_), false) => Replace::Nothing,
        (None, false) => Replace::Own,
    };
    models::make(&spec, &header, (&path, replace), &mut |text| tell(&text))?;
    print(|out| writeln!(out, "{}", path.display()))?;
    Ok(exit::OK)
}
