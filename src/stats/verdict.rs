//! Verdict on two series: whether one is greater than the other beyond doubt, the same, or neither can be told.
//! What is better is not a matter of numbers: the metric knows.
//!
//! Welch's interval (Welch 1947) of the difference of mean logarithms, each side with its own error
//! ([`Known`]), of which most is what differs from one process to the next. A series of samples from one
//! process is one visit: however many samples it has, they do not show by how much the next process will
//! differ. Sides that were measured in turn are compared by the differences within each round.

use std::f64::consts::SQRT_2;

use serde::{Deserialize, Serialize};

use super::interval::Interval;
use super::known::Known;
use super::noise::{Deviation, Noise};
use super::visits::Visit;

/// What a comparison says about the new series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Greater, beyond doubt and not just by a trifle.
    Greater,
    /// Less, beyond doubt and not just by a trifle.
    Less,
    /// Any difference is smaller than the threshold.
    Same,
    /// The samples cannot tell.
    Unclear,
}

/// Two sides, compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What they say.
    pub verdict: Verdict,
    /// Relative difference of the new to the baseline (0.03 is 3 % more), of the geometric means;
    /// `None` where a series is empty or holds a value that is not positive.
    pub effect: Option<f64>,
    /// Where the effect lies, with the confidence of [`Criteria`]; `None` where there is no effect.
    pub interval: Option<Interval>,
}

/// What it takes to call two series different, or the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Criteria {
    /// Differences up to this share do not matter (0.01 is 1 %).
    pub threshold: f64,
    /// By how much one run of a thing, one process, is off from the mean of many, beyond the noise of its
    /// samples: a standard deviation, as a share of the value. A difference holds it twice, once for each
    /// side, and a side of m visits holds 1/m of its square. What is estimated is never taken for less.
    pub floor: f64,
    /// Whether that is only the least: a machine of which more is known has its own.
    pub floor_may_rise: bool,
    /// Whether the floor was measured on the machine.
    pub floor_known: bool,
    /// Confidence of the interval that must exclude zero where two sides are called different. Higher than for a mean:
    /// a table has many rows, and a false alarm stops somebody's release.
    pub confidence: f64,
}

impl Criteria {
    /// The same for two series from machines with these floors, where they are known.
    #[must_use]
    pub fn on(self, floors: [Option<f64>; 2]) -> Self {
        let known = floors.into_iter().flatten().filter(|_| self.floor_may_rise);
        let highest = known.reduce(f64::max);
        Self {
            floor: highest.map_or(self.floor, |floor| floor.max(self.floor)),
            floor_known: self.floor_known || highest.is_some(),
            ..self
        }
    }

    /// What is known of the noise of series that have one visit each.
    fn noise(self) -> Noise {
        let unknown = Noise::unknown();
        let between = if !self.floor_may_rise {
            Deviation::given(self.floor)
        } else if self.floor_known {
            Deviation { sd: self.floor, freedom: MEASURED }
        } else {
            unknown.at_least(self.floor).between
        };
        Noise { between, ..unknown }
    }
}

impl Default for Criteria {
    fn default() -> Self {
        Self {
            threshold: 0.01,
            floor: 0.005,
            floor_may_rise: true,
            floor_known: false,
            confidence: 0.995,
        }
    }
}

/// Confidence of the interval that must lie within the threshold for SAME: two one-sided tests at 5 %
/// each (Schuirmann 1987).
const SAME_CONFIDENCE: f64 = 0.90;

/// Degrees of freedom of a floor that was measured: about a dozen runs were compared.
const MEASURED: f64 = 10.0;

/// Compares the values of a new series with those of a baseline, each from one process.
///
/// Where the floor is neither given nor measured, the noise between processes is that of a machine of
/// which nothing is known ([`Noise::unknown`]), so that only great differences are called. Series that
/// are equal, sample by sample, are SAME. The rules are those of [`compare_known`].
pub fn compare(baseline: &[f64], new: &[f64], limits: Criteria) -> Comparison {
    let known = |values| Known::of(&[Visit::of(values)?], limits.noise());
    let (Some(a), Some(b)) = (known(baseline), known(new)) else {
        return Comparison { verdict: Verdict::Unclear, effect: None, interval: None };
    };
    let comparison = compare_known(&a, &b, limits);
    let verdict = if baseline == new { Verdict::Same } else { comparison.verdict };
    Comparison { verdict, ..comparison }
}

