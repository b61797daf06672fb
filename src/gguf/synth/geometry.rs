//! The numbers that make an architecture a model.

use super::SynthError;

/// An architecture that synthetic models can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// Llama and everything built like it; with experts, Mixtral.
    Llama,
    /// Qwen2 and Qwen2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen3: norms on queries and keys.
    Qwen3,
    /// Qwen3 with experts.
    Qwen3Moe,
}

impl Arch {
    /// Every architecture.
    pub const ALL: [Self; 4] = [Self::Llama, Self::Qwen2, Self::Qwen3, Self::Qwen3Moe];

    /// llama.cpp's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Qwen3Moe => "qwen3moe",
        }
    }
}

/// The numbers that make up a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// The architecture.
    pub arch: Arch,
    /// Transformer blocks.
    pub layers: u32,
    /// Width of the residual stream.
    pub embd: u32,
    /// Width of the feed-forward network, of one expert where there are experts.
    pub ff: u32,
    /// Attention heads.
    pub heads: u32,
    /// Key and value heads.
    pub kv: u32,
    /// Width of a head.
    pub head_dim: u32,
    /// Tokens in the vocabulary.
    pub vocab: u32,
    /// Whether the output layer shares the token embedding.
    pub tied: bool,
    /// Experts in each block; 0 for a dense model.
    pub experts: u32,
    /// Experts that each token passes through; 0 for a dense model.
    pub experts_used: u32,
    /// Whether it stretches its rotary embedding as Llama 3 does, with a tensor of factors.
    pub rope_freqs: bool,
    /// Tokens that the model says it was trained on; llama.cpp warns beyond.
    pub context: u32,
}

/// A model that real ones are compared with, by name.
pub(super) struct KnownModel {
    pub name: &'static str,
    /// `general.size_label`, as real files of the model have it.
    pub size_label: &'static str,
    pub geometry: Geometry,
}

const fn dense(arch: Arch, numbers: [u32; 7], tied: bool, context: u32) -> Geometry {
    let [layers, embd, ff, heads, kv, head_dim, vocab] = numbers;
    let (experts, experts_used, rope_freqs) = (0, 0, false);
    Geometry {
        arch,
        layers,
        embd,
        ff,
        heads,
        kv,
        head_dim,
        vocab,
        tied,
        experts,
        experts_used,
        rope_freqs,
        context,
    }
}

const fn llama3(numbers: [u32; 7], tied: bool) -> Geometry {
    Geometry { rope_freqs: true, ..dense(Arch::Llama, numbers, tied, 131_072) }
}

const fn moe(arch: Arch, numbers: [u32; 7], experts: [u32; 2], context: u32) -> Geometry {
    let [experts, experts_used] = experts;
    Geometry { experts, experts_used, ..dense(arch, numbers, false, context) }
}

const fn preset(name: &'static str, size_label: &'static str, geometry: Geometry) -> KnownModel {
    KnownModel { name, size_label, geometry }
}

/// Layers, embd, ff, heads, kv heads, head dim, vocabulary.
pub(super) static PRESETS: [KnownModel; 13] = [
    preset("llama-135m", "135M", dense(Arch::Llama, [30, 576, 1536, 9, 3, 64, 49_152], true, 8192)),
    preset("llama-3.2-1b", "1B", llama3([16, 2048, 8192, 32, 8, 64, 128_256], true)),
    preset("llama-3.2-3b", "3B", llama3([28, 3072, 8192, 24, 8, 128, 128_256], true)),
    preset("llama-3.1-8b", "8B", llama3([32, 4096, 14_336, 32, 8, 128, 128_256], false)),
    preset(
        "qwen2.5-0.5b",
        "0.5B",
        dense(Arch::Qwen2, [24, 896, 4864, 14, 2, 64, 151_936], true, 32_768),
    ),
    preset(
        "qwen2.5-1.5b",
        "1.5B",
        dense(Arch::Qwen2, [28, 1536, 8960, 12, 2, 128, 151_936], true, 32_768),
    ),
    preset(
        "qwen2.5-7b",
        "7B",
        dense(Arch::Qwen2, [28, 3584, 18_944, 28, 4, 128, 152_064], false, 32_768),
    ),
    preset(
        "qwen3-0.6b",
        "0.6B",
        dense(Arch::Qwen3, [28, 1024, 3072, 16, 8, 128, 151_936], true, 40_960),
    ),
    preset(
        "qwen3-1.7b",
        "1.7B",
        dense(Arch::Qwen3, [28, 2048, 6144, 16, 8, 128, 151_936], true, 40_960),
    ),
    preset(
        "qwen3-4b",
        "4B",
        dense(Arch::Qwen3, [36, 2560, 9728, 32, 8, 128, 151_936], true, 40_960),
    ),
    preset(
        "qwen3-8b",
        "8B",
        dense(Arch::Qwen3, [36, 4096, 12_288, 32, 8, 128, 151_936], false, 40_960),
    ),
    preset(
        "qwen3-30b-a3b",
        "30B-A3B",
        moe(Arch::Qwen3Moe, [48, 2048, 768, 32, 4, 128, 151_936], [128, 8], 40_960),
    ),
    preset(
        "mixtral-8x7b",
        "8x7B",
        moe(Arch::Llama, [32, 4096, 14_336, 32, 8, 128, 32_000], [8, 2], 32_768),
    ),
];

