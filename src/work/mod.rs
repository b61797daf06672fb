//! What is measured, and what a measurement is made of.

use serde::{Deserialize, Serialize};

use crate::machine::Floors;
use crate::units::{Nanos, short_hash};

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
    /// The floor of this kind of work; the greater one where it is both.
    pub fn floor(self, floors: Floors) -> f64 {
        match self {
            Self::Prompt { .. } => floors.prompt,
            Self::Generate { .. } => floors.generate,
            Self::PromptGenerate { .. } => floors.prompt.max(floors.generate),
        }
    }

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

/// One raw timing: integer nanoseconds on the monotonic clock, no rates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// One run of the job's work before the measuring, at the real shape and depth.
    Warmup {
        /// Time inside the engine.
        ns: Nanos,
    },
    /// One measured sample of the job's work on a loaded model.
    Run {
        /// How often the work was repeated within the sample: more than once where a single run is too
        /// short to be timed well.
        runs: u32,
        /// Time inside the engine over all these runs: prompt and generation, without the sampling
        /// between them.
        ns: Nanos,
        /// For each run, from handing over the prompt to holding the greedily sampled first token.
        /// Empty without a prompt.
        first_token_ns: Vec<Nanos>,
        /// Time of each generated token of each run, in order; empty where nothing is generated.
        token_ns: Vec<Nanos>,
    },
    /// One fresh process, from its start through load and prompt to the first token.
    Cold {
        /// From spawning the process to holding the first token.
        ns: Nanos,
    },
}
