//! What the statistics promise, shown on simulated machines whose truth is known. All seeded.
//!
//! The figures of `docs/statistics.md` come from
//! `cargo test --release --no-default-features --test statistics -- --ignored --nocapture`.

use lbench::stats::interval::Interval;
use lbench::stats::steady::{Steady, Warmth};
use lbench::stats::stopping::{Rule, StopReason, Stopping};
use lbench::stats::verdict::{Limits, Verdict, compare};
use lbench::units::Nanos;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_pcg::Pcg64Mcg;

const SEED: u64 = 20_260_101;
const TRUTH: f64 = 100.0;

/// How a machine is noisy: shares of a run's rate.
#[derive(Clone, Copy)]
struct Noise {
    sd: f64,
    /// Correlation of a run with the one before it.
    rho: f64,
    /// Share of the runs that are slow, and how much longer these take.
    slow: (f64, f64),
}

impl Noise {
    const fn normal(sd: f64) -> Self {
        Self { sd, rho: 0.0, slow: (0.0, 0.0) }
    }
}

/// Noise of 1 %, felt by the next run too, and a run in a hundred that takes 10 % longer.
const REALISTIC: Noise = Noise { sd: 0.01, rho: 0.3, slow: (0.01, 0.10) };

/// A machine that measures a rate of `mean`.
struct Machine {
    rng: Pcg64Mcg,
    noise: Noise,
    mean: f64,
    felt: f64,
}

impl Machine {
    fn new(seed: u64, noise: Noise, mean: f64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(SEED ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let start: f64 = StandardNormal.sample(&mut rng);
        Self { rng, noise, mean, felt: start * noise.sd }
    }

    fn rate(&mut self) -> f64 {
        let Noise { sd, rho, slow } = self.noise;
        let fresh: f64 = StandardNormal.sample(&mut self.rng);
        self.felt = rho * self.felt + fresh * sd * (1.0 - rho * rho).sqrt();
        let hit = self.rng.random::<f64>() < slow.0;
        let longer = if hit { 1.0 + slow.1 } else { 1.0 };
        self.mean * (1.0 + self.felt) / longer
    }

    fn rates(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.rate()).collect()
    }

    /// A row, measured by the default rule, with no bound on time.
    fn row(&mut self) -> Vec<f64> {
        let Rule::Precision { min_samples, target, max_samples, .. } = Rule::default() else {
            unreachable!("the default is a precision")
        };
        let mut stopping = Stopping::new(Rule::Precision {
            min_samples,
            target,
            max_samples,
            max_time: Nanos(u64::MAX),
        });
        while stopping.push(self.rate(), Nanos(0)).is_none() {}
        stopping.rates().to_vec()
    }

    /// By how much this run of the same thing is off: 0.3 to 0.5 %, up or down.
    fn offset(&mut self) -> f64 {
        let size = 0.003 + 0.002 * self.rng.random::<f64>();
        if self.rng.random() { size } else { -size }
    }
}

fn share(hits: usize, of: u64) -> f64 {
    f64::from(u32::try_from(hits).unwrap()) / f64::from(u32::try_from(of).unwrap())
}

/// Share of rows whose interval holds `truth`, and the mean number of samples.
fn coverage(noise: Noise, truth: f64, runs: u64) -> (f64, f64) {
    let (mut held, mut samples) = (0, 0);
    for seed in 0..runs {
        let row = Machine::new(seed, noise, TRUTH).row();
        samples += row.len();
        let interval = Interval::of_mean(&row, 0.95).unwrap();
        held += usize::from(interval.contains(truth));
    }
    (share(held, runs), share(samples, runs))
}

/// Shares of FASTER, SLOWER, SAME, UNCLEAR over pairs of rows whose rates differ by `effect`.
fn verdicts(noise: Noise, effect: f64, offsets: bool, pairs: u64) -> [f64; 4] {
    let mut counts = [0; 4];
    for pair in 0..pairs {
        let mut a = Machine::new(2 * pair, noise, TRUTH);
        let mut b = Machine::new(2 * pair + 1, noise, TRUTH * (1.0 + effect));
        if offsets {
            b.mean *= 1.0 + b.offset();
        }
        let floor = if offsets { 0.005 } else { 0.003 };
        let limits = Limits { floor, floor_may_rise: false, ..Limits::default() };
        let verdict = compare(&a.row(), &b.row(), limits).verdict;
        let place = match verdict {
            Verdict::Faster => 0,
            Verdict::Slower => 1,
            Verdict::Same => 2,
            Verdict::Unclear => 3,
        };
        counts[place] += 1;
    }
    counts.map(|count| share(count, pairs))
}

#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    for (sd, most) in [(0.005, 7.0), (0.01, 11.0), (0.02, 27.0), (0.05, 125.0)] {
        let (held, n) = coverage(Noise::normal(sd), TRUTH, 1000);
        assert!((0.93..=0.97).contains(&held), "noise {sd}: {held}");
        assert!(n < most, "noise {sd}: {n} samples");
    }
}

#[test]
fn the_same_thing_twice_is_hardly_ever_called_different() {
    let [faster, slower, ..] = verdicts(REALISTIC, 0.0, true, 1000);
    assert!(faster + slower <= 0.01, "{faster} {slower}");
}

#[test]
fn three_percent_slower_is_seen() {
    let [faster, slower, ..] = verdicts(Noise::normal(0.01), -0.03, false, 100);
    assert!(slower >= 0.95 && faster == 0.0, "{slower} {faster}");
    let [faster, slower, ..] = verdicts(Noise::normal(0.01), 0.03, false, 100);
    assert!(faster >= 0.95 && slower == 0.0, "{faster} {slower}");
}

