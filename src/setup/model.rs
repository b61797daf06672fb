//! A model file and what its header says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Tensors;
use crate::units::{Bytes, Params};

/// A model file and what its header says. Taken once, before anything is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The file to load; the first part of a split model.
    pub path: PathBuf,
    /// SHA-256 of the GGUF header (metadata and tensor table, all parts), in hex.
    pub header_hash: String,
    /// Size of the file, of all parts together.
    pub file_size: Bytes,
    /// `general.architecture`, e.g. `llama`.
    pub architecture: String,
    /// Family, size class and file type, e.g. `llama 3B Q6_K`: what the first column shows.
    pub label: String,
    /// Bytes of all tensors.
    pub tensor_bytes: Bytes,
    /// Elements of all tensors.
    pub n_params: Params,
    /// Transformer blocks (`{arch}.block_count`); `-ngl` counts these plus one for the output layer.
    pub n_layers: u32,
    /// Vocabulary size, where the header says it.
    pub n_vocab: Option<u32>,
    /// Seed of the random weights, for a model that lbench made (`synth:`).
    pub synthetic_seed: Option<u64>,
    /// Where the file is from, for one of the hub: `hf:user/model:file@commit`.
    #[serde(default)]
    pub source: Option<String>,
    /// What a token costs. `None` where the header does not tell.
    #[serde(default)]
    pub token_cost: Option<TokenCost>,
    /// Where its bytes are; what can be said about its memory before it is loaded.
    #[serde(default)]
    pub layout: Layout,
    /// How it takes the tokens of a text.
    #[serde(default)]
    pub kind: ModelKind,
    /// Whether it keeps no keys and values of what came before.
    #[serde(default)]
    pub cacheless: bool,
    /// Tokens that it was trained with at once, where the header says it.
    #[serde(default)]
    pub n_ctx_train: Option<u32>,
    /// Positions that it has learned a vector for; `None` where it works them out.
    #[serde(default)]
    pub n_positions: Option<u32>,
    /// What its tensors are called. Not written down: what follows from it is in the plan.
    #[serde(skip)]
    pub tensors: Tensors,
}

/// How a model takes the tokens of a text, which decides what can be measured of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelKind {
    /// One behind the other, each seeing those before it; the next one comes of it.
    #[default]
    Decoder,
    /// The same with a state in the place of what came before.
    Recurrent,
    /// The same with a state in some layers.
    Hybrid,
    /// All at once; numbers that stand for the text come of it: embeddings, a rank.
    Encoder,
    /// All at once, many times over: a whole text comes of it.
    Diffusion,
    /// All at once; another half then writes a text about it, a token at a time.
    EncoderDecoder,
}

impl ModelKind {
    /// The kind in a word, as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decoder => "decoder",
            Self::Recurrent => "recurrent",
            Self::Hybrid => "hybrid",
            Self::Encoder => "encoder",
            Self::Diffusion => "diffusion",
            Self::EncoderDecoder => "encoder-decoder",
        }
    }

    /// A model of the kind, in a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Decoder => "a decoder",
            Self::Recurrent => "a recurrent model",
            Self::Hybrid => "a hybrid model",
            Self::Encoder => "an encoder",
            Self::Diffusion => "a diffusion model",
            Self::EncoderDecoder => "an encoder-decoder",
        }
    }

    /// Whether a text goes in as a whole, whatever the batches.
    pub fn reads_at_once(self) -> bool {
        matches!(self, Self::Encoder | Self::Diffusion | Self::EncoderDecoder)
    }

    /// Whether no token comes of a text.
    pub fn is_mute(self) -> bool {
        matches!(self, Self::Encoder | Self::Diffusion)
    }
}

/// Bytes of a model's weights by where they go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Tables that are looked up and always stay on the host.
    pub input: Bytes,
    /// Each block.
    pub blocks: Vec<Bytes>,
    /// What comes behind the blocks, the tied output layer counted.
    pub output: Bytes,
    /// Whether the output layer is the input table: it is on the host and, offloaded, on the device too.
    pub tied: bool,
}

/// What one token costs, as far as the header of a model tells: the terms of the roofline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCost {
    /// Bytes of weights read to generate one token.
    pub weight_bytes: Bytes,
    /// Weights that each token is multiplied with, without the output layer.
    pub body_params: u64,
    /// Weights of the output layer: multiplied only where logits are wanted.
    pub output_params: u64,
    /// The attention, where all blocks have the ordinary kind.
    pub attention: Option<Attention>,
}

/// Widths of the attention, each the sum over all blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// Elements that a token leaves in the K cache.
    pub k: u64,
    /// Elements that a token leaves in the V cache.
    pub v: u64,
    /// Elements of all queries of a token.
    pub q: u64,
    /// Elements of all heads' results for a token.
    pub out: u64,
    /// Most tokens that every block looks back at, where some block looks back at fewer than all.
    pub window: Option<u64>,
}