/// Compares what is known of a new row with what is known of its baseline.
///
/// - SAME: the 90 % interval of the effect lies within ±threshold.
/// - Greater, less: not that, the effect is beyond the threshold, and its interval at
///   `limits.confidence` excludes zero.
/// - UNCLEAR: everything else.
pub fn compare_known(baseline: &Known, new: &Known, limits: Criteria) -> Comparison {
    let (a, b) = (baseline.at_least(limits.floor), new.at_least(limits.floor));
    judge(b.log_mean - a.log_mean, |confidence| a.doubt().plus(b.doubt()).reach(confidence), limits)
}

/// Compares two sides that were measured in turn, by what is known of their difference
/// ([`super::visits::differences`]). The rules are those of [`compare_known`].
pub fn compare_paired(difference: &Known, limits: Criteria) -> Comparison {
    let difference = difference.at_least(limits.floor * SQRT_2);
    judge(difference.log_mean, |confidence| difference.doubt().reach(confidence), limits)
}

/// The verdict on a difference of logarithms; `reach` is half the width of its interval at a confidence.
pub(super) fn judge(
    difference: f64,
    reach: impl Fn(f64) -> Option<f64>,
    limits: Criteria,
) -> Comparison {
    let effect = difference.exp_m1();
    let around = |confidence| {
        let reach = reach(confidence)?;
        let (low, high) = (difference - reach, difference + reach);
        Some(Interval { low: low.exp_m1(), high: high.exp_m1() })
    };
    let wide = around(limits.confidence);
    let trifle = Interval { low: -limits.threshold, high: limits.threshold };
    let verdict = match (wide, around(SAME_CONFIDENCE)) {
        (Some(_), Some(narrow)) if narrow.within(trifle) => Verdict::Same,
        (Some(wide), _) if wide.low > 0.0 && effect > trifle.high => Verdict::Greater,
        (Some(wide), _) if wide.high < 0.0 && effect < trifle.low => Verdict::Less,
        _ => Verdict::Unclear,
    };
    Comparison { verdict, effect: Some(effect), interval: wide }
}

#[cfg(test)]
mod tests {
    use super::super::visits::{differences, known};
    use super::*;

    const NOISY: [f64; 6] = [100.0, 104.0, 97.0, 101.0, 95.0, 103.0];

    fn verdict(a: &[f64], b: &[f64]) -> Verdict {
        compare(a, b, Criteria::default()).verdict
    }

    #[test]
    fn equal_series_are_the_same_however_noisy() {
        assert_eq!(verdict(&NOISY, &NOISY), Verdict::Same);
        assert_eq!(verdict(&[100.0], &[100.0]), Verdict::Same);
        assert_eq!(verdict(&[100.0; 5], &[100.0; 5]), Verdict::Same);
    }

    #[test]
    fn too_little_is_unclear() {
        let one = compare(&[100.0], &[85.0], Criteria::default());
        assert_eq!(one.verdict, Verdict::Unclear);
        assert!((one.effect.unwrap() + 0.15).abs() < 1e-12 && one.interval.unwrap().high > 0.0);
        for bad in [&[] as &[f64], &[0.0, 1.0], &[f64::NAN, 1.0], &[-1.0, 1.0]] {
            let none = compare(bad, &NOISY, Criteria::default());
            assert_eq!((none.verdict, none.effect), (Verdict::Unclear, None));
            assert_eq!(verdict(bad, bad), Verdict::Unclear);
        }
        assert_eq!(verdict(&NOISY, &NOISY.map(|rate| rate * 1.01)), Verdict::Unclear);
    }

    /// One process each, on machines of which nothing is known.
    #[test]
    fn samples_of_one_process_call_great_differences_only() {
        let base = [100.0; 5];
        assert_eq!(verdict(&base, &[100.1; 5]), Verdict::Unclear);
        assert_eq!(verdict(&base, &[90.0; 5]), Verdict::Unclear);
        assert_eq!(verdict(&base, &[130.0; 5]), Verdict::Greater);
        assert_eq!(verdict(&base, &[75.0; 5]), Verdict::Less);
    }

