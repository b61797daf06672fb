//! Whether one series of rates differs from another: FASTER, SLOWER, SAME or UNCLEAR.
//!
//! Welch's interval (Welch 1947) of the difference of mean logarithms, made careful in three ways,
//! because two runs of the same thing differ by more than their samples let on:
//! - the standard error holds a floor, in quadrature, for what differs from run to run;
//! - it is divided by an effective number of samples, whose autocorrelation is taken from both series;
//! - a series that looks quieter than the two do together counts as noisy as these (a short series,
//!   stopped because it looked quiet, is quieter than it is).

use serde::{Deserialize, Serialize};

use super::Estimate;
use super::interval::{Interval, correlation_time, count};

/// What a comparison says about the new series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// More tokens per second, beyond doubt and not just by a trifle.
    Faster,
    /// Fewer tokens per second, beyond doubt and not just by a trifle.
    Slower,
    /// Any difference is smaller than the threshold.
    Same,
    /// The samples cannot tell.
    Unclear,
}

/// Two series of rates, compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What they say.
    pub verdict: Verdict,
    /// Relative difference of the new to the baseline (0.03 is 3 % faster), of the geometric means;
    /// `None` where a series is empty or holds a rate that is not positive.
    pub effect: Option<f64>,
    /// Where the effect lies, with the confidence of [`Limits`]; `None` where a series has fewer than two
    /// samples.
    pub interval: Option<Interval>,
}

/// What it takes to call two series different, or the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Differences up to this share do not matter (0.01 is 1 %).
    pub threshold: f64,
    /// By how much two runs of the same thing differ on this machine beyond the noise within a run: a
    /// standard deviation, as a share of the rate.
    pub floor: f64,
    /// Whether that is only the least: a machine of which more is known has its own.
    pub floor_may_rise: bool,
    /// Confidence of the interval that must exclude zero for FASTER or SLOWER. Higher than for a mean:
    /// a table has many rows, and a false alarm stops somebody's release.
    pub confidence: f64,
}

impl Limits {
    /// The same for two series from machines with these floors, where they are known.
    #[must_use]
    pub fn on(self, floors: [Option<f64>; 2]) -> Self {
        let known = floors.into_iter().flatten().filter(|_| self.floor_may_rise);
        Self { floor: known.fold(self.floor, f64::max), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { threshold: 0.01, floor: 0.005, floor_may_rise: true, confidence: 0.995 }
    }
}

/// Confidence of the interval that must lie within the threshold for SAME: two one-sided tests at 5 %
/// each (Schuirmann 1987).
const SAME_CONFIDENCE: f64 = 0.90;

/// Compares the rates of a new series with those of a baseline.
///
/// - SAME: the 90 % interval lies within ±threshold, or the series are equal, sample by sample.
/// - FASTER, SLOWER: not that, and the interval at `limits.confidence` lies above or below zero.
/// - UNCLEAR: everything else, and whatever has fewer than two samples.
pub fn compare(baseline: &[f64], new: &[f64], limits: Limits) -> Comparison {
    let mut comparison = Comparison { verdict: Verdict::Unclear, effect: None, interval: None };
    let (Some(a), Some(b)) = (Logs::of(baseline), Logs::of(new)) else {
        return comparison;
    };
    let difference = b.mean - a.mean;
    comparison.effect = Some(difference.exp_m1());
    let around = |confidence| {
        let (error, freedom) = standard_error(&a, &b, limits.floor)?;
        let interval = Interval::around(difference, error, freedom, confidence)?;
        Some(Interval { low: interval.low.exp_m1(), high: interval.high.exp_m1() })
    };
    comparison.interval = around(limits.confidence);
    comparison.verdict = if baseline == new {
        Verdict::Same
    } else {
        match (comparison.interval, around(SAME_CONFIDENCE)) {
            (Some(wide), Some(narrow)) => judge(wide, narrow, limits.threshold),
            _ => Verdict::Unclear,
        }
    };
    comparison
}

fn judge(wide: Interval, narrow: Interval, threshold: f64) -> Verdict {
    let trifle = Interval { low: -threshold, high: threshold };
    if narrow.within(trifle) {
        Verdict::Same
    } else if wide.low > 0.0 {
        Verdict::Faster
    } else if wide.high < 0.0 {
        Verdict::Slower
    } else {
        Verdict::Unclear
    }
}

/// Logarithms of a series of rates, centred.
struct Logs {
    mean: f64,
    variance: Option<f64>,
    centred: Vec<f64>,
}

impl Logs {
    fn of(rates: &[f64]) -> Option<Self> {
        let logs: Vec<_> = rates.iter().map(|rate| rate.ln()).collect();
        if logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let Estimate { mean, sd, .. } = Estimate::of(&logs)?;
        Some(Self {
            mean,
            variance: sd.map(|sd| sd * sd),
            centred: logs.iter().map(|log| log - mean).collect(),
        })
    }

