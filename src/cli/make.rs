//! Flags about quantizations that are made to be measured.

use clap::Args;

use crate::gguf::FileType;
use crate::near;

/// What is made of the model first.
#[derive(Debug, Clone, Args)]
pub struct MakeArgs {
    /// Quantize the model to these types first, and measure each of them beside it
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', value_parser = file_type)]
    #[arg(help_heading = "Sweep")]
    make: Vec<FileType>,
    /// Keep the quantizations that were made; they lie in --models-dir
    #[arg(long, help_heading = "Keeping")]
    pub keep: bool,
}

impl MakeArgs {
    /// The types, each once, in the order in which they were given.
    pub fn types(&self) -> Vec<FileType> {
        let mut types = Vec::new();
        for file_type in &self.make {
            if !types.contains(file_type) {
                types.push(*file_type);
            }
        }
        types
    }
}

fn file_type(word: &str) -> Result<FileType, String> {
    FileType::from_name(word.trim()).ok_or_else(|| {
        let names: Vec<_> = FileType::all().map(FileType::name).collect();
        let word = word.to_ascii_lowercase();
        let near = near::nearest(&word, names.iter().copied(), |name| name);
        let near = near.map(|near| format!("; nearest: {near}")).unwrap_or_default();
        format!(
            "there is no type '{word}' that needs no importance matrix{near}; there are {}",
            names.join(", ")
        )
    })
}
