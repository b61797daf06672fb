//! What is measured, and under which settings: the nouns that every room shares.
//!
//! A [`Config`] holds every load and context axis at one value, a [`Work`] says what is timed under
//! it, and a [`Job`] is the two together with an identity that survives a rename of the model file.

mod settings;

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use settings::{
    CacheType, Compute, FlashAttention, LazyMode, LoadMode, Loading, Numa, Override, Process,
    SplitMode, Word,
};

use crate::units::{Bytes, Hex, Params};

/// Identity of a job: the first 16 hex digits of a SHA-256 over its configuration and work, with the
/// model as header hash and size, never as a path. Equal jobs on equal model files have equal ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A model file and what its header says. Taken once, before anything is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// Every load and context axis at one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// The model.
    pub model: Model,
    /// Layers to offload, as asked; negative means all.
    pub n_gpu_layers: i32,
    /// How the model is spread over several devices.
    #[serde(default)]
    pub split_mode: SplitMode,
    /// The device for what is not spread.
    #[serde(default)]
    pub main_gpu: u32,
    /// Shares of the devices, in hundredths; empty leaves them to the engine.
    #[serde(default)]
    pub tensor_split: Vec<u32>,
    /// Devices to use, by the engine's names; empty is all of them, and `none` none.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Logical batch: most tokens of a prompt handed over at once.
    pub n_batch: u32,
    /// Physical batch: most tokens computed at once.
    pub n_ubatch: u32,
    /// Element type of the K cache.
    pub type_k: CacheType,
    /// Element type of the V cache.
    pub type_v: CacheType,
    /// When to use flash attention.
    pub flash_attn: FlashAttention,
    /// Threads, for prompts and for generation.
    pub n_threads: u32,
    /// RPC servers whose devices are used besides the local ones, `host:port` each.
    #[serde(default)]
    pub rpc: Vec<String>,
    /// Tokens already in the context when the clock starts.
    pub n_depth: u32,
    /// Least size of the context, in tokens: for memory figures of a context that is really used.
    #[serde(default)]
    pub reserve_ctx: u32,
    /// How the weights get into memory.
    #[serde(default)]
    pub loading: Loading,
    /// How a context computes.
    #[serde(default)]
    pub compute: Compute,
}

impl Config {
    /// Layers that really go to a device: `n_gpu_layers` within the model's layers plus one, or zero
    /// where no device can take any.
    pub fn effective_gpu_layers(&self, can_offload: bool) -> u32 {
        if (!can_offload && self.rpc.is_empty()) || self.devices == ["none"] {
            return 0;
        }
        let all = self.model.n_layers + 1;
        u32::try_from(self.n_gpu_layers).map_or(all, |asked| asked.min(all))
    }

    /// Whether both configurations use the same devices in the same way.
    pub fn same_devices(&self, other: &Self) -> bool {
        self.split_mode == other.split_mode
            && self.main_gpu == other.main_gpu
            && self.tensor_split == other.tensor_split
            && self.devices == other.devices
            && self.rpc == other.rpc
    }

    /// Whether both configurations are served by one loaded model.
    pub fn same_load(&self, other: &Self) -> bool {
        self.model == other.model
            && self.n_gpu_layers == other.n_gpu_layers
            && self.loading == other.loading
            // What is fitted is fitted to each context.
            && !self.loading.fits()
            && self.same_devices(other)
    }
}

/// What is timed. A new kind of measurement is one variant here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Process a prompt of so many tokens.
    Prompt {
        /// Tokens of the prompt.
        n_prompt: u32,
    },
    /// Generate so many tokens, one at a time.
    Generate {
        /// Tokens to generate.
        n_gen: u32,
    },
    /// Process a prompt, then generate.
    PromptGenerate {
        /// Tokens of the prompt.
        n_prompt: u32,
        /// Tokens to generate.
        n_gen: u32,
    },
}

impl Work {
    /// Tokens of the prompt; 0 where there is none.
    pub fn n_prompt(self) -> u32 {
        match self {
            Self::Prompt { n_prompt } | Self::PromptGenerate { n_prompt, .. } => n_prompt,
            Self::Generate { .. } => 0,
        }
    }

    /// Tokens to generate; 0 where there are none.
    pub fn n_gen(self) -> u32 {
        match self {
            Self::Generate { n_gen } | Self::PromptGenerate { n_gen, .. } => n_gen,
            Self::Prompt { .. } => 0,
        }
    }

    /// Tokens that the clock sees: prompt and generated ones together, as llama-bench counts.
    pub fn tokens(self) -> u32 {
        self.n_prompt().saturating_add(self.n_gen())
    }
}

