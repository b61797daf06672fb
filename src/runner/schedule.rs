//! Schedule: which jobs a round visits, and in which order. Pure.
//!
//! The first round visits every job, so that the table is complete as soon as it can be. Later ones go to the
//! jobs whose speed is known worst, until each is known as well as was asked for, or the time is over. Within a
//! round the order is drawn from a seed, jobs on one load together: what changes over time then falls on all
//! alike.

use std::collections::HashSet;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_pcg::Pcg64Mcg;

use crate::ledger::{Entry, Ledger, budget};
use crate::stats::stopping::Rule;

/// How much time rounds behind the first may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// A share of what llama-bench would take for the rows as they were asked for.
    Share,
    /// As much as the rule of measuring wants.
    Open,
}

/// What visits cost, as far as that was seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Starting a worker and loading the model.
    pub load: Duration,
    /// Context, warm-up and samples.
    pub visit: Duration,
}

/// Which jobs to visit next.
#[derive(Debug)]
pub(super) struct Schedule {
    /// Places in the ledger of the jobs on each load, in the order of the plan.
    groups: Vec<Vec<usize>>,
    /// The group of each place.
    group_of: Vec<usize>,
    /// How many rows as asked for show the job at each place.
    shown: Vec<u32>,
    stop: Rule,
    rounds: Option<u32>,
    budget: Budget,
    rng: Pcg64Mcg,
    /// Rounds so far.
    round: u32,
}

impl Schedule {
    /// A schedule for these jobs. `shown` says of each in how many rows it is.
    pub(super) fn new(
        groups: Vec<Vec<usize>>,
        shown: Vec<u32>,
        (stop, rounds, budget): (Rule, Option<u32>, Budget),
        seed: u64,
    ) -> Self {
        let rng = Pcg64Mcg::seed_from_u64(seed);
        let mut group_of = vec![0; shown.len()];
        for (group, places) in groups.iter().enumerate() {
            for &place in places {
                group_of[place] = group;
            }
        }
        Self { groups, group_of, shown, stop, rounds, budget, rng, round: 0 }
    }

    /// The round under way, from 1; 0 where there are none.
    pub(super) fn round(&self) -> u32 {
        match self.stop {
            Rule::Fixed { .. } => 0,
            _ => self.round,
        }
    }

    /// The first round: every job that was not visited yet. In the order of the plan where each is visited
    /// once, because rows can then be shown as they come.
    pub(super) fn first(&mut self, ledger: &Ledger) -> Vec<Vec<usize>> {
        self.round = 1;
        let fresh = |place: &usize| {
            let entry = ledger.entry(*place);
            entry.visits.is_empty() && !entry.failed && !entry.settled
        };
        let groups = self.groups.clone();
        let fresh = groups.into_iter().map(|group| group.into_iter().filter(fresh).collect());
        let fresh: Vec<Vec<usize>> = fresh.filter(|group: &Vec<usize>| !group.is_empty()).collect();
        match self.stop {
            Rule::Fixed { .. } => fresh,
            _ => self.shuffled(fresh),
        }
    }

    /// The next round, `spent` being the time of all rounds so far; empty where there is none. `cost` says
    /// what a visit to a place costs.
    pub(super) fn next(
        &mut self,
        ledger: &Ledger,
        spent: Duration,
        cost: &dyn Fn(usize) -> Cost,
    ) -> Vec<Vec<usize>> {
        let visits = ledger.entries().iter().flat_map(|entry| &entry.visits);
        self.round = visits.map(|visited| visited.round).fold(self.round, u32::max) + 1;
        let wanted = self.wanted(ledger);
        let picked = match self.budget {
            Budget::Open => wanted,
            Budget::Share => {
                let left = self.allowed(ledger).saturating_sub(spent);
                self.affordable(&wanted, left, cost)
            }
        };
        let picked: HashSet<_> = picked.into_iter().collect();
        let of_group = |group: &Vec<usize>| -> Vec<usize> {
            group.iter().copied().filter(|place| picked.contains(place)).collect()
        };
        let groups: Vec<_> =
            self.groups.iter().map(of_group).filter(|group| !group.is_empty()).collect();
        self.shuffled(groups)
    }

    /// Jobs that want another visit, the one that is known worst first.
    pub(super) fn wanted(&self, ledger: &Ledger) -> Vec<usize> {
        let wants = |place: &usize| self.wants(ledger.entry(*place));
        let mut wanted: Vec<_> = self.groups.iter().flatten().copied().filter(wants).collect();
        let precision = |place: usize| ledger.entry(place).precision().unwrap_or(f64::INFINITY);
        wanted.sort_by(|a, b| precision(*b).total_cmp(&precision(*a)));
        wanted
    }

    fn wants(&self, entry: &Entry) -> bool {
        let visits = u32::try_from(entry.visits.len()).unwrap_or(u32::MAX);
        entry.wants(self.stop) && self.rounds.is_none_or(|most| visits < most)
    }

    /// The time that all rounds together may take.
    fn allowed(&self, ledger: &Ledger) -> Duration {
        let places = || self.groups.iter().flatten().copied();
        let runs: f64 = places()
            .map(|place| {
                let run = ledger.entry(place).run.unwrap_or_default();
                f64::from(self.shown[place]) * run.seconds()
            })
            .sum();
        budget(Duration::from_secs_f64(runs))
    }

    /// As many of these as the time is good for.
    fn affordable(
        &self,
        wanted: &[usize],
        mut left: Duration,
        cost: &dyn Fn(usize) -> Cost,
    ) -> Vec<usize> {
        let mut loaded = vec![false; self.groups.len()];
        let mut picked = Vec::new();
        for &place in wanted {
            let group = self.group_of[place];
            let Cost { load, visit } = cost(place);
            let price = visit + if loaded[group] { Duration::ZERO } else { load };
            if let Some(rest) = left.checked_sub(price) {
                left = rest;
                loaded[group] = true;
                picked.push(place);
            }
        }
        picked
    }

    fn shuffled(&mut self, mut groups: Vec<Vec<usize>>) -> Vec<Vec<usize>> {
        for group in &mut groups {
            group.shuffle(&mut self.rng);
        }
        groups.shuffle(&mut self.rng);
        groups
    }
}
