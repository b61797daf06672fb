//! Sides of a comparison: what is known of a row, however it was measured.

use super::known::Known;
use super::verdict::{Comparison, Criteria, Verdict, compare, compare_known};

/// One row of one side.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its values, one a sample, in order.
    pub values: &'a [f64],
    /// What its visits say, where it was measured by somebody who knew.
    pub known: Option<Known>,
    /// Whether it says of itself that it does not compare: the machine was changing, or held back.
    pub marked: bool,
}

/// Compares two rows: by what is known of them, or else by their samples. Equal samples are the same. A row that
/// says that it does not compare is never called different.
pub fn compare_sides(baseline: Side<'_>, new: Side<'_>, limits: Criteria) -> Comparison {
    // One visit shows nothing of how visits differ: a floor that was given or measured says it.
    let told = limits.floor_known || !limits.floor_may_rise;
    let shown = |known: &Known| known.visits > 1 || !told;
    let (a, b) = (baseline.known.filter(shown), new.known.filter(shown));
    let comparison = match (a, b) {
        (Some(a), Some(b)) if baseline.values != new.values => compare_known(&a, &b, limits),
        _ => compare(baseline.values, new.values, limits),
    };
    let called = matches!(comparison.verdict, Verdict::Greater | Verdict::Less);
    if called && (baseline.marked || new.marked) {
        return Comparison { verdict: Verdict::Unclear, ..comparison };
    }
    comparison
}

#[cfg(test)]
mod tests {
    use super::super::noise::{Deviation, Noise};
    use super::super::visits::Visit;
    use super::*;

    fn known(rates: &[f64]) -> Known {
        let quiet = Deviation { sd: 0.002, freedom: 20.0 };
        let visit = Visit::of(rates).unwrap();
        Known::of(&[visit; 3], Noise { between: quiet, within: quiet }).unwrap()
    }

    fn side(rates: &[f64], marked: bool) -> Side<'_> {
        Side { values: rates, known: Some(known(rates)), marked }
    }

    #[test]
    fn marked_rows_are_never_called_different() {
        let (slow, fast) = ([100.0, 100.1, 99.9], [120.0, 120.1, 119.9]);
        let verdict = |a, b| compare_sides(a, b, Criteria::default()).verdict;
        assert_eq!(verdict(side(&slow, false), side(&fast, false)), Verdict::Greater);
        assert_eq!(verdict(side(&fast, false), side(&slow, false)), Verdict::Less);
        for marked in [[true, false], [false, true]] {
            let [a, b] = marked;
            assert_eq!(verdict(side(&slow, a), side(&fast, b)), Verdict::Unclear);
        }
        assert_eq!(verdict(side(&slow, true), side(&slow, false)), Verdict::Same);
    }

    #[test]
    fn visits_tell_more_than_samples() {
        let (a, b) = ([100.0, 100.1, 99.9], [104.0, 104.1, 103.9]);
        let plain = |values| Side { values, known: None, marked: false };
        let limits = Criteria::default();
        assert_eq!(compare_sides(plain(&a), plain(&b), limits).verdict, Verdict::Unclear);
        let seen = compare_sides(side(&a, false), side(&b, false), limits);
        assert_eq!(seen.verdict, Verdict::Greater);
    }
}
