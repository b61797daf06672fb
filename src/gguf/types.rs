//! The element types that a tensor in a GGUF file can have, as one table.

use std::fmt;

/// An element type of ggml. The discriminant is the number that GGUF files carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are ggml's
#[repr(u32)]
pub enum GgmlType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q5_0 = 6,
    Q5_1 = 7,
    Q8_0 = 8,
    Q8_1 = 9,
    Q2K = 10,
    Q3K = 11,
    Q4K = 12,
    Q5K = 13,
    Q6K = 14,
    Q8K = 15,
    Iq2Xxs = 16,
    Iq2Xs = 17,
    Iq3Xxs = 18,
    Iq1S = 19,
    Iq4Nl = 20,
    Iq3S = 21,
    Iq2S = 22,
    Iq4Xs = 23,
    I8 = 24,
    I16 = 25,
    I32 = 26,
    I64 = 27,
    F64 = 28,
    Iq1M = 29,
    Bf16 = 30,
    Tq1_0 = 34,
    Tq2_0 = 35,
    Mxfp4 = 39,
    Nvfp4 = 40,
    Q1_0 = 41,
    Q2_0 = 42,
}

/// What ggml calls a type and how it packs it.
struct BlockLayout {
    ty: GgmlType,
    /// ggml's name, e.g. `q4_K`.
    name: &'static str,
    /// Elements in a block.
    elements: u64,
    /// Bytes of a block.
    bytes: u64,
}

const fn layout(ty: GgmlType, name: &'static str, elements: u64, bytes: u64) -> BlockLayout {
    BlockLayout { ty, name, elements, bytes }
}

static TABLE: [BlockLayout; 35] = [
    layout(GgmlType::F32, "f32", 1, 4),
    layout(GgmlType::F16, "f16", 1, 2),
    layout(GgmlType::Q4_0, "q4_0", 32, 18),
    layout(GgmlType::Q4_1, "q4_1", 32, 20),
    layout(GgmlType::Q5_0, "q5_0", 32, 22),
    layout(GgmlType::Q5_1, "q5_1", 32, 24),
    layout(GgmlType::Q8_0, "q8_0", 32, 34),
    layout(GgmlType::Q8_1, "q8_1", 32, 36),
    layout(GgmlType::Q2K, "q2_K", 256, 84),
    layout(GgmlType::Q3K, "q3_K", 256, 110),
    layout(GgmlType::Q4K, "q4_K", 256, 144),
    layout(GgmlType::Q5K, "q5_K", 256, 176),
    layout(GgmlType::Q6K, "q6_K", 256, 210),
    layout(GgmlType::Q8K, "q8_K", 256, 292),
    layout(GgmlType::Iq2Xxs, "iq2_xxs", 256, 66),
    layout(GgmlType::Iq2Xs, "iq2_xs", 256, 74),
    layout(GgmlType::Iq3Xxs, "iq3_xxs", 256, 98),
    layout(GgmlType::Iq1S, "iq1_s", 256, 50),
    layout(GgmlType::Iq4Nl, "iq4_nl", 32, 18),
    layout(GgmlType::Iq3S, "iq3_s", 256, 110),
    layout(GgmlType::Iq2S, "iq2_s", 256, 82),
    layout(GgmlType::Iq4Xs, "iq4_xs", 256, 136),
    layout(GgmlType::I8, "i8", 1, 1),
    layout(GgmlType::I16, "i16", 1, 2),
    layout(GgmlType::I32, "i32", 1, 4),
    layout(GgmlType::I64, "i64", 1, 8),
    layout(GgmlType::F64, "f64", 1, 8),
    layout(GgmlType::Iq1M, "iq1_m", 256, 56),
    layout(GgmlType::Bf16, "bf16", 1, 2),
    layout(GgmlType::Tq1_0, "tq1_0", 256, 54),
    layout(GgmlType::Tq2_0, "tq2_0", 256, 66),
    layout(GgmlType::Mxfp4, "mxfp4", 32, 17),
    layout(GgmlType::Nvfp4, "nvfp4", 64, 36),
    layout(GgmlType::Q1_0, "q1_0", 128, 18),
    layout(GgmlType::Q2_0, "q2_0", 64, 18),
];

impl GgmlType {
    /// Every type, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        let mut types: Vec<_> = TABLE.iter().map(|row| row.ty).collect();
        types.sort_by_key(|ty| ty.id());
        types.into_iter()
    }

    /// The type that has this number in a GGUF file; `None` for a number that is not in use.
    pub fn from_id(id: u32) -> Option<Self> {
        TABLE.iter().map(|row| row.ty).find(|ty| ty.id() == id)
    }

    /// The number of the type in a GGUF file.
    pub fn id(self) -> u32 {
        self as u32
    }

    /// ggml's name of the type, e.g. `q4_K`.
    pub fn name(self) -> &'static str {
        self.layout().name
    }

    /// Elements in a block; 1 for types that do not pack several together.
    pub fn block_elements(self) -> u64 {
        self.layout().elements
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        self.layout().bytes
    }

    /// Bytes of an element: those of a block, shared out.
    #[allow(clippy::cast_precision_loss)] // hundreds
    pub fn element_bytes(self) -> f64 {
        self.block_bytes() as f64 / self.block_elements() as f64
    }

    /// Bytes of a row of `elements` elements; `None` where they do not fill whole blocks, or where the
    /// size passes 64 bits.
    pub fn row_bytes(self, elements: u64) -> Option<u64> {
        let layout = self.layout();
        if !elements.is_multiple_of(layout.elements) {
            return None;
        }
        (elements / layout.elements).checked_mul(layout.bytes)
    }

    fn layout(self) -> &'static BlockLayout {
        // Every variant has a row, as a test checks; the first row only stands in for the impossible.
        TABLE.iter().find(|row| row.ty == self).unwrap_or(&TABLE[0])
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_has_one_row() {
        let ids: BTreeSet<_> = TABLE.iter().map(|row| row.ty.id()).collect();
        let names: BTreeSet<_> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!((ids.len(), names.len()), (TABLE.len(), TABLE.len()));
        for ty in GgmlType::all() {
            assert_eq!(ty.layout().ty, ty);
            assert_eq!(GgmlType::from_id(ty.id()), Some(ty));
        }
        assert_eq!(GgmlType::from_id(4), None);
        assert_eq!(GgmlType::from_id(u32::MAX), None);
    }

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(GgmlType::Q6K.row_bytes(3072), Some(12 * 210));
        assert_eq!(GgmlType::Q4_0.row_bytes(576), Some(18 * 18));
        assert_eq!(GgmlType::Q4K.row_bytes(576), None);
        assert_eq!(GgmlType::F16.row_bytes(7), Some(14));
        assert_eq!(GgmlType::F64.row_bytes(u64::MAX), None);
    }
}
