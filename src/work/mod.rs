//! Work: what is measured, and what a measurement is made of.

mod speed;

use serde::{Deserialize, Serialize};

pub use speed::{Speed, Text};

use crate::machine::Floors;
use crate::units::Nanos;

/// What is measured. A new kind of measurement is one variant here, and one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// How fast prompts are processed and tokens generated.
    Speed(Speed),
}

/// Context that a work needs: how many tokens it holds, and how sequences share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Tokens, of all sequences together.
    pub n_ctx: u32,
    /// Sequences side by side.
    pub n_parallel: u32,
    /// Whether all of them have one prompt, processed once.
    pub prompt_shared: bool,
}

impl Extent {
    /// A context of one sequence.
    pub fn of(n_ctx: u32) -> Self {
        Self { n_ctx, n_parallel: 1, prompt_shared: false }
    }

    /// The same with room for so many tokens at least.
    #[must_use]
    pub fn at_least(self, n_ctx: u32) -> Self {
        Self { n_ctx: self.n_ctx.max(n_ctx), ..self }
    }
}

impl Work {
    /// Process a prompt of so many tokens.
    pub const fn prompt(n_prompt: u32) -> Self {
        Self::prompt_generate(n_prompt, 0)
    }

    /// Generate so many tokens, one at a time.
    pub const fn generate(n_gen: u32) -> Self {
        Self::prompt_generate(0, n_gen)
    }

    /// Process a prompt, then generate.
    pub const fn prompt_generate(n_prompt: u32, n_gen: u32) -> Self {
        Self::Speed(Speed::new(n_prompt, n_gen))
    }

    /// Process a text.
    pub fn text(text: Text) -> Self {
        let n_prompt = u32::try_from(text.tokens.len()).unwrap_or(u32::MAX);
        Self::Speed(Speed { text: Some(text), ..Speed::new(n_prompt, 0) })
    }

    /// The same with so many tokens in the context when the clock starts.
    #[must_use]
    pub fn with_depth(self, n_depth: u32) -> Self {
        let Self::Speed(speed) = self;
        Self::Speed(Speed { n_depth, ..speed })
    }

    /// The same in so many sequences side by side.
    #[must_use]
    pub fn with_parallel(self, n_parallel: u32, prompt_shared: bool) -> Self {
        let Self::Speed(speed) = self;
        Self::Speed(Speed { n_parallel, prompt_shared, ..speed })
    }

    /// The tokens that are timed, and what is around them.
    pub fn speed(&self) -> &Speed {
        let Self::Speed(speed) = self;
        speed
    }

    /// How much runs of the same thing differ here.
    pub fn floor(&self, floors: Floors) -> f64 {
        let Self::Speed(speed) = self;
        speed.floor(floors)
    }

    /// The context that it needs.
    pub fn extent(&self) -> Extent {
        let Self::Speed(speed) = self;
        speed.extent()
    }

    /// The name of the test without what axes say of it.
    pub fn test(&self) -> String {
        let Self::Speed(speed) = self;
        speed.test()
    }

    /// The name of the test, as the table has it.
    pub fn test_name(&self) -> String {
        let Self::Speed(speed) = self;
        speed.test_name()
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
