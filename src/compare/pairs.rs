//! Pairs: which row of one side is compared with which of the other.

use std::collections::{HashMap, HashSet};

use super::entry::ComparedRow;
use super::keys::{Ignored, KEYS, MODEL, is_in_test_name};

/// Rows of both sides by position, paired where they are the same test.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs {
    /// Of each row of the first side in order, its partner.
    pub partner: Vec<Option<usize>>,
    /// Rows of the second side without a partner.
    pub only_b: Vec<usize>,
    /// Some rows fit several of the other side, and were paired in order.
    pub repeated: bool,
}

impl Pairs {
    /// Pairs each row with the first one that fits and is free. Rows of equal settings are thus paired
    /// in their order: samples of several rows are never thrown together, since runs of one test differ
    /// by more than the samples within a run.
    pub(super) fn of(a: &[&ComparedRow], b: &[&ComparedRow], ignored: &Ignored) -> Self {
        let shared = shared(a, b, ignored);
        let mut free: HashMap<Vec<&str>, Vec<usize>> = HashMap::new();
        for (index, entry) in b.iter().enumerate() {
            free.entry(values(entry, &shared)).or_default().push(index);
        }
        let mut pairs = Self::default();
        let mut taken = vec![false; b.len()];
        for entry in a {
            let near = free.get_mut(&values(entry, &shared));
            let partner = near.and_then(|near| {
                let mut fitting = (0..near.len()).filter(|&at| entry.fits(b[near[at]], ignored));
                let first = fitting.next()?;
                pairs.repeated |= fitting.next().is_some();
                Some(near.remove(first))
            });
            if let Some(index) = partner {
                taken[index] = true;
            }
            pairs.partner.push(partner);
        }
        pairs.only_b = (0..b.len()).filter(|&index| !taken[index]).collect();
        let lonely = a.iter().zip(&pairs.partner).filter(|(_, partner)| partner.is_none());
        pairs.repeated |= lonely
            .map(|(entry, _)| entry)
            .any(|entry| b.iter().any(|other| entry.fits(other, ignored)));
        pairs
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.partner.iter().flatten().count()
    }
}

/// Keys that every row has: rows that differ in them need no closer look.
fn shared(a: &[&ComparedRow], b: &[&ComparedRow], ignored: &Ignored) -> Vec<usize> {
    let everywhere = |at: &usize| a.iter().chain(b).all(|entry| entry.keys[*at].is_some());
    (0..KEYS.len()).filter(|at| !ignored.keys.contains(at)).filter(everywhere).collect()
}

fn values<'a>(entry: &'a ComparedRow, keys: &[usize]) -> Vec<&'a str> {
    keys.iter().map(|&at| entry.keys[at].as_deref().unwrap_or_default()).collect()
}

/// What `--by` could name so that rows without a partner get one, and how many pairs that makes: one
/// setting if that will do, else all that differ throughout.
pub(super) fn suggestion(
    a: &[&ComparedRow],
    b: &[&ComparedRow],
    ignored: &Ignored,
) -> Option<(String, usize)> {
    let settings = (0..KEYS.len()).filter(|&at| !is_in_test_name(at));
    let differing: Vec<_> = settings.filter(|&at| apart(a, b, |e| e.keys[at].as_deref())).collect();
    let other_model = apart(a, b, |entry| entry.model.label.as_deref());
    let mut ways: Vec<(String, Ignored)> =
        differing.iter().map(|&at| (KEYS[at].name.into(), ignored.and(at))).collect();
    let model = Ignored { model: true, ..ignored.clone() };
    let mut all = if other_model { model.clone() } else { ignored.clone() };
    all.keys.extend(&differing);
    let names = differing.iter().map(|&at| KEYS[at].name).chain(other_model.then_some(MODEL));
    let names = names.collect::<Vec<_>>().join(",");
    ways.extend([(MODEL.into(), model), (names, all)]);
    let pairs = ways.into_iter().map(|(name, way)| (name, Pairs::of(a, b, &way).len()));
    // The first of equals.
    let best = pairs.rev().max_by_key(|(_, pairs)| *pairs);
    best.filter(|(_, pairs)| *pairs > 0)
}

/// Whether no value of one side is one of the other's.
fn apart<'a>(
    a: &[&'a ComparedRow],
    b: &[&'a ComparedRow],
    get: impl Fn(&'a ComparedRow) -> Option<&'a str>,
) -> bool {
    let values = |side: &[&'a ComparedRow]| -> HashSet<&'a str> {
        side.iter().filter_map(|entry| get(entry)).collect()
    };
    let (a, b) = (values(a), values(b));
    !a.is_empty() && !b.is_empty() && a.is_disjoint(&b)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entries(rows: &[Value]) -> Vec<ComparedRow> {
        let read =
            |(at, row): (usize, &Value)| ComparedRow::read(at + 1, &|name| row[name].clone());
        rows.iter().enumerate().map(|row| read(row).unwrap()).collect()
    }

    fn row(pp: u32, threads: impl Into<Value>) -> Value {
        json!({"n_prompt": pp, "n_gen": 0, "n_threads": threads.into()})
    }

    fn pairs(a: &[Value], b: &[Value], by: &[&str]) -> Pairs {
        let (a, b) = (entries(a), entries(b));
        let by: Vec<_> = by.iter().map(ToString::to_string).collect();
        let all = |entries: &'static [ComparedRow]| entries.iter().collect::<Vec<_>>();
        let (a, b) = (all(a.leak()), all(b.leak()));
        Pairs::of(&a, &b, &Ignored::of(&by).unwrap())
    }

    #[test]
    fn rows_are_found_in_any_order_and_repeated_ones_in_their_own() {
        let a = [row(1, 4), row(2, 4), row(3, 4)];
        let b = [row(3, 4), row(2, 4), row(4, 4)];
        let found = pairs(&a, &b, &[]);
        assert_eq!(found.partner, [None, Some(1), Some(0)]);
        assert_eq!((found.only_b, found.repeated), (vec![2], false));
        let twice = [row(1, 4), row(1, 4)];
        let found = pairs(&twice, &twice, &[]);
        assert_eq!((found.partner, found.repeated), (vec![Some(0), Some(1)], true));
        let found = pairs(&twice, &twice[1..], &[]);
        assert_eq!((found.partner, found.repeated), (vec![Some(0), None], true));
    }

    #[test]
    fn a_field_that_one_side_lacks_does_not_part_rows() {
        let found = pairs(&[row(1, Value::Null)], &[row(1, 4)], &[]);
        assert_eq!(found.partner, [Some(0)]);
    }

    #[test]
    fn what_is_ignored_does_not_part_rows_either() {
        let (a, b) = ([row(1, 4), row(2, 4)], [row(1, 8), row(2, 8)]);
        assert_eq!(pairs(&a, &b, &[]).len(), 0);
        assert_eq!(pairs(&a, &b, &["threads"]).partner, [Some(0), Some(1)]);
        let (a, b) = (entries(&a), entries(&b));
        let (a, b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
        assert_eq!(suggestion(&a, &b, &Ignored::default()), Some(("n_threads".into(), 2)));
    }
}