    #[test]
    fn a_floor_is_felt_by_both_sides() {
        let base = [100.0; 50];
        // The interval is ±2.807 √2 · 0.5 % = ±1.98 %, and a little for the samples themselves.
        let given = Criteria { floor_may_rise: false, ..Criteria::default() };
        for (new, expected) in [
            (100.1, Verdict::Unclear),
            (101.9, Verdict::Unclear),
            (102.2, Verdict::Greater),
            (97.8, Verdict::Less),
        ] {
            assert_eq!(compare(&base, &[new; 50], given).verdict, expected, "{new}");
        }
        // Measured, it is a little less certain; and the greatest counts.
        let measured = Criteria::default().on([Some(0.005), None]);
        assert_eq!(compare(&base, &[102.1; 50], measured).verdict, Verdict::Unclear);
        assert_eq!(compare(&base, &[102.6; 50], measured).verdict, Verdict::Greater);
        assert!(Criteria::default().on([Some(0.02), Some(0.01)]).floor > 0.019);
        assert!(given.on([Some(0.02), None]).floor < 0.006);
        let smaller = Criteria { floor: 0.003, ..given };
        assert_eq!(compare(&base, &[100.1; 50], smaller).verdict, Verdict::Same);
        let exact = Criteria { floor: 0.0, ..given };
        assert_eq!(compare(&base, &[98.9; 50], exact).verdict, Verdict::Less);
        assert_eq!(compare(&base, &[99.5; 50], exact).verdict, Verdict::Same);
    }

    /// What is certain and small is not SLOWER.
    #[test]
    fn a_trifle_is_never_called() {
        let quiet = Criteria { floor: 0.001, floor_may_rise: false, ..Criteria::default() };
        for (new, verdict) in [(99.05, Verdict::Unclear), (98.9, Verdict::Less)] {
            let comparison = compare(&[100.0; 50], &[new; 50], quiet);
            assert_eq!(comparison.verdict, verdict, "{new}");
            assert!(comparison.interval.unwrap().high < 0.0);
        }
    }

    #[test]
    fn several_visits_call_smaller_differences() {
        let row = |mean: f64| -> Vec<Visit> {
            let each = [-0.002, 0.0, 0.002].map(|off| mean * (1.0 + off));
            each.iter().map(|&rate| Visit::of(&[rate, rate, rate]).unwrap()).collect()
        };
        let rows = |mean: f64| vec![row(mean); 4];
        let of = |mean: f64| known(Noise::unknown(), &rows(mean))[0].unwrap();
        let judge = |new: f64| compare_known(&of(100.0), &of(new), Criteria::default()).verdict;
        assert_eq!(judge(97.0), Verdict::Less);
        assert_eq!(judge(103.0), Verdict::Greater);
        assert_eq!(judge(100.0), Verdict::Same);
        assert_eq!(judge(101.1), Verdict::Unclear);
    }

    #[test]
    fn visits_in_turn_are_compared_by_pairs() {
        // The machine wanders by 10 %; B is 3 % slower throughout.
        let pairs = |effect: f64, noise: f64| -> Vec<(Visit, Visit)> {
            let rounds = [(100.0, 1.0), (95.0, -1.0), (105.0, 0.5), (110.0, -0.5), (98.0, 0.0)];
            let visit = |rate: f64| Visit::of(&[rate, rate * 1.001]).unwrap();
            let pair = |&(rate, z): &(f64, f64)| {
                (visit(rate), visit(rate * (1.0 + effect) * (1.0 + z * noise)))
            };
            rounds.iter().map(pair).collect()
        };
        let judge = |effect, noise| {
            let rows = vec![pairs(effect, noise); 4];
            let difference = differences(Noise::unknown(), &rows)[0].unwrap();
            compare_paired(&difference, Criteria::default())
        };
        assert_eq!(judge(-0.03, 0.003).verdict, Verdict::Less);
        assert!((judge(-0.03, 0.0).effect.unwrap() + 0.03).abs() < 1e-9);
        assert_eq!(judge(0.0, 0.003).verdict, Verdict::Same);
        assert_eq!(judge(-0.03, 0.03).verdict, Verdict::Unclear);
    }

    #[test]
    fn swapping_the_sides_turns_the_verdict_round() {
        let fast = NOISY.map(|rate| rate * 1.5);
        assert_eq!(verdict(&NOISY, &fast), Verdict::Greater);
        let back = compare(&fast, &NOISY, Criteria::default());
        assert_eq!(back.verdict, Verdict::Less);
        assert!((back.effect.unwrap() - (1.0 / 1.5 - 1.0)).abs() < 1e-12);
    }
}
