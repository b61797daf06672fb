//! `lbench ab` without processes: the rounds that it would make, and the verdicts that it would print, on simulated
//! machines.

use lbench::engine::scripted::noise::Weather;
use lbench::job::Job;
use lbench::ledger::{Ledger, Priors, paired};
use lbench::record::{Outcome, Reading, Record};
use lbench::runner::{Spawn, Turning, Turns};
use lbench::setup::Config;
use lbench::stats::known::Known;
use lbench::stats::noise::Deviation;
use lbench::stats::verdict::{Criteria, Verdict, compare_paired};
use lbench::units::Nanos;
use lbench::work::{Sample, Work};

use super::runs::{CALLS, LONG, Machine, QUIET, ROWS, USUAL, WEATHERS, is_called, share};

/// Rows of both sides: equal jobs, each visited for itself.
fn jobs() -> Vec<Job> {
    let job = |row| Job::new(Config::default(), Work::prompt(row));
    let rows = || (1..).take(ROWS.len()).map(job);
    rows().chain(rows()).collect()
}

fn nanos(seconds: f64) -> Nanos {
    Nanos::from(std::time::Duration::from_secs_f64(seconds))
}

/// A run on a machine of its own, B being slower by a share: what it knows of the difference of each row.
fn run(weather: Weather, seed: u64, slower: f64) -> Vec<Known> {
    let mut machine = Machine::new(weather, seed);
    let pairs: Vec<_> = (0..ROWS.len()).map(|row| [row, ROWS.len() + row]).collect();
    let jobs = jobs();
    let mut ledger = Ledger::new(&jobs, Priors::default());
    let turns = Turns {
        pairs: pairs.clone(),
        spawns: [Spawn::default(), Spawn::default()],
        least: Turns::LEAST,
        most: Turns::MOST,
        longest: (Turns::LEAST, Turns::LONGEST),
        limits: Criteria::default(),
    };
    let mut turning = Turning::new(turns, seed);
    let mut round = turning.first();
    while !round.is_empty() {
        for place in round.into_iter().flatten() {
            let (row, nth) = (place % ROWS.len(), place / ROWS.len());
            let job = || jobs[place].id.clone();
            let (rates, _) = machine.rates(ROWS[row]);
            let pace = if nth == 1 { 1.0 - slower } else { 1.0 };
            let sample = |rate: f64| Sample::Run {
                runs: 1,
                ns: nanos(ROWS[row] / rate / pace),
                first_token_ns: Vec::new(),
                token_ns: Vec::new(),
            };
            ledger.fold(&Record::Started { job: job(), unix_time: 0, round: turning.round(), nth });
            for rate in rates {
                ledger.fold(&Record::Sampled { job: job(), sample: sample(rate) });
            }
            let (outcome, reading) = (Outcome::Completed, Reading::default());
            ledger.fold(&Record::Finished { job: job(), outcome, reading });
        }
        round = turning.next(&ledger);
    }
    paired::differences(&ledger, &pairs).into_iter().map(Option::unwrap).collect()
}

/// What comes of many runs: shares of rows.
struct Outcomes {
    /// Called different.
    called: f64,
    /// Called less.
    less: f64,
    /// Called the same.
    same: f64,
    /// Rounds, as a mean.
    rounds: f64,
}

fn runs(weather: Weather, slower: f64, runs: u64) -> Outcomes {
    let rows: Vec<_> = (0..runs).flat_map(|seed| run(weather, seed, slower)).collect();
    let of = |wanted: &dyn Fn(Verdict) -> bool| {
        let verdict = |known: &&Known| wanted(compare_paired(known, Criteria::default()).verdict);
        share(rows.iter().filter(verdict).count(), rows.len())
    };
    Outcomes {
        called: of(&is_called),
        less: of(&|verdict| verdict == Verdict::Less),
        same: of(&|verdict| verdict == Verdict::Same),
        rounds: share(rows.iter().map(|known| known.visits).sum(), rows.len()),
    }
}

#[test]
fn a_against_a_is_not_called_different_whatever_the_weather() {
    for (name, weather) in WEATHERS.into_iter().chain(LONG) {
        let found = runs(weather, 0.0, 100);
        assert!(found.called <= 0.02, "{name}: {}", found.called);
    }
}

/// The mutant of the above: judged by the samples alone, with nothing between visits and no floor.
#[test]
fn without_the_floor_it_would_be() {
    let limits = Criteria { floor: 0.0, ..Criteria::default() };
    let verdict = |known: Known| {
        let between = Deviation::given(0.0);
        compare_paired(&Known { between, ..known }, limits).verdict
    };
    for (shift, least) in [(0.02, 0.10), (0.03, 0.30)] {
        let weather = Weather { shift, ..QUIET };
        let rows: Vec<_> = (0..100).flat_map(|seed| run(weather, seed, 0.0)).collect();
        let called = rows.iter().filter(|known| is_called(verdict(**known))).count();
        assert!(share(called, rows.len()) > least, "{shift}: {called} of {}", rows.len());
    }
}

#[test]
fn b_that_is_slower_is_seen() {
    let found = runs(USUAL, 0.03, 100);
    assert!(found.less >= 0.95 && found.rounds < 10.0, "{} {}", found.less, found.rounds);
    let found = runs(USUAL, 0.10, 100);
    assert!(found.less >= 0.99 && found.rounds < 5.0, "{} {}", found.less, found.rounds);
}

/// Whatever is slower than a pair of visits falls on both of its sides, and is in no difference.
#[test]
fn slow_weather_costs_no_rounds() {
    for (name, weather) in LONG.into_iter().filter(|(name, _)| *name == "wave, 200 s") {
        let found = runs(weather, 0.03, 50);
        assert!(
            found.less >= 0.99 && found.rounds < 4.5,
            "{name}: {} {}",
            found.less,
            found.rounds
        );
    }
}

#[test]
#[ignore = "prints the figures of docs/statistics.md"]
fn figures_of_turns() {
    println!("ab: A against A: called, SAME, rounds | B 3 % slower: SLOWER, rounds");
    let further = [("processes, 2 %", Weather { shift: 0.02, ..CALLS }), ("usual", USUAL)];
    for (name, weather) in WEATHERS.into_iter().chain(LONG).chain(further) {
        let [same, slower] = [0.0, 0.03].map(|slower| runs(weather, slower, 1000));
        println!(
            "  {name:26} {:5.2} {:5.1} {:4.1} | {:5.1} {:4.1}",
            same.called * 100.0,
            same.same * 100.0,
            same.rounds,
            slower.less * 100.0,
            slower.rounds,
        );
    }
}