/// One measurement to make: a row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Identity.
    pub id: JobId,
    /// The settings.
    pub config: Config,
    /// What is timed.
    pub work: Work,
    /// The prompt, where it is a text and not random tokens.
    #[serde(default)]
    pub text: Option<Text>,
}

/// A prompt that was given as a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Where it stands: file and line or number, `prompts.txt:3`.
    pub name: String,
    /// First 16 hex digits of the SHA-256 of the text.
    pub hash: String,
    /// Its tokens in the job's model.
    pub tokens: Vec<i32>,
}

impl Text {
    /// A text that stands somewhere, and its tokens.
    pub fn new(name: String, text: &str, tokens: Vec<i32>) -> Self {
        Self { name, hash: short_hash(text.as_bytes()), tokens }
    }
}

/// First 16 hex digits of a SHA-256.
fn short_hash(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes)[..8]).to_string()
}

impl Job {
    /// A job with its identity worked out.
    pub fn new(config: Config, work: Work) -> Self {
        Self::identified(config, work, None)
    }

    /// A job that processes a text, with its identity worked out.
    pub fn with_text(config: Config, text: Text) -> Self {
        let n_prompt = u32::try_from(text.tokens.len()).unwrap_or(u32::MAX);
        Self::identified(config, Work::Prompt { n_prompt }, Some(text))
    }

    /// The same with another configuration.
    #[must_use]
    pub fn with_config(&self, config: Config) -> Self {
        Self::identified(config, self.work, self.text.clone())
    }

    fn identified(config: Config, work: Work, text: Option<Text>) -> Self {
        let axes = (
            (&config.model.header_hash, config.model.file_size),
            (config.n_gpu_layers, config.n_batch, config.n_ubatch),
            (config.type_k, config.type_v, config.flash_attn),
            (
                config.split_mode,
                config.main_gpu,
                &config.tensor_split,
                &config.devices,
                &config.rpc,
            ),
            (config.n_threads, config.n_depth, config.reserve_ctx),
            work,
        );
        // Numbers, strings and unit variants: serialising them into memory cannot fail.
        let mut identity = serde_json::to_vec(&axes).unwrap_or_default();
        // What lbench learned later counts where it is not at its default, so that a job keeps its id.
        if config.loading != Loading::default() {
            identity.extend(serde_json::to_vec(&config.loading).unwrap_or_default());
        }
        if config.compute != Compute::default() {
            identity.extend(serde_json::to_vec(&config.compute).unwrap_or_default());
        }
        if let Some(text) = &text {
            identity.extend(text.hash.bytes());
        }
        Self { id: JobId(short_hash(&identity)), config, work, text }
    }

    /// Size of the context, in tokens: depth, prompt and generation of every sequence together, or what is
    /// reserved where that is more.
    pub fn n_ctx(&self) -> u32 {
        let parallel = self.config.compute.n_parallel > 1;
        let sequence = self.config.n_depth.saturating_add(self.work.tokens());
        // Copying one sequence to the others takes a token more for a moment.
        let sequence = sequence.saturating_add(u32::from(parallel));
        sequence.saturating_mul(self.config.compute.n_parallel).max(self.config.reserve_ctx)
    }

    /// Tokens that a run processes: those of every sequence, a shared prompt once.
    pub fn tokens(&self) -> u32 {
        self.prompt_tokens().saturating_add(self.generated_tokens())
    }

    /// Tokens of all prompts of a run.
    pub fn prompt_tokens(&self) -> u32 {
        let compute = &self.config.compute;
        let prompts = if compute.prompt_shared { 1 } else { compute.n_parallel };
        self.work.n_prompt().saturating_mul(prompts)
    }

    /// Tokens that all sequences of a run generate.
    pub fn generated_tokens(&self) -> u32 {
        self.work.n_gen().saturating_mul(self.config.compute.n_parallel)
    }

    /// The name of the test, as llama-bench spells it: `pp512`, `tg128 @ d4096`, `pp512+tg128`; a text's
    /// has its place too.
    pub fn test_name(&self) -> String {
        let test = match self.work {
            Work::Prompt { n_prompt } => match &self.text {
                Some(text) => format!("pp{n_prompt} {}", text.name),
                None => format!("pp{n_prompt}"),
            },
            Work::Generate { n_gen } => format!("tg{n_gen}"),
            Work::PromptGenerate { n_prompt, n_gen } => format!("pp{n_prompt}+tg{n_gen}"),
        };
        match self.config.n_depth {
            0 => test,
            depth => format!("{test} @ d{depth}"),
        }
    }
}
