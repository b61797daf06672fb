//! Two sides that are not runs in rounds: samples of one process each, and sides measured in turn. And the trend.

use lbench::engine::scripted::noise::{NoiseSource, Weather};
use lbench::stats::noise::Noise;
use lbench::stats::trend::{Moment, Trend};
use lbench::stats::verdict::{Criteria, Verdict, compare, compare_paired};
use lbench::stats::visits::{Visit, differences};

use super::runs::{CALLS, LONG, Machine, QUIET, ROWS, USUAL, WEATHERS, is_called, share};

/// Shares of pairs of series of `n` samples, each from a process, that are called different: the same thing,
/// and 3 % slower.
fn series(weather: Weather, n: usize, limits: Criteria, pairs: u64) -> (f64, f64) {
    let (mut called, mut noticed) = (0, 0);
    for pair in 0..pairs {
        let side = |process| {
            let mut noise = NoiseSource::new(weather, pair, process);
            (0..n).map(|_| 1.0 / noise.factor(0.0)).collect::<Vec<_>>()
        };
        let (a, b) = (side(1), side(2));
        let worse: Vec<_> = b.iter().map(|rate| rate * 0.97).collect();
        called += usize::from(is_called(compare(&a, &b, limits).verdict));
        noticed += usize::from(compare(&a, &worse, limits).verdict == Verdict::Less);
    }
    let pairs = usize::try_from(pairs).unwrap();
    (share(called, pairs), share(noticed, pairs))
}

fn given(floor: f64) -> Criteria {
    Criteria { floor, floor_may_rise: false, ..Criteria::default() }
}

#[test]
fn one_process_each_is_not_called_different() {
    for n in [2, 3, 5, 10, 30] {
        let (called, _) = series(USUAL, n, given(0.005), 1000);
        assert!(called <= 0.01, "{n} samples, floor known: {called}");
        for shift in [0.003, 0.01, 0.03] {
            let weather = Weather { shift, ..CALLS };
            let (called, _) = series(weather, n, Criteria::default(), 1000);
            assert!(called <= 0.01, "{n} samples, {shift}: {called}");
        }
        let (called, _) = series(Weather { shift: 0.01, ..CALLS }, n, given(0.01), 1000);
        assert!(called <= 0.01, "{n} samples, floor of 1 %: {called}");
    }
}

/// The mutant of the above.
#[test]
fn without_the_floor_it_would_be() {
    let (called, _) = series(Weather { shift: 0.01, ..CALLS }, 30, given(0.0), 1000);
    assert!(called > 0.05, "{called}");
}

/// Pairs of visits of each row, of which B is slower by a share. Which is first is drawn by lot: in a strict
/// order, weather that comes round in step with it would look like a difference.
fn in_turn(machine: &mut Machine, rounds: usize, slower: f64) -> Vec<Vec<(Visit, Visit)>> {
    let mut rows = vec![Vec::new(); ROWS.len()];
    for _ in 0..rounds {
        for (row, seconds) in ROWS.into_iter().enumerate() {
            let (first, _) = machine.visit(seconds);
            let (second, _) = machine.visit(seconds);
            let (a, mut b) = if machine.lot() { (first, second) } else { (second, first) };
            b.log_mean += (1.0 - slower).ln();
            rows[row].push((a, b));
        }
    }
    rows
}

/// Shares of rows that are called different: the same thing, and 3 % slower.
fn turns(weather: Weather, rounds: usize, runs: u64) -> (f64, f64) {
    let count = |slower: f64, wanted: &dyn Fn(Verdict) -> bool| {
        let mut hits = 0;
        for seed in 0..runs {
            let pairs = in_turn(&mut Machine::new(weather, seed), rounds, slower);
            for difference in differences(Noise::unknown(), &pairs) {
                let comparison = compare_paired(&difference.unwrap(), Criteria::default());
                hits += usize::from(wanted(comparison.verdict));
            }
        }
        share(hits, usize::try_from(runs).unwrap() * ROWS.len())
    };
    (count(0.0, &is_called), count(0.03, &|verdict| verdict == Verdict::Less))
}

#[test]
fn sides_in_turn_are_not_called_different_whatever_the_weather() {
    for (name, weather) in WEATHERS.into_iter().chain(LONG) {
        let (called, _) = turns(weather, 4, 200);
        assert!(called <= 0.02, "{name}: {called}");
    }
    let (_, noticed) = turns(USUAL, 5, 200);
    assert!(noticed >= 0.90, "{noticed}");
}

/// Share of runs that are said to drift.
fn drifting(weather: Weather, rounds: usize, runs: u64) -> f64 {
    let drifts = |seed: &u64| {
        let rows = Machine::new(weather, *seed).rows(rounds);
        let moments = rows.iter().enumerate().flat_map(|(row, visits)| {
            let moment = move |&(visit, at): &(Visit, f64)| Moment {
                row,
                at,
                log_mean: visit.log_mean,
                error: 0.01,
            };
            visits.iter().map(moment)
        });
        Trend::of(&moments.collect::<Vec<_>>()).is_some_and(|trend| trend.drifts())
    };
    let hits = (0..runs).filter(drifts).count();
    share(hits, usize::try_from(runs).unwrap())
}

#[test]
fn drift_is_noticed_and_little_else() {
    let drift = Weather { drift: 0.001, ..QUIET };
    assert!(drifting(drift, 3, 200) > 0.95);
    assert!(drifting(Weather { shift: 0.005, ..drift }, 3, 200) > 0.8);
    for (name, weather) in WEATHERS.into_iter().filter(|(_, weather)| weather.drift == 0.0) {
        let called = drifting(weather, 3, 200);
        assert!(called <= 0.02, "{name}: {called}");
    }
}

pub fn figures() {
    println!("series of one process each: called, 3 % slower noticed");
    for n in [2, 5, 10, 30] {
        let unknown: Vec<_> = [0.003, 0.01, 0.03, 0.07]
            .map(|shift| series(Weather { shift, ..CALLS }, n, Criteria::default(), 10_000).0)
            .to_vec();
        let known = series(USUAL, n, given(0.005), 10_000);
        println!("  n {n}: unknown 0.3, 1, 3, 7 %: {unknown:.4?}; floor 0.5 %: {known:.4?}");
    }
    println!("in turn: called, 3 % slower noticed");
    for (name, weather) in WEATHERS.into_iter().chain(LONG).chain([("usual", USUAL)]) {
        let each = [2, 3, 5, 8].map(|rounds| turns(weather, rounds, 500));
        println!("  {name:26} {each:.4?}");
    }
    println!("drift seen, 2, 3 and 5 rounds");
    for (name, weather) in WEATHERS.into_iter().chain(LONG) {
        println!("  {name:26} {:.3?}", [2, 3, 5].map(|rounds| drifting(weather, rounds, 500)));
    }
}
