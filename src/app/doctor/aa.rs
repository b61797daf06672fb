//! The same thing measured again and again, each time in a fresh worker, through the ordinary runner: by
//! how much do runs differ that should not? The derivation is in `docs/roofline.md`.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::axis::AXES;
use crate::error::Error;
use crate::journal::{Kept, RunFacts};
use crate::ledger::Priors;
use crate::machine::{Floors, Host};
use crate::plan::{self, Plan, Planned, Sweep};
use crate::report::Report;
use crate::runner::{End, Orders, Runner, Spawn};
use crate::setup::Model;
use crate::stats::Estimate;
use crate::stats::interval::{count, t_quantile};
use crate::stats::stopping::Rule;
use crate::stats::verdict::{Comparison, Criteria, Verdict, compare};
use crate::units::Nanos;
use crate::work::Work;

/// Tokens of the prompt: a fraction of a second on a small machine.
const PROMPT: u32 = 64;
/// Tokens to generate.
const GENERATE: u32 = 16;
/// Fewest runs, however long they take.
const LEAST_RUNS: u64 = 4;

/// A model compared with itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SelfTest {
    /// How often it was measured, each time in a fresh worker.
    pub runs: u64,
    /// How long that took.
    pub took: Option<Nanos>,
    /// The tests, prompt and generation.
    pub tests: Vec<Test>,
    /// Why there are no more runs, where a run failed.
    pub failure: Option<String>,
}

/// One test, over all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    /// Its name, e.g. `pp64`.
    pub name: String,
    /// What it is the speed of, in words.
    pub what: &'static str,
    /// Mean speed, in tokens per second.
    pub mean_ts: f64,
    /// Neighbouring runs, compared by the rules of `lbench compare`.
    pub pairs: Vec<Comparison>,
    /// How the runs differ.
    pub noise: RunNoise,
}

/// How runs of the same thing differ. Shares of the speed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RunNoise {
    /// Standard deviation of the samples within a run.
    pub within: f64,
    /// Standard deviation of the runs' means.
    pub between: f64,
    /// The floor for comparisons: the standard deviation between runs, beyond what the samples within them
    /// explain.
    pub floor: f64,
    /// What the difference of two runs stays below 95 times out of 100.
    pub below_95: f64,
    /// The difference that a comparison with this floor calls every other time, at the default number
    /// of samples; a greater one more often.
    pub called_from: f64,
}

/// When a row has been measured enough here.
pub fn rule() -> Rule {
    let max_time = Nanos(1_000_000_000);
    Rule::Precision { min_samples: 5, target: 0.01, max_samples: 12, max_time }
}

/// A short prompt and a short generation with every setting at its default; what the model has of them.
///
/// # Errors
/// When they cannot be planned.
pub fn plan(model: &Model, host: &Host) -> Result<Plan, Error> {
    let axes = AXES.iter().map(|axis| vec![axis.default(host)]).collect();
    let works = vec![Work::prompt(PROMPT), Work::generate(GENERATE)];
    let sweep = Sweep {
        models: vec![model.clone()],
        axes,
        works,
        texts: Vec::new(),
        reference: None,
        collapse: true,
    };
    let mut plan = plan::expand(&sweep, host)?;
    if plan.measured().next().is_some() {
        plan.jobs.retain(Planned::is_possible);
    }
    Ok(plan)
}

/// How the workers of a run are started, where that is another way in each.
pub type Respawn<'a> = &'a dyn Fn(u64) -> Spawn;

/// Measures the plan until the time is up.
///
/// # Errors
/// When no worker can be started, or the user ends it. A row that fails is told in the result.
pub fn run(
    quick: bool,
    respawn: Option<Respawn<'_>>,
    runner: &mut Runner,
    plan: &Plan,
    host: &Host,
) -> Result<SelfTest, Error> {
    let (budget, most) = if quick { (20.0, 8) } else { (60.0, 24) };
    let start = Instant::now();
    let mut test = SelfTest::default();
    let mut rates: Vec<Vec<Vec<f64>>> = vec![Vec::new(); plan.jobs.len()];
    while test.runs < most
        && (test.runs % 2 == 1 || another_pair(test.runs, start.elapsed(), budget))
    {
        if let Some(respawn) = respawn {
            runner.set_spawn(respawn(test.runs));
        }
        match once(runner, plan, host)? {
            Ok(rows) => rates.iter_mut().zip(rows).for_each(|(all, row)| all.push(row)),
            Err(cause) => {
                test.failure = Some(cause);
                break;
            }
        }
        test.runs += 1;
    }
    test.took = Some(start.elapsed().into());
    for (planned, rates) in plan.jobs.iter().zip(&rates) {
        let what =
            if planned.job.work.class() == "prompt" { "prompt speed" } else { "generation speed" };
        test.tests.extend(Test::of(planned.job.work.test_name(), what, rates));
    }
    Ok(test)
}

