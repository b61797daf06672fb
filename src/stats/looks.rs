//! Looks: a verdict that is waited for, round after round.
//!
//! Whoever looks after every round and stops at the first verdict stops where chance has made one. So an early
//! verdict must hold at a higher confidence than the last one, which then is worth almost what it says (Haybittle
//! 1971; Peto et al. 1976).

use super::Estimate;
use super::interval::{Interval, count};
use super::known::Known;
use super::noise::{Deviation, Noise};
use super::verdict::{Criteria, Verdict, compare_paired};
use super::visits::{self, Visit};

/// Confidence of an early FASTER or SLOWER.
const DIFFERENT: f64 = 0.9999;

/// Confidence of the interval that lies within the threshold for an early SAME.
const SAME: f64 = 0.98;

/// What is known of the differences of sides that are visited in turn: as [`visits::differences`], and never quieter
/// than a pair's own differences are. Quiet neighbours and a quiet past would have the wilder of many looks count.
pub fn differences<R: AsRef<[(Visit, Visit)]>>(prior: Noise, rows: &[R]) -> Vec<Option<Known>> {
    // Where no visit tells how its samples differ, the differences have all of that in them.
    let lone = |(a, b): &(Visit, Visit)| a.n == 1 && b.n == 1;
    let untold = rows.iter().all(|row| row.as_ref().iter().all(lone));
    let prior = if untold { Noise { within: Deviation::given(0.0), ..prior } } else { prior };
    let known = visits::differences(prior, rows);
    let wary = rows
        .iter()
        .zip(known)
        .map(|(row, known)| Some(known?.at_least(own(row.as_ref(), &known?))));
    wary.collect()
}

/// Standard deviation of a pair's own differences, beyond what the samples behind each explain.
fn own(row: &[(Visit, Visit)], known: &Known) -> f64 {
    let differences: Vec<_> = row.iter().map(|(a, b)| b.log_mean - a.log_mean).collect();
    let sd = Estimate::of(&differences).and_then(|all| all.sd).unwrap_or(0.0);
    (sd.powi(2) - count(row.len()) * known.within.sd.powi(2)).max(0.0).sqrt()
}

/// Whether a difference of sides that are visited in turn is so clear that nothing more need be measured.
pub fn is_clear(difference: &Known, limits: Criteria) -> bool {
    let at = |confidence| compare_paired(difference, Criteria { confidence, ..limits });
    match at(limits.confidence.max(DIFFERENT)).verdict {
        Verdict::Greater | Verdict::Less => true,
        Verdict::Same => {
            let trifle = Interval { low: -limits.threshold, high: limits.threshold };
            at(SAME).interval.is_some_and(|narrow| narrow.within(trifle))
        }
        Verdict::Unclear => false,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, StandardNormal};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    /// How a run of one pair ends: its verdict, and after how many rounds.
    fn run(seed: u64, effect: f64, (between, within): (f64, f64)) -> (Verdict, usize) {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let mut wander = 0.0;
        let mut visit = |effect: f64| {
            wander += 0.01 * normal();
            let rate = (4.6 + effect + between * normal()).exp();
            Visit::of(&[0; 4].map(|_: i32| rate * (within * normal()).exp())).unwrap()
        };
        let mut pairs = Vec::new();
        loop {
            pairs.push((visit(0.0), visit(effect.ln_1p())));
            let known = differences(Noise::unknown(), &[&pairs])[0].unwrap();
            let look = pairs.len() >= 4 && pairs.len() % 2 == 0;
            if pairs.len() == 12 || (look && is_clear(&known, Criteria::default())) {
                return (compare_paired(&known, Criteria::default()).verdict, pairs.len());
            }
        }
    }

    /// How many of so many runs end with each verdict: FASTER, SLOWER, SAME.
    fn verdicts(effect: f64, noise: (f64, f64), runs: u64) -> [usize; 3] {
        let runs: Vec<_> = (0..runs).map(|seed| run(seed, effect, noise).0).collect();
        let of = |verdict| runs.iter().filter(|one| **one == verdict).count();
        [Verdict::Greater, Verdict::Less, Verdict::Same].map(of)
    }

    #[test]
    fn the_same_thing_is_hardly_ever_called_different() {
        let noises = [(0.003, 0.005), (0.01, 0.01), (0.02, 0.01), (0.03, 0.01)];
        let called = noises.map(|noise| verdicts(0.0, noise, 400));
        let false_alarms: usize = called.iter().map(|[faster, slower, _]| faster + slower).sum();
        assert!(false_alarms <= 16, "1 % of 1,600: {called:?}");
        assert!(called[0][2] > 380, "{called:?}");
    }

    #[test]
    fn three_percent_are_seen_and_more_sooner() {
        let [faster, slower, same] = verdicts(-0.03, (0.005, 0.01), 200);
        assert!(slower >= 190 && faster + same == 0, "{slower}");
        let rounds = |effect| (0..50).map(|seed| run(seed, effect, (0.005, 0.01)).1).sum::<usize>();
        assert!(rounds(-0.2) < rounds(-0.05) && rounds(-0.05) < rounds(-0.02));
    }

    #[test]
    fn visits_of_one_sample_are_worth_what_they_differ_by() {
        let visit = |rate: f64| Visit::of(&[rate]).unwrap();
        let pair = |i: u32| {
            let off = f64::from(i * 7 % 12) / 1000.0 - 0.0055;
            (visit(100.0), visit(97.0 * (1.0 + off)))
        };
        let pairs: Vec<_> = (0..12).map(pair).collect();
        let known = differences(Noise::unknown(), &[&pairs])[0].unwrap();
        let found = compare_paired(&known, Criteria::default());
        assert_eq!(found.verdict, Verdict::Less);
        assert!(found.interval.is_some_and(|ends| ends.high - ends.low < 0.02), "{found:?}");
    }

    #[test]
    fn a_wild_pair_among_quiet_ones_stays_wild() {
        let visit = |mean: f64| Visit::of(&[mean.exp(), (mean + 1e-4).exp()]).unwrap();
        let pair = |wild: f64| -> Vec<_> {
            (0..6).map(|i| (visit(5.0), visit(5.0 + wild * f64::from(i % 2)))).collect()
        };
        let rows = [pair(0.001), pair(0.001), pair(0.001), pair(0.001), pair(0.05)];
        let known = differences(Noise::unknown(), &rows);
        let sd = |at: usize| known[at].unwrap().between.sd;
        assert!(sd(4) > 0.027 && sd(0) < sd(4), "{known:?}");
        assert_eq!(differences(Noise::unknown(), &[Vec::new()]), [None]);
    }
}
