//! Whole runs on simulated machines: rows in rounds, each visit a process, and what is made of them.

use lbench::engine::scripted::noise::{Noise as Weather, Source, States, Wave};
use lbench::stats::known::Known;
use lbench::stats::noise::{Deviation, Noise};
use lbench::stats::stopping::{Rule, Stopping};
use lbench::stats::trend::{Moment, Trend};
use lbench::stats::verdict::{Comparison, Limits, Verdict, compare, compare_known, compare_paired};
use lbench::stats::visits::{Visit, differences, known};
use lbench::units::Nanos;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;

/// Seconds that a run of each row takes: two quick ones, and two that are sampled twice a visit.
pub const ROWS: [f64; 4] = [0.03, 0.1, 0.6, 3.0];

/// Seconds for a process to start and load.
const LOAD: f64 = 0.5;

/// Noise of 1 % in every sample.
const CALLS: Weather = Weather {
    sd: 0.01,
    correlation: 0.0,
    outliers: 0.0,
    shift: 0.0,
    states: None,
    wave: None,
    drift: 0.0,
};

/// Less of it, where something else is added.
const QUIET: Weather = Weather { sd: 0.005, ..CALLS };

/// A machine that takes up one process after the other.
pub struct Machine {
    weather: Weather,
    seed: u64,
    now: f64,
    process: u64,
    order: Pcg64Mcg,
}

/// The visits of each row, with the time of each.
type Rows = Vec<Vec<(Visit, f64)>>;

impl Machine {
    pub fn new(weather: Weather, seed: u64) -> Self {
        let seed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { weather, seed, now: 0.0, process: 0, order: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// A row in a new process: load, a run to warm up, and samples by the rule for visits.
    fn visit(&mut self, seconds: f64) -> (Visit, f64) {
        let mut noise = Source::new(self.weather, self.seed, self.process);
        self.process += 1;
        self.now += LOAD;
        let mut call = |now: &mut f64| {
            let factor = noise.factor(*now);
            *now += seconds * factor;
            1.0 / factor
        };
        call(&mut self.now);
        let (started, mut stopping) = (self.now, Stopping::new(Rule::visit()));
        loop {
            let rate = call(&mut self.now);
            let spent = std::time::Duration::from_secs_f64(self.now - started);
            if stopping.push(rate, Nanos::from(spent)).is_some() {
                let visit = Visit::of(stopping.rates()).unwrap();
                return (visit, f64::midpoint(started, self.now));
            }
        }
    }

    /// All rows in rounds, each in an order of its own.
    fn rows(&mut self, rounds: usize) -> Rows {
        let mut rows = vec![Vec::new(); ROWS.len()];
        let mut order: Vec<_> = (0..ROWS.len()).collect();
        for _ in 0..rounds {
            order.shuffle(&mut self.order);
            for &row in &order {
                rows[row].push(self.visit(ROWS[row]));
            }
        }
        rows
    }

    fn run(&mut self, rounds: usize) -> Vec<Vec<Visit>> {
        let only = |row: Vec<(Visit, f64)>| row.into_iter().map(|(visit, _)| visit).collect();
        self.rows(rounds).into_iter().map(only).collect()
    }

    /// The same again a little later. Where the machine drifts, it does so in every run anew.
    fn again(&mut self, rounds: usize) -> Vec<Vec<Visit>> {
        self.now = if self.weather.drift == 0.0 { self.now + 10.0 } else { 0.0 };
        self.run(rounds)
    }
}

/// What a run says of its rows, on a machine of which this is known.
fn known_of(run: &[Vec<Visit>], prior: Noise) -> Vec<Known> {
    known(prior, run).into_iter().map(Option::unwrap).collect()
}

/// Rows that are slower by this share.
fn slower(run: &[Vec<Visit>], share: f64) -> Vec<Vec<Visit>> {
    let shift = (1.0 - share).ln();
    let row = |row: &Vec<Visit>| {
        row.iter().map(|visit| Visit { log_mean: visit.log_mean + shift, ..*visit }).collect()
    };
    run.iter().map(row).collect()
}

fn share(hits: usize, of: usize) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap());
    count(hits) / count(of)
}

/// What came of many pairs of runs: shares of rows.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The same thing, called FASTER or SLOWER.
    pub called: f64,
    /// The same thing, called SAME.
    pub same: f64,
    /// Of each row: 3 % slower, and called SLOWER.
    pub noticed: [f64; 4],
    /// Of each row: the interval holds the mean of many runs.
    pub held: [f64; 4],
    /// Of each row: the precision, as a mean.
    pub precision: [f64; 4],
}

impl Outcome {
    pub fn all(each: [f64; 4]) -> f64 {
        each.iter().sum::<f64>() / 4.0
    }
}

