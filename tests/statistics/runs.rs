//! Whole runs on simulated machines: rows in rounds, each visit a process, and what is made of them.

use lbench::engine::scripted::noise::{NoiseSource, States, Wave, Weather};
use lbench::stats::known::Known;
use lbench::stats::noise::{Deviation, Noise};
use lbench::stats::stopping::{Rule, Stopping};
use lbench::stats::verdict::{Criteria, Verdict, compare_known};
use lbench::stats::visits::{Visit, known};
use lbench::units::Nanos;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

/// Seconds that a run of each row takes: two quick ones, and two that are sampled twice a visit.
pub const ROWS: [f64; 4] = [0.03, 0.1, 0.6, 3.0];

/// Seconds for a process to start and load.
const LOAD: f64 = 0.5;

/// Noise of 1 % in every sample.
pub const CALLS: Weather = Weather {
    sd: 0.01,
    correlation: 0.0,
    outliers: 0.0,
    shift: 0.0,
    states: None,
    wave: None,
    drift: 0.0,
};

/// Less of it, where something else is added.
pub const QUIET: Weather = Weather { sd: 0.005, ..CALLS };

/// A machine that takes up one process after the other.
pub struct Machine {
    weather: Weather,
    seed: u64,
    now: f64,
    process: u64,
    order: Pcg64Mcg,
}

/// The visits of each row, with the time of each.
pub type Rows = Vec<Vec<(Visit, f64)>>;

impl Machine {
    pub fn new(weather: Weather, seed: u64) -> Self {
        let seed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self { weather, seed, now: 0.0, process: 0, order: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// A row in a new process: load, a run to warm up, and samples by the rule for visits.
    pub fn visit(&mut self, seconds: f64) -> (Visit, f64) {
        let (rates, at) = self.rates(seconds);
        (Visit::of(&rates).unwrap(), at)
    }

    /// The rates of its samples, and the middle of their time.
    pub fn rates(&mut self, seconds: f64) -> (Vec<f64>, f64) {
        let mut noise = NoiseSource::new(self.weather, self.seed, self.process);
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
                return (stopping.values().to_vec(), f64::midpoint(started, self.now));
            }
        }
    }

    /// Heads or tails.
    pub fn lot(&mut self) -> bool {
        self.order.random()
    }

