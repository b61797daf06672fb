//! Worth of a row: what a row is worth: the error of a mean over visits, each visit a process of its own.
//!
//! Two processes that measure the same thing differ by more than the samples within them: another
//! placement in memory, another state of the card, another minute. So a row is visited several times,
//! and its error has two parts. All of it is on the scale of natural logarithms, where 0.01 is 1 % of the
//! value:
//!
//! ```text
//! log value of a sample = row + visit + sample      visit ~ (0, τ²), sample ~ (0, σ²)
//! error²(row) = Σ wᵢ² (τ² + σ²/n_eff,ᵢ) / (Σ wᵢ)²     wᵢ = 1 / (τ² + σ²/n_eff,ᵢ)
//! ```
//!
//! Two or three visits say little of τ. It is therefore taken from three sources, each weighted with its
//! degrees of freedom (a scaled inverse χ² prior and its posterior; Gelman et al., *Bayesian Data
//! Analysis*, 2.6): what is known of the machine, the other rows of the same class in this run, and the
//! row's own visits. Neighbours count for at most six degrees of freedom, since rows of one
//! class differ: a quiet row cannot make a noisy one look quiet (as in Smyth 2004, for genes).

use std::f64::consts::SQRT_2;

use serde::{Deserialize, Serialize};

use super::Estimate;
use super::interval::{count, effective_n};
use super::known::Known;
use super::noise::{Deviation, Noise, Squares};

/// Most degrees of freedom with which other rows and earlier runs speak for a row. Six let the rows of a
/// class differ in their standard deviation by a factor of 1.4, up or down (one standard deviation of
/// its logarithm, ½ √ψ′(3)).
const NEIGHBOURS: f64 = 6.0;

/// The same for the noise of single samples, in which the rows of a class differ by more.
const NEIGHBOURS_WITHIN: f64 = 2.0;

/// One row in one process: what its samples say, on the scale of natural logarithms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Mean of the logarithms of the values.
    pub log_mean: f64,
    /// Standard deviation of the logarithms (n − 1); `None` for a single sample.
    pub sd: Option<f64>,
    /// Number of samples.
    pub n: usize,
    /// Number of independent samples that would know the mean as well ([`effective_n`]).
    pub n_eff: f64,
}

impl Visit {
    /// The visit with these values, in order; `None` if there are none, or one is not positive.
    pub fn of(values: &[f64]) -> Option<Self> {
        let logs: Vec<_> = values.iter().map(|value| value.ln()).collect();
        if logs.iter().any(|log| !log.is_finite()) {
            return None;
        }
        let Estimate { mean, sd, n } = Estimate::of(&logs)?;
        Some(Self { log_mean: mean, sd, n, n_eff: effective_n(&logs) })
    }

    /// Standard error of the mean as far as the visit's own samples tell; `None` for a single one.
    pub fn error(&self) -> Option<f64> {
        self.sd.map(|sd| sd / self.n_eff.sqrt())
    }

    /// Degrees of freedom of that error.
    pub fn freedom(&self) -> f64 {
        (self.n_eff - 1.0).max(0.0)
    }
}

/// A visit, or the difference of two.
#[derive(Debug, Clone, Copy)]
struct VisitPoint {
    mean: f64,
    /// Of the samples around the mean of their visit.
    within: Squares,
    /// 1 / n, of a difference the sum of both: its variance in units of σ², were samples independent.
    per_sample: f64,
    /// The same with `1 / n_eff`.
    per_independent: f64,
}

impl From<Visit> for VisitPoint {
    fn from(visit: Visit) -> Self {
        let freedom = visit.sd.map_or(0.0, |_| visit.freedom());
        Self {
            mean: visit.log_mean,
            within: Squares { sum: visit.sd.unwrap_or(0.0).powi(2) * freedom, freedom },
            per_sample: 1.0 / count(visit.n),
            per_independent: 1.0 / visit.n_eff,
        }
    }
}

impl From<(Visit, Visit)> for VisitPoint {
    /// By how much the second is greater.
    fn from((baseline, new): (Visit, Visit)) -> Self {
        let (a, b) = (Self::from(baseline), Self::from(new));
        Self {
            mean: b.mean - a.mean,
            within: Squares::all([a.within, b.within]),
            per_sample: a.per_sample + b.per_sample,
            per_independent: a.per_independent + b.per_independent,
        }
    }
}

