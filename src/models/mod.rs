//! From what `-m` and `-hf` say to a model whose header is known: files are read, synthetic ones made.

mod cost;
pub mod prompts;

pub use cost::token_cost;

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::gguf::synth::{self, Spec};
use crate::gguf::{Header, HeaderError};
use crate::hub::Found;
use crate::setup::{Layout, Model};
use crate::units::{Bytes, Params};

/// The model when `-m` is not given: small enough for any machine, made in a moment.
pub const DEFAULT: &str = "synth:llama-135m:q4_0";

/// What marks a model that lbench makes itself.
const SYNTH: &str = "synth:";

/// Splits what `-m` was given at its commas, except those inside the geometry of a synthetic model.
pub fn names(given: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in given.iter().flat_map(|text| text.split(',')) {
        // `synth:llama:layers=4,embd=256,tied:q8_0` goes on until its file type.
        let open = |name: &String| name.starts_with(SYNTH) && name.contains('=') && !complete(name);
        match names.last_mut().filter(|last| open(last)) {
            Some(last) => *last = format!("{last},{part}"),
            None => names.push(part.to_string()),
        }
    }
    names
}

/// Whether a free geometry has its file type: `synth:`, architecture, geometry, type.
fn complete(name: &str) -> bool {
    name.split(':').count() >= 4
}

/// Reads the header of every model named; makes the synthetic ones that are not in `dir` yet if `write`
/// is set, and says so through `tell`.
///
/// # Errors
/// The first model that cannot be used, with what is wrong and what to do.
pub fn resolve(
    names: &[String],
    dir: &Path,
    write: bool,
    tell: &mut dyn FnMut(String),
) -> Result<Vec<Model>, Error> {
    names
        .iter()
        .map(|name| match name.strip_prefix(SYNTH) {
            Some(spec) => synthetic(spec, dir, write, tell),
            None if name.is_empty() => {
                Err(Error::Usage("-m: the name of the model is empty".into()))
            }
            None => file(Path::new(name)),
        })
        .collect()
}

/// Parses a specification and names the flag when it is wrong.
///
/// # Errors
/// What is wrong with it and what there is instead.
pub fn spec(text: &str, flag: &str) -> Result<Spec, Error> {
    Spec::parse(text).map_err(|e| Error::Usage(format!("{flag}: {e}")))
}

fn synthetic(
    text: &str,
    dir: &Path,
    write: bool,
    tell: &mut dyn FnMut(String),
) -> Result<Model, Error> {
    let spec = spec(text, &format!("-m {SYNTH}{text}"))?;
    let header = spec.header();
    let path = dir.join(spec.file_name());
    if write {
        make(&spec, &header, &path, tell)?;
    }
    Ok(model(path, &header))
}

/// Writes a synthetic model unless the file is there already.
///
/// # Errors
/// When the disk is too small or cannot be written.
pub fn make(
    spec: &Spec,
    header: &Header,
    path: &Path,
    tell: &mut dyn FnMut(String),
) -> Result<(), Error> {
    if synth::is_up_to_date(header, path) {
        return Ok(());
    }
    tell(format!("making {} ({}, random weights)", path.display(), Bytes(header.file_size)));
    spec.write(path, &mut |_, _| {}).map_err(|e| Error::Usage(format!("{}: {e}", path.display())))
}

/// Reads the header of a model of the hub.
///
/// # Errors
/// What is wrong with the file.
pub fn of_hub(found: &Found) -> Result<Model, Error> {
    let model = file(&found.path).map_err(|error| match error {
        Error::Model { path, reason } => {
            Error::Usage(format!("{}: {}: {reason}", found.source, path.display()))
        }
        other => other,
    })?;
    Ok(Model { source: Some(found.source.clone()), ..model })
}

fn file(path: &Path) -> Result<Model, Error> {
    let header = Header::read(path).map_err(|error: HeaderError| Error::Model {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    Ok(model(path.to_path_buf(), &header))
}

fn model(path: PathBuf, header: &Header) -> Model {
    Model {
        path,
        header_hash: header.hash.clone(),
        file_size: Bytes(header.file_size),
        architecture: header.architecture.clone(),
        label: header.label(),
        tensor_bytes: Bytes(header.tensor_bytes()),
        n_params: Params(header.n_params()),
        n_layers: header.n_layers(),
        n_vocab: header.n_vocab(),
        synthetic_seed: header.synthetic_seed(),
        source: None,
        token_cost: token_cost(header),
        layout: layout(header),
    }
}

/// Where the bytes of a model's weights go, by the names of its tensors.
fn layout(header: &Header) -> Layout {
    let block_of = |name: &str| name.strip_prefix("blk.")?.split('.').next()?.parse::<usize>().ok();
    let n_layers = header.n_layers() as usize;
    let mut layout = Layout { tied: true, ..Layout::default() };
    // As many blocks as tensors at most, whatever the header claims.
    layout.blocks = vec![Bytes(0); n_layers.min(header.tensors.len())];
    let add = |sum: &mut Bytes, bytes: u64| sum.0 = sum.0.saturating_add(bytes);
    for tensor in &header.tensors {
        let block = block_of(&tensor.name).and_then(|block| layout.blocks.get_mut(block));
        match block {
            Some(block) => add(block, tensor.bytes),
            None if tensor.name.contains("_embd") => add(&mut layout.input, tensor.bytes),
            None => {
                layout.tied &= tensor.name != "output.weight";
                add(&mut layout.output, tensor.bytes);
            }
        }
    }
    if layout.tied {
        let table = header.tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
        add(&mut layout.output, table.map_or(0, |table| table.bytes));
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_models_but_not_their_geometry() {
        let given =
            ["a.gguf,b.gguf", "synth:llama:layers=4,embd=256,tied:q8_0,c.gguf", "synth:x:q4_0,d"];
        let split = names(&given.map(String::from));
        assert_eq!(
            split,
            [
                "a.gguf",
                "b.gguf",
                "synth:llama:layers=4,embd=256,tied:q8_0",
                "c.gguf",
                "synth:x:q4_0",
                "d"
            ]
        );
    }
}
