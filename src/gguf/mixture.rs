//! Mixture of types: which type llama.cpp's own quantizer gives each tensor of a file: a synthetic model has to be mixed
//! like a real one, or it would be faster or slower than the model it stands for.
//!
//! The rules are llama.cpp's, without an importance matrix, for the architectures and file types that
//! synthetic models have. `tests/quant_types.rs` holds them against the quantizer itself.

use super::filetype::FileType;
use super::types::GgmlType;

/// What the choice of tensor types depends on, besides the tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mixture<'a> {
    /// The file type asked for.
    pub file_type: FileType,
    /// `general.architecture`, e.g. `llama`.
    pub architecture: &'a str,
    /// Transformer blocks.
    pub n_layers: u32,
    /// Experts in each block; 0 for a dense model.
    pub n_experts: u32,
    /// Attention heads that share one key and value head.
    pub n_gqa: u32,
    /// Whether the output layer shares the token embedding.
    pub tied: bool,
}

/// The part that a tensor plays, as far as the rules tell parts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TensorRole {
    Output,
    TokenEmbedding,
    AttentionV,
    AttentionK,
    AttentionOutput,
    FfnDown,
    Other,
}

impl TensorRole {
    fn of(name: &str) -> Self {
        const PARTS: [(&str, TensorRole); 4] = [
            ("attn_v.weight", TensorRole::AttentionV),
            ("attn_k.weight", TensorRole::AttentionK),
            ("attn_output.weight", TensorRole::AttentionOutput),
            ("ffn_down", TensorRole::FfnDown),
        ];
        match name {
            "output.weight" => Self::Output,
            "token_embd.weight" => Self::TokenEmbedding,
            _ => PARTS
                .iter()
                .find(|(part, _)| name.contains(part))
                .map_or(Self::Other, |(_, role)| *role),
        }
    }
}

impl Mixture<'_> {
    /// The type of the tensor of this name and shape (row length first). Tensors that are never
    /// quantized are `F32`.
    pub fn tensor_type(&self, name: &str, shape: &[u64]) -> GgmlType {
        if !is_quantizable(name, shape) {
            return GgmlType::F32;
        }
        let base = self.file_type.base();
        if matches!(base, GgmlType::F32 | GgmlType::F16 | GgmlType::Bf16) {
            return base;
        }
        let row = shape.first().copied().unwrap_or(1);
        let layer = layer_of(name).unwrap_or(0);
        let wanted = match TensorRole::of(name) {
            TensorRole::Output => output_type(base, row),
            TensorRole::TokenEmbedding if self.tied => output_type(base, row),
            TensorRole::AttentionV => self.attention_v(layer),
            TensorRole::AttentionK if self.n_experts == 8 => GgmlType::Q8_0,
            TensorRole::AttentionOutput => self.attention_output(),
            TensorRole::FfnDown => self.ffn_down(layer),
            TensorRole::TokenEmbedding | TensorRole::AttentionK | TensorRole::Other => base,
        };
        fitting(wanted, row)
    }

    fn attention_v(&self, layer: u32) -> GgmlType {
        if self.n_experts == 8 {
            return GgmlType::Q8_0;
        }
        let shared = self.n_gqa >= 4;
        let chosen = match self.file_type {
            FileType::Q2K if !shared => GgmlType::Q3K,
            FileType::Q2K => GgmlType::Q4K,
            FileType::Q2KS if shared => GgmlType::Q4K,
            FileType::Q3KM if layer >= 2 => GgmlType::Q4K,
            FileType::Q3KM | FileType::Q3KL => GgmlType::Q5K,
            FileType::Iq4Nl | FileType::Iq4Xs if shared => GgmlType::Q5K,
            FileType::Q4KM | FileType::Q5KM if self.deserves_more(layer) => GgmlType::Q6K,
            FileType::Q4KS if layer < 4 => GgmlType::Q5K,
            other => other.base(),
        };
        match chosen {
            GgmlType::Q3K | GgmlType::Q4K if self.is_70b() => GgmlType::Q5K,
            other => other,
        }
    }

    fn attention_output(&self) -> GgmlType {
        let of_eight = self.n_experts == 8;
        match self.file_type {
            FileType::Q2K
            | FileType::Q3KS
            | FileType::Q3KM
            | FileType::Q4KS
            | FileType::Q4KM
            | FileType::Iq4Nl
            | FileType::Iq4Xs
                if of_eight =>
            {
                GgmlType::Q5K
            }
            FileType::Q2K => GgmlType::Q3K,
            FileType::Q3KM => GgmlType::Q4K,
            FileType::Q3KL if !of_eight => GgmlType::Q5K,
            other => other.base(),
        }
    }

    fn ffn_down(&self, layer: u32) -> GgmlType {
        let first_eighth = layer < self.n_layers / 8;
        match self.file_type {
            FileType::Q2K => GgmlType::Q3K,
            FileType::Q2KS if first_eighth => GgmlType::Q4K,
            FileType::Q3KM if layer < self.n_layers / 16 => GgmlType::Q5K,
            FileType::Q3KM => GgmlType::Q4K,
            FileType::Q3KL => GgmlType::Q5K,
            FileType::Q4KM | FileType::Q5KM if self.deserves_more(layer) => GgmlType::Q6K,
            FileType::Iq4Nl | FileType::Iq4Xs | FileType::Q4KS if first_eighth => GgmlType::Q5K,
            other => other.base(),
        }
    }

    /// Whether a medium mixture spends more bits on this layer: the first and last eighth, and every
    /// third layer between them.
    fn deserves_more(&self, layer: u32) -> bool {
        let eighth = self.n_layers / 8;
        layer < eighth || layer >= 7 * self.n_layers / 8 || (layer - eighth) % 3 == 2
    }

    /// Whether llama.cpp takes the model for a 70B, whose value matrices it treats apart.
    fn is_70b(&self) -> bool {
        self.n_layers == 80
            && match self.architecture {
                "llama" => self.n_gqa > 1,
                "qwen2" => true,
                _ => false,
            }
    }
}