    /// All rows in rounds, each in an order of its own.
    pub fn rows(&mut self, rounds: usize) -> Rows {
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

pub fn share(hits: usize, of: usize) -> f64 {
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

/// How runs are made and judged.
#[derive(Clone, Copy)]
pub struct Trial {
    pub weather: Weather,
    pub rounds: usize,
    pub prior: Noise,
    pub limits: Criteria,
    /// Whether each row is a class of its own.
    pub alone: bool,
}

impl Trial {
    /// As users have it on a machine that nobody knows.
    pub fn new(weather: Weather, rounds: usize) -> Self {
        let (prior, limits) = (Noise::unknown(), Criteria::default());
        Self { weather, rounds, prior, limits, alone: false }
    }

    /// What a run says of its rows.
    fn known(&self, run: &[Vec<Visit>]) -> Vec<Known> {
        let all = if self.alone {
            run.iter().map(|row| Known::of(row, self.prior)).collect()
        } else {
            known(self.prior, run)
        };
        all.into_iter().map(Option::unwrap).collect()
    }

    /// What comes of so many pairs of runs, each pair on a machine of its own.
    pub fn pairs(&self, pairs: usize) -> Outcome {
        let truth = truth(self.weather, self.rounds);
        let (mut called, mut same) = (0, 0);
        let (mut noticed, mut held, mut precision) = ([0; 4], [0; 4], [0.0; 4]);
        for seed in 0..pairs {
            let mut machine = Machine::new(self.weather, seed as u64);
            let a = self.known(&machine.run(self.rounds));
            let b = machine.again(self.rounds);
            let b = self.known(&b);
            for row in 0..ROWS.len() {
                let verdict = |new: &Known| compare_known(&a[row], new, self.limits).verdict;
                let found = verdict(&b[row]);
                called += usize::from(is_called(found));
                same += usize::from(found == Verdict::Same);
                let worse = Known { log_mean: b[row].log_mean + 0.97_f64.ln(), ..b[row] };
                noticed[row] += usize::from(verdict(&worse) == Verdict::Less);
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
}

/// Whether a verdict is one that stops a release.
pub fn is_called(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Greater | Verdict::Less)
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
pub const WEATHERS: [(&str, Weather); 10] = [
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
pub const LONG: [(&str, Weather); 5] = [
    ("two states, 3 s", states(3.0)),
    ("two states, 20 s", states(20.0)),
    ("wave, 60 s", wave(60.0)),
    ("wave, 200 s", wave(200.0)),
    ("processes, 7 %", Weather { shift: 0.07, ..QUIET }),
];

/// Noise of 1 %, and 0.5 % between processes.
pub const USUAL: Weather = Weather { shift: 0.005, ..CALLS };

fn percents(shares: [f64; 4]) -> String {
    shares.map(|share| format!("{:5.1}", share * 100.0)).join(" ")
}

pub fn figures() {
    println!(
        "rounds: FASTER or SLOWER, SAME | 3 % slower: SLOWER | holds the mean | precision (rows)"
    );
    let usual = [("noise 1 %, processes 0.5 %", USUAL)];
    for (name, weather) in WEATHERS.into_iter().chain(LONG).chain(usual) {
        for (rounds, alone) in
            [(1, false), (2, false), (3, false), (5, false), (2, true), (3, true)]
        {
            let out = Trial { alone, ..Trial::new(weather, rounds) }.pairs(1000);
            println!(
                "{name:26} {rounds}{}: {:5.2} {:5.1} | {} | {} ({:.1}) | {}",
                if alone { " alone" } else { "" },
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

#[test]
fn the_same_thing_measured_twice_is_not_called_different() {
    for (name, weather) in WEATHERS {
        let out = Trial::new(weather, 3).pairs(1000);
        assert!(out.called <= 0.01, "{name}: {}", out.called);
        assert!(out.held.iter().all(|&held| held >= 0.90), "{name}: {:?}", out.held);
    }
}

/// Of 600 rows each, so that one in a hundred may be two, and 90 in a hundred 87.5.
#[test]
fn nor_is_it_with_more_rounds_or_fewer() {
    for (name, weather) in WEATHERS {
        for (rounds, alone, most) in
            [(1, false, 0.01), (2, false, 0.02), (5, false, 0.02), (2, true, 0.03)]
        {
            let out = Trial { alone, ..Trial::new(weather, rounds) }.pairs(150);
            assert!(out.called <= most, "{name}, {rounds} rounds, {alone}: {}", out.called);
            let held = Outcome::all(out.held);
            assert!(held >= 0.875, "{name}, {rounds} rounds, {alone}: {held}");
        }
    }
}

/// The mutant of the two above: with nothing between visits and no floor they would fail.
#[test]
fn without_the_part_between_visits_it_would_be() {
    let prior = Noise { between: Deviation::given(0.0), ..Noise::unknown() };
    let limits = Criteria { floor: 0.0, ..Criteria::default() };
    for (shift, least) in [(0.01, 0.10), (0.03, 0.40)] {
        let trial = Trial::new(Weather { shift, ..QUIET }, 3);
        let out = Trial { prior, limits, ..trial }.pairs(200);
        assert!(out.called > least, "{shift}: {}", out.called);
        assert!(Outcome::all(out.held) < 0.6, "{shift}: {:?}", out.held);
    }
}

/// A row of two samples a visit is known less well, and needs more rounds.
#[test]
fn three_percent_slower_is_seen() {
    let out = Trial::new(USUAL, 3).pairs(500);
    let [quick, short, long, longer] = out.noticed;
    assert!(quick >= 0.95 && short >= 0.95, "{:?}", out.noticed);
    assert!(long >= 0.65 && longer >= 0.65, "{:?}", out.noticed);
    let out = Trial::new(USUAL, 5).pairs(250);
    assert!(out.noticed.iter().all(|&noticed| noticed >= 0.95), "{:?}", out.noticed);
}

/// What a run of three rounds learnt is the prior of the next, of one.
#[test]
fn a_machine_that_is_known_needs_fewer_visits() {
    for (shift, widest) in [(0.003, 0.025), (0.01, 0.04), (0.03, 0.10)] {
        let weather = Weather { shift, ..QUIET };
        let (truth, mut held, mut precision) = (truth(weather, 1), 0, 0.0);
        for seed in 0..200 {
            let mut machine = Machine::new(weather, seed);
            let prior = Noise::unknown().pooled(&machine.run(3)).kept();
            let again = Trial { prior, ..Trial::new(weather, 1) }.known(&machine.again(1));
            for (known, truth) in again.iter().zip(truth) {
                held += usize::from(known.interval(0.95).unwrap().contains(truth));
                precision += known.precision() * share(1, 800);
            }
        }
        assert!(share(held, 800) >= 0.90, "{shift}: {held} of 800");
        assert!(precision < widest, "{shift}: {precision}");
    }
}
