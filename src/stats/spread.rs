//! Everything that is said about one series, in one place.

use serde::{Deserialize, Serialize};

use super::Estimate;
use super::interval::{Interval, effective_n};
use super::robust::{Sorted, outliers};

/// Confidence of the interval in a [`Spread`].
pub const CONFIDENCE: f64 = 0.95;

/// Where a series lies and how it scatters. All but the counts and positions are in the unit of the
/// values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Number of values.
    pub n: usize,
    /// Number of independent values that would know the mean as well.
    pub n_eff: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); `None` with fewer than two values.
    pub sd: Option<f64>,
    /// Lower end of the mean's 95 % interval; `None` with fewer than two values.
    pub ci_low: Option<f64>,
    /// Upper end of the mean's 95 % interval; `None` with fewer than two values.
    pub ci_high: Option<f64>,
    /// Middle value.
    pub median: f64,
    /// First quartile.
    pub q1: f64,
    /// Third quartile.
    pub q3: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Positions of the values with a modified z-score beyond 3.5, from 0. They are in all of the above.
    pub outliers: Vec<usize>,
}

impl Spread {
    /// The spread of a series; `None` if it is empty or holds something that is not a number.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let Estimate { mean, sd, n } = Estimate::of(values)?;
        let interval = Interval::of_mean(values, CONFIDENCE);
        let sorted = Sorted::of(values);
        Some(Self {
            n,
            n_eff: effective_n(values),
            mean,
            sd,
            ci_low: interval.map(|interval| interval.low),
            ci_high: interval.map(|interval| interval.high),
            median: sorted.median()?,
            q1: sorted.quantile(0.25)?,
            q3: sorted.quantile(0.75)?,
            p95: sorted.quantile(0.95)?,
            min: sorted.min()?,
            max: sorted.max()?,
            outliers: outliers(values),
        })
    }

    /// The mean's 95 % interval.
    pub fn interval(&self) -> Option<Interval> {
        let (low, high) = (self.ci_low?, self.ci_high?);
        Some(Interval { low, high })
    }

    /// Half the interval's width as a share of the mean: 0.01 is the ±1 % of a target.
    pub fn precision(&self) -> Option<f64> {
        self.interval()?.relative_half_width()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_summed_up() {
        let spread = Spread::of(&[10.0, 11.0, 9.0, 10.0, 30.0]).unwrap();
        assert_eq!((spread.n, spread.outliers.as_slice()), (5, [4].as_slice()));
        assert!((spread.mean - 14.0).abs() < 1e-12 && (spread.median - 10.0).abs() < 1e-12);
        assert!(spread.ci_low.unwrap() < 14.0 && spread.precision().unwrap() > 0.5);
        assert!(spread.q1 <= spread.q3 && spread.q3 <= spread.p95 && spread.p95 <= spread.max);
    }

    #[test]
    fn what_is_undefined_is_none() {
        let one = Spread::of(&[10.0]).unwrap();
        assert_eq!((one.sd, one.ci_low, one.ci_high), (None, None, None));
        let json = serde_json::to_value(&one).unwrap();
        assert!(json["sd"].is_null() && json["outliers"].as_array().unwrap().is_empty());
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
    }
}
