//! The header of a model file: what is known before anything is loaded.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::entries::{MetadataValue, TensorInfo};
use super::error::HeaderError;
use super::mixture::layer_of;
use super::parse::{self, Shard};
use super::{bounds, purpose};
use crate::units::{Hex, counted};

/// Metadata key of the seed in a model that lbench made.
pub(super) const SEED_KEY: &str = "lbench.synthetic.seed";

/// Most parts of a split model: the engine counts them in 16 bits.
const MAX_PARTS: u64 = u16::MAX as u64;

/// The header of a model: metadata and tensor table, of all parts of a split model together.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// `general.architecture`, e.g. `llama`.
    pub architecture: String,
    /// The metadata; of a split model, the first part's.
    pub metadata: BTreeMap<String, MetadataValue>,
    /// The tensors, in file order.
    pub tensors: Vec<TensorInfo>,
    /// Bytes of the file, of all parts together.
    pub file_size: u64,
    /// SHA-256 over the bytes from the magic to the end of the tensor table, of all parts in order, as
    /// 64 hex digits.
    pub hash: String,
}

impl Header {
    /// Reads the header of the GGUF file at `path`, and for the first part of a split model those of
    /// the other parts, which lie beside it.
    ///
    /// # Errors
    /// Where the file cannot be read, is no usable GGUF file, is shorter than its tensors, or is a part
    /// of a split model that is not complete.
    pub fn read(path: &Path) -> Result<Self, HeaderError> {
        let mut hasher = Sha256::new();
        let (first, mut file_size) = read_part(path, &mut hasher)?;
        let Shard { metadata, mut tensors } = first;
        let count = |key: &str| metadata.get(key).and_then(MetadataValue::count);
        let n_parts = count("split.count").unwrap_or(1);
        let part = count("split.no").unwrap_or(0);
        if n_parts > MAX_PARTS || part >= n_parts.max(1) {
            let text = format!("it is part {part} of {n_parts}, counted from 0");
            return Err(HeaderError::Corrupt(text));
        }
        if n_parts > 1 {
            let stem = part_stem(path, part, n_parts);
            if part > 0 {
                let first = stem.map(|stem| part_name(&stem, 0, n_parts));
                return Err(HeaderError::NotFirstPart {
                    part: part.saturating_add(1),
                    count: n_parts,
                    first,
                });
            }
            let stem = stem.ok_or(HeaderError::SplitName { count: n_parts })?;
            for index in 1..n_parts {
                let name = part_name(&stem, index, n_parts);
                let sibling = path.with_file_name(&name);
                let (part, size) =
                    read_part(&sibling, &mut hasher).map_err(|error| match error {
                        HeaderError::Missing => {
                            HeaderError::PartMissing { name: name.clone(), count: n_parts }
                        }
                        other => HeaderError::Part { name: name.clone(), source: other.into() },
                    })?;
                tensors.extend(part.tensors);
                file_size = file_size.saturating_add(size);
            }
            check_merged(&tensors, count("split.tensors.count"))?;
        }
        Self::assemble(metadata, tensors, file_size, hasher)
    }

    /// Puts a header together from its pieces.
    pub(super) fn assemble(
        metadata: BTreeMap<String, MetadataValue>,
        tensors: Vec<TensorInfo>,
        file_size: u64,
        hasher: Sha256,
    ) -> Result<Self, HeaderError> {
        if let Some(what) = purpose::other_than_model(&metadata, &tensors) {
            return Err(HeaderError::NoModel(what));
        }
        if tensors.is_empty() {
            return Err(HeaderError::NoTensors);
        }
        let architecture = metadata
            .get("general.architecture")
            .and_then(MetadataValue::text)
            .ok_or_else(|| HeaderError::Corrupt("there is no general.architecture".into()))?
            .to_owned();
        // It is printed and is part of keys: nothing but what names are made of.
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if architecture.is_empty() || architecture.len() > 64 || !architecture.chars().all(is_name)
        {
            return Err(HeaderError::Corrupt("general.architecture is not a name".into()));
        }
        let hash = Hex(&hasher.finalize()).to_string();
        let header = Self { architecture, metadata, tensors, file_size, hash };
        bounds::check(&header)?;
        Ok(header)
    }