#[test]
fn on_a_quiet_machine_the_same_is_called_the_same() {
    let [faster, slower, same, _] = verdicts(Noise::normal(0.002), 0.0, false, 200);
    assert!(faster + slower == 0.0 && same > 0.75, "{same}");
}

/// How many times longer than a warm run the run with this number takes.
type Ramp = fn(i32) -> f64;

/// Factors of the runs after warm-up, and how the warm-up ended.
fn warm_up(ramp: Ramp, noise: Noise, seed: u64) -> (f64, Warmth, i32) {
    let mut machine = Machine::new(seed, noise, 1.0);
    let mut steady = Steady::new(Steady::TOLERANCE, 20, Nanos(u64::MAX));
    for run in 0.. {
        let seconds = ramp(run) / machine.rate();
        let ns = Nanos::from(std::time::Duration::from_secs_f64(seconds));
        let warmth = steady.push(ns);
        if warmth != Warmth::Continue {
            return (ramp(run + 1), warmth, run + 1);
        }
    }
    unreachable!("the warm-up is bounded")
}

#[test]
fn a_warm_up_ramp_never_enters_a_mean() {
    let steep: [(&str, Ramp); 3] = [
        ("two cold runs", |run| [25.0, 1.7].get(run.unsigned_abs() as usize).map_or(1.0, |f| *f)),
        ("one cold run", |run| if run == 0 { 6.0 } else { 1.0 }),
        ("halving", |run| if run < 6 { 2_f64.powi(6 - run) } else { 1.0 }),
    ];
    for (name, ramp) in steep {
        for sd in [0.0, 0.005, 0.01, 0.05, 0.10] {
            for seed in 0..250 {
                let (left, warmth, runs) = warm_up(ramp, Noise::normal(sd), seed);
                assert!((left - 1.0).abs() < 1e-9, "{name}, noise {sd}: {left} left");
                assert!(warmth == Warmth::Steady && runs <= 15, "{name}, noise {sd}: {runs}");
            }
        }
    }
}

#[test]
fn a_slow_ramp_leaves_little() {
    for seed in 0..1000 {
        let slow = |run| 1.0 + 3.0 * (-f64::from(run) / 1.5).exp();
        let (left, warmth, _) = warm_up(slow, Noise::normal(0.005), seed);
        assert!(left < 1.06 && warmth == Warmth::Steady, "{left}");
    }
}

#[test]
fn a_cap_ends_what_precision_cannot() {
    let end = |max_samples, max_time| {
        let mut machine = Machine::new(1, Noise::normal(0.2), TRUTH);
        let mut stopping = Stopping::new(Rule::Precision {
            min_samples: 5,
            target: 0.01,
            max_samples,
            max_time: Nanos(max_time),
        });
        let ends = (1..).find_map(|n| Some((n, stopping.push(machine.rate(), Nanos(n))?)));
        ends.unwrap()
    };
    assert_eq!(end(50, 1000), (50, StopReason::MaxSamples));
    assert_eq!(end(50, 30), (30, StopReason::MaxTime));
    assert_eq!(end(50, 1), (5, StopReason::MaxTime));
}

#[test]
#[ignore = "prints the figures of docs/statistics.md"]
fn figures() {
    println!("seed {SEED}; coverage and mean n, 1,000 rows and 20,000 rows");
    for sd in [0.005, 0.01, 0.015, 0.02, 0.03, 0.05] {
        let few = coverage(Noise::normal(sd), TRUTH, 1000);
        let many = coverage(Noise::normal(sd), TRUTH, 20_000);
        println!("  normal {sd}: {few:.3?} {many:.3?}");
    }
    for sd in [0.005, 0.01, 0.02, 0.05] {
        let slow = (0.02, 0.20);
        let noise = Noise { slow, ..Noise::normal(sd) };
        let mean = TRUTH * (1.0 - slow.0 + slow.0 / (1.0 + slow.1));
        let (of_all, n) = coverage(noise, mean, 20_000);
        let (of_most, _) = coverage(noise, TRUTH, 20_000);
        println!("  outliers {sd}: mean of all {of_all:.3}, of the usual {of_most:.3}, n {n:.1}");
    }
    for sd in [0.005, 0.01, 0.02, 0.05] {
        let (held, n) = coverage(Noise { rho: 0.3, ..Noise::normal(sd) }, TRUTH, 20_000);
        println!("  correlated {sd}: {held:.3}, n {n:.1}");
    }
    println!("faster, slower, same, unclear");
    let one = Noise::normal(0.01);
    let two = Noise { sd: 0.02, ..REALISTIC };
    for pairs in [1000, 20_000] {
        println!("  {pairs} A/A realistic: {:.4?}", verdicts(REALISTIC, 0.0, true, pairs));
        println!("  {pairs} A/A realistic 2 %: {:.4?}", verdicts(two, 0.0, true, pairs));
        println!("  {pairs} A/A quiet: {:.4?}", verdicts(Noise::normal(0.002), 0.0, false, pairs));
        println!("  {pairs} A/A plain: {:.4?}", verdicts(one, 0.0, false, pairs));
    }
    for pairs in [100, 20_000] {
        println!("  {pairs} 3 % slower: {:.4?}", verdicts(one, -0.03, false, pairs));
        println!("  {pairs} 3 % slower, offsets: {:.4?}", verdicts(one, -0.03, true, pairs));
        println!(
            "  {pairs} 3 % slower, realistic: {:.4?}",
            verdicts(REALISTIC, -0.03, true, pairs)
        );
        println!(
            "  {pairs} 5 % slower, realistic: {:.4?}",
            verdicts(REALISTIC, -0.05, true, pairs)
        );
        println!("  {pairs} 2 % slower: {:.4?}", verdicts(one, -0.02, false, pairs));
    }
}
