//! Speed: how fast prompts are processed and tokens generated.

mod metrics;

use serde::{Deserialize, Serialize};

pub use metrics::{
    COLD, FIRST_TOKEN, GENERATION_RATE, GENERATION_TIME, KIND, PROMPT_RATE, PROMPT_TIME, RATE,
    TIME, TOKEN_TIME,
};

use super::{Extent, May, Sample};
use crate::machine::Floors;
use crate::units::short_hash;

/// A prompt, a generation, or both, in a row: what is timed, and in what context.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Speed {
    /// Tokens of the prompt; 0 where there is none.
    pub n_prompt: u32,
    /// Tokens to generate, one at a time; 0 where there are none.
    pub n_gen: u32,
    /// Tokens already in the context when the clock starts.
    pub n_depth: u32,
    /// Sequences that are processed side by side.
    pub n_parallel: u32,
    /// Whether all of them have one prompt, processed once.
    pub prompt_shared: bool,
    /// The prompt, where it is a text and not random tokens.
    pub text: Option<Text>,
    /// Whether no token comes of the prompt: the model reads and does not write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_mute: bool,
}

/// A prompt that was given as a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl Speed {
    /// A prompt and a generation of one sequence, from an empty context.
    pub const fn new(n_prompt: u32, n_gen: u32) -> Self {
        Self {
            n_prompt,
            n_gen,
            n_depth: 0,
            n_parallel: 1,
            prompt_shared: false,
            text: None,
            is_mute: false,
        }
    }

    /// The floor of this kind of test; the greater one where it is both.
    pub fn floor(&self, floors: Floors) -> f64 {
        match (self.n_prompt, self.n_gen) {
            (_, 0) => floors.prompt,
            (0, _) => floors.generate,
            _ => floors.prompt.max(floors.generate),
        }
    }

    /// How rows of it are noisy alike.
    pub fn class(&self) -> &'static str {
        match (self.n_prompt, self.n_gen) {
            (_, 0) => "prompt",
            (0, _) => "generation",
            _ => "prompt and generation",
        }
    }

    /// Whether a first token comes of its prompt.
    pub fn has_first_token(&self) -> bool {
        self.n_prompt > 0 && !self.is_mute
    }

    /// What may be done with it.
    pub fn may(&self) -> May {
        May { warm_up: true, repeat: true, start_cold: self.has_first_token() }
    }

    /// What a run costs with all that comes before it, in tokens of a prompt: a generated one counts as several,
    /// since weights are read for it and not computed with.
    pub fn cost(&self) -> f64 {
        f64::from(self.n_depth) + f64::from(self.n_prompt) + 10.0 * f64::from(self.n_gen)
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
        self.n_prompt.saturating_mul(if self.prompt_shared { 1 } else { self.n_parallel })
    }

    /// Tokens that all sequences of a run generate.
    pub fn generated_tokens(&self) -> u32 {
        self.n_gen.saturating_mul(self.n_parallel)
    }

    /// The context that it needs: depth, prompt and generation of every sequence together.
    pub fn extent(&self) -> Extent {
        let sequence = self.n_depth.saturating_add(self.n_prompt).saturating_add(self.n_gen);
        // Copying one sequence to the others takes a token more for a moment.
        let sequence = sequence.saturating_add(u32::from(self.n_parallel > 1));
        Extent {
            n_ctx: sequence.saturating_mul(self.n_parallel),
            n_parallel: self.n_parallel,
            prompt_shared: self.prompt_shared,
        }
    }

    /// The name of the test without its depth, as llama-bench spells it: `pp512`, `pp512+tg128`; a text's
    /// has its place too.
    pub fn test(&self) -> String {
        let Self { n_prompt, n_gen, .. } = self;
        match (n_prompt, n_gen, &self.text) {
            (_, 0, Some(text)) => format!("pp{n_prompt} {}", text.name),
            (_, 0, None) => format!("pp{n_prompt}"),
            (0, ..) => format!("tg{n_gen}"),
            _ => format!("pp{n_prompt}+tg{n_gen}"),
        }
    }

    /// The name of the test: `tg128 @ d4096`.
    pub fn test_name(&self) -> String {
        match self.n_depth {
            0 => self.test(),
            depth => format!("{} @ d{depth}", self.test()),
        }
    }
}