/// Of points around their mean, beyond what the samples behind each explain.
fn between(points: &[VisitPoint], sigma: Deviation) -> Squares {
    let means: Vec<_> = points.iter().map(|point| point.mean).collect();
    let Some(Estimate { sd: Some(sd), n, .. }) = Estimate::of(&means) else {
        return Squares::default();
    };
    let errors = points.iter().map(|point| sigma.sd.powi(2) * point.per_independent);
    let explained = errors.sum::<f64>() / count(n);
    let freedom = count(n) - 1.0;
    Squares { sum: freedom * (sd.powi(2) - explained), freedom }
}

fn points<R: AsRef<[V]>, V: Copy + Into<VisitPoint>>(rows: &[R]) -> Vec<Vec<VisitPoint>> {
    rows.iter().map(|row| row.as_ref().iter().map(|visit| (*visit).into()).collect()).collect()
}

/// What is known of the rows of one class, each given by its visits; `None` for a row without any.
/// `prior` is what was known before this run.
///
/// For each row the others speak with the prior, both together with at most six degrees of freedom, and
/// its own visits with theirs.
pub fn known<R: AsRef<[Visit]>>(prior: Noise, rows: &[R]) -> Vec<Option<Known>> {
    ClassRows::of(prior, points(rows)).known()
}

/// The same of the differences between two sides that were visited in turn: pairs of a baseline's visit
/// and one of the new side in the same round. `prior` is about visits, as in [`known`]; `log_mean` of
/// the result is the logarithm of the ratio, and its `between` is about differences.
pub fn differences<R: AsRef<[(Visit, Visit)]>>(prior: Noise, rows: &[R]) -> Vec<Option<Known>> {
    let Deviation { sd, freedom } = prior.between;
    let between = Deviation { sd: sd * SQRT_2, freedom };
    ClassRows::of(Noise { between, ..prior }, points(rows)).known()
}

/// Rows of one class with their sums of squares and the noise of the samples in each.
struct ClassRows {
    prior: Noise,
    rows: Vec<Vec<VisitPoint>>,
    within: Vec<Squares>,
    sigmas: Vec<Deviation>,
    between: Vec<Squares>,
}

impl ClassRows {
    fn of(prior: Noise, rows: Vec<Vec<VisitPoint>>) -> Self {
        let within: Vec<_> =
            rows.iter().map(|row| Squares::all(row.iter().map(|point| point.within))).collect();
        let all = Squares::all(within.iter().copied());
        // Never quieter than its own samples are: neighbours only speak where these are few.
        let sigma = |own: &Squares| {
            let others = prior.within.and(all.without(*own)).at_most(NEIGHBOURS_WITHIN);
            let together = others.and(*own);
            let by_itself = if own.freedom > 0.0 { (own.sum / own.freedom).sqrt() } else { 0.0 };
            Deviation { sd: together.sd.max(by_itself), ..together }
        };
        let sigmas: Vec<_> = within.iter().map(sigma).collect();
        let pairs = rows.iter().zip(&sigmas);
        let between = pairs.map(|(row, sigma)| between(row, *sigma)).collect();
        Self { prior, rows, within, sigmas, between }
    }

    fn known(&self) -> Vec<Option<Known>> {
        let all = Squares::all(self.between.iter().copied());
        let rows = self.rows.iter().zip(self.between.iter().zip(&self.sigmas));
        rows.map(|(row, (own, sigma))| {
            let others = self.prior.between.and(all.without(*own));
            Known::with(row, others.at_most(NEIGHBOURS).and(*own), *sigma)
        })
        .collect()
    }
}

impl Noise {
    /// What is known with the rows of a class, each given by its visits, in addition to what was known
    /// before.
    ///
    /// By the method of moments: with S² the variance of the means of a row's m visits and e² the mean
    /// square of their own errors, Σ (m − 1)(S² − e²) over the rows is τ² with Σ (m − 1) degrees of
    /// freedom. Rows with one visit tell of the noise within it only.
    #[must_use]
    pub fn pooled<R: AsRef<[Visit]>>(self, rows: &[R]) -> Self {
        let class = ClassRows::of(self, points(rows));
        Self {
            between: self.between.and(Squares::all(class.between)),
            within: self.within.and(Squares::all(class.within)),
        }
    }
}

impl Known {
    /// A row by itself: its visits, and what is known of such rows; `None` without visits.
    pub fn of(visits: &[Visit], noise: Noise) -> Option<Self> {
        known(noise, &[visits]).pop().flatten()
    }

