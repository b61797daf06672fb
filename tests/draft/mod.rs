//! Drafts of model files, as small as the engine takes them: one of each kind.
#![allow(dead_code)] // no test needs all of it

use std::path::{Path, PathBuf};

use half::f16;

/// A model file in the making.
pub struct Draft {
    arch: &'static str,
    keys: Vec<(String, u32, Vec<u8>)>,
    tensors: Vec<(String, Vec<u64>, Type)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    F32,
    F16,
}

/// Tokens of every vocabulary.
pub const VOCAB: u32 = 300;
const E: u64 = 64;
const F: u64 = 128;
const HEADS: u32 = 4;

impl Draft {
    /// A file of this architecture with nothing else in it.
    pub fn new(arch: &'static str) -> Self {
        let draft = Self { arch, keys: Vec::new(), tensors: Vec::new() };
        draft.text("general.architecture", arch).text("tokenizer.ggml.model", "no_vocab")
    }

    /// What every model has: sizes, and the table of its tokens.
    pub fn model(arch: &'static str, context: u32, layers: u32) -> Self {
        let draft = Self::new(arch).number("general.file_type", 1).own("vocab_size", VOCAB);
        let draft = draft.own("context_length", context).own("block_count", layers);
        let draft = draft.own("embedding_length", 64).own("feed_forward_length", 128);
        draft.own("attention.head_count", HEADS).tensor("token_embd.weight", &[E, VOCAB.into()])
    }

    fn key(mut self, key: &str, kind: u32, value: Vec<u8>) -> Self {
        self.keys.push((key.into(), kind, value));
        self
    }

    pub fn text(self, key: &str, value: &str) -> Self {
        let bytes = [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat();
        self.key(key, 8, bytes)
    }

    pub fn number(self, key: &str, value: u32) -> Self {
        self.key(key, 4, value.to_le_bytes().to_vec())
    }

    pub fn real(self, key: &str, value: f32) -> Self {
        self.key(key, 6, value.to_le_bytes().to_vec())
    }

    pub fn flag(self, key: &str, value: bool) -> Self {
        self.key(key, 7, vec![u8::from(value)])
    }

    /// A number for each block.
    pub fn numbers(self, key: &str, values: &[u32]) -> Self {
        let start = [&4_u32.to_le_bytes()[..], &(values.len() as u64).to_le_bytes()].concat();
        let all = values.iter().flat_map(|value| value.to_le_bytes());
        self.key(key, 9, start.into_iter().chain(all).collect())
    }

    /// A number under the architecture's name.
    pub fn own(self, key: &str, value: u32) -> Self {
        let key = format!("{}.{key}", self.arch);
        self.number(&key, value)
    }

    /// A small positive number under the architecture's name.
    pub fn small(self, key: &str) -> Self {
        let key = format!("{}.{key}", self.arch);
        self.real(&key, 1e-5)
    }

    /// A matrix of half precision, or a vector of full.
    pub fn tensor(mut self, name: &str, shape: &[u64]) -> Self {
        let ty = if shape.len() > 1 { Type::F16 } else { Type::F32 };
        self.tensors.push((name.into(), shape.to_vec(), ty));
        self
    }

    /// A matrix of full precision.
    pub fn full(mut self, name: &str, shape: &[u64]) -> Self {
        self.tensors.push((name.into(), shape.to_vec(), Type::F32));
        self
    }

    /// A linear layer: weight and bias.
    fn linear(self, name: &str, from: u64, to: u64) -> Self {
        self.tensor(&format!("{name}.weight"), &[from, to]).tensor(&format!("{name}.bias"), &[to])
    }

    fn norm(self, name: &str) -> Self {
        self.tensor(&format!("{name}.weight"), &[E]).tensor(&format!("{name}.bias"), &[E])
    }

    /// The same for each block, whose number is handed on.
    fn blocks(self, count: u32, block: impl Fn(Self, &str) -> Self) -> Self {
        (0..count).fold(self, |draft, at| block(draft, &format!("blk.{at}.")))
    }

    /// Writes it into a folder, under this name.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }

    fn bytes(&self) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let mut out = [&b"GGUF"[..], &3_u32.to_le_bytes()].concat();
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.keys {
            out.extend(text(key));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut offset = 0_u64;
        for (name, shape, ty) in &self.tensors {
            out.extend(text(name));
            out.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
            for n in shape {
                out.extend(n.to_le_bytes());
            }
            out.extend(u32::from(*ty == Type::F16).to_le_bytes());
            out.extend(offset.to_le_bytes());
            let size = if *ty == Type::F16 { 2 } else { 4 };
            offset = (offset + shape.iter().product::<u64>() * size).next_multiple_of(32);
        }
        let mut random = 1_u32;
        for (_, shape, ty) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            for _ in 0..shape.iter().product::<u64>() {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let value = f32::from(i16::try_from(random >> 17).unwrap() - 16384) / 200_000.0;
                match ty {
                    Type::F16 => out.extend(f16::from_f32(value).to_le_bytes()),
                    Type::F32 => out.extend(value.to_le_bytes()),
                }
            }
        }
        out
    }
}