/// Whether there is time for two runs more, if they take as long as those before.
fn another_pair(runs: u64, elapsed: Duration, budget: f64) -> bool {
    let each = elapsed.as_secs_f64() / count(usize::try_from(runs).unwrap_or(0)).max(1.0);
    runs < LEAST_RUNS || elapsed.as_secs_f64() + 2.0 * each <= budget
}

/// The samples of each row of one run, in tokens per second, or why there are none.
fn once(
    runner: &mut Runner,
    plan: &Plan,
    host: &Host,
) -> Result<Result<Vec<Vec<f64>>, String>, Error> {
    let facts = RunFacts {
        version: String::new(),
        host: host.clone(),
        stop: rule(),
        bound: crate::journal::Bound::default(),
        cold: 0,
        interleave: None,
        priors: Priors::default(),
        roofs: Vec::new(),
        links: Vec::new(),
        process: crate::setup::Process::default(),
    };
    let mut report = Report::new(plan.clone(), facts);
    let (kept, priors) = (Kept::default(), Priors::default());
    let orders = Orders { plan, kept: &kept, priors: &priors };
    let (end, _) = runner.run(orders, &mut |record| {
        report.fold(record);
        Ok(())
    })?;
    if end == End::Interrupted {
        return Err(Error::Interrupted);
    }
    let rows = (0..report.len()).map(|index| {
        let row = report.row(index);
        match row.cause() {
            Some(cause) => Err(format!("{}: {cause}", row.job.work.test_name())),
            None => Ok(row.summary.values.clone()),
        }
    });
    Ok(rows.collect())
}

impl Test {
    fn of(name: String, what: &'static str, runs: &[Vec<f64>]) -> Option<Self> {
        let all: Vec<_> = runs.concat();
        let pairs = runs.chunks_exact(2);
        Some(Self {
            name,
            what,
            mean_ts: Estimate::of(&all)?.mean,
            pairs: pairs.map(|pair| compare(&pair[0], &pair[1], Criteria::default())).collect(),
            noise: RunNoise::of(runs)?,
        })
    }

    /// Pairs with this verdict.
    pub fn called(&self, verdict: Verdict) -> usize {
        self.pairs.iter().filter(|pair| pair.verdict == verdict).count()
    }
}

impl RunNoise {
    /// Of the samples of each run; `None` with fewer than two runs, or two samples in one of them.
    pub fn of(runs: &[Vec<f64>]) -> Option<Self> {
        let mut means = Vec::new();
        let (mut squares, mut freedom, mut explained) = (0.0, 0.0, 0.0);
        for run in runs {
            let logs: Vec<_> = run.iter().map(|rate| rate.ln()).collect();
            let Estimate { mean, sd, n } = Estimate::of(&logs)?;
            let variance = sd?.powi(2);
            means.push(mean);
            squares += variance * (count(n) - 1.0);
            freedom += count(n) - 1.0;
            explained += variance / count(n);
        }
        let between = Estimate::of(&means)?.sd?;
        let within = (squares / freedom).sqrt();
        let beyond = (between.powi(2) - explained / count(runs.len())).max(0.0);
        let floor = beyond.sqrt();
        let reach = t_quantile(0.95, count(means.len()) - 1.0)?;
        Some(Self {
            within,
            between,
            floor,
            below_95: (reach * between * 2.0_f64.sqrt()).exp_m1(),
            called_from: called_from(within, floor)?.exp_m1(),
        })
        .filter(|noise| noise.within.is_finite() && noise.between.is_finite())
    }
}

/// The difference of logarithms at which the interval of a comparison just excludes zero, of two rows
/// with this noise that were measured as long as the default rule would.
fn called_from(within: f64, floor: f64) -> Option<f64> {
    let n = default_samples(within);
    // Samples with just this standard deviation; of an odd number, one is the mean.
    let away = within * ((count(n) - 1.0) / count(n / 2 * 2)).sqrt();
    let logs = (0..n).map(|at| match at {
        0 if n % 2 == 1 => 0.0,
        at if at % 2 == 0 => away,
        _ => -away,
    });
    let series: Vec<_> = logs.map(f64::exp).collect();
    // The default floor is the least only for those who know no better.
    let limits = Criteria { floor, floor_known: true, ..Criteria::default() };
    let interval = compare(&series, &series, limits).interval?;
    Some(interval.high.ln_1p().max(limits.threshold.ln_1p()))
}

