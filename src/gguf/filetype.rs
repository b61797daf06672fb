//! File types: the mixtures of tensor types that a quantized file can be made of.

use std::fmt;

use super::types::GgmlType;

/// A file type that a synthetic model can have, named as llama.cpp's quantize tool names it. The
/// discriminant is the number under `general.file_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the names are llama.cpp's
#[repr(u32)]
pub enum FileType {
    F32 = 0,
    F16 = 1,
    Q4_0 = 2,
    Q4_1 = 3,
    Q8_0 = 7,
    Q5_0 = 8,
    Q5_1 = 9,
    Q2K = 10,
    Q3KS = 11,
    Q3KM = 12,
    Q3KL = 13,
    Q4KS = 14,
    Q4KM = 15,
    Q5KS = 16,
    Q5KM = 17,
    Q6K = 18,
    Q2KS = 21,
    Iq4Nl = 25,
    Iq4Xs = 30,
    Bf16 = 32,
}

/// Spelling and main tensor type of each file type, from the widest to the narrowest.
static TABLE: [(FileType, &str, GgmlType); 20] = [
    (FileType::F32, "f32", GgmlType::F32),
    (FileType::F16, "f16", GgmlType::F16),
    (FileType::Bf16, "bf16", GgmlType::Bf16),
    (FileType::Q8_0, "q8_0", GgmlType::Q8_0),
    (FileType::Q6K, "q6_k", GgmlType::Q6K),
    (FileType::Q5KM, "q5_k_m", GgmlType::Q5K),
    (FileType::Q5KS, "q5_k_s", GgmlType::Q5K),
    (FileType::Q5_1, "q5_1", GgmlType::Q5_1),
    (FileType::Q5_0, "q5_0", GgmlType::Q5_0),
    (FileType::Q4KM, "q4_k_m", GgmlType::Q4K),
    (FileType::Q4KS, "q4_k_s", GgmlType::Q4K),
    (FileType::Q4_1, "q4_1", GgmlType::Q4_1),
    (FileType::Q4_0, "q4_0", GgmlType::Q4_0),
    (FileType::Iq4Nl, "iq4_nl", GgmlType::Iq4Nl),
    (FileType::Iq4Xs, "iq4_xs", GgmlType::Iq4Xs),
    (FileType::Q3KL, "q3_k_l", GgmlType::Q3K),
    (FileType::Q3KM, "q3_k_m", GgmlType::Q3K),
    (FileType::Q3KS, "q3_k_s", GgmlType::Q3K),
    (FileType::Q2K, "q2_k", GgmlType::Q2K),
    (FileType::Q2KS, "q2_k_s", GgmlType::Q2K),
];

impl FileType {
    /// Every file type, from the widest to the narrowest.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The file type of this name, in any case. `q3_k`, `q4_k` and `q5_k` mean their medium mixtures,
    /// as they do for the quantize tool.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = match name.as_str() {
            "q3_k" => "q3_k_m",
            "q4_k" => "q4_k_m",
            "q5_k" => "q5_k_m",
            other => other,
        };
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The name in lower case, e.g. `q4_k_m`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The type that tensors have unless a rule gives them another.
    pub fn base(self) -> GgmlType {
        self.row().2
    }

    /// The number under `general.file_type`.
    pub fn id(self) -> u32 {
        self as u32
    }

    fn row(self) -> &'static (FileType, &'static str, GgmlType) {
        // Every variant has a row, as a test checks; the first row only stands in for the impossible.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What llama.cpp prints for a number under `general.file_type`, e.g. `Q4_K - Medium` for 15.
pub fn description(id: u32) -> &'static str {
    DESCRIPTIONS
        .iter()
        .find(|(known, _)| *known == id)
        .map_or("unknown, may not work", |(_, description)| description)
}

