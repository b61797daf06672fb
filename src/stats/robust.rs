//! Robust statistics: what a few strange values cannot move: median, quantiles, MAD, and the flags on the strange ones.

use super::interval::count;

/// Modified z-score from which a value is flagged (Iglewicz & Hoaglin 1993).
pub const OUTLIER_SCORE: f64 = 3.5;

/// Φ⁻¹(3/4): the MAD of a normal distribution in standard deviations.
const MAD_OF_NORMAL: f64 = 0.674_489_750_196_081_7;

/// √(2/π): the mean absolute deviation of a normal distribution in standard deviations.
const MEAN_DEVIATION_OF_NORMAL: f64 = 0.797_884_560_802_865_4;

/// A series in ascending order, for several quantiles of it. Values that are not numbers are left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts a copy of the values.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted: Vec<_> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// The value below which a share `p` of the series lies, between 0 and 1; linear between order
    /// statistics at `(n − 1) p` (type 7 of Hyndman & Fan 1996). `None` for an empty series.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let position = count(last) * p.clamp(0.0, 1.0);
        // Between 0 and `last`, so the cast keeps it.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let below = position.floor() as usize;
        let (low, high) = (self.0[below], self.0[(below + 1).min(last)]);
        Some(low + (position - position.floor()) * (high - low))
    }

    /// The middle of the series.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }

    /// The smallest value.
    pub fn min(&self) -> Option<f64> {
        self.0.first().copied()
    }

    /// The largest value.
    pub fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

/// The middle of the values; `None` if there are none.
pub fn median(values: &[f64]) -> Option<f64> {
    Sorted::of(values).median()
}

/// Median absolute deviation from the median, in the unit of the values and not scaled to a standard
/// deviation; `None` if there are no values.
pub fn mad(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    median(&deviations(values, middle))
}

/// Positions of the values whose modified z-score `0.6745 (x − median) / MAD` is beyond ±3.5.
///
/// Where more than half of the values are equal the MAD is zero, and the mean absolute deviation takes
/// its place. Flagged values stay in every mean: a slow run is a run that happened.
pub fn outliers(values: &[f64]) -> Vec<usize> {
    let (Some(middle), Some(mad)) = (median(values), mad(values)) else {
        return Vec::new();
    };
    let distances = deviations(values, middle);
    let sd = if mad > 0.0 {
        mad / MAD_OF_NORMAL
    } else {
        distances.iter().sum::<f64>() / count(values.len()) / MEAN_DEVIATION_OF_NORMAL
    };
    let far = |&(_, distance): &(usize, f64)| distance > OUTLIER_SCORE * sd;
    let numbered = distances.into_iter().enumerate();
    numbered.filter(far).map(|(index, _)| index).collect()
}

fn deviations(values: &[f64], middle: f64) -> Vec<f64> {
    values.iter().map(|value| (value - middle).abs()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_lie_between_order_statistics() {
        let sorted = Sorted::of(&[4.0, 1.0, 3.0, 2.0]);
        for (p, quantile) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)] {
            assert!((sorted.quantile(p).unwrap() - quantile).abs() < 1e-12);
        }
        assert_eq!(Sorted::of(&[]).quantile(0.5), None);
        assert_eq!(mad(&[1.0, 2.0, 3.0, 4.0, 100.0]), Some(1.0));
    }

    #[test]
    fn strange_values_are_flagged() {
        assert_eq!(outliers(&[10.0, 10.1, 9.9, 10.0, 7.0, 10.2]), [4]);
        assert_eq!(outliers(&[10.0, 10.1, 9.9]), [0_usize; 0]);
        // More than half are equal.
        let mut values = [5.0; 20];
        assert_eq!(outliers(&values), [0_usize; 0]);
        values[3] = 6.0;
        assert_eq!(outliers(&values), [3]);
        assert_eq!(outliers(&[]), [0_usize; 0]);
    }

    proptest! {
        #[test]
        fn quantiles_rise_and_stay_inside(
            values in prop::collection::vec(-1e6_f64..1e6, 1..60),
            p in 0.0_f64..1.0,
            q in 0.0_f64..1.0,
        ) {
            let sorted = Sorted::of(&values);
            let (low, high) = (sorted.quantile(p.min(q)), sorted.quantile(p.max(q)));
            prop_assert!(sorted.min() <= low && low <= high && high <= sorted.max());
        }
    }
}
