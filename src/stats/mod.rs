//! From raw samples to what a person reads. Pure.
//!
//! A [`Sample`] is integer nanoseconds; a [`Summary`] is what follows from several. Raw and cooked are
//! different types, and what is undefined (a standard deviation of one sample) is `None`, never 0.

pub mod drift;
pub mod interval;
pub mod robust;
pub mod series;
pub mod spread;
pub mod steady;
pub mod stopping;
pub mod verdict;

use serde::{Deserialize, Serialize};

use crate::record::Sample;
use crate::units::Nanos;

/// Mean and spread of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); `None` with fewer than two values.
    pub sd: Option<f64>,
    /// Number of values.
    pub n: usize,
}

impl Estimate {
    /// Mean and standard deviation in two passes; `None` for an empty series.
    #[allow(clippy::cast_precision_loss)] // a series has far fewer than 2^53 values
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Self { mean, sd, n })
    }
}

/// What follows from the samples of one job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Time of a repetition, in nanoseconds.
    pub ns: Option<Estimate>,
    /// Tokens per second, over the repetitions (not the inverse of the mean time), as llama-bench.
    pub rate: Option<Estimate>,
    /// Time to first token, in nanoseconds.
    pub first_token_ns: Option<Estimate>,
    /// Time to first token from starting the process, load included, in nanoseconds.
    pub cold_ns: Option<Estimate>,
    /// Times of the repetitions, in order.
    pub samples_ns: Vec<Nanos>,
    /// Tokens per second of each repetition, in order.
    pub samples_rate: Vec<f64>,
}

/// Sums up the samples of a job that handles `tokens` tokens a repetition.
pub fn summarise(samples: &[Sample], tokens: u32) -> Summary {
    let mut summary = Summary::default();
    let (mut first, mut cold) = (Vec::new(), Vec::new());
    for sample in samples {
        match sample {
            Sample::Run {
                ns, first_token_ns, ..
            } => {
                summary.samples_ns.push(*ns);
                summary
                    .samples_rate
                    .extend(ns.rate(tokens).map(|rate| rate.0));
                first.extend(first_token_ns.map(as_f64));
            }
            Sample::Cold { ns } => cold.push(as_f64(*ns)),
        }
    }
    let ns: Vec<_> = summary.samples_ns.iter().copied().map(as_f64).collect();
    summary.ns = Estimate::of(&ns);
    summary.rate = Estimate::of(&summary.samples_rate);
    summary.first_token_ns = Estimate::of(&first);
    summary.cold_ns = Estimate::of(&cold);
    summary
}

#[allow(clippy::cast_precision_loss)] // 2^53 ns are 104 days
fn as_f64(ns: Nanos) -> f64 {
    ns.0 as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_value_has_no_spread() {
        assert_eq!(
            Estimate::of(&[2.0]),
            Some(Estimate {
                mean: 2.0,
                sd: None,
                n: 1
            })
        );
        assert_eq!(Estimate::of(&[]), None);
    }

    #[test]
    fn long_samples_do_not_overflow() {
        // Five times ten seconds: a sum of squared nanoseconds does not fit into 64 bits.
        let run = |ns| Sample::Run {
            ns: Nanos(ns),
            first_token_ns: None,
            token_ns: vec![],
        };
        let samples: Vec<_> = (0..5)
            .map(|i| run(10_000_000_000 + i * 1_000_000))
            .collect();
        let ns = summarise(&samples, 100).ns.unwrap();
        assert!((ns.sd.unwrap() - 1_581_138.83).abs() < 0.01, "{ns:?}");
    }

    proptest! {
        #[test]
        fn shifting_moves_the_mean_and_keeps_the_spread(
            values in prop::collection::vec(0.0_f64..1e3, 2..50),
            shift in 0.0_f64..1e6,
        ) {
            let shifted: Vec<_> = values.iter().map(|v| v + shift).collect();
            let (a, b) = (Estimate::of(&values).unwrap(), Estimate::of(&shifted).unwrap());
            prop_assert!((a.mean + shift - b.mean).abs() < 1e-6);
            prop_assert!((a.sd.unwrap() - b.sd.unwrap()).abs() < 1e-6);
        }
    }
}