/// Only matrices are quantized, and of those neither norms nor the experts' router.
fn is_quantizable(name: &str, shape: &[u64]) -> bool {
    shape.iter().skip(1).any(|&n| n > 1)
        && name.ends_with("weight")
        && !name.contains("_norm.weight")
        && !name.contains("ffn_gate_inp.weight")
}

/// The output layer gets more bits than the rest.
fn output_type(base: GgmlType, row: u64) -> GgmlType {
    if base == GgmlType::Q8_0 || !row.is_multiple_of(base.block_elements()) {
        GgmlType::Q8_0
    } else {
        GgmlType::Q6K
    }
}

/// The type itself where rows are whole blocks of it, else one with smaller blocks.
fn fitting(wanted: GgmlType, row: u64) -> GgmlType {
    let fits = |ty: GgmlType| row.is_multiple_of(ty.block_elements());
    if fits(wanted) {
        return wanted;
    }
    let smaller = match wanted {
        GgmlType::Q2K | GgmlType::Q3K => GgmlType::Q4_0,
        GgmlType::Q4K => GgmlType::Q5_0,
        GgmlType::Q5K => GgmlType::Q5_1,
        GgmlType::Q6K => GgmlType::Q8_0,
        GgmlType::Iq4Xs => GgmlType::Iq4Nl,
        other => other,
    };
    if fits(smaller) { smaller } else { GgmlType::F16 }
}

/// The layer that a tensor named `blk.<layer>.<...>` belongs to.
pub(super) fn layer_of(name: &str) -> Option<u32> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LLAMA: Mixture<'_> = Mixture {
        file_type: FileType::Q4KM,
        architecture: "llama",
        n_layers: 32,
        n_experts: 0,
        n_gqa: 4,
        tied: false,
    };

    #[test]
    fn medium_mixtures_spend_more_on_some_layers() {
        let ffn_down =
            |layer| LLAMA.tensor_type(&format!("blk.{layer}.ffn_down.weight"), &[14336, 4096]);
        let wide: Vec<_> = (0..32).filter(|&layer| ffn_down(layer) == GgmlType::Q6K).collect();
        assert_eq!(wide, [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]);
        assert_eq!(LLAMA.tensor_type("output.weight", &[4096, 128_256]), GgmlType::Q6K);
        assert_eq!(LLAMA.tensor_type("token_embd.weight", &[4096, 128_256]), GgmlType::Q4K);
        let tied = Mixture { tied: true, ..LLAMA };
        assert_eq!(tied.tensor_type("token_embd.weight", &[4096, 128_256]), GgmlType::Q6K);
    }

    #[test]
    fn rows_that_do_not_fill_blocks_get_other_types() {
        let name = "blk.9.attn_q.weight";
        assert_eq!(LLAMA.tensor_type(name, &[576, 576]), GgmlType::Q5_0);
        assert_eq!(LLAMA.tensor_type(name, &[100, 100]), GgmlType::F16);
        let q6 = Mixture { file_type: FileType::Q6K, ..LLAMA };
        assert_eq!(q6.tensor_type(name, &[576, 576]), GgmlType::Q8_0);
        assert_eq!(q6.tensor_type("output.weight", &[576, 1000]), GgmlType::Q8_0);
    }

    #[test]
    fn norms_vectors_and_routers_stay_as_they_are() {
        for (name, shape) in [
            ("blk.0.attn_norm.weight", &[4096][..]),
            ("blk.0.attn_q.bias", &[4096]),
            ("blk.0.ffn_gate_inp.weight", &[4096, 8]),
            ("rope_freqs.weight", &[64]),
        ] {
            assert_eq!(LLAMA.tensor_type(name, shape), GgmlType::F32, "{name}");
        }
    }
}
