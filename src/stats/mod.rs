//! Statistics of numbers: of series, of their means, and of differences. Pure.
//!
//! What is undefined (a standard deviation of one value) is `None`, never 0.

pub mod interval;
pub mod known;
pub mod looks;
pub mod noise;
pub mod paired;
pub mod robust;
pub mod series;
pub mod sides;
pub mod spread;
pub mod steady;
pub mod stopping;
pub mod trend;
pub mod verdict;
pub mod visits;
pub mod warm;

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_value_has_no_spread() {
        assert_eq!(Estimate::of(&[2.0]), Some(Estimate { mean: 2.0, sd: None, n: 1 }));
        assert_eq!(Estimate::of(&[]), None);
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
