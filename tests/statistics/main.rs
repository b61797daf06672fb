//! What the statistics promise, shown on simulated machines whose truth is known. All seeded.
//!
//! The figures of `docs/statistics.md` come from
//! `cargo test --release --no-default-features --test statistics -- --ignored --nocapture`.

mod runs;
mod sides;
mod turns;

use lbench::stats::interval::Interval;
use lbench::stats::steady::{Steady, Warmth};
use lbench::stats::stopping::{Rule, StopReason, Stopping};
use lbench::stats::warm::Warm;
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
        stopping.values().to_vec()
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

#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    for (sd, most) in [(0.005, 7.0), (0.01, 11.0), (0.02, 27.0), (0.05, 125.0)] {
        let (held, n) = coverage(Noise::normal(sd), TRUTH, 1000);
        assert!((0.93..=0.97).contains(&held), "noise {sd}: {held}");
        assert!(n < most, "noise {sd}: {n} samples");
    }
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

/// Ramps of tokens, and how much of them may be left.
const TOKEN_RAMPS: [(&str, Ramp); 5] = [
    ("two cold tokens", |token| [25.0, 1.7].get(token.unsigned_abs() as usize).map_or(1.0, |f| *f)),
    ("one cold token", |token| if token == 0 { 6.0 } else { 1.0 }),
    ("halving", |token| if token < 6 { 2_f64.powi(6 - token) } else { 1.0 }),
    ("3 e^(-k/1.5)", |token| 1.0 + 3.0 * (-f64::from(token) / 1.5).exp()),
    ("0.3 e^(-k/20)", |token| 1.0 + 0.3 * (-f64::from(token) / 20.0).exp()),
];

/// Factor of the token after warm-up, how the warm-up ended, and the tokens that it took, of 10 ms.
fn warm_tokens(ramp: Ramp, sd: f64, seed: u64) -> (f64, Warmth, usize) {
    let mut machine = Machine::new(seed, Noise::normal(sd), 1.0);
    let mut warm = Warm::new(256, Nanos(u64::MAX));
    for token in 0.. {
        let seconds = 0.01 * ramp(token) / machine.rate();
        let warmth = warm.push(Nanos::from(std::time::Duration::from_secs_f64(seconds)));
        if warmth != Warmth::Continue {
            return (ramp(token + 1), warmth, warm.tokens());
        }
    }
    unreachable!("the warm-up is bounded")
}

#[test]
fn a_generation_is_warm_after_some_tokens() {
    for (name, ramp) in &TOKEN_RAMPS[..4] {
        for sd in [0.0, 0.005, 0.01, 0.05, 0.10] {
            for seed in 0..100 {
                let (left, warmth, tokens) = warm_tokens(*ramp, sd, seed);
                assert!(left < 1.001, "{name}, noise {sd}: {left} left");
                assert!(warmth == Warmth::Steady && tokens <= 64, "{name}, noise {sd}: {tokens}");
            }
        }
    }
    // A clock that rises slowly is left to the first samples in part.
    for seed in 0..200 {
        let (left, warmth, tokens) = warm_tokens(TOKEN_RAMPS[4].1, 0.01, seed);
        assert!(left < 1.15 && warmth == Warmth::Steady && tokens <= 96, "{left} {tokens}");
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
fn figures_of_runs() {
    runs::figures();
    sides::figures();
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
    println!("tokens until warm: mean, share left, share given up");
    for (name, ramp) in TOKEN_RAMPS {
        for sd in [0.0, 0.01, 0.05, 0.10] {
            let all: Vec<_> = (0..2000).map(|seed| warm_tokens(ramp, sd, seed)).collect();
            let mean = |of: &dyn Fn(&(f64, Warmth, usize)) -> f64| {
                all.iter().map(of).sum::<f64>() / 2000.0
            };
            let tokens = mean(&|(_, _, tokens)| f64::from(u32::try_from(*tokens).unwrap()));
            let worst = all.iter().map(|(left, ..)| left - 1.0).fold(0.0, f64::max);
            let gave_up = mean(&|(_, warmth, _)| f64::from(u8::from(*warmth == Warmth::GaveUp)));
            println!("  {name:22} {sd}: {tokens:.1} tokens, {worst:.3} at worst, {gave_up:.3}");
        }
    }
}
