//! Interval of a mean: how well a mean is known: Student's t-interval (Student 1908), with an effective number of values
//! where successive ones resemble each other.
//!
//! `mean ± t(1 − α/2, n_eff − 1) · sd / √n_eff`, in the unit of the values. Runs on one machine are not
//! independent: a clock that sags or a neighbour that wakes up is felt by several in a row. The
//! effective number is the number of independent values that would know the mean as well.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::Estimate;

/// Series shorter than this are taken as independent: their autocorrelation cannot be told from noise.
pub const MIN_FOR_CORRELATION: usize = 10;

/// Longest distance at which values are compared: what is felt for longer is known badly anyway.
const MAX_LAG: usize = 1000;

/// Deviations below this share of the mean are the rounding of equal values.
const ROUNDING: f64 = 1e-12;

/// Degrees of freedom from which Student's t is taken as normal; they differ by less than 1e-4 there.
const NORMAL_FROM: f64 = 1e5;

/// A confidence interval, in the unit of what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The interval of a mean whose standard error is `error` with `freedom` degrees of freedom (which
    /// may be infinite); `None` for less than one degree of freedom or a confidence outside (0, 1).
    pub fn around(mean: f64, error: f64, freedom: f64, confidence: f64) -> Option<Self> {
        let reach = t_quantile(confidence, freedom)? * error;
        (reach.is_finite() && mean.is_finite())
            .then_some(Self { low: mean - reach, high: mean + reach })
    }

    /// The interval of the mean of independent values; `None` for fewer than two.
    pub fn independent(values: &[f64], confidence: f64) -> Option<Self> {
        Self::with_n(values, count(values.len()), confidence)
    }

    /// The interval of the mean with the effective number of values ([`effective_n`]) in place of
    /// their number; `None` for fewer than two values.
    pub fn of_mean(values: &[f64], confidence: f64) -> Option<Self> {
        Self::with_n(values, effective_n(values), confidence)
    }

    fn with_n(values: &[f64], n: f64, confidence: f64) -> Option<Self> {
        let estimate = Estimate::of(values)?;
        Self::around(estimate.mean, estimate.sd? / n.sqrt(), n - 1.0, confidence)
    }

    /// Half its width.
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Half its width as a share of its middle: what `±1 %` is about. `None` around zero.
    pub fn relative_half_width(self) -> Option<f64> {
        let middle = f64::midpoint(self.low, self.high).abs();
        (middle > 0.0).then(|| self.half_width() / middle)
    }

    /// Whether `value` lies in it, ends included.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Whether it lies wholly in `other`.
    pub fn within(self, other: Self) -> bool {
        other.low <= self.low && self.high <= other.high
    }
}

/// How many standard errors a two-sided interval of this confidence reaches: the `1 − (1 − c)/2`
/// quantile of Student's t, of the normal distribution for very many degrees of freedom.
pub fn t_quantile(confidence: f64, freedom: f64) -> Option<f64> {
    if !(0.0..1.0).contains(&confidence) || freedom.is_nan() || freedom < 1.0 {
        return None;
    }
    let p = f64::midpoint(1.0, confidence);
    if freedom >= NORMAL_FROM {
        return Some(Normal::standard().inverse_cdf(p));
    }
    StudentsT::new(0.0, 1.0, freedom).ok().map(|student| student.inverse_cdf(p))
}

/// How many independent values know the mean as well as these: `n / (1 + 2 Σ ρₖ)`, within 2 and n.
///
/// Below [`MIN_FOR_CORRELATION`] values it is their number. See [`correlation_time`].
pub fn effective_n(values: &[f64]) -> f64 {
    let n = values.len();
    let Some(mean) = Estimate::of(values).map(|estimate| estimate.mean) else {
        return 0.0;
    };
    if n < MIN_FOR_CORRELATION {
        return count(n);
    }
    let centred: Vec<_> = values.iter().map(|value| value - mean).collect();
    if centred.iter().all(|value| value.abs() <= ROUNDING * mean.abs()) {
        return count(n);
    }
    (count(n) / correlation_time(&[&centred])).max(2.0)
}

/// `1 + 2 Σ ρₖ` of one or more series, each with its mean taken off: over how many values one is felt;
/// 1 for independent ones, and never less.
///
/// The autocorrelations ρₖ are those of all series together, summed over Geyer's initial positive
/// sequence (1992): pairs of neighbouring lags, up to the first pair whose sum is not positive, and not
/// beyond a lag of 1,000.
pub fn correlation_time(centred: &[&[f64]]) -> f64 {
    let at = |lag| -> f64 {
        let products = centred.iter().map(|series| autocovariance(series, lag));
        products.sum()
    };
    let variance = at(0);
    let shortest = centred.iter().map(|series| series.len()).min().unwrap_or(0).min(MAX_LAG);
    if variance <= 0.0 {
        return 1.0;
    }
    // Lags 2m and 2m + 1 together; the first pair holds lag 0, whose correlation is 1.
    let mut time = -1.0;
    for lag in (0..shortest.saturating_sub(1)).step_by(2) {
        let pair = at(lag) + at(lag + 1);
        if pair <= 0.0 {
            break;
        }
        time += 2.0 * pair / variance;
    }
    time.max(1.0)
}

/// Sum of products at a distance of `lag`; dividing it by n would cancel out.
fn autocovariance(centred: &[f64], lag: usize) -> f64 {
    let later = centred.iter().skip(lag);
    centred.iter().zip(later).map(|(a, b)| a * b).sum()
}

/// A number of values as a float.
#[allow(clippy::cast_precision_loss)] // a series has far fewer than 2^53 values
pub(crate) fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, confidence, quantile) in [
            (1.0, 0.95, 12.706_205),
            (4.0, 0.95, 2.776_445),
            (9.0, 0.99, 3.249_836),
            (29.0, 0.95, 2.045_230),
            (9.9e4, 0.95, 1.959_988),
            (f64::INFINITY, 0.95, 1.959_964),
        ] {
            let found = t_quantile(confidence, freedom).unwrap();
            assert!((found - quantile).abs() < 1e-5, "{freedom}: {found}");
        }
        assert_eq!(t_quantile(0.95, 0.5), None);
        assert_eq!(t_quantile(1.0, 5.0), None);
        assert_eq!(t_quantile(0.95, f64::NAN), None);
    }

    #[test]
    fn five_values_have_the_interval_of_the_textbook() {
        let interval = Interval::of_mean(&[9.0, 10.0, 11.0, 10.5, 9.5], 0.95).unwrap();
        assert!((interval.half_width() - 0.981_622).abs() < 1e-5);
        assert!((interval.relative_half_width().unwrap() - 0.098_162).abs() < 1e-6);
        assert!(interval.contains(10.0) && !interval.contains(11.0));
        assert_eq!(Interval::of_mean(&[1.0], 0.95), None);
        assert_eq!(Interval::of_mean(&[], 0.95), None);
    }

    #[test]
    fn values_that_resemble_each_other_count_for_less() {
        let steps: Vec<_> = (0..40).map(|i| f64::from(i / 10)).collect();
        assert!(effective_n(&steps) < 8.0);
        let alternating: Vec<_> = (0..40).map(|i| f64::from(i % 2)).collect();
        assert!((effective_n(&alternating) - 40.0).abs() < 1e-9);
        assert!((effective_n(&steps[..9]) - 9.0).abs() < 1e-9);
        assert!((effective_n(&[3.0; 20]) - 20.0).abs() < 1e-9);
        assert!((effective_n(&[102.2_f64.ln(); 50]) - 50.0).abs() < 1e-9);
    }
}