static DESCRIPTIONS: [(u32, &str); 36] = [
    (0, "all F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K - Medium"),
    (11, "Q3_K - Small"),
    (12, "Q3_K - Medium"),
    (13, "Q3_K - Large"),
    (14, "Q4_K - Small"),
    (15, "Q4_K - Medium"),
    (16, "Q5_K - Small"),
    (17, "Q5_K - Medium"),
    (18, "Q6_K"),
    (19, "IQ2_XXS - 2.0625 bpw"),
    (20, "IQ2_XS - 2.3125 bpw"),
    (21, "Q2_K - Small"),
    (22, "IQ3_XS - 3.3 bpw"),
    (23, "IQ3_XXS - 3.0625 bpw"),
    (24, "IQ1_S - 1.5625 bpw"),
    (25, "IQ4_NL - 4.5 bpw"),
    (26, "IQ3_S - 3.4375 bpw"),
    (27, "IQ3_S mix - 3.66 bpw"),
    (28, "IQ2_S - 2.5 bpw"),
    (29, "IQ2_M - 2.7 bpw"),
    (30, "IQ4_XS - 4.25 bpw"),
    (31, "IQ1_M - 1.75 bpw"),
    (32, "BF16"),
    (36, "TQ1_0 - 1.69 bpw ternary"),
    (37, "TQ2_0 - 2.06 bpw ternary"),
    (38, "MXFP4 MoE"),
    (39, "NVFP4"),
    (40, "Q1_0"),
    (41, "Q2_0"),
];

/// The number under `general.file_type` that llama.cpp assumes for a file without one, most of whose
/// tensors have this type; it then prints "(guessed)" before the description.
pub fn guessed_id(most_common: Option<GgmlType>) -> u32 {
    match most_common {
        Some(GgmlType::F16) => 1,
        Some(GgmlType::Q4_0) => 2,
        Some(GgmlType::Q4_1) => 3,
        Some(GgmlType::Q8_0) => 7,
        Some(GgmlType::Q5_0) => 8,
        Some(GgmlType::Q5_1) => 9,
        Some(GgmlType::Q2K) => 10,
        Some(GgmlType::Q3K) => 12,
        Some(GgmlType::Q4K) => 15,
        Some(GgmlType::Q5K) => 17,
        Some(GgmlType::Q6K) => 18,
        Some(GgmlType::Iq2Xxs) => 19,
        Some(GgmlType::Iq2Xs) => 20,
        Some(GgmlType::Iq3Xxs) => 23,
        Some(GgmlType::Iq1S) => 24,
        Some(GgmlType::Iq4Nl) => 25,
        Some(GgmlType::Iq3S) => 26,
        Some(GgmlType::Iq2S) => 28,
        Some(GgmlType::Iq4Xs) => 30,
        Some(GgmlType::Iq1M) => 31,
        Some(GgmlType::Bf16) => 32,
        Some(GgmlType::Tq1_0) => 36,
        Some(GgmlType::Tq2_0) => 37,
        Some(GgmlType::Nvfp4) => 39,
        Some(GgmlType::Q1_0) => 40,
        Some(GgmlType::Q2_0) => 41,
        // F32, and whatever else: llama.cpp falls back to it.
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_types() {
        for ty in FileType::all() {
            assert_eq!(FileType::from_name(ty.name()), Some(ty));
            assert_eq!(FileType::from_name(&ty.name().to_uppercase()), Some(ty));
            assert_eq!(ty.row().0, ty);
            assert_ne!(description(ty.id()), description(u32::MAX));
        }
        assert_eq!(FileType::all().count(), 20);
        assert_eq!(FileType::from_name("Q4_K"), Some(FileType::Q4KM));
        assert_eq!(FileType::from_name("q7_k"), None);
    }

    #[test]
    fn descriptions_are_llama_cpps() {
        assert_eq!(description(FileType::F32.id()), "all F32");
        assert_eq!(description(FileType::Q4KM.id()), "Q4_K - Medium");
        assert_eq!(description(FileType::Q6K.id()), "Q6_K");
        assert_eq!(description(9999), "unknown, may not work");
        assert_eq!(description(guessed_id(Some(GgmlType::Q4K))), "Q4_K - Medium");
        assert_eq!(description(guessed_id(None)), "all F32");
    }
}