/// Name and geometry of every preset.
pub fn presets() -> impl Iterator<Item = (&'static str, &'static Geometry)> {
    PRESETS.iter().map(|preset| (preset.name, &preset.geometry))
}

impl Geometry {
    /// Query heads that share one key and value head.
    pub fn gqa(&self) -> u32 {
        self.heads / self.kv.max(1)
    }

    /// Makes sure that llama.cpp can run it and that no size overflows.
    pub(super) fn check(&self) -> Result<(), SynthError> {
        let refuse = |why: String| Err(SynthError::Geometry(why));
        // The upper bounds are llama.cpp's for layers and experts, and generous for the rest.
        for (what, value, max) in [
            ("layers", self.layers, 512),
            ("embd", self.embd, 1 << 16),
            ("ff", self.ff, 1 << 18),
            ("heads", self.heads, 1 << 10),
            ("kv", self.kv, 1 << 10),
            ("head_dim", self.head_dim, 1 << 10),
            ("vocab", self.vocab, 1 << 20),
            ("context", self.context, 1 << 24),
        ] {
            if value == 0 || value > max {
                return refuse(format!("{what}={value}: it must be from 1 to {max}"));
            }
        }
        let Self { arch, heads, kv, head_dim, embd, experts, experts_used, .. } = *self;
        if heads % kv != 0 {
            return refuse(format!("heads={heads} is not a multiple of kv={kv}"));
        }
        if head_dim % 2 != 0 {
            return refuse(format!("head_dim={head_dim} is odd; rotary embedding turns pairs"));
        }
        if arch == Arch::Qwen2 && heads * head_dim != embd {
            let product = heads * head_dim;
            return refuse(format!(
                "qwen2 needs heads times head_dim to be embd: {heads} times {head_dim} is \
                 {product}, embd={embd}"
            ));
        }
        let name = arch.name();
        match arch {
            Arch::Qwen3Moe if experts == 0 => refuse(format!("{name} needs experts=")),
            Arch::Qwen2 | Arch::Qwen3 if experts > 0 => refuse(format!("{name} has no experts")),
            _ if experts > 1024 => refuse(format!("experts={experts}: at most 1024")),
            _ if experts > 0 && !(1..=experts).contains(&experts_used) => {
                refuse(format!("experts_used={experts_used}: it must be from 1 to {experts}"))
            }
            _ if experts == 0 && experts_used > 0 => {
                refuse(format!("experts_used={experts_used} needs experts="))
            }
            Arch::Qwen2 | Arch::Qwen3 | Arch::Qwen3Moe if self.rope_freqs => {
                refuse(format!("{name} has no rope_freqs"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_sound_and_have_names_of_their_own() {
        let mut names: Vec<_> = presets().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PRESETS.len());
        for preset in &PRESETS {
            preset.geometry.check().unwrap_or_else(|error| panic!("{}: {error}", preset.name));
        }
    }

    #[test]
    fn unsound_geometries_are_refused() {
        let good = PRESETS[0].geometry;
        for (bad, word) in [
            (Geometry { layers: 0, ..good }, "layers=0"),
            (Geometry { vocab: u32::MAX, ..good }, "vocab="),
            (Geometry { kv: 2, ..good }, "multiple of kv=2"),
            (Geometry { head_dim: 63, ..good }, "odd"),
            (Geometry { arch: Arch::Qwen2, head_dim: 32, ..good }, "is 288, embd=576"),
            (Geometry { arch: Arch::Qwen3Moe, ..good }, "needs experts"),
            (Geometry { arch: Arch::Qwen3, experts: 8, experts_used: 2, ..good }, "no experts"),
            (Geometry { experts: 8, experts_used: 9, ..good }, "from 1 to 8"),
            (Geometry { experts_used: 2, ..good }, "needs experts"),
        ] {
            let error = bad.check().expect_err(word).to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
