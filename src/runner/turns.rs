//! Turns: two sides, visited in turn.
//!
//! In each round every pair's two visits directly follow each other, in fresh processes: whatever changes more slowly
//! than that falls on both alike. Pairs come in an order drawn from a seed. Which side is first is drawn for two
//! rounds together, once this way and once the other, so that the order favours nobody.

use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::Spawn;
use crate::ledger::{Ledger, Visited, paired};
use crate::stats::looks;
use crate::stats::verdict::Criteria;

/// Two sides that are to be visited in turn.
#[derive(Debug, Clone)]
pub struct Turns {
    /// Of each pair, the places of both sides among the jobs of the plan that are measured.
    pub pairs: Vec<[usize; 2]>,
    /// How each side's workers are started.
    pub spawns: [Spawn; 2],
    /// Rounds before the first look at what they say.
    pub least: u32,
    /// Most rounds.
    pub most: u32,
    /// From so many rounds on, a side of a pair that was run for so long is not visited again.
    pub longest: (u32, Duration),
    /// What it takes to call two sides different, or the same.
    pub limits: Criteria,
}

impl Turns {
    /// Rounds before the first look, where nobody says otherwise.
    pub const LEAST: u32 = 4;
    /// Most rounds.
    pub const MOST: u32 = 12;
    /// The time for which each side of a pair is run before rounds end that nobody asked for.
    pub const LONGEST: Duration = Duration::from_mins(1);
}

/// Turns, as a run takes them. Each round is given as places, those of a pair together, in order.
#[derive(Debug)]
pub struct Turning {
    turns: Turns,
    rng: Pcg64Mcg,
    /// Of each pair, whether B was first in the last round that was drawn.
    swapped: Vec<bool>,
    round: u32,
}

impl Turning {
    /// Turns from the first one on.
    pub fn new(turns: Turns, seed: u64) -> Self {
        let swapped = vec![false; turns.pairs.len()];
        Self { turns, rng: Pcg64Mcg::seed_from_u64(seed), swapped, round: 0 }
    }

    /// The round under way, from 1.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// How the workers of the side at a place are started.
    pub(super) fn spawn(&self, place: usize) -> Spawn {
        let is_b = self.turns.pairs.iter().any(|pair| pair[1] == place);
        self.turns.spawns[usize::from(is_b)].clone()
    }

    /// The first round: every pair.
    pub fn first(&mut self) -> Vec<Vec<usize>> {
        self.round = 1;
        self.drawn((0..self.turns.pairs.len()).collect())
    }

    /// The next round; empty where there is none.
    pub fn next(&mut self, ledger: &Ledger) -> Vec<Vec<usize>> {
        let open = self.open(ledger);
        self.round += 1;
        self.drawn(open)
    }

    /// The places that another round would visit.
    pub(super) fn wanted(&self, ledger: &Ledger) -> Vec<usize> {
        self.open(ledger).into_iter().flat_map(|pair| self.turns.pairs[pair]).collect()
    }

    /// Pairs that were in the last round, and are not done: both could be measured, there is time, and the verdict
    /// is not clear. Looked at after every other round, when each side was first as often as the other.
    fn open(&self, ledger: &Ledger) -> Vec<usize> {
        let Turns { pairs, least, most, longest: (from, longest), limits, .. } = &self.turns;
        if self.round >= *most {
            return Vec::new();
        }
        let goes_on = |place: usize| {
            let entry = ledger.entry(place);
            // A visit that failed is none; and of some works, another one says no more.
            let is_in = |last: &Visited| last.round == self.round && last.visit.is_some();
            let is_in = entry.visits.last().is_some_and(is_in);
            let in_time = self.round < *from || entry.running().duration() < *longest;
            is_in && in_time
        };
        let known = if self.round >= *least && self.round.is_multiple_of(2) {
            paired::differences(ledger, pairs)
        } else {
            vec![None; pairs.len()]
        };
        let is_open = |pair: &usize| {
            let is_clear = known[*pair].is_some_and(|known| looks::is_clear(&known, *limits));
            !is_clear && pairs[*pair].into_iter().all(goes_on)
        };
        (0..pairs.len()).filter(is_open).collect()
    }

    /// These pairs in an order, each with its sides in one.
    fn drawn(&mut self, mut pairs: Vec<usize>) -> Vec<Vec<usize>> {
        pairs.shuffle(&mut self.rng);
        let is_second = self.round.is_multiple_of(2);
        let mut places = Vec::new();
        for pair in pairs {
            let swapped = if is_second { !self.swapped[pair] } else { self.rng.random() };
            self.swapped[pair] = swapped;
            let [a, b] = self.turns.pairs[pair];
            places.push(if swapped { vec![b, a] } else { vec![a, b] });
        }
        places
    }
}
