//! Known: what the visits of a row say of it, with its error.

use serde::{Deserialize, Serialize};

use super::interval::{Interval, count, t_quantile};
use super::noise::{CERTAIN, Deviation};

/// Confidence of [`Known::precision`].
const CONFIDENCE: f64 = 0.95;

/// What is known of a row. On the scale of natural logarithms, where a method does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// Its mean: the logarithm of the geometric mean of the values, by visits.
    pub log_mean: f64,
    /// Number of visits.
    pub visits: usize,
    /// How visits like these differ: τ.
    pub between: Deviation,
    /// The share of τ² that is left in the square of the error: 1 / visits, if they weigh the same.
    pub left: f64,
    /// The part of the error that comes from the samples within the visits.
    pub within: Deviation,
}

impl Known {
    /// Standard error of the mean: a share of the value.
    pub fn error(&self) -> f64 {
        self.doubt().sd()
    }

    /// Degrees of freedom of the error (Satterthwaite 1946).
    pub fn freedom(&self) -> f64 {
        self.doubt().freedom()
    }

    /// The interval of the value, in its unit; `None` for a confidence outside (0, 1).
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let reach = self.doubt().reach(confidence)?;
        let (low, high) = (self.log_mean - reach, self.log_mean + reach);
        Some(Interval { low: low.exp(), high: high.exp() })
    }

    /// Half the width of the 95 % interval as a share of its middle: what `±1 %` is about.
    pub fn precision(&self) -> f64 {
        let interval = self.interval(CONFIDENCE).and_then(Interval::relative_half_width);
        interval.unwrap_or(f64::INFINITY)
    }

    /// The precision to be expected after so many visits more, like those so far.
    #[must_use]
    pub fn after(&self, extra: usize) -> f64 {
        let (before, extra) = (count(self.visits), count(extra));
        let shrink = before / (before + extra);
        let Deviation { sd, freedom } = self.between;
        Self {
            between: Deviation { sd, freedom: freedom + extra },
            left: self.left * shrink,
            within: Deviation {
                sd: self.within.sd * shrink.sqrt(),
                freedom: self.within.freedom / shrink,
            },
            ..*self
        }
        .precision()
    }

    /// The same where visits are known to differ by no less than `floor`.
    #[must_use]
    pub fn at_least(self, floor: f64) -> Self {
        let between = Deviation { sd: self.between.sd.max(floor), ..self.between };
        Self { between, ..self }
    }

    /// The error in full.
    pub(super) fn doubt(&self) -> Doubt {
        let part = |variance: f64, freedom: f64| KnownVariance {
            variance,
            doubt: variance.powi(2) / freedom,
        };
        Doubt {
            between: part(self.left * self.between.sd.powi(2), self.between.freedom),
            within: part(self.within.sd.powi(2), self.within.freedom),
        }
    }
}

/// The error of a mean, or of a difference of means, by its parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doubt {
    between: KnownVariance,
    within: KnownVariance,
}

/// A variance, and how well it is known.
#[derive(Debug, Clone, Copy)]
struct KnownVariance {
    variance: f64,
    /// The sum of variance² / freedom over what it is made of.
    doubt: f64,
}

impl KnownVariance {
    fn plus(self, other: Self) -> Self {
        Self { variance: self.variance + other.variance, doubt: self.doubt + other.doubt }
    }

    fn freedom(self) -> f64 {
        if self.doubt > 0.0 { self.variance.powi(2) / self.doubt } else { CERTAIN }
    }

    fn reach(self, confidence: f64) -> Option<f64> {
        Some(t_quantile(confidence, self.freedom().max(1.0))? * self.variance.sqrt())
    }
}

impl Doubt {
    /// That of a difference.
    pub fn plus(self, other: Self) -> Self {
        Self { between: self.between.plus(other.between), within: self.within.plus(other.within) }
    }

    fn sd(self) -> f64 {
        self.between.plus(self.within).variance.sqrt()
    }

    fn freedom(self) -> f64 {
        self.between.plus(self.within).freedom()
    }

    /// Half the width of the interval at this confidence: t · error, with the degrees of freedom of Welch
    /// and Satterthwaite. No less than for either part alone: where one has a single degree of freedom,
    /// their formula would have more noise make a narrower interval.
    pub fn reach(self, confidence: f64) -> Option<f64> {
        let all = self.between.plus(self.within);
        let mut reach = all.reach(confidence)?;
        // A part that is known as well as all of it reaches less far.
        let worse = |part: &KnownVariance| part.freedom() < all.freedom();
        for part in [self.between, self.within].into_iter().filter(worse) {
            reach = reach.max(part.reach(confidence)?);
        }
        Some(reach)
    }
}
