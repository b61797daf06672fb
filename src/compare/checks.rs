//! Checks: what must not be compared, and what else a difference may be about.

use std::collections::BTreeSet;

use super::Run;
use super::entry::{ComparedRow, ModelId};
use super::keys::{FACTS, Ignored};
use super::pairs::{Pairs, suggestion};
use crate::document::text::plain;
use crate::units::counted;

/// Most of the same kind that one sentence names.
const MOST: usize = 8;

/// Why the models of two sides are apples and oranges, if they are. Models of one name must be one file.
pub(super) fn models(a: &Run, b: &Run) -> Option<String> {
    for label in labels(a).intersection(&labels(b)) {
        let values = |run: &Run, get: fn(&ModelId) -> &Option<String>| -> BTreeSet<String> {
            let models = run.entries.iter().map(|entry| &entry.model);
            let models = models.filter(|model| model.label.as_ref() == Some(label));
            models.filter_map(|model| get(model).clone()).collect()
        };
        let differ = |get| {
            let (a, b) = (values(a, get), values(b, get));
            let apart = !a.is_empty() && !b.is_empty() && a.is_disjoint(&b);
            apart.then(|| (list(&a), list(&b)))
        };
        let label = plain(label);
        if let Some((a, b)) = differ(|model| &model.seed) {
            return Some(format!(
                "the random weights of {label} differ (synthetic_seed {a} and {b}): measure both with one seed"
            ));
        }
        if let Some((a, b)) = differ(|model| &model.hash) {
            return Some(format!(
                "{label} is not the same file in both (model_hash {a} and {b}): give files of one model, or `--by model` to compare models"
            ));
        }
    }
    None
}

fn labels(run: &Run) -> BTreeSet<String> {
    run.entries.iter().filter_map(|entry| entry.model.label.clone()).collect()
}

fn list(values: &BTreeSet<String>) -> String {
    let short = values.iter().take(MOST).map(|value| plain(value).chars().take(12).collect());
    short.collect::<Vec<String>>().join(", ")
}

/// Why there is nothing to compare, where no test is in both.
pub(super) fn nothing_shared(a: &[&ComparedRow], b: &[&ComparedRow], ignored: &Ignored) -> String {
    let tests = |entries: &[&ComparedRow]| {
        let mut names: Vec<String> = Vec::new();
        for entry in entries {
            let name = format!("{} {}", plain(entry.label()), plain(&entry.test()));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let more = if names.len() > MOST { ", …" } else { "" };
        names.truncate(MOST);
        names.join(", ") + more
    };
    let advice = suggestion(a, b, ignored).map_or_else(
        || "give results of the same tests".into(),
        |(name, pairs)| format!("`--by {name}` pairs {}", counted(pairs, "row")),
    );
    format!("no test is in both (A has {}; B has {}): {advice}", tests(a), tests(b))
}

/// What differs between the rows of pairs and is no setting: then the comparison is about that too.
pub(super) fn differences(
    a: &[&ComparedRow],
    b: &[&ComparedRow],
    pairs: &Pairs,
    skipped: &[&str],
) -> Vec<String> {
    let mut found = Vec::new();
    for (at, (name, words)) in FACTS.iter().enumerate() {
        let partners = pairs.partner.iter().enumerate();
        let mut values = partners.filter_map(|(index, partner)| {
            let (a, b) = (&a[index].facts[at], &b[(*partner)?].facts[at]);
            a.as_deref().zip(b.as_deref()).filter(|(a, b)| a != b)
        });
        if skipped.contains(name) {
            continue;
        }
        if let Some((a, b)) = values.next() {
            let (a, b) = told_apart(a, b);
            found.push(format!(
                "another {words} (A: {}, B: {}): differences may be due to it",
                plain(&a),
                plain(&b)
            ));
        }
    }
    let version = FACTS.iter().position(|(name, _)| *name == "lbench_version");
    let ours = |entries: &[&ComparedRow]| {
        entries.iter().any(|e| version.is_some_and(|v| e.facts[v].is_some()))
    };
    if ours(a) != ours(b) {
        found.push(
            "one side was measured by lbench, the other not: warm-up and number of samples differ"
                .into(),
        );
    }
    found
}

/// Of two lists the items that the other one lacks; anything else as it is.
fn told_apart(a: &str, b: &str) -> (String, String) {
    if !a.contains(", ") || !b.contains(", ") {
        return (a.into(), b.into());
    }
    let without = |list: &str, other: &str| {
        let other: Vec<_> = other.split(", ").collect();
        let own: Vec<_> = list.split(", ").filter(|item| !other.contains(item)).collect();
        if own.is_empty() { "nothing more".into() } else { format!("also {}", own.join(", ")) }
    };
    (without(a, b), without(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_long_lists_only_the_difference_is_told() {
        let (a, b) = told_apart("SSE3, AVX, AVX2", "SSE3, AVX");
        assert_eq!((a.as_str(), b.as_str()), ("also AVX2", "nothing more"));
        let (a, b) = told_apart("one", "two, three");
        assert_eq!((a.as_str(), b.as_str()), ("one", "two, three"));
    }
}
