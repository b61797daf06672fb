//! Kind of a model: how it takes the tokens of a text, by the name of its architecture and what its header says.
//!
//! The engine decides this by architecture too, and tells it once a model is loaded; a plan is made before. A session
//! holds the two against each other.

use crate::gguf::{Header, MetadataValue};
use crate::setup::ModelKind::{self, Diffusion, Encoder, EncoderDecoder, Hybrid, Recurrent};

/// Architectures that are no plain decoders, by the engine's names.
const KINDS: [(ModelKind, &[&str]); 5] = [
    (
        Encoder,
        &[
            "bert",
            "eurobert",
            "gemma-embedding",
            "jina-bert-v2",
            "jina-bert-v3",
            "llama-embed",
            "modern-bert",
            "neo-bert",
            "nomic-bert",
            "nomic-bert-moe",
            "t5encoder",
            "wavtokenizer-dec",
        ],
    ),
    (Diffusion, &["dream", "llada", "llada-moe", "rnd1"]),
    (EncoderDecoder, &["t5"]),
    (Recurrent, &["arwkv7", "mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7"]),
    (
        Hybrid,
        &[
            "bailingmoe3",
            "deepseek4",
            "falcon-h1",
            "glm5-next",
            "granitehybrid",
            "jamba",
            "kimi-k3",
            "kimi-linear",
            "lfm2",
            "lfm2moe",
            "minimax-01",
            "nemotron_h",
            "nemotron_h_moe",
            "plamo2",
            "qwen35",
            "qwen35moe",
            "qwen3next",
            "qwen4exp",
        ],
    ),
];

/// Encoders that the engine makes a cache for all the same.
const WITH_CACHE: [&str; 2] = ["llama-embed", "t5encoder"];

/// The kind of a model.
pub(super) fn of(header: &Header) -> ModelKind {
    let arch = header.architecture.as_str();
    let named = KINDS.iter().find(|(_, names)| names.contains(&arch)).map(|(kind, _)| *kind);
    let kind = named.unwrap_or_default();
    let causal = header.metadata.get(&format!("{arch}.attention.causal"));
    match kind {
        ModelKind::Decoder | Recurrent | Hybrid if causal == Some(&MetadataValue::Bool(false)) => {
            Encoder
        }
        kind => kind,
    }
}

/// Whether a model of this architecture keeps no keys and values of what came before.
pub(super) fn is_cacheless(header: &Header) -> bool {
    let arch = header.architecture.as_str();
    let named =
        |kind: ModelKind| KINDS.iter().any(|(of, names)| *of == kind && names.contains(&arch));
    let is_encoder = named(Encoder) && !WITH_CACHE.contains(&arch);
    is_encoder || named(Diffusion) || named(Recurrent)
}