/// A model of embeddings, with so many positions.
pub fn bert(positions: u32) -> Draft {
    let draft = Draft::model("bert", positions, 2).small("attention.layer_norm_epsilon");
    let draft = draft.flag("bert.attention.causal", false).own("pooling_type", 1);
    let draft = draft.number("tokenizer.ggml.token_type_count", 2);
    let draft = draft.full("token_types.weight", &[E, 2]).norm("token_embd_norm");
    let draft = draft.full("position_embd.weight", &[E, positions.into()]);
    draft.blocks(2, |draft, p| {
        let draft = draft.linear(&format!("{p}attn_q"), E, E).linear(&format!("{p}attn_k"), E, E);
        let draft = draft.linear(&format!("{p}attn_v"), E, E);
        let draft = draft.linear(&format!("{p}attn_output"), E, E);
        let draft = draft.linear(&format!("{p}ffn_up"), E, F);
        let draft = draft.linear(&format!("{p}ffn_down"), F, E);
        draft.norm(&format!("{p}attn_output_norm")).norm(&format!("{p}layer_output_norm"))
    })
}

/// A decoder with so many learned positions.
pub fn gpt2(positions: u32) -> Draft {
    let draft = Draft::model("gpt2", positions, 2).small("attention.layer_norm_epsilon");
    let draft = draft.full("position_embd.weight", &[E, positions.into()]).norm("output_norm");
    draft.blocks(2, |draft, p| {
        let draft = draft.norm(&format!("{p}attn_norm")).norm(&format!("{p}ffn_norm"));
        let draft = draft.linear(&format!("{p}attn_qkv"), E, 3 * E);
        let draft = draft.linear(&format!("{p}attn_output"), E, E);
        draft.linear(&format!("{p}ffn_up"), E, F).linear(&format!("{p}ffn_down"), F, E)
    })
}

/// One half of a T5, or both: `enc`, `dec`.
fn t5_half(draft: Draft, side: &str) -> Draft {
    let draft = draft.tensor(&format!("{side}.output_norm.weight"), &[E]);
    (0..2).fold(draft, |mut draft, block| {
        let p = format!("{side}.blk.{block}.");
        for part in
            ["attn", "cross_attn"].into_iter().filter(|part| *part == "attn" || side == "dec")
        {
            draft = draft.tensor(&format!("{p}{part}_norm.weight"), &[E]);
            for matrix in ["q", "k", "v", "o"] {
                draft = draft.tensor(&format!("{p}{part}_{matrix}.weight"), &[E, E]);
            }
        }
        let draft = draft.tensor(&format!("{p}ffn_norm.weight"), &[E]);
        let draft = draft.tensor(&format!("{p}ffn_up.weight"), &[E, F]);
        let draft = draft.tensor(&format!("{p}ffn_down.weight"), &[F, E]);
        if block > 0 {
            draft
        } else {
            draft.full(&format!("{p}attn_rel_b.weight"), &[HEADS.into(), 32])
        }
    })
}

fn t5_sizes(arch: &'static str) -> Draft {
    let draft = Draft::model(arch, 512, 2).small("attention.layer_norm_rms_epsilon");
    let draft = draft.own("attention.key_length", 16).own("attention.value_length", 16);
    draft.own("attention.relative_buckets_count", 32)
}

/// An encoder and a decoder.
pub fn t5() -> Draft {
    t5_half(t5_half(t5_sizes("t5").own("decoder_start_token_id", 0), "enc"), "dec")
}

/// The encoder alone.
pub fn t5_encoder() -> Draft {
    t5_half(t5_sizes("t5encoder"), "enc")
}