    fn n(&self) -> f64 {
        count(self.centred.len())
    }
}

/// Standard error of the difference of the means, and its degrees of freedom by Welch and Satterthwaite;
/// the floor is taken as known, so it has infinitely many. `None` with fewer than two samples on a side.
fn standard_error(a: &Logs, b: &Logs, floor: f64) -> Option<(f64, f64)> {
    let (var_a, var_b) = (a.variance?, b.variance?);
    let together = ((a.n() - 1.0) * var_a + (b.n() - 1.0) * var_b) / (a.n() + b.n() - 2.0);
    let time = correlation_time(&[&a.centred, &b.centred]);
    let n_eff = |logs: &Logs| (logs.n() / time).max(2.0);
    let share_a = var_a.max(together) / n_eff(a);
    let share_b = var_b.max(together) / n_eff(b);
    let variance = share_a + share_b + floor * floor;
    let doubt = share_a.powi(2) / (n_eff(a) - 1.0) + share_b.powi(2) / (n_eff(b) - 1.0);
    let freedom = if doubt > 0.0 { variance.powi(2) / doubt } else { f64::INFINITY };
    Some((variance.sqrt(), freedom))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISY: [f64; 6] = [100.0, 104.0, 97.0, 101.0, 95.0, 103.0];

    fn verdict(a: &[f64], b: &[f64]) -> Verdict {
        compare(a, b, Limits::default()).verdict
    }

    #[test]
    fn equal_series_are_the_same_however_noisy() {
        assert_eq!(verdict(&NOISY, &NOISY), Verdict::Same);
        assert_eq!(verdict(&[100.0], &[100.0]), Verdict::Same);
        assert_eq!(verdict(&[100.0; 5], &[100.0; 5]), Verdict::Same);
    }

    #[test]
    fn too_little_is_unclear() {
        let one = compare(&[100.0], &[50.0], Limits::default());
        assert_eq!((one.verdict, one.interval), (Verdict::Unclear, None));
        assert!((one.effect.unwrap() + 0.5).abs() < 1e-12);
        for bad in [&[] as &[f64], &[0.0, 1.0], &[f64::NAN, 1.0], &[-1.0, 1.0]] {
            let none = compare(bad, &NOISY, Limits::default());
            assert_eq!((none.verdict, none.effect), (Verdict::Unclear, None));
            assert_eq!(verdict(bad, bad), Verdict::Unclear);
        }
        assert_eq!(verdict(&NOISY, &NOISY.map(|rate| rate * 1.01)), Verdict::Unclear);
    }

    #[test]
    fn without_noise_the_floor_and_the_threshold_decide() {
        let base = [100.0; 5];
        assert_eq!(verdict(&base, &[100.1; 5]), Verdict::Same);
        assert_eq!(verdict(&base, &[101.0; 5]), Verdict::Unclear);
        assert_eq!(verdict(&base, &[103.0; 5]), Verdict::Faster);
        assert_eq!(verdict(&base, &[97.0; 5]), Verdict::Slower);
        let exact = Limits { floor: 0.0, ..Limits::default() };
        assert_eq!(compare(&base, &[98.9; 5], exact).verdict, Verdict::Slower);
        assert_eq!(compare(&base, &[99.5; 5], exact).verdict, Verdict::Same);
    }

    #[test]
    fn swapping_the_sides_turns_the_verdict_round() {
        let fast = NOISY.map(|rate| rate * 1.3);
        assert_eq!(verdict(&NOISY, &fast), Verdict::Faster);
        let back = compare(&fast, &NOISY, Limits::default());
        assert_eq!(back.verdict, Verdict::Slower);
        assert!((back.effect.unwrap() - (1.0 / 1.3 - 1.0)).abs() < 1e-12);
    }
}
