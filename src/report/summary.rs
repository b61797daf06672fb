//! Summary of one job: the figures that its samples come to. Raw and cooked are different types.

use super::Measured;
use crate::job::Job;
use crate::stats::series::Latency;
use crate::units::Nanos;
use crate::work::{Figure, Metric, Sample};

/// What follows from the samples of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// The metrics of the job's kind of work, each with its figure.
    figures: Vec<(&'static Metric, Option<Figure>)>,
    /// The values of the headline, in order.
    pub values: Vec<f64>,
    /// Time between generated tokens.
    pub latency: Option<Latency>,
    /// Time of a run in each sample, in order.
    pub samples_ns: Vec<Nanos>,
    /// Runs within each sample; `None` without samples.
    pub runs_per_sample: Option<u32>,
    /// Times of the warm-up runs, in order. In none of the above.
    pub warmup_ns: Vec<Nanos>,
}

impl Summary {
    /// The figure of a metric; `None` where the job has none.
    pub fn figure(&self, metric: &Metric) -> Option<&Figure> {
        let (_, figure) = self.figures.iter().find(|(known, _)| *known == metric)?;
        figure.as_ref()
    }

    /// What was measured for a job, summed up. A measurement that did not come to its end has no figures: a mean
    /// over what came before a crash would read like a result.
    pub(super) fn of(measured: &Measured, job: &Job) -> Self {
        let samples = &measured.samples;
        let metrics = job.work.kind().metrics.iter().filter(|_| measured.ended_well());
        let warmup = samples.iter().filter_map(|sample| match sample {
            Sample::Warmup { ns } => Some(*ns),
            _ => None,
        });
        let last = samples.iter().rfind(|sample| sample.is_measured());
        Self {
            figures: metrics.map(|metric| (*metric, metric.of(&job.work, samples))).collect(),
            values: (job.work.headline().values)(&job.work, samples),
            latency: latency(samples, job),
            samples_ns: samples.iter().filter_map(Sample::each).collect(),
            runs_per_sample: last.and_then(Sample::runs).map(|(runs, _)| runs),
            warmup_ns: warmup.collect(),
        }
    }
}

/// Times of generated tokens, by the runs that they belong to.
fn latency(samples: &[Sample], job: &Job) -> Option<Latency> {
    let n_gen = job.work.speed()?.n_gen as usize;
    let runs = samples.iter().filter_map(|sample| match sample {
        Sample::Run { token_ns, .. } => Some(token_ns.chunks(n_gen.max(1))),
        _ => None,
    });
    Latency::of(&runs.flatten().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::{Work, speed};

    #[test]
    fn long_samples_do_not_overflow() {
        // Five times ten seconds: a sum of squared nanoseconds does not fit into 64 bits.
        let run =
            |ns| Sample::Run { runs: 1, ns: Nanos(ns), first_token_ns: vec![], token_ns: vec![] };
        let job = Job::new(crate::plan::tests::config(), Work::prompt(100));
        let samples: Vec<_> = (0..5).map(|i| run(10_000_000_000 + i * 1_000_000)).collect();
        let measured = Measured { samples, ..Measured::default() };
        let summary = Summary::of(&measured, &job);
        let ns = summary.figure(&speed::TIME).unwrap();
        assert!((ns.error.unwrap() - 1_581_138.83).abs() < 0.01, "{ns:?}");
    }
}
