//! Steps: where a series of runs changed. Pure.
//!
//! Each run is one visit, so that what differs from run to run is in the error, however alike the samples within a
//! run are. A series is cut where its halves differ most by their verdict, and its pieces are cut again. Who looks at
//! every place of every series sees chance at some: so each look is held to a share of the error of one verdict
//! (Bonferroni).

use crate::stats::noise::Noise;
use crate::stats::verdict::{Comparison, Criteria, Verdict, compare_known};
use crate::stats::visits::{Visit, known};

/// Most places that are looked at in pairs.
const GRID: usize = 128;

/// A place where a series changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Index of the first run behind it.
    pub at: usize,
    /// The runs from there to the next change, against those from the last one to there.
    pub comparison: Comparison,
}

/// The limits of one look of so many.
pub fn limits_of_each(looks: usize, limits: Criteria) -> Criteria {
    let looks = u32::try_from(looks.max(1)).unwrap_or(u32::MAX);
    Criteria { confidence: 1.0 - (1.0 - limits.confidence) / f64::from(looks), ..limits }
}

/// Where a series changed, in order. `limits` are those of one look ([`limits_of_each`]).
pub fn changes(runs: &[Visit], limits: Criteria) -> Vec<Change> {
    let mut places = Vec::new();
    cut(runs, 0, limits, &mut places);
    places.sort_unstable();
    // The pieces as they came to be.
    let ends = places.iter().copied().skip(1).chain([runs.len()]);
    let starts = std::iter::once(0).chain(places.iter().copied());
    let pieces = places.iter().zip(starts.zip(ends));
    let found = pieces.filter_map(|(&at, (start, end))| {
        let comparison = compare(&runs[start..at], &runs[at..end], limits)?;
        is_called(&comparison).then_some(Change { at, comparison })
    });
    found.collect()
}

fn cut(runs: &[Visit], first: usize, limits: Criteria, places: &mut Vec<usize>) {
    let looks = (1..runs.len()).filter_map(|at| {
        let comparison = compare(&runs[..at], &runs[at..], limits)?;
        is_called(&comparison).then(|| (clearness(&comparison), at))
    });
    let Some((_, at)) = looks.max_by(|a, b| a.0.total_cmp(&b.0)) else {
        return cut_out(runs, first, limits, places);
    };
    places.push(first + at);
    cut(&runs[..at], first, limits, places);
    cut(&runs[at..], first + at, limits, places);
}

/// Cuts at two places at once: what changed and changed back hardly shows in halves (Olshen et al. 2004). There are
/// more such looks, and each is held to less.
fn cut_out(runs: &[Visit], first: usize, limits: Criteria, places: &mut Vec<usize>) {
    let apart = runs.len().div_ceil(GRID).max(1);
    let ends: Vec<_> = (0..runs.len()).step_by(apart).chain([runs.len()]).collect();
    let limits = limits_of_each(ends.len() / 2, limits);
    let mut best = None;
    for (nth, &from) in ends.iter().enumerate().skip(1) {
        for &to in ends[nth + 1..].iter().take_while(|to| **to < runs.len()) {
            let outside = [&runs[..from], &runs[to..]].concat();
            let Some(comparison) = compare(&outside, &runs[from..to], limits) else { continue };
            let clear = clearness(&comparison);
            if is_called(&comparison) && best.is_none_or(|(most, _, _)| clear > most) {
                best = Some((clear, from, to));
            }
        }
    }
    let Some((_, from, to)) = best else { return };
    places.extend([first + from, first + to]);
    for (start, end) in [(0, from), (from, to), (to, runs.len())] {
        cut(&runs[start..end], first + start, limits, places);
    }
}

fn compare(before: &[Visit], after: &[Visit], limits: Criteria) -> Option<Comparison> {
    let sides = known(Noise::unknown(), &[before, after]);
    match sides[..] {
        [Some(before), Some(after)] => Some(compare_known(&before, &after, limits)),
        _ => None,
    }
}

fn is_called(comparison: &Comparison) -> bool {
    matches!(comparison.verdict, Verdict::Greater | Verdict::Less)
}

/// The effect in widths of its interval.
fn clearness(comparison: &Comparison) -> f64 {
    let width = comparison.interval.map(|ends| ends.high.ln_1p() - ends.low.ln_1p());
    let effect = comparison.effect.map(|effect| effect.ln_1p().abs());
    effect.zip(width).map_or(0.0, |(effect, width)| effect / width.max(f64::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, StandardNormal};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// Twenty runs of five samples, 0.7 % apart, noise of 1 % within; `effect` from the eleventh on.
    fn runs(seed: u64, effect: f64) -> Vec<Visit> {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut normal = move || -> f64 { StandardNormal.sample(&mut random) };
        let run = |at: usize| {
            let rate = 100.0 * if at < 10 { 1.0 } else { 1.0 + effect };
            let rate = rate * (0.007 * normal()).exp();
            let samples: Vec<_> = (0..5).map(|_| rate * (0.01 * normal()).exp()).collect();
            Visit::of(&samples).unwrap()
        };
        (0..20).map(run).collect()
    }

    #[test]
    fn a_step_of_four_percent_is_found_and_none_where_there_is_none() {
        let limits = limits_of_each(20 * 19, Criteria::default());
        for seed in 0..20 {
            assert_eq!(changes(&runs(seed, 0.0), limits), [], "{seed}");
            let found = changes(&runs(100 + seed, -0.04), limits);
            assert_eq!(found.len(), 1, "{seed}: {found:?}");
            let Change { at, comparison } = found[0];
            assert!(at.abs_diff(10) <= 1, "{seed}: {at}");
            assert_eq!(comparison.verdict, Verdict::Less);
            assert!((comparison.effect.unwrap() + 0.04).abs() < 0.015, "{comparison:?}");
        }
    }

    /// Without the correction, chance makes steps in a few series of a thousand.
    #[test]
    fn many_looks_are_corrected_for() {
        let called = |limits| {
            (0..300).filter(|seed| !changes(&runs(1000 + seed, 0.0), limits).is_empty()).count()
        };
        let (plain, each) = (Criteria::default(), limits_of_each(19, Criteria::default()));
        let (plain, each) = (called(plain), called(each));
        assert!(each <= 3 && plain > 2 * each, "{plain} and {each} of 300");
    }

    #[test]
    fn two_steps_are_two_and_too_little_is_none() {
        let mut up_and_down = runs(7, 0.08);
        up_and_down.extend(runs(8, 0.0));
        let limits = limits_of_each(39, Criteria::default());
        let places: Vec<_> = changes(&up_and_down, limits).iter().map(|step| step.at).collect();
        assert_eq!(places, [10, 20]);
        assert_eq!(changes(&up_and_down[9..11], limits), []);
        assert_eq!(changes(&[], limits), []);
    }
}
