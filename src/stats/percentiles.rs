//! Percentiles with intervals that assume nothing of the distribution: both ends are values of the series.
//!
//! Of `n` independent values, the number below the true `p`-quantile is binomial, Bin(n, p). So the `l`-th and the
//! `u`-th in ascending order enclose it with probability P(l ≤ B ≤ u − 1) (David & Nagaraja, Order Statistics, 7.1).
//! Where no two ranks reach the level, as for p99 of a hundred values, there is no interval, not a narrow one.

use statrs::distribution::{Binomial, DiscreteCDF as _};

use super::robust::Sorted;

/// Percentile of a series with the order statistics that enclose the true one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// The estimate (type 7 of Hyndman & Fan), in the unit of the values.
    pub value: f64,
    /// Lower and upper end, in the unit of the values; `None` where the series is too short for the level.
    pub interval: Option<(f64, f64)>,
}

/// The `p`-quantile of independent values, `p` between 0 and 1, with an interval that holds the true one with
/// probability `level` or more. Values that are no numbers are left out; `None` if there are no others.
pub fn percentile(values: &[f64], p: f64, level: f64) -> Option<Percentile> {
    let mut sorted: Vec<_> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let value = Sorted::of(&sorted).quantile(p)?;
    let interval = ranks(sorted.len(), p, level).map(|(low, high)| (sorted[low], sorted[high]));
    Some(Percentile { value, interval })
}

/// Indices, counted from 0, of the values that enclose the `p`-quantile of `n` with at least `level`, with no more
/// than half of the rest on either side; `None` where there are none.
pub fn ranks(n: usize, p: f64, level: f64) -> Option<(usize, usize)> {
    let last = n.checked_sub(1)?;
    if !(p > 0.0 && p < 1.0 && level > 0.0 && level < 1.0) {
        return None;
    }
    let below = Binomial::new(p, n as u64).ok()?;
    let tail = (1.0 - level) / 2.0;
    // Index i is above the quantile where at most i values lie below it: P(B ≤ i); it is below where more do.
    let (mut low, mut beyond) = (0, n + 1);
    while low < beyond {
        let middle = low + (beyond - low) / 2;
        if below.cdf(middle as u64) <= tail { low = middle + 1 } else { beyond = middle }
    }
    let low = low.checked_sub(1)?;
    let (mut high, mut end) = (0, n);
    while high < end {
        let middle = high + (end - high) / 2;
        if below.cdf(middle as u64) >= 1.0 - tail { end = middle } else { high = middle + 1 }
    }
    (high <= last).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_tables() {
        // David & Nagaraja and every table of the sign test: 95 % of the median.
        for (n, expected) in [(5, None), (6, Some((0, 5))), (10, Some((1, 8))), (20, Some((5, 14)))]
        {
            assert_eq!(ranks(n, 0.5, 0.95), expected, "{n}");
        }
    }

    #[test]
    fn a_tail_needs_values_beyond_it() {
        // P(all n below p99) = 0.99^n falls to 2.5 % at 368.
        assert_eq!(ranks(367, 0.99, 0.95), None);
        assert_eq!(ranks(368, 0.99, 0.95).unwrap().1, 367);
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let found = percentile(&values, 0.99, 0.95).unwrap();
        assert_eq!((found.value, found.interval), (98.01, None));
    }

    #[test]
    fn ends_enclose_with_at_least_the_level() {
        for n in [30_usize, 100, 999, 5000] {
            for p in [0.5, 0.9, 0.99] {
                let Some((low, high)) = ranks(n, p, 0.95) else { continue };
                let below = Binomial::new(p, n as u64).unwrap();
                let misses = below.cdf(low as u64) + 1.0 - below.cdf(high as u64);
                assert!(misses <= 0.05 + 1e-9, "{n} {p}: {misses}");
            }
        }
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(percentile(&[f64::NAN], 0.5, 0.95), None);
        assert_eq!(
            percentile(&[3.0], 0.5, 0.95).unwrap(),
            Percentile { value: 3.0, interval: None }
        );
    }
}
