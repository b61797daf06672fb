//! What is measured, and under which settings: the nouns that every room shares.
//!
//! A [`Config`] holds every load and context axis at one value, a [`Work`] says what is timed under
//! it, and a [`Job`] is the two together with an identity that survives a rename of the model file.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::setup::{Compute, Config, Loading};
use crate::units::short_hash;
use crate::work::{Sample, Text, Work};

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

    /// Tokens per second of a measured sample; `None` for another one, or one that took no time.
    pub fn rate(&self, sample: &Sample) -> Option<f64> {
        let Sample::Run { runs, ns, .. } = sample else { return None };
        ns.rate(self.tokens().saturating_mul(*runs)).map(|rate| rate.0)
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
