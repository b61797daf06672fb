//! From what `-m` and `-hf` say to a model whose header is known: files are read, synthetic ones made.

mod cost;
mod kind;
pub mod making;
pub mod prompts;
pub mod texts;

pub use cost::token_cost;

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::gguf::synth::{self, Spec, SynthError};
use crate::gguf::{Header, HeaderError};
use crate::hub::Found;
use crate::setup::{Layout, Model, ModelKind, Tensors};
use crate::units::{Bytes, Params};

/// The model when `-m` is not given: small enough for any machine, made in a moment.
pub const DEFAULT: &str = "synth:llama-135m:q4_0";

/// What is wrong with a name that is no text.
pub const NO_TEXT: &str = "the name is not UTF-8, which results and journals could not hold: rename it, or reach it by a link";

/// What marks a model that lbench makes itself.
const SYNTH: &str = "synth:";

/// Splits what `-m` was given at its commas, except those inside the geometry of a synthetic model, and those in
/// the name of a file that is there: the most that is one counts.
pub fn names(given: &[String]) -> Vec<String> {
    given.iter().flat_map(|text| names_in(text)).collect()
}

fn names_in(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut parts: Vec<_> = text.split(',').collect();
    while let Some(&first) = parts.first() {
        // `synth:llama:layers=4,embd=256,tied:q8_0` goes on until its file type.
        let open = |name: &String| name.starts_with(SYNTH) && name.contains('=') && !complete(name);
        if let Some(last) = names.last_mut().filter(|last| open(last)) {
            *last = format!("{last},{first}");
            parts.remove(0);
            continue;
        }
        let is_file = |length: &usize| Path::new(&parts[..*length].join(",")).is_file();
        let length = (2..=parts.len()).rev().find(is_file).unwrap_or(1);
        names.push(parts.drain(..length).collect::<Vec<_>>().join(","));
    }
    names
}

/// The same error, with a word about the comma that its path may have been cut at.
pub fn cut_at_comma(error: Error, given: &[String]) -> Error {
    let Error::Model { path, reason } = error else { return error };
    let is_cut = |text: &&String| {
        text.contains(',') && names_in(text).iter().any(|name| Path::new(name) == path)
    };
    let whole = given.iter().find(is_cut).filter(|_| !path.exists());
    let told = whole.map(|whole| format!("; {whole} is none either, and a comma parts models"));
    Error::Model { path, reason: reason + &told.unwrap_or_default() }
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
        make(&spec, &header, (&path, Replace::Own), tell)?;
    }
    model(path, &header)
}

/// What may be in the place of a model that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// A file that lbench has made.
    Own,
    /// No file but that very model.
    Nothing,
    /// Any file.
    Any,
}

/// Writes a synthetic model unless the file is there already. What writers that are gone have left of models in its
/// folder goes first.
///
/// # Errors
/// When another file is there, the disk is too small or cannot be written, or the user ends it.
pub fn make(
    spec: &Spec,
    header: &Header,
    (path, replace): (&Path, Replace),
    tell: &mut dyn FnMut(String),
) -> Result<(), Error> {
    synth::remove_leftovers(path);
    if synth::is_up_to_date(header, path) {
        return Ok(());
    }
    let is_own = || Header::read(path).is_ok_and(|found| found.synthetic_seed().is_some());
    let may = match replace {
        Replace::Any => true,
        Replace::Own => !path.exists() || is_own(),
        Replace::Nothing => !path.exists(),
    };
    if !may {
        let path = path.display();
        let way = match replace {
            Replace::Own => "move it away, or name another folder with --models-dir",
            _ => "name another file, or replace it with --force",
        };
        return Err(Error::Usage(format!("{path}: another file is there: {way}")));
    }
    tell(format!("making {} ({}, random weights)", path.display(), Bytes(header.file_size)));
    spec.write(path, &mut |_, _| {}).map_err(|error| match error {
        SynthError::Interrupted => Error::Interrupted,
        error => Error::Usage(format!("{}: {error}", path.display())),
    })
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

/// Reads the header of the model that others are held against.
///
/// # Errors
/// What is wrong with the file.
pub fn of_reference(path: &Path) -> Result<Model, Error> {
    file(path).map_err(|error| match error {
        Error::Model { path, reason } => {
            Error::Usage(format!("--reference {}: {reason}", path.display()))
        }
        other => other,
    })
}

fn file(path: &Path) -> Result<Model, Error> {
    let header = Header::read(path).map_err(|error: HeaderError| Error::Model {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    model(path.to_path_buf(), &header)
}

/// # Errors
/// When its path is no text, as which it goes to workers and journals.
fn model(path: PathBuf, header: &Header) -> Result<Model, Error> {
    if path.to_str().is_none() {
        return Err(Error::Model { path, reason: NO_TEXT.into() });
    }
    let kind = kind::of(header);
    // The terms of the roofline are those of one token behind the other.
    let is_decoder = kind == ModelKind::Decoder;
    let names = header.tensors.iter().map(|tensor| tensor.name.clone());
    Ok(Model {
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
        token_cost: token_cost(header).filter(|_| is_decoder),
        layout: layout(header),
        kind,
        cacheless: kind::is_cacheless(header),
        n_ctx_train: context(header),
        n_positions: positions(header),
        tensors: Tensors::new(names.collect()),
    })
}

/// Tokens that a model was trained with at once.
fn context(header: &Header) -> Option<u32> {
    let count = header.arch_count("context_length").filter(|&count| count > 0)?;
    u32::try_from(count).ok()
}

/// Positions that a model has a vector for each; `None` where it has none for any.
fn positions(header: &Header) -> Option<u32> {
    let table = header.tensors.iter().find(|tensor| tensor.name == "position_embd.weight")?;
    u32::try_from(table.shape.get(1).copied().unwrap_or(1)).ok()
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

    #[test]
    fn a_comma_in_the_name_of_a_file_parts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
        std::fs::create_dir(dir.path().join("a,b")).unwrap();
        for name in ["a,b/x.gguf", "y,1,2.gguf", "z.gguf"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let (x, y, z) = (path("a,b/x.gguf"), path("y,1,2.gguf"), path("z.gguf"));
        assert_eq!(names(std::slice::from_ref(&x)), std::slice::from_ref(&x));
        let all = format!("{z},{x},synth:llama:layers=4,tied:q8_0,{y},{z}");
        let synth = "synth:llama:layers=4,tied:q8_0".to_string();
        assert_eq!(names(&[all]), [z.clone(), x, synth, y, z]);
        let missing = path("no,such.gguf");
        let error = resolve(&names(std::slice::from_ref(&missing)), dir.path(), false, &mut |_| {});
        let told = cut_at_comma(error.unwrap_err(), &[missing]).to_string();
        let told = told.replace(dir.path().to_str().unwrap(), "DIR");
        assert_eq!(
            told,
            "-m DIR/no: no such file; DIR/no,such.gguf is none either, and a comma parts models"
        );
    }
}
