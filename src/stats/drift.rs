//! Whether the machine is still the one that measured the first row.

use super::Estimate;
use super::interval::{Interval, count};
use super::robust::median;

/// The drift that marks rows, as a share of the rate: 3 %.
pub const BOUND: f64 = 0.03;

/// Confidence of the interval that must exclude zero.
const CONFIDENCE: f64 = 0.99;

/// By how much longer the standard error of the Hodges–Lehmann shift is than that of a difference of
/// means, for normal noise: √(π/3).
const COST_OF_ROBUSTNESS: f64 = 1.023_326_707_946_488_5;

/// By how much the anchor's rates changed (−0.03 is 3 % slower), if that is drift; `None` if not.
///
/// The change is the Hodges–Lehmann shift of the logarithms (1963): the median of all differences
/// between a new rate and an old one, which a few strange runs do not move. It is drift when its 99 %
/// t-interval, with the pooled standard deviation, excludes zero and reaches `bound`: on a quiet
/// machine exactly from the bound on, on a noisy one from what can be told from noise.
///
/// `None` too where there are fewer than two values on either side.
pub fn drift(before: &[f64], after: &[f64], bound: f64) -> Option<f64> {
    let old: Vec<_> = before.iter().map(|rate| rate.ln()).collect();
    let new: Vec<_> = after.iter().map(|rate| rate.ln()).collect();
    let differences: Vec<_> =
        new.iter().flat_map(|new| old.iter().map(move |old| new - old)).collect();
    let shift = median(&differences)?;
    let (a, b) = (Estimate::of(&old)?, Estimate::of(&new)?);
    let (freedom_a, freedom_b) = (count(a.n) - 1.0, count(b.n) - 1.0);
    let freedom = freedom_a + freedom_b;
    let variance = (freedom_a * a.sd?.powi(2) + freedom_b * b.sd?.powi(2)) / freedom;
    let spread = variance * (1.0 / count(a.n) + 1.0 / count(b.n));
    let error = spread.sqrt() * COST_OF_ROBUSTNESS;
    let interval = Interval::around(shift, error, freedom, CONFIDENCE)?;
    let excludes_zero = interval.low > 0.0 || interval.high < 0.0;
    let reach = interval.low.exp_m1().abs().max(interval.high.exp_m1().abs());
    (excludes_zero && reach >= bound).then(|| shift.exp_m1())
}
