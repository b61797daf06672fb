//! Work: what is measured, and what a measurement is made of.

pub mod metric;
pub mod quality;
pub mod speed;

use serde::{Deserialize, Serialize};

pub use metric::{Figure, Kind, Metric};
pub use quality::Quality;
pub use speed::{Speed, Text};

use crate::machine::Floors;
use crate::units::Nanos;

/// What is measured. A new kind of measurement is one variant here, and one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// How fast prompts are processed and tokens generated.
    Speed(Speed),
    /// How well a text is foretold.
    Quality(Quality),
}

/// Every kind of work.
pub static KINDS: [&Kind; 3] = [&speed::KIND, &quality::AGAINST, &quality::ALONE];

/// What may be done with a work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct May {
    /// Whether it is warmed up before it is measured.
    pub warm_up: bool,
    /// Whether another visit, in another process, says more.
    pub repeat: bool,
    /// Whether there is a cold start of it: a process that goes to its first token.
    pub start_cold: bool,
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
    pub fn with_depth(mut self, n_depth: u32) -> Self {
        if let Some(speed) = self.speed_mut() {
            speed.n_depth = n_depth;
        }
        self
    }

    /// The same in so many sequences side by side.
    #[must_use]
    pub fn with_parallel(mut self, n_parallel: u32, prompt_shared: bool) -> Self {
        if let Some(speed) = self.speed_mut() {
            (speed.n_parallel, speed.prompt_shared) = (n_parallel, prompt_shared);
        }
        self
    }

    /// The same as a row that is this among others over the same text.
    #[must_use]
    pub fn with_role(mut self, role: &quality::Role) -> Self {
        if let Self::Quality(quality) = &mut self {
            quality.role = role.clone();
        }
        self
    }

    /// Whether others are held against it.
    pub fn is_reference(&self) -> bool {
        matches!(self, Self::Quality(Quality { role: quality::Role::Reference, .. }))
    }

    /// The tokens that are timed, and what is around them; `None` where no speed is measured.
    pub fn speed(&self) -> Option<&Speed> {
        match self {
            Self::Speed(speed) => Some(speed),
            Self::Quality(_) => None,
        }
    }

    /// The chunks that are foretold; `None` where something else is measured.
    pub fn quality(&self) -> Option<&Quality> {
        match self {
            Self::Quality(quality) => Some(quality),
            Self::Speed(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn speed_mut(&mut self) -> Option<&mut Speed> {
        match self {
            Self::Speed(speed) => Some(speed),
            Self::Quality(_) => None,
        }
    }

    /// Its kind: what it yields.
    pub fn kind(&self) -> &'static Kind {
        match self {
            Self::Speed(_) => &speed::KIND,
            Self::Quality(Quality { role: quality::Role::Against { .. }, .. }) => &quality::AGAINST,
            Self::Quality(_) => &quality::ALONE,
        }
    }

    /// The metric that it is judged by.
    pub fn headline(&self) -> &'static Metric {
        self.kind().headline()
    }

    /// What may be done with it.
    pub fn may(&self) -> May {
        match self {
            Self::Speed(speed) => speed.may(),
            Self::Quality(quality) => quality.may(),
        }
    }

    /// What it costs, in tokens of a prompt.
    pub fn cost(&self) -> f64 {
        match self {
            Self::Speed(speed) => speed.cost(),
            Self::Quality(quality) => quality.cost(),
        }
    }

    /// How jobs are noisy alike.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Speed(speed) => speed.class(),
            Self::Quality(_) => "quality",
        }
    }

    /// How much runs of the same thing differ here; `None` where they do not.
    pub fn floor(&self, floors: Floors) -> Option<f64> {
        match self {
            Self::Speed(speed) => Some(speed.floor(floors)),
            Self::Quality(_) => None,
        }
    }

    /// The context that it needs.
    pub fn extent(&self) -> Extent {
        match self {
            Self::Speed(speed) => speed.extent(),
            Self::Quality(quality) => quality.extent(),
        }
    }

    /// The name of the test without what axes say of it.
    pub fn test(&self) -> String {
        match self {
            Self::Speed(speed) => speed.test(),
            Self::Quality(quality) => quality.test(),
        }
    }

    /// The name of the test, as the table has it.
    pub fn test_name(&self) -> String {
        match self {
            Self::Speed(speed) => speed.test_name(),
            Self::Quality(quality) => quality.test(),
        }
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
    /// What the model thinks of a chunk of a text.
    Chunk {
        /// Which chunk of the text, from 0.
        chunk: u32,
        /// Tokens of it that were foretold.
        scored: u32,
        /// Sum over these of −ln p, p being the probability of the token that comes, in 10⁻⁹ nats.
        nll: i64,
        /// The same chunk by the reference; `None` without one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        against: Option<Sums>,
        /// Time inside the engine, and of the sums.
        ns: Nanos,
    },
    /// One fresh process, from its start through load and prompt to the first token.
    Cold {
        /// From spawning the process to holding the first token.
        ns: Nanos,
    },
}

/// A chunk held against a reference: sums over the tokens that were foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Of the reference's −ln p, in 10⁻⁹ nats.
    pub nll: i64,
    /// Of the Kullback-Leibler divergences from the reference, in 10⁻⁹ nats.
    pub kld: i64,
    /// How many have the same likeliest continuation.
    pub same_top: u32,
}

impl Sample {
    /// Whether it is one of those that count: measured, on a loaded model.
    pub fn is_measured(&self) -> bool {
        !matches!(self, Self::Warmup { .. } | Self::Cold { .. })
    }

    /// How often the work was run for it, and the time of all runs together; `None` of a cold start.
    pub fn runs(&self) -> Option<(u32, Nanos)> {
        match self {
            Self::Warmup { ns } | Self::Chunk { ns, .. } => Some((1, *ns)),
            Self::Run { runs, ns, .. } => Some((*runs, *ns)),
            Self::Cold { .. } => None,
        }
    }

    /// The time of one run of a measured sample.
    pub fn each(&self) -> Option<Nanos> {
        let (runs, ns) = self.runs().filter(|_| self.is_measured())?;
        Some(Nanos(ns.0 / u64::from(runs.max(1))))
    }

    /// Lets go of the times of single tokens.
    pub fn forget_details(&mut self) {
        if let Self::Run { first_token_ns, token_ns, .. } = self {
            (*first_token_ns, *token_ns) = (Vec::new(), Vec::new());
        }
    }
}
