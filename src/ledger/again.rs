//! Rows that an earlier run on this machine has measured too: by how much they came out otherwise.
//!
//! A run whose rows are visited once says nothing of how processes differ, however often it is made. Two such runs do,
//! and what lasts as long as a run is in it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Class, Ledger, Priors};
use crate::job::JobId;
use crate::stats::known::Known;
use crate::stats::noise::Noise;
use crate::stats::visits::Visit;

/// Most rows that are remembered of a machine; the oldest go.
const MOST: usize = 2000;

/// A difference of logarithms beyond which something else was measured: a third.
const OTHER: f64 = 0.3;

/// A row, as a run measured it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Mean of the logarithms of its values.
    log_mean: f64,
    /// [`Known::left`].
    left: f64,
    /// Square of the error that comes from the samples.
    within: f64,
    /// When its first visit began, in seconds since 1970.
    began: u64,
}

/// Rows that were measured on a machine, by the id of their job.
pub type Runs = BTreeMap<JobId, Earlier>;

impl Ledger {
    /// What the next run on this machine may start from, of each class that was visited at these places; the rows there
    /// join those of earlier `runs`.
    pub fn learnt(&self, places: Range<usize>, runs: &mut Runs) -> Priors {
        let mut classes: BTreeMap<Class, Vec<Vec<Visit>>> = BTreeMap::new();
        let mut again: BTreeMap<Class, Vec<(Earlier, Earlier)>> = BTreeMap::new();
        for place in places {
            let entry = &self.entries[place];
            let series = entry.series();
            let (Some(known), Some(first)) = (entry.known, entry.visits.first()) else { continue };
            if series.is_empty() {
                continue;
            }
            classes.entry(entry.class).or_default().push(series);
            let now = Earlier::of(&known, first.unix_time);
            let before = runs.insert(self.jobs[place].id.clone(), now);
            // A run that was resumed is no other one.
            if let Some(before) = before.filter(|before| before.began != now.began) {
                again.entry(entry.class).or_default().push((before, now));
            }
        }
        while runs.len() > MOST {
            let oldest = runs.iter().min_by_key(|(_, row)| row.began).map(|(id, _)| id.clone());
            oldest.map(|id| runs.remove(&id));
        }
        let learnt = |(class, rows): (Class, Vec<Vec<Visit>>)| {
            let pooled = self.prior(class).pooled(&rows);
            let pairs = again.get(&class).into_iter().flatten();
            let all = pairs.fold(pooled, |noise, (before, now)| now.beside(*before, noise));
            (class.to_string(), all.kept())
        };
        classes.into_iter().map(learnt).collect()
    }
}

impl Earlier {
    fn of(known: &Known, began: u64) -> Self {
        let within = known.within.sd.powi(2);
        Self { log_mean: known.log_mean, left: known.left, within, began }
    }

    /// What is known of the noise, with what two runs of one row say of it.
    fn beside(self, before: Self, noise: Noise) -> Noise {
        let difference = self.log_mean - before.log_mean;
        if difference.abs() > OTHER {
            return noise;
        }
        noise.with_pair(difference, self.left + before.left, self.within + before.within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;
    use crate::plan::tests::config;
    use crate::record::{Outcome, Reading, Record};
    use crate::units::Nanos;
    use crate::work::{Sample, Work};

    /// A run with one visit to one row, which takes so many nanoseconds.
    fn run(ns: u64, unix_time: u64, priors: &Priors) -> Ledger {
        let job = Job::new(config(), Work::prompt(512));
        let mut ledger = Ledger::new([&job], priors.clone());
        let id = || job.id.clone();
        ledger.fold(&Record::Started { job: id(), unix_time, round: 1, nth: 0 });
        for more in [0, 1000, 2000] {
            let ns = Nanos(ns + more);
            let sample = Sample::Run { runs: 1, ns, first_token_ns: vec![], token_ns: vec![] };
            ledger.fold(&Record::Sampled { job: id(), sample });
        }
        let (outcome, reading) = (Outcome::Completed, Reading::default());
        ledger.fold(&Record::Finished { job: id(), outcome, reading });
        ledger.settle();
        ledger
    }

    /// The precision that the last of many runs reaches, each off by this share of a percent, up and down.
    fn after(runs: u64, off: u64) -> f64 {
        let (mut priors, mut seen) = (Priors::new(), Runs::new());
        for time in 0..runs {
            let ns = 1_000_000_000 + (time % 2) * off * 100_000;
            priors.extend(run(ns, time, &priors).learnt(0..1, &mut seen));
        }
        run(1_000_000_000, runs, &priors).entries()[0].known.unwrap().precision()
    }

    #[test]
    fn runs_with_one_visit_to_a_row_teach_how_processes_differ() {
        assert!(after(0, 0) > 0.10, "nothing is known yet: {}", after(0, 0));
        let quiet = after(12, 40);
        assert!((0.005..0.02).contains(&quiet), "0.4 % apart: {quiet}");
        let wild = after(12, 600);
        assert!((0.06..0.2).contains(&wild), "6 % apart: {wild}");
        // A machine that became twice as fast is another one.
        assert!(after(12, 10_000) > 0.10);
    }

    #[test]
    fn a_run_that_goes_on_is_no_other_one() {
        let mut seen = Runs::new();
        let first = run(1_000_000_000, 7, &Priors::new()).learnt(0..1, &mut seen);
        let again = run(1_030_000_000, 7, &Priors::new()).learnt(0..1, &mut seen);
        assert_eq!(first.values().next().unwrap().between, again.values().next().unwrap().between);
        assert_eq!(seen.len(), 1);
    }

    #[test]
    fn the_oldest_rows_are_forgotten() {
        let mut seen: Runs = (0..MOST as u64 + 5)
            .map(|n| {
                (JobId(format!("{n}")), Earlier { log_mean: 0.0, left: 1.0, within: 0.0, began: n })
            })
            .collect();
        run(1_000_000_000, 1_000_000, &Priors::new()).learnt(0..1, &mut seen);
        assert_eq!(seen.len(), MOST);
        assert!(!seen.contains_key(&JobId("3".into())) && seen.contains_key(&JobId("100".into())));
    }
}
