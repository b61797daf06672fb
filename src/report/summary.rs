//! Figures of one job, from its samples: raw and cooked are different types.

use crate::job::Job;
use crate::stats::Estimate;
use crate::stats::series::Latency;
use crate::stats::spread::Spread;
use crate::units::Nanos;
use crate::work::Sample;

/// What follows from the samples of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Time of a run, in nanoseconds.
    pub ns: Option<Estimate>,
    /// Tokens per second, over the samples (not the inverse of the mean time), as llama-bench.
    pub rate: Option<Spread>,
    /// Time to first token, in nanoseconds.
    pub first_token_ns: Option<Spread>,
    /// Time to first token from starting the process, load included, in nanoseconds.
    pub cold_ns: Option<Spread>,
    /// Time between generated tokens.
    pub latency: Option<Latency>,
    /// The prompt's part of a test that has a prompt and generation.
    pub prompt: Option<Part>,
    /// The generation's part of it.
    pub generation: Option<Part>,
    /// Time of a run in each sample, in order.
    pub samples_ns: Vec<Nanos>,
    /// Tokens per second of each sample, in order.
    pub samples_rate: Vec<f64>,
    /// Runs within each sample; `None` without samples.
    pub runs_per_sample: Option<u32>,
    /// Times of the warm-up runs, in order. In none of the above.
    pub warmup_ns: Vec<Nanos>,
}

/// Sums up the samples of a job.
pub fn summarise(samples: &[Sample], job: &Job) -> Summary {
    let mut summary = Summary::default();
    let (mut first, mut cold, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    let mut parts = Parts::default();
    for sample in samples {
        match sample {
            Sample::Run { runs, ns, first_token_ns, token_ns } => {
                let each = ns.0 / u64::from((*runs).max(1));
                summary.samples_ns.push(Nanos(each));
                let rate = ns.rate(job.work.speed().tokens().saturating_mul(*runs));
                summary.samples_rate.extend(rate.map(|rate| rate.0));
                summary.runs_per_sample = Some(*runs);
                first.extend(first_token_ns.iter().copied().map(as_f64));
                tokens.extend(token_ns.chunks((job.work.speed().n_gen as usize).max(1)));
                parts.add(*runs, *ns, token_ns, job);
            }
            Sample::Warmup { ns } => summary.warmup_ns.push(*ns),
            Sample::Cold { ns } => cold.push(as_f64(*ns)),
        }
    }
    let ns: Vec<_> = summary.samples_ns.iter().copied().map(as_f64).collect();
    summary.ns = Estimate::of(&ns);
    summary.rate = Spread::of(&summary.samples_rate);
    summary.first_token_ns = Spread::of(&first);
    summary.cold_ns = Spread::of(&cold);
    summary.latency = Latency::of(&tokens);
    (summary.prompt, summary.generation) = (parts.prompt.part(), parts.generation.part());
    summary
}

/// What is known of a part of the tests that have both.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Time of the part in a run, in nanoseconds.
    pub ns: Estimate,
    /// Tokens of all sequences per second.
    pub rate: Estimate,
}

/// The two parts of each sample, one behind the other under one clock.
#[derive(Default)]
struct Parts {
    prompt: Series,
    generation: Series,
}

impl Parts {
    fn add(&mut self, runs: u32, ns: Nanos, token_ns: &[Nanos], job: &Job) {
        if job.work.speed().n_prompt > 0 && job.work.speed().n_gen > 0 {
            let generation = Nanos(token_ns.iter().map(|ns| ns.0).sum());
            self.generation.add(runs, generation, job.work.speed().generated_tokens());
            self.prompt.add(runs, ns.since(generation), job.work.speed().prompt_tokens());
        }
    }
}

/// Times and speeds of one part, a sample each.
#[derive(Default)]
struct Series {
    ns: Vec<f64>,
    rate: Vec<f64>,
}

impl Series {
    fn add(&mut self, runs: u32, ns: Nanos, tokens: u32) {
        self.ns.push(as_f64(ns) / f64::from(runs.max(1)));
        self.rate.extend(ns.rate(tokens.saturating_mul(runs)).map(|rate| rate.0));
    }

    fn part(&self) -> Option<Part> {
        Some(Part { ns: Estimate::of(&self.ns)?, rate: Estimate::of(&self.rate)? })
    }
}

#[allow(clippy::cast_precision_loss)] // 2^53 ns are 104 days
fn as_f64(ns: Nanos) -> f64 {
    ns.0 as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_samples_do_not_overflow() {
        // Five times ten seconds: a sum of squared nanoseconds does not fit into 64 bits.
        let run =
            |ns| Sample::Run { runs: 1, ns: Nanos(ns), first_token_ns: vec![], token_ns: vec![] };
        let job = Job::new(crate::plan::tests::config(), crate::work::Work::prompt(100));
        let samples: Vec<_> = (0..5).map(|i| run(10_000_000_000 + i * 1_000_000)).collect();
        let ns = summarise(&samples, &job).ns.unwrap();
        assert!((ns.sd.unwrap() - 1_581_138.83).abs() < 0.01, "{ns:?}");
    }
}
