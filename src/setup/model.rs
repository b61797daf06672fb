//! A model file and what its header says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
