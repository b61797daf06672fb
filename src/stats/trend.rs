//! Trend: whether the machine got faster or slower while a table was measured in rounds.
//!
//! Every row is visited early and late, so the rows need no anchor: what is left of each visit when the
//! mean of its row is taken off is the machine's, and a line through all of it over time is its drift.

use serde::{Deserialize, Serialize};

use super::interval::{Interval, correlation_time, count};

/// The change over the run that is drift: 3 %.
pub const BOUND: f64 = 0.03;

/// The least time over which a machine drifts, in seconds: visits are timed to the second.
const LEAST_SECONDS: f64 = 10.0;

/// Confidence of the interval that must exclude zero.
const CONFIDENCE: f64 = 0.99;

/// Below this number of visits their correlation cannot be told from noise.
const MIN_FOR_CORRELATION: usize = 10;

/// The least error that a visit is weighed with: nothing is better than a thousandth of a percent.
const LEAST_ERROR: f64 = 1e-5;

/// A visit on the line of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Which row it is of.
    pub row: usize,
    /// When it began, in seconds from any beginning.
    pub at: f64,
    /// Mean of the logarithms of its rates.
    pub log_mean: f64,
    /// How well such a visit knows its row: √(τ² + its own error²), of logarithms. Only the proportions
    /// between the rows count, they weigh the visits.
    pub error: f64,
}

/// How the machine changed over a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// Change of the rates from the first visit to the last, along a line, as a share: −0.03 is 3 % slower.
    pub change: f64,
    /// Where it lies, with 99 % confidence.
    pub interval: Interval,
    /// From the first visit to the last, in seconds.
    pub seconds: f64,
}

impl Trend {
    /// The trend of the visits of all rows; `None` where there are not at least two visits more than rows,
    /// or all are at one time.
    ///
    /// Weighted least squares with a mean for each row: `slope = Σ w t̃ ỹ / Σ w t̃²`, where t̃ and ỹ are
    /// times and logarithms without their row's mean, and w = 1 / error². Its variance is that of the
    /// residuals, `Σ w r² / (n − rows − 1)`, over `Σ w t̃²`; where successive residuals resemble each other,
    /// times their correlation time ([`correlation_time`]), by which the degrees of freedom are divided.
    pub fn of(moments: &[Moment]) -> Option<Self> {
        let centred = Centred::of(moments);
        let freedom = count(moments.len()) - count(centred.rows) - 1.0;
        let sum = |of: &dyn Fn(&Shift) -> f64| centred.shifts.iter().map(of).sum::<f64>();
        let squares = sum(&|shift| shift.time.powi(2));
        if freedom < 1.0 || squares <= 0.0 {
            return None;
        }
        let slope = sum(&|shift| shift.time * shift.log) / squares;
        let left: Vec<_> =
            centred.shifts.iter().map(|shift| shift.log - slope * shift.time).collect();
        let felt = if left.len() < MIN_FOR_CORRELATION { 1.0 } else { correlation_time(&[&left]) };
        let variance = left.iter().map(|rest| rest.powi(2)).sum::<f64>() / freedom;
        let error = (variance * felt / squares).sqrt();
        let interval = Interval::around(slope, error, (freedom / felt).max(1.0), CONFIDENCE)?;
        let seconds = centred.seconds;
        let over_all = |slope: f64| (slope * seconds).exp_m1();
        Some(Self {
            change: over_all(slope),
            interval: Interval { low: over_all(interval.low), high: over_all(interval.high) },
            seconds,
        })
    }

    /// Whether that is drift: over ten seconds or more, the interval excludes zero, and the change is 3 % or more, up
    /// or down.
    pub fn drifts(&self) -> bool {
        let excludes_zero = self.interval.low > 0.0 || self.interval.high < 0.0;
        self.seconds >= LEAST_SECONDS && excludes_zero && self.change.abs() >= BOUND
    }
}

/// What is left of a visit without the means of its row, times √w.
struct Shift {
    time: f64,
    log: f64,
}