/// A state in the place of a cache.
pub fn mamba() -> Draft {
    let (inner, state, rank, conv) = (128, 16, 4, 4);
    let draft = Draft::new("mamba").number("general.file_type", 1).own("vocab_size", VOCAB);
    let draft = draft.own("context_length", 1 << 20).own("block_count", 2);
    let draft = draft.own("embedding_length", 64).own("feed_forward_length", 0);
    let draft = draft.own("attention.head_count", 0).own("ssm.inner_size", 128);
    let draft = draft.own("ssm.conv_kernel", 4).own("ssm.state_size", 16);
    let draft = draft.own("ssm.time_step_rank", 4).small("attention.layer_norm_rms_epsilon");
    let draft = draft.tensor("token_embd.weight", &[E, VOCAB.into()]);
    draft.tensor("output_norm.weight", &[E]).blocks(2, |draft, p| {
        let name = |part: &str| format!("{p}{part}");
        let draft = draft.tensor(&name("attn_norm.weight"), &[E]);
        let draft = draft.tensor(&name("ssm_in.weight"), &[E, 2 * inner]);
        let draft = draft.full(&name("ssm_conv1d.weight"), &[conv, inner]);
        let draft = draft.tensor(&name("ssm_conv1d.bias"), &[inner]);
        let draft = draft.tensor(&name("ssm_x.weight"), &[inner, rank + 2 * state]);
        let draft = draft.full(&name("ssm_dt.weight"), &[rank, inner]);
        let draft = draft.tensor(&name("ssm_dt.bias"), &[inner]);
        let draft = draft.full(&name("ssm_a"), &[state, inner]).tensor(&name("ssm_d"), &[inner]);
        draft.tensor(&name("ssm_out.weight"), &[inner, E])
    })
}

/// A llama's block, with biases where `arch` has them.
fn llama_blocks(draft: Draft, blocks: u32, gate: bool) -> Draft {
    draft.tensor("output_norm.weight", &[E]).blocks(blocks, |mut draft, p| {
        for (part, from, to) in [
            ("attn_q", E, E),
            ("attn_k", E, E),
            ("attn_v", E, E),
            ("attn_output", E, E),
            ("ffn_up", E, F),
            ("ffn_down", F, E),
            ("ffn_gate", E, F),
        ] {
            if gate || part != "ffn_gate" {
                draft = draft.tensor(&format!("{p}{part}.weight"), &[from, to]);
            }
        }
        draft
            .tensor(&format!("{p}attn_norm.weight"), &[E])
            .tensor(&format!("{p}ffn_norm.weight"), &[E])
    })
}

/// A plain decoder, trained with so many tokens.
pub fn llama(context: u32) -> Draft {
    let draft = Draft::model("llama", context, 2).small("attention.layer_norm_rms_epsilon");
    llama_blocks(draft.own("rope.dimension_count", 16), 2, true)
}

/// The same as a model of embeddings: it reads in both directions.
pub fn llama_both_ways() -> Draft {
    llama(512).flag("llama.attention.causal", false).own("pooling_type", 1)
}

/// A diffusion model.
pub fn llada() -> Draft {
    let draft = Draft::model("llada", 512, 2).small("attention.layer_norm_rms_epsilon");
    let draft = llama_blocks(draft.own("rope.dimension_count", 16), 2, true);
    draft.tensor("output.weight", &[E, VOCAB.into()])
}

/// Experts in the last block alone.
pub fn mixture() -> Draft {
    let draft = Draft::model("llama", 512, 2).small("attention.layer_norm_rms_epsilon");
    let draft = draft.own("rope.dimension_count", 16).own("expert_count", 2);
    let draft = llama_blocks(draft.own("expert_used_count", 1), 1, true);
    draft.tensor("blk.1.ffn_up_exps.weight", &[E, F, 2])
}

/// A block with a state, and one with a cache.
pub fn lfm2() -> Draft {
    let draft = Draft::model("lfm2", 512, 2).small("attention.layer_norm_rms_epsilon");
    let draft =
        draft.own("shortconv.l_cache", 3).numbers("lfm2.attention.head_count_kv", &[0, HEADS]);
    let draft = draft.tensor("token_embd_norm.weight", &[E]).blocks(2, |mut draft, p| {
        for (part, from, to) in [("ffn_up", E, F), ("ffn_gate", E, F), ("ffn_down", F, E)] {
            draft = draft.tensor(&format!("{p}{part}.weight"), &[from, to]);
        }
        draft
            .tensor(&format!("{p}attn_norm.weight"), &[E])
            .tensor(&format!("{p}ffn_norm.weight"), &[E])
    });
    let draft = draft.full("blk.0.shortconv.conv.weight", &[3, E]);
    let draft = draft.tensor("blk.0.shortconv.in_proj.weight", &[E, 3 * E]);
    let draft = draft.tensor("blk.0.shortconv.out_proj.weight", &[E, E]);
    let draft =
        draft.tensor("blk.1.attn_q_norm.weight", &[16]).tensor("blk.1.attn_k_norm.weight", &[16]);
    ["attn_q", "attn_k", "attn_v", "attn_output"]
        .into_iter()
        .fold(draft, |draft, part| draft.tensor(&format!("blk.1.{part}.weight"), &[E, E]))
}

/// Another thing that stands under a model's name.
pub fn adapter() -> Draft {
    let draft = Draft::new("llama").text("general.type", "adapter").text("adapter.type", "lora");
    draft
        .tensor("blk.0.attn_q.weight.lora_a", &[E, 8])
        .tensor("blk.0.attn_q.weight.lora_b", &[8, E])
}
