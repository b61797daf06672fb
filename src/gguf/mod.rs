//! Model files as bytes: reading what a GGUF header says, and writing synthetic models to measure
//! with. This room knows nothing of the engine.
//!
//! [`Header::read`] is what the rest of the program needs to know of a model before it is loaded.
//! [`synth`] writes a model of any geometry and file type at the speed of the disk: what weights say
//! has no influence on how fast they are multiplied, so a benchmark needs no downloads.

mod bounds;
mod entries;
mod error;
mod filetype;
mod header;
mod label;
mod mixture;
mod parse;
mod purpose;
pub mod synth;
#[cfg(test)]
mod tests;
mod types;

pub use entries::{MetadataValue, TensorInfo};
pub use error::HeaderError;
pub use filetype::FileType;
pub use header::Header;
pub use mixture::Mixture;
pub use types::GgmlType;