/// Samples after which the default rule stops at this noise.
fn default_samples(within: f64) -> usize {
    let Rule::Precision { min_samples, target, max_samples, .. } = Rule::default() else {
        return 5;
    };
    let (least, most) = (min_samples as usize + 1, max_samples as usize);
    let narrow = |n: &usize| {
        let n = count(*n);
        let reach = t_quantile(0.95, n - 1.0).unwrap_or(f64::INFINITY);
        reach * within / n.sqrt() * (1.0 + 2.0 / n) <= target
    };
    (least..most).find(narrow).unwrap_or(most)
}

impl SelfTest {
    /// The floors for comparisons, where both tests came to one.
    pub fn floors(&self) -> Option<Floors> {
        let mut floors = self.tests.iter().map(|test| test.noise.floor);
        Some(Floors { prompt: floors.next()?, generate: floors.next()? })
    }

    /// What it all comes to, in a sentence.
    pub fn conclusion(&self) -> String {
        let parts = self.tests.iter();
        let parts: Vec<_> = parts
            .map(|test| format!("{} in {}", percent(test.noise.below_95), test.what))
            .collect();
        match (parts.is_empty(), &self.failure) {
            (true, failure) => {
                let why = failure.as_deref().unwrap_or("there are too few runs");
                format!("How small a difference this machine can resolve is not known: {why}.")
            }
            (false, _) => format!(
                "On this machine, differences below about {} cannot be told from noise.",
                parts.join(" and ")
            ),
        }
    }
}

/// A share in percent; nothing is known to be better than a tenth, and more than all is a factor.
pub fn percent(share: f64) -> String {
    if share < 1.0 {
        format!("{:.1} %", (share * 100.0).max(0.1))
    } else {
        format!("a factor of {:.1}", share + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, Normal};

    use super::*;

    #[test]
    fn doctor_finds_the_floor_that_it_is_given() {
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(7);
        let mut draw = |sd: f64| Normal::new(0.0, sd).unwrap().sample(&mut rng);
        let (mut floors, mut inside, mut all) = (0.0, 0, 0);
        for _ in 0..200 {
            let mut run = || {
                let offset = draw(0.01);
                (0..6).map(|_| 100.0 * (offset + draw(0.005)).exp()).collect::<Vec<_>>()
            };
            let runs: Vec<_> = (0..12).map(|_| run()).collect();
            let noise = RunNoise::of(&runs).unwrap();
            floors += noise.floor / 200.0;
            // Two runs more: is their difference below the limit?
            let mean = |run: Vec<f64>| run.iter().map(|x| x.ln()).sum::<f64>() / 6.0;
            let difference = mean(run()) - mean(run());
            inside += usize::from(difference.abs().exp_m1() < noise.below_95);
            all += 1;
        }
        assert!((floors - 0.01).abs() < 0.001, "{floors}");
        assert!((0.91..=0.99).contains(&(count(inside) / count(all))), "{inside} of {all}");
    }

    #[test]
    fn doctor_keeps_to_its_time() {
        let seconds = Duration::from_secs;
        assert!(another_pair(0, seconds(0), 20.0) && another_pair(2, seconds(100), 20.0));
        assert!(another_pair(4, seconds(13), 20.0));
        assert!(!another_pair(4, seconds(14), 20.0) && !another_pair(6, seconds(21), 20.0));
    }

    #[test]
    fn doctor_without_noise_has_no_floor() {
        let noise = RunNoise::of(&[vec![100.0; 5], vec![100.0; 5]]).unwrap();
        assert_eq!((noise.floor, noise.below_95), (0.0, 0.0));
        assert!((noise.called_from - 0.01).abs() < 1e-9, "{noise:?}");
        assert_eq!(RunNoise::of(&[vec![100.0; 5]]), None);
        assert_eq!(RunNoise::of(&[vec![100.0], vec![101.0]]), None);
    }

    #[test]
    fn doctor_knows_what_a_comparison_calls() {
        // What it says is called is, and a little less is not.
        let around =
            |mean: f64| [-1.0, 1.0, -1.0, 1.0, -1.0, 1.0].map(|z| mean * (1.0 + 0.003 * z));
        let sd = Estimate::of(&around(1.0).map(f64::ln)).unwrap().sd.unwrap();
        assert_eq!(default_samples(sd), 6);
        let limits = Criteria { floor: 0.004, floor_known: true, ..Criteria::default() };
        let from = called_from(sd, limits.floor).unwrap();
        for (factor, verdict) in [(1.05, Verdict::Greater), (0.95, Verdict::Unclear)] {
            let new = around((factor * from).exp());
            assert_eq!(compare(&around(1.0), &new, limits).verdict, verdict, "{factor}");
        }
    }
}
