//! Making of quantizations: what each of a model's will be called and take, and the order to whoever quantizes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::NO_TEXT;
use crate::error::Error;
use crate::gguf::{FileType, Header, Mixture};
use crate::setup::Model;
use crate::units::Bytes;

/// Metadata key of the model that a quantization was made of: the hash of its header.
pub const MADE_OF: &str = "lbench.quantized.from";

/// Order to quantize a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantizing {
    /// The model.
    pub from: PathBuf,
    /// The file to write.
    pub to: PathBuf,
    /// The type, by its number under `general.file_type`.
    pub file_type: u32,
    /// CPU threads.
    pub n_threads: u32,
    /// What the file is to say of the model under [`MADE_OF`].
    pub made_of: String,
}

/// A quantization to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantization {
    /// What it will be.
    pub file_type: FileType,
    /// Where it will lie.
    pub path: PathBuf,
    /// What it will take on disk, about.
    pub size: Bytes,
    /// Memory that the making takes at once, about.
    pub memory: Bytes,
}

/// Bytes of metadata, tokens of the vocabulary included, that are not told apart from weights.
const OF_METADATA: u64 = 1 << 20;

/// Most bytes of a tensor's rows that the engine holds at once.
const ROWS: u64 = 8 << 30;

/// What is to be made of a model in a folder, but for what it is already.
///
/// # Errors
/// When the model's file cannot be read.
pub fn recipes(
    model: &Model,
    types: &[FileType],
    folder: &Path,
) -> Result<Vec<Quantization>, Error> {
    let header = Header::read(&model.path)
        .map_err(|error| Error::Model { path: model.path.clone(), reason: error.to_string() })?;
    let now = header.metadata.get("general.file_type").and_then(crate::gguf::MetadataValue::count);
    let recipe = |&file_type: &FileType| Quantization {
        file_type,
        path: folder.join(name(&model.path, file_type)),
        size: Bytes(size(&header, file_type)),
        memory: Bytes(memory(&header)),
    };
    let is_new = |file_type: &&FileType| now != Some(u64::from(file_type.id()));
    Ok(types.iter().filter(is_new).map(recipe).collect())
}

/// The name of a quantization: that of the model, and the type.
fn name(path: &Path, file_type: FileType) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    // The first part of several stands for all of them.
    let is_count = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = stem.rsplit_once("-of-").filter(|(_, count)| is_count(count));
    let whole = whole.and_then(|(rest, _)| rest.rsplit_once('-')).filter(|(_, at)| is_count(at));
    format!("{}-{file_type}.gguf", whole.map_or(&*stem, |(name, _)| name))
}

/// Bytes of the file, by the rules that the engine's quantizer goes by.
fn size(header: &Header, file_type: FileType) -> u64 {
    let count = |key: &str| header.arch_count(key).and_then(|count| u32::try_from(count).ok());
    let heads = count("attention.head_count").unwrap_or(1);
    let mixture = Mixture {
        file_type,
        architecture: &header.architecture,
        n_layers: header.n_layers(),
        n_experts: count("expert_count").unwrap_or(0),
        n_gqa: heads / count("attention.head_count_kv").unwrap_or(heads).max(1),
        tied: header.tensors.iter().all(|tensor| tensor.name != "output.weight"),
    };
    let bytes = |tensor: &crate::gguf::TensorInfo| {
        let row = tensor.shape.first().copied().unwrap_or(1);
        let row_bytes = mixture.tensor_type(&tensor.name, &tensor.shape).row_bytes(row);
        row_bytes.unwrap_or(row.saturating_mul(4)).saturating_mul(tensor.elements() / row.max(1))
    };
    let of_metadata = header.file_size.saturating_sub(header.tensor_bytes()).max(OF_METADATA);
    header.tensors.iter().map(bytes).fold(of_metadata, u64::saturating_add)
}

/// Bytes that the largest tensor takes as numbers of 32 bits, as it was, and as it will be.
fn memory(header: &Header) -> u64 {
    let largest = header.tensors.iter().map(crate::gguf::TensorInfo::elements).max().unwrap_or(0);
    largest.saturating_mul(4).min(ROWS).saturating_mul(2)
}

/// Whether a file is what a recipe asks for, made of this very model, and whole.
pub fn is_made(recipe: &Quantization, model: &Model) -> bool {
    let age = |path: &Path| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let is_later = age(&recipe.path) >= age(&model.path);
    Header::read(&recipe.path).is_ok_and(|header| {
        let is = |key: &str| header.metadata.get(key);
        let of = is(MADE_OF).and_then(crate::gguf::MetadataValue::text) == Some(&model.header_hash);
        let file_type = is("general.file_type").and_then(crate::gguf::MetadataValue::count);
        of && is_later && file_type == Some(u64::from(recipe.file_type.id()))
    })
}

/// The model in a file that was made.
///
/// # Errors
/// What is wrong with it.
pub fn of_made(recipe: &Quantization, model: &Model) -> Result<Model, Error> {
    if recipe.path.to_str().is_none() {
        return Err(Error::Model { path: recipe.path.clone(), reason: NO_TEXT.into() });
    }
    let made = super::file(&recipe.path)?;
    let name = model.path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Model { source: Some(format!("made of {name}")), ..made })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::synth::Spec;

    #[test]
    fn a_quantization_is_called_by_its_model_and_its_type() {
        let named = |path: &str| name(Path::new(path), FileType::Q4KM);
        assert_eq!(named("a/smol-f16.gguf"), "smol-f16-q4_k_m.gguf");
        assert_eq!(named("big-00001-of-00003.gguf"), "big-q4_k_m.gguf");
        assert_eq!(named("one-of-a-kind.gguf"), "one-of-a-kind-q4_k_m.gguf");
    }

    #[test]
    fn sizes_are_foretold() {
        let spec = |text: &str| Spec::parse(text).unwrap();
        let wide = spec("llama-135m:f16").header();
        for file_type in [FileType::Q8_0, FileType::Q4KM, FileType::Q2K] {
            let real = spec(&format!("llama-135m:{file_type}")).header().file_size;
            let told = size(&wide, file_type);
            assert!(told >= real && told < real + 2 * OF_METADATA, "{file_type}: {told} {real}");
        }
    }
}
