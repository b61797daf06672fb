//! Entries of a header: metadata values, and tensors as the tensor table has them.

use super::types::GgmlType;

/// A metadata value. Numbers of every width are widened; of arrays only the length is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum MetadataValue {
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A floating point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string of at most 64 KiB.
    String(String),
    /// A longer string.
    LongString {
        /// Its length.
        bytes: u64,
    },
    /// An array.
    Array {
        /// Its elements.
        len: u64,
    },
}

impl MetadataValue {
    /// The value as a count: an integer that is not negative.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Unsigned(n) => Some(*n),
            Self::Signed(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The value as a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

/// A tensor, as the tensor table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name, e.g. `blk.0.attn_q.weight`.
    pub name: String,
    /// Its shape, row length first.
    pub shape: Vec<u64>,
    /// Its type; `None` for one that this version of lbench does not know.
    pub ggml_type: Option<GgmlType>,
    /// The number of its type.
    pub type_id: u32,
    /// Bytes of its data; for an unknown type, the room up to the next tensor.
    pub bytes: u64,
}

impl TensorInfo {
    /// Its elements.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }
}