/// Pairs of runs on machines with this weather, each of so many rounds.
pub fn pairs(weather: Weather, rounds: usize, pairs: usize, prior: Noise, limits: Limits) -> Outcome {
    let truth = truth(weather, rounds);
    let (mut called, mut same) = (0, 0);
    let (mut noticed, mut held, mut precision) = ([0; 4], [0; 4], [0.0; 4]);
    for seed in 0..pairs {
        let mut machine = Machine::new(weather, seed as u64);
        let a = known_of(&machine.run(rounds), prior);
        let b = machine.again(rounds);
        let worse = known_of(&slower(&b, 0.03), prior);
        let b = known_of(&b, prior);
        for row in 0..ROWS.len() {
            let verdict = |new: &Known| compare_known(&a[row], new, limits).verdict;
            called += usize::from(matches!(verdict(&b[row]), Verdict::Faster | Verdict::Slower));
            same += usize::from(verdict(&b[row]) == Verdict::Same);
            noticed[row] += usize::from(verdict(&worse[row]) == Verdict::Slower);
            held[row] += usize::from(a[row].interval(0.95).unwrap().contains(truth[row]));
            precision[row] += a[row].precision() * share(1, pairs);
        }
    }
    let each = |hits: [usize; 4]| hits.map(|hits| share(hits, pairs));
    Outcome {
        called: share(called, pairs * ROWS.len()),
        same: share(same, pairs * ROWS.len()),
        noticed: each(noticed),
        held: each(held),
        precision,
    }
}

/// The mean of many other runs, of each row.
fn truth(weather: Weather, rounds: usize) -> [f64; 4] {
    const RUNS: usize = 150;
    let mut sums = [0.0; 4];
    for seed in 0..RUNS {
        let run = Machine::new(weather, 1_000_000 + seed as u64).run(rounds);
        for (sum, row) in sums.iter_mut().zip(&run) {
            let mean = row.iter().map(|visit| visit.log_mean).sum::<f64>() * share(1, rounds);
            *sum += mean * share(1, RUNS);
        }
    }
    sums.map(f64::exp)
}

const fn states(dwell: f64) -> Weather {
    Weather { states: Some(States { apart: 0.03, dwell }), ..QUIET }
}

const fn wave(period: f64) -> Weather {
    Weather { wave: Some(Wave { amplitude: 0.02, period }), ..QUIET }
}

/// What a run must cope with. A run of three rounds takes about 50 seconds.
const WEATHERS: [(&str, Weather); 10] = [
    ("noise of 1 %", CALLS),
    ("correlated, 0.3", Weather { correlation: 0.3, ..CALLS }),
    ("correlated, 0.6", Weather { correlation: 0.6, ..CALLS }),
    ("correlated, 0.9", Weather { correlation: 0.9, ..CALLS }),
    ("two states, 0.3 s", states(0.3)),
    ("wave, 20 s", wave(20.0)),
    ("processes, 0.3 %", Weather { shift: 0.003, ..QUIET }),
    ("processes, 1 %", Weather { shift: 0.01, ..QUIET }),
    ("processes, 3 %", Weather { shift: 0.03, ..QUIET }),
    ("drift, 0.1 % a second", Weather { drift: 0.001, ..QUIET }),
];

/// What it cannot cope with, in figures only: weather that is about as long as the run.
const LONG: [(&str, Weather); 5] = [
    ("two states, 3 s", states(3.0)),
    ("two states, 20 s", states(20.0)),
    ("wave, 60 s", wave(60.0)),
    ("wave, 200 s", wave(200.0)),
    ("processes, 7 %", Weather { shift: 0.07, ..QUIET }),
];

/// Noise of 1 %, and 0.5 % between processes.
const USUAL: Weather = Weather { shift: 0.005, ..CALLS };

fn percents(shares: [f64; 4]) -> String {
    shares.map(|share| format!("{:5.1}", share * 100.0)).join(" ")
}

pub fn figures() {
    println!("rounds: FASTER or SLOWER, SAME | 3 % slower: SLOWER | holds the mean | precision (rows)");
    for (name, weather) in WEATHERS.into_iter().chain(LONG).chain([("usual", USUAL)]) {
        for rounds in [1, 2, 3, 5] {
            let out = pairs(weather, rounds, 1000, Noise::unknown(), Limits::default());
            println!(
                "{name:22} {rounds}: {:5.2} {:5.1} | {} | {} ({:.1}) | {}",
                out.called * 100.0,
                out.same * 100.0,
                percents(out.noticed),
                percents(out.held),
                Outcome::all(out.held) * 100.0,
                out.precision.map(|share| format!("{:5.2}", share * 100.0)).join(" "),
            );
        }
    }
}
