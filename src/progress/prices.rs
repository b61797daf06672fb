//! Prices of tokens, as the samples so far have them.

use crate::job::Job;
use crate::work::Sample;

/// What a token costs. Prompt and generated tokens differ by orders of magnitude.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prices {
    pub(super) prompt_token: Option<f64>,
    pub(super) step: Option<f64>,
}

impl Prices {
    pub(super) fn learn(&mut self, job: &Job, sample: &Sample) {
        let Sample::Run { runs, ns, token_ns, .. } = sample else { return };
        let Some(speed) = job.work.speed() else { return };
        let runs = f64::from((*runs).max(1));
        let generating: f64 = token_ns.iter().map(|ns| ns.seconds()).sum();
        if speed.n_gen > 0 {
            self.step = Some(generating / f64::from(speed.n_gen) / runs);
        }
        if speed.n_prompt > 0 {
            let prompting = (ns.seconds() - generating).max(0.0);
            self.prompt_token = Some(prompting / f64::from(speed.prompt_tokens()) / runs);
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self {
            prompt_token: self.prompt_token.or(other.prompt_token),
            step: self.step.or(other.step),
        }
    }

    /// One run of a job, and filling its context; `None` while nothing is known.
    pub(super) fn of(self, job: &Job) -> Option<(f64, f64)> {
        /// A generated token costs about as much as this many prompt tokens, until both are known.
        const STEP_TO_PROMPT: f64 = 10.0;
        let speed = job.work.speed()?;
        let token = self.prompt_token.or(self.step.map(|step| step / STEP_TO_PROMPT))?;
        let step = self.step.unwrap_or(token * STEP_TO_PROMPT);
        let run = f64::from(speed.prompt_tokens()) * token + f64::from(speed.n_gen) * step;
        Some((run, f64::from(speed.n_depth) * token))
    }
}
