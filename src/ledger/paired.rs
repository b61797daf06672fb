//! Pairs of jobs that were visited in turn: what is known of their differences.

use std::collections::BTreeMap;

use super::{Class, Ledger};
use crate::stats::known::Known;
use crate::stats::looks;
use crate::stats::noise::Noise;
use crate::stats::visits::Visit;

/// What is known of each pair's difference, the second against the first, from the rounds in which both were visited;
/// `None` without any. Pairs of the same classes speak for each other.
pub fn differences(ledger: &Ledger, pairs: &[[usize; 2]]) -> Vec<Option<Known>> {
    let mut classes: BTreeMap<[Class; 2], Vec<usize>> = BTreeMap::new();
    for (at, pair) in pairs.iter().enumerate() {
        classes.entry(pair.map(|place| ledger.entries[place].class)).or_default().push(at);
    }
    let mut all = vec![None; pairs.len()];
    for (class, members) in classes {
        let rows: Vec<_> = members.iter().map(|&at| visits(ledger, pairs[at])).collect();
        let known = looks::differences(noisier(class.map(|side| ledger.prior(side))), &rows);
        members.iter().zip(known).for_each(|(&at, known)| all[at] = known);
    }
    all
}

/// The visits to both in the same rounds, in order.
fn visits(ledger: &Ledger, [a, b]: [usize; 2]) -> Vec<(Visit, Visit)> {
    let [a, b] = [a, b].map(|place| &ledger.entries[place].visits);
    let partner = |round: u32| b.iter().find(|visited| visited.round == round);
    let pairs =
        a.iter().filter_map(|visited| Some((visited.visit?, partner(visited.round)?.visit?)));
    pairs.collect()
}

/// The one of two sides where visits differ by more.
fn noisier([a, b]: [Noise; 2]) -> Noise {
    if b.between.sd > a.between.sd { b } else { a }
}
