//! Times of single tokens: how long the slow ones take, and whether later ones take longer.

use serde::{Deserialize, Serialize};

use super::interval::count;
use super::robust::{Sorted, median};
use crate::units::Nanos;

/// Positions that a drift needs; fewer say nothing about a trend.
const MIN_POSITIONS: usize = 16;

/// Groups of neighbouring positions for the trend: its cost grows with their square.
const MAX_BINS: usize = 64;

/// Inter-token latency over all runs of a row, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Tokens, of all runs together.
    pub n: usize,
    /// Median.
    pub p50_ns: f64,
    /// 95th percentile.
    pub p95_ns: f64,
    /// 99th percentile.
    pub p99_ns: f64,
    /// Longest.
    pub max_ns: f64,
    /// How much longer the last token takes than the first, along the trend, as a share (0.1 is 10 %
    /// longer); `None` for fewer than 16 tokens a run.
    pub drift: Option<f64>,
}

impl Latency {
    /// The latency of some runs, each with the time of every token in order; `None` without tokens.
    pub fn of<R: AsRef<[Nanos]>>(runs: &[R]) -> Option<Self> {
        let times: Vec<_> =
            runs.iter().flat_map(|run| run.as_ref().iter().copied().map(as_f64)).collect();
        let sorted = Sorted::of(&times);
        Some(Self {
            n: times.len(),
            p50_ns: sorted.median()?,
            p95_ns: sorted.quantile(0.95)?,
            p99_ns: sorted.quantile(0.99)?,
            max_ns: sorted.max()?,
            drift: drift(runs),
        })
    }
}

/// Relative change of the time of a token from the first position to the last, along a line.
///
/// Each position's time is the median over the runs; neighbouring positions are grouped into at most 64
/// bins, each the median of its positions. The line through the bins is Theil's (1950) and Sen's (1968): its
/// slope is the median of the slopes between all pairs, its height the median of what is left. Neither
/// a slow first token nor single stalls move it.
fn drift<R: AsRef<[Nanos]>>(runs: &[R]) -> Option<f64> {
    let positions = by_position(runs);
    let n = positions.len();
    if n < MIN_POSITIONS {
        return None;
    }
    let width = n.div_ceil(MAX_BINS);
    let bins: Vec<(f64, f64)> = positions
        .chunks(width)
        .enumerate()
        .filter_map(|(index, bin)| {
            let middle = count(index * width) + (count(bin.len()) - 1.0) / 2.0;
            Some((middle, median(bin)?))
        })
        .collect();
    let slopes: Vec<_> = bins
        .iter()
        .enumerate()
        .flat_map(|(index, a)| {
            let later = bins[index + 1..].iter();
            later.map(move |b| (b.1 - a.1) / (b.0 - a.0))
        })
        .collect();
    let slope = median(&slopes)?;
    let heights: Vec<_> = bins.iter().map(|(x, y)| y - slope * x).collect();
    let first = median(&heights)?;
    (first > 0.0).then(|| slope * (count(n) - 1.0) / first)
}

/// The median over the runs at each position that all runs reach.
fn by_position<R: AsRef<[Nanos]>>(runs: &[R]) -> Vec<f64> {
    let reached = runs.iter().map(|run| run.as_ref().len()).min();
    (0..reached.unwrap_or(0))
        .filter_map(|position| {
            let times: Vec<_> = runs.iter().map(|run| as_f64(run.as_ref()[position])).collect();
            median(&times)
        })
        .collect()
}

#[allow(clippy::cast_precision_loss)] // 2^53 ns are 104 days
fn as_f64(ns: Nanos) -> f64 {
    ns.0 as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u64, at: impl Fn(u64) -> u64) -> Vec<Nanos> {
        (0..n).map(|position| Nanos(at(position))).collect()
    }

    #[test]
    fn a_slow_tail_shows_in_the_percentiles_and_not_in_the_drift() {
        let stalls = |at| if at % 50 == 0 { 9_000 } else { 1_000 };
        let latency = Latency::of(&[run(200, stalls), run(200, stalls)]).unwrap();
        assert_eq!(latency.n, 400);
        assert!((latency.p50_ns - 1_000.0).abs() < 1e-9);
        assert!((latency.p99_ns - 9_000.0).abs() < 1e-9 && latency.p95_ns < 1_001.0);
        assert!((latency.max_ns - 9_000.0).abs() < 1e-9);
        assert!(latency.drift.unwrap().abs() < 1e-9);
    }

    #[test]
    fn later_tokens_that_take_longer_are_drift() {
        for n in [16, 100, 1000] {
            let slower = run(n, |at| 1_000_000 + at * 200_000 / (n - 1));
            let drift = Latency::of(&[slower]).unwrap().drift.unwrap();
            assert!((drift - 0.2).abs() < 1e-3, "{n}: {drift}");
        }
    }

    #[test]
    fn few_tokens_have_no_drift_and_none_no_latency() {
        assert_eq!(Latency::of(&[run(15, |_| 5)]).unwrap().drift, None);
        assert_eq!(Latency::of::<Vec<Nanos>>(&[]), None);
        assert_eq!(Latency::of(&[run(0, |_| 5)]), None);
    }
}
