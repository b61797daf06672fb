//! Paired values: the same places on both sides, say the windows of one text. How places differ falls out of the
//! comparison, and what is left is far less than either side's own error.

use super::Estimate;
use super::interval::{count, t_quantile};
use super::verdict::{Comparison, Criteria, Verdict, judge};

/// Compares two series of values at the same places, in order, by the figure that each comes to.
///
/// The effect is the ratio of the figures, and its error is the jackknife's (Tukey 1958): the ratio is worked out
/// without each place in turn, on both sides at once. It holds for a mean and for what is made of one, such as
/// `exp(mean)`. Where one series stopped earlier, what the other has beyond that is left out. UNCLEAR, without an effect,
/// with fewer than two places, or where a figure is not positive.
pub fn compare(
    baseline: &[f64],
    new: &[f64],
    figure: impl Fn(&[f64]) -> Option<f64>,
    limits: Criteria,
) -> Comparison {
    let unclear = Comparison { verdict: Verdict::Unclear, effect: None, interval: None };
    let ratio = |a: &[f64], b: &[f64]| {
        let ratio = (figure(b)? / figure(a)?).ln();
        ratio.is_finite().then_some(ratio)
    };
    let both = baseline.len().min(new.len());
    if both < 2 {
        return unclear;
    }
    let (baseline, new) = (&baseline[..both], &new[..both]);
    let Some(difference) = ratio(baseline, new) else { return unclear };
    if baseline == new {
        return judge(0.0, |_| Some(0.0), limits);
    }
    let without = |at: usize| {
        let left = |values: &[f64]| [&values[..at], &values[at + 1..]].concat();
        ratio(&left(baseline), &left(new))
    };
    let all: Option<Vec<_>> = (0..new.len()).map(without).collect();
    let Some(Estimate { sd: Some(sd), n, .. }) = all.and_then(|all| Estimate::of(&all)) else {
        return Comparison { effect: Some(difference.exp_m1()), ..unclear };
    };
    let error = sd * (count(n) - 1.0) / count(n).sqrt();
    judge(difference, |confidence| Some(t_quantile(confidence, count(n) - 1.0)? * error), limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of logarithms as a perplexity.
    fn exp_mean(values: &[f64]) -> Option<f64> {
        Some(Estimate::of(values)?.mean.exp())
    }

    /// Windows that differ by far more than the sides do.
    fn windows(shift: f64, noise: f64) -> Vec<f64> {
        let window = |at: u32| {
            let place = f64::from(at * 37 % 50) / 25.0 + 1.0;
            place + shift + noise * (f64::from(at * 13 % 7) - 3.0)
        };
        (0..200).map(window).collect()
    }

    #[test]
    fn what_differs_between_places_falls_out() {
        let limits = Criteria::default();
        let base = windows(0.0, 0.0);
        let worse = compare(&base, &windows(0.02, 0.001), exp_mean, limits);
        assert_eq!(worse.verdict, Verdict::Greater);
        assert!((worse.effect.unwrap() - 0.02_f64.exp_m1()).abs() < 1e-3);
        assert_eq!(compare(&base, &windows(-0.02, 0.001), exp_mean, limits).verdict, Verdict::Less);
        assert_eq!(compare(&base, &windows(0.001, 0.001), exp_mean, limits).verdict, Verdict::Same);
        assert_eq!(compare(&base, &windows(0.02, 0.2), exp_mean, limits).verdict, Verdict::Unclear);
        assert_eq!(compare(&base, &base, exp_mean, limits).verdict, Verdict::Same);
    }

    /// For a plain mean of logarithms, the jackknife is the paired t interval.
    #[test]
    fn the_error_is_that_of_paired_differences() {
        let (a, b) = (windows(0.0, 0.0), windows(0.05, 0.01));
        let found = compare(&a, &b, exp_mean, Criteria::default()).interval.unwrap();
        let differences: Vec<_> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
        let Estimate { mean, sd, n } = Estimate::of(&differences).unwrap();
        let reach = t_quantile(0.995, count(n) - 1.0).unwrap() * sd.unwrap() / count(n).sqrt();
        assert!((found.low - (mean - reach).exp_m1()).abs() < 1e-9);
        assert!((found.high - (mean + reach).exp_m1()).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_partner_cannot_be_told() {
        let compared = |a: &[f64], b: &[f64]| compare(a, b, exp_mean, Criteria::default());
        let (long, short) = (windows(0.0, 0.0), windows(0.02, 0.001));
        assert_eq!(compared(&long, &short[..50]), compared(&long[..50], &short[..50]));
        for (a, b) in [(&[1.0, 2.0][..], &[1.0][..]), (&[], &[]), (&[1.0], &[2.0])] {
            assert_eq!(compared(a, b).verdict, Verdict::Unclear);
        }
    }
}