/// All visits in the order of time.
struct Centred {
    shifts: Vec<Shift>,
    rows: usize,
    seconds: f64,
}

/// Weighted sums of a row.
#[derive(Clone, Copy, Default)]
struct WeightedSums {
    weight: f64,
    time: f64,
    log: f64,
}

impl Centred {
    fn of(moments: &[Moment]) -> Self {
        let mut moments = moments.to_vec();
        moments.sort_by(|a, b| a.at.total_cmp(&b.at));
        let weight = |moment: &Moment| 1.0 / moment.error.max(LEAST_ERROR).powi(2);
        let rows = moments.iter().map(|moment| moment.row + 1).max().unwrap_or(0);
        let mut sums = vec![WeightedSums::default(); rows];
        for moment in &moments {
            let (sums, weight) = (&mut sums[moment.row], weight(moment));
            sums.weight += weight;
            sums.time += weight * moment.at;
            sums.log += weight * moment.log_mean;
        }
        let shift = |moment: &Moment| {
            let (row, root) = (sums[moment.row], weight(moment).sqrt());
            Shift {
                time: root * (moment.at - row.time / row.weight),
                log: root * (moment.log_mean - row.log / row.weight),
            }
        };
        let ends = moments.first().zip(moments.last());
        Self {
            shifts: moments.iter().map(shift).collect(),
            rows: sums.iter().filter(|row| row.weight > 0.0).count(),
            seconds: ends.map_or(0.0, |(first, last)| last.at - first.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four rows in five rounds; row 3 is a noisy one. `slope` is the change in a second.
    fn run(slope: f64, noise: f64) -> Vec<Moment> {
        let mut moments = Vec::new();
        for round in 0..5_u32 {
            for row in 0..4_usize {
                let at = f64::from(round) * 10.0 + [0.0, 3.0, 5.0, 9.0][(row + round as usize) % 4];
                let z = [0.3, -1.2, 0.8, 1.1, -0.7, 0.2, -0.9][(round as usize * 4 + row) % 7];
                let error = if row == 3 { 10.0 * noise } else { noise };
                let log_mean = [1.0, 5.0, 2.0, 7.0][row] + slope * at + z * error;
                moments.push(Moment { row, at, log_mean, error });
            }
        }
        moments
    }

    #[test]
    fn a_trend_is_found_in_all_rows_together() {
        let trend = Trend::of(&run(-0.001, 0.003)).unwrap();
        assert!((trend.change - (-0.049_f64).exp_m1()).abs() < 0.01, "{trend:?}");
        assert!(trend.drifts() && trend.interval.contains((-0.049_f64).exp_m1()));
        assert!((trend.seconds - 49.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_small_or_unsure_is_no_drift() {
        let small = Trend::of(&run(0.0004, 0.0005)).unwrap();
        assert!(small.interval.low > 0.0 && !small.drifts(), "{small:?}");
        let unsure = Trend::of(&run(0.001, 0.05)).unwrap();
        assert!(!unsure.drifts() && unsure.interval.contains(0.0), "{unsure:?}");
    }

    #[test]
    fn without_noise_it_is_exact() {
        let trend = Trend::of(&run(0.001, 0.0)).unwrap();
        assert!((trend.change - 0.049_f64.exp_m1()).abs() < 1e-9 && trend.drifts());
    }

    #[test]
    fn one_visit_each_says_nothing() {
        assert_eq!(Trend::of(&[]), None);
        assert_eq!(Trend::of(&run(0.01, 0.001)[..4]), None);
        let at_once = run(0.01, 0.001).into_iter().map(|moment| Moment { at: 1.0, ..moment });
        assert_eq!(Trend::of(&at_once.collect::<Vec<_>>()), None);
        let two = Moment { row: 0, at: 0.0, log_mean: 1.0, error: 0.01 };
        assert_eq!(Trend::of(&[two, Moment { at: 1.0, ..two }]), None);
    }
}
