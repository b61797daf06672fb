//! Synthetic models: files with the geometry, tensor types and size of a real model, and random
//! weights. llama.cpp loads and runs them at the speed of the model they stand for.
//!
//! | file | what it holds |
//! |---|---|
//! | `geometry` | the numbers that make an architecture a model, and the presets |
//! | `grammar` | specifications as typed |
//! | `layout` | metadata and tensor table: the header, in memory |
//! | `encode`, `kquants`, `rounding` | numbers to blocks, by rounding to the nearest |
//! | `tile` | the weights: one stretch for each type, repeated |
//! | `write` | the file |

mod encode;
mod geometry;
mod grammar;
mod kquants;
mod layout;
mod rounding;
mod tile;
mod write;

use std::io::Write;
use std::path::PathBuf;

use crate::units::{Bytes, Params};

use super::filetype::FileType;

pub use encode::encode;
pub use geometry::{Arch, Geometry, presets};
pub use tile::source_values;
pub use write::{is_up_to_date, part_path, remove_leftovers};

/// Seed of the weights where none is given.
pub const DEFAULT_SEED: u64 = 0x6c62_656e_6368;

/// A model to make: geometry, file type and seed. [`Spec::parse`] documents how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Name of the preset; `None` for a geometry of its own.
    preset: Option<&'static str>,
    geometry: Geometry,
    file_type: FileType,
    seed: u64,
    /// An entry of metadata beside those that follow.
    note: Option<(String, String)>,
}

impl Spec {
    /// A model of any geometry.
    ///
    /// # Errors
    /// Where llama.cpp could not run the geometry.
    pub fn new(geometry: Geometry, file_type: FileType, seed: u64) -> Result<Self, SynthError> {
        geometry.check()?;
        Ok(Self { preset: None, geometry, file_type, seed, note: None })
    }

    /// The same model with other types of tensors.
    #[must_use]
    pub fn of_type(&self, file_type: FileType) -> Self {
        Self { file_type, ..self.clone() }
    }

    /// The same model with an entry of metadata more.
    #[must_use]
    pub fn noting(self, key: &str, value: &str) -> Self {
        Self { note: Some((key.to_owned(), value.to_owned())), ..self }
    }

    /// The numbers that make up the model.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Which types the tensors have.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// The seed of the weights.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The specification in canonical form, e.g. `llama-3.2-3b:q6_k`: [`Spec::parse`] reads it back.
    pub fn name(&self) -> String {
        let model = match self.preset {
            Some(preset) => preset.to_owned(),
            None => grammar::describe(&self.geometry),
        };
        let seed = match self.seed {
            DEFAULT_SEED => String::new(),
            seed => format!(":seed={seed}"),
        };
        format!("{model}:{}{seed}", self.file_type)
    }

    /// The name of its file, e.g. `synth-llama-3.2-3b-q6_k.gguf`: another one for every specification.
    pub fn file_name(&self) -> String {
        let tidy = self.name().replace('=', "").replace([':', ','], "-");
        format!("synth-{tidy}.gguf")
    }
}

/// Writes what specifications can be made of: the presets with their sizes, and the file types.
///
/// # Errors
/// Where `out` cannot be written to.
pub fn list(out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "Models, each followed by a file type, as in {EXAMPLE}:")?;
    for (name, geometry) in presets() {
        let sized = |file_type| {
            let preset = Some(name);
            Spec { preset, geometry: *geometry, file_type, seed: DEFAULT_SEED, note: None }.header()
        };
        let header = sized(FileType::Q4KM);
        let params = Params(header.n_params()).to_string();
        let size = Bytes(header.file_size).to_string();
        let wide = Bytes(sized(FileType::F16).file_size).to_string();
        writeln!(out, "  {name:<15} {params:>10}  {size:>10} as q4_k_m  {wide:>10} as f16")?;
    }
    let names: Vec<_> = FileType::all().map(FileType::name).collect();
    writeln!(out, "File types: {}", names.join(", "))?;
    let archs = Arch::ALL.map(Arch::name).join(", ");
    writeln!(out, "Any other geometry of {archs}:")?;
    writeln!(out, "  llama:layers=4,embd=256,ff=1024,heads=4:q8_0")?;
    writeln!(
        out,
        "with kv=, head_dim=, vocab=, experts=, experts_used=, context=, tied, rope_freqs"
    )?;
    writeln!(out, "A seed for the weights goes last: {EXAMPLE}:seed=7")
}

const EXAMPLE: &str = "llama-3.2-3b:q6_k";

/// Why a synthetic model cannot be made. Each message is one line without the path, which the caller
/// puts in front.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The specification does not follow the grammar.
    #[error("{0}")]
    Grammar(String),
    /// llama.cpp could not run a model of this geometry.
    #[error("{0}")]
    Geometry(String),
    /// The disk is too full.
    #[error("needs {needed}, {} has {free} free", .folder.display())]
    NoSpace {
        /// Bytes that the file takes.
        needed: Bytes,
        /// The folder that it was to lie in.
        folder: PathBuf,
        /// Bytes that are free there.
        free: Bytes,
    },
    /// The user ended it.
    #[error("interrupted")]
    Interrupted,
    /// The system refused.
    #[error("cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_every_preset_and_file_type() {
        let mut out = Vec::new();
        list(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let names = presets().map(|(name, _)| name).chain(FileType::all().map(FileType::name));
        for name in names {
            assert!(text.contains(name), "{name}");
        }
        assert!(text.contains("llama-3.2-3b        3.21 B"), "{text}");
    }
}