    fn with(points: &[VisitPoint], between: Deviation, sigma: Deviation) -> Option<Self> {
        if points.is_empty() {
            return None;
        }
        let total = |of: &dyn Fn(&VisitPoint) -> f64| points.iter().map(of).sum::<f64>();
        // One correlation for all visits of the row: those of the same length weigh the same.
        let time = total(&|point| point.per_independent) / total(&|point| point.per_sample);
        let own = |point: &VisitPoint| sigma.sd.powi(2) * time * point.per_sample;
        let weight =
            |point: &VisitPoint| 1.0 / (between.sd.powi(2) + own(point)).max(f64::EPSILON.powi(2));
        let all = total(&weight);
        let share = |point: &VisitPoint| weight(point) / all;
        Some(Self {
            log_mean: total(&|point| share(point) * point.mean),
            visits: points.len(),
            between,
            left: total(&|point| share(point).powi(2)),
            within: Deviation {
                sd: total(&|point| share(point).powi(2) * own(point)).sqrt(),
                freedom: sigma.freedom,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Visits whose mean logarithms are these, each of two samples `within` apart.
    fn row(means: &[f64], within: f64) -> Vec<Visit> {
        let visit = |mean: &f64| {
            let half = within / 2.0;
            Visit::of(&[(mean - half).exp(), (mean + half).exp()]).unwrap()
        };
        means.iter().map(visit).collect()
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * (1.0 + b.abs())
    }

    #[test]
    fn a_visit_is_its_logarithms() {
        let visit = Visit::of(&[1.0, 1.0_f64.exp()]).unwrap();
        assert!(close(visit.log_mean, 0.5) && close(visit.error().unwrap(), 0.5));
        let one = Visit::of(&[2.0]).unwrap();
        assert_eq!((one.sd, one.error(), one.freedom()), (None, None, 0.0));
        for bad in [&[] as &[f64], &[0.0], &[1.0, -1.0], &[f64::NAN], &[f64::INFINITY]] {
            assert_eq!(Visit::of(bad), None);
        }
        let steps: Vec<_> = (0..40).map(|i| 100.0 + f64::from(i / 10)).collect();
        assert!(Visit::of(&steps).unwrap().freedom() < 8.0);
    }

    #[test]
    fn noise_between_visits_is_pooled_over_rows() {
        // Two rows of three visits, ±d around their means: S² = d² each, four degrees of freedom.
        let d = 0.02;
        let rows = [row(&[1.0, 1.0 + d, 1.0 - d], 0.0), row(&[5.0, 5.0 - d, 5.0 + d], 0.0)];
        let noise = Noise::unknown().pooled(&rows);
        assert!(close(noise.between.freedom, 5.0));
        assert!(close(noise.between.sd.powi(2), (1e-4 + 4.0 * d * d) / 5.0 - noise_taken(&rows)));
        assert!(close(noise.within.freedom, 7.0) && noise.within.sd < 0.004);
        // One visit each says nothing of it.
        let single = Noise::unknown().pooled(&[row(&[1.0], 0.01), row(&[2.0], 0.01)]);
        assert_eq!(single.between, Noise::unknown().between);
    }

    /// What the guess about samples that agree takes off τ² above: σ² / n, by Σ (m − 1) / freedom.
    fn noise_taken(rows: &[Vec<Visit>]) -> f64 {
        let sigma = ClassRows::of(Noise::unknown(), points(rows)).sigmas[0].sd;
        4.0 / 5.0 * sigma.powi(2) / 2.0
    }

    #[test]
    fn noise_within_visits_is_taken_off() {
        // Samples 4 % apart in visits 1 % apart: all of it is explained.
        let rows = vec![row(&[1.0, 1.01, 0.99], 0.04); 4];
        let noise = Noise::unknown().pooled(&rows);
        assert!(noise.between.sd < 0.004, "{noise:?}");
        let noise = Noise::unknown().pooled(&vec![row(&[1.0, 1.01, 0.99], 0.001); 4]);
        assert!(noise.between.sd > 0.009, "{noise:?}");
    }

    #[test]
    fn a_row_has_the_interval_of_a_textbook() {
        // A machine that is known, and samples without noise: ± 1.96 · 1 % / √4.
        let within = Deviation::given(0.0);
        let visits = row(&[1.0, 1.01, 0.99, 1.0], 0.0);
        let given = Known::of(&visits, Noise { between: Deviation::given(0.01), within }).unwrap();
        assert!((given.precision() - (1.959_964_f64 * 0.005).tanh()).abs() < 1e-8);
        let known = Deviation { sd: 0.01, freedom: 99.0 };
        let known = Known::of(&visits, Noise { between: known, within }).unwrap();
        // Six degrees of freedom at most from elsewhere, three of its own.
        assert!(close(known.between.freedom, 9.0) && close(known.left, 0.25));
        assert!(close(known.error(), (6.0 * 1e-4 + 2e-4_f64).sqrt() / 6.0));
        assert!(close(known.log_mean, 1.0) && close(known.freedom(), 9.0));
        let interval = known.interval(0.95).unwrap();
        assert!(close(interval.high.ln() - 1.0, 2.262_157_162_798_205 * known.error()));
        assert!(close(known.precision(), (2.262_157_162_798_205 * known.error()).tanh()));
        assert_eq!(Known::of(&[], Noise::unknown()), None);
    }

    #[test]
    fn one_visit_is_wide_on_a_machine_that_nobody_knows() {
        let one = Known::of(&row(&[1.0], 0.0), Noise::unknown()).unwrap();
        assert!((0.10..0.13).contains(&one.precision()), "{}", one.precision());
        let sample = Known::of(&[Visit::of(&[5.0]).unwrap()], Noise::unknown()).unwrap();
        assert!((0.06..0.13).contains(&sample.precision()), "{}", sample.precision());
        // Neighbours with several visits narrow it.
        let quiet = row(&[1.0, 1.002, 0.998], 0.0);
        let rows = [row(&[1.0], 0.0), quiet.clone(), quiet.clone(), quiet];
        let narrow = known(Noise::unknown(), &rows)[0].unwrap();
        assert!((0.005..0.012).contains(&narrow.precision()), "{}", narrow.precision());
    }

    #[test]
    fn a_quiet_row_does_not_quieten_a_noisy_one() {
        let quiet = row(&[1.0, 1.0005, 0.9995], 0.001);
        let noisy = row(&[1.0, 1.04, 0.96], 0.001);
        let rows = [quiet.clone(), quiet.clone(), quiet.clone(), quiet, noisy];
        let all = known(Noise::unknown(), &rows);
        let (quiet, noisy) = (all[0].unwrap(), all[4].unwrap());
        assert!(noisy.between.sd > 0.019, "{noisy:?}");
        assert!(quiet.between.sd < noisy.between.sd);
        // Its interval holds the worst of its visits' half.
        assert!(noisy.interval(0.95).unwrap().contains(1.02_f64.exp()));
    }

    #[test]
    fn long_visits_weigh_more_where_samples_are_the_noise() {
        let noise = Noise { between: Deviation::given(0.0), within: Deviation::given(0.05) };
        let long = Visit { log_mean: 1.0, sd: Some(0.05), n: 8, n_eff: 8.0 };
        let short = Visit { log_mean: 2.0, sd: Some(0.05), n: 2, n_eff: 2.0 };
        let known = Known::of(&[long, short], noise).unwrap();
        assert!((known.log_mean - 1.2).abs() < 0.12, "{known:?}");
    }

    #[test]
    fn more_visits_promise_more() {
        let noise = Noise::unknown().pooled(&vec![row(&[1.0, 1.01, 0.99], 0.001); 4]);
        let known = Known::of(&row(&[1.0, 1.01], 0.001), noise).unwrap();
        let after: Vec<_> = (0..6).map(|extra| known.after(extra)).collect();
        assert!(close(after[0], known.precision()));
        assert!(after.windows(2).all(|pair| pair[1] < pair[0]), "{after:?}");
        assert!((after[2] / after[0] - 0.68).abs() < 0.03, "{after:?}");
    }

    #[test]
    fn what_a_run_learnt_is_kept() {
        let noise = Noise::unknown().pooled(&vec![row(&[1.0, 1.01, 0.99], 0.001); 20]).kept();
        assert!(close(noise.between.freedom, 10.0));
        let text = serde_json::to_string(&noise).unwrap();
        assert_eq!(serde_json::from_str::<Noise>(&text).unwrap(), noise);
        let given = serde_json::to_string(&Deviation::given(0.01)).unwrap();
        assert_eq!(serde_json::from_str::<Deviation>(&given).unwrap(), Deviation::given(0.01));
    }
}