    /// The header of a file that lbench makes itself, where nothing has to be checked.
    pub(super) fn of_own_making(
        architecture: &str,
        metadata: BTreeMap<String, MetadataValue>,
        tensors: Vec<TensorInfo>,
        file_size: u64,
        hasher: Sha256,
    ) -> Self {
        let architecture = architecture.to_owned();
        Self {
            architecture,
            metadata,
            tensors,
            file_size,
            hash: Hex(&hasher.finalize()).to_string(),
        }
    }

    /// Elements of all tensors.
    pub fn n_params(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.elements()))
    }

    /// Bytes of all tensors, without the padding between them.
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.iter().fold(0, |sum, tensor| sum.saturating_add(tensor.bytes))
    }

    /// Transformer blocks: `{arch}.block_count`, or where that is not a number, one more than the
    /// highest block that a tensor names.
    pub fn n_layers(&self) -> u32 {
        let named = || {
            let blocks = self.tensors.iter().filter_map(|tensor| layer_of(&tensor.name));
            blocks.max().map_or(0, |last| last.saturating_add(1))
        };
        let count = self.arch_count("block_count");
        count.and_then(|count| u32::try_from(count).ok()).unwrap_or_else(named)
    }

    /// Vocabulary size: `{arch}.vocab_size`, else the length of the tokenizer's list, else the rows of
    /// the token embedding; `None` where the header has none of them.
    pub fn n_vocab(&self) -> Option<u32> {
        let listed = || match self.metadata.get("tokenizer.ggml.tokens")? {
            MetadataValue::Array { len } => Some(*len),
            _ => None,
        };
        let embedded = || {
            let table = self.tensors.iter().find(|tensor| tensor.name == "token_embd.weight")?;
            table.shape.get(1).copied()
        };
        let size = self.arch_count("vocab_size").or_else(listed).or_else(embedded)?;
        u32::try_from(size).ok()
    }

    /// The seed of the weights, for a model that lbench made.
    pub fn synthetic_seed(&self) -> Option<u64> {
        self.metadata.get(SEED_KEY).and_then(MetadataValue::count)
    }

    /// The integer under `{arch}.{key}`.
    pub fn arch_count(&self, key: &str) -> Option<u64> {
        self.metadata.get(&format!("{}.{key}", self.architecture)).and_then(MetadataValue::count)
    }
}

fn read_part(path: &Path, hasher: &mut Sha256) -> Result<(Shard, u64), HeaderError> {
    let missing = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => HeaderError::Missing,
        _ => HeaderError::Io(error),
    };
    // Looked at before it is opened: opening a pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(missing)?;
    if metadata.is_dir() {
        return Err(HeaderError::Directory);
    }
    if !metadata.is_file() {
        return Err(HeaderError::NotRegular);
    }
    let file = File::open(path).map_err(missing)?;
    let len = file.metadata()?.len();
    let part = parse::parse(BufReader::with_capacity(1 << 16, file), len, hasher)?;
    Ok((part, len))
}

/// The file name of a part, counted from 0, of a split model.
fn part_name(stem: &str, part: u64, count: u64) -> String {
    format!("{stem}-{:05}-of-{count:05}.gguf", part + 1)
}

/// What the file names of all parts start with, where this part's name has the usual ending.
fn part_stem(path: &Path, part: u64, count: u64) -> Option<String> {
    let ending = part_name("", part.min(count), count);
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(&ending).map(str::to_owned)
}

fn check_merged(tensors: &[TensorInfo], expected: Option<u64>) -> Result<(), HeaderError> {
    let found = tensors.len() as u64;
    if let Some(expected) = expected.filter(|&expected| expected != found) {
        return Err(HeaderError::Corrupt(format!(
            "its parts hold {} together, where {expected} are expected",
            counted(found, "tensor")
        )));
    }
    let mut seen = HashSet::new();
    match tensors.iter().find(|tensor| !seen.insert(&tensor.name)) {
        Some(twice) => {
            Err(HeaderError::Corrupt(format!("two parts hold the tensor {:?}", twice.name)))
        }
        None => Ok(()),
    }
}
