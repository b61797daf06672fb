//! Two sides of one run that were visited in turn: paired in their order, and judged by their differences within rounds.

use std::collections::BTreeMap;

use super::entry::ComparedRow;
use super::keys::{FACTS, KEYS, is_in_test_name};
use super::pairs::Pairs;
use super::{CompareOptions, Judged, Run, RunComparison, TestLine, checks, rows};
use crate::document::text::plain;
use crate::report::percent;
use crate::stats::known::Known;
use crate::stats::verdict::{self, Criteria, Verdict, compare_paired};
use crate::work::metric::Chance;

/// Most tests of one verdict that the sentence names.
const MOST: usize = 6;

/// What is true of a comparison of sides that were visited in turn.
#[derive(Debug)]
pub(super) struct TurnFacts {
    /// Of each line, how many rounds it was in.
    pub rounds: Vec<usize>,
    /// Whether each side has a program of its own.
    pub programs: bool,
}

/// Compares two sides of a run. `differences` is what is known of each pair, B against A; `programs` says whether each
/// side has a program of its own; `remarks` is what else a reader must know.
pub fn in_turn<'a>(
    (a, b): (&'a Run, &'a Run),
    (differences, remarks): (&[Option<Known>], Vec<String>),
    options: &'a CompareOptions,
    programs: bool,
) -> RunComparison<'a> {
    let (rows_a, rows_b) = (rows(a), rows(b));
    let pairs = rows_a.iter().zip(&rows_b).zip(differences);
    let lines = pairs.map(|((a, b), known)| {
        let judged = judge(a, b, known.as_ref(), options.limits);
        TestLine { a: Some(*a), b: Some(*b), judged }
    });
    let lines: Vec<_> = lines.collect();
    let rounds = differences.iter().map(|known| known.map_or(0, |known| known.visits)).collect();
    let partner = (0..rows_a.len()).map(Some).collect();
    let pairs = Pairs { partner, ..Pairs::default() };
    let mut notes = notes(&lines, differences, options.limits);
    // Where layers are is a setting, and may be what the comparison is about.
    notes.extend(checks::differences(&rows_a, &rows_b, &pairs, &["backends"]));
    notes.extend(remarks);
    let turns = Some(TurnFacts { rounds, programs });
    RunComparison { a, b, options, lines, warnings: Vec::new(), notes, turns }
}

fn judge(a: &ComparedRow, b: &ComparedRow, known: Option<&Known>, limits: Criteria) -> Judged {
    match (Judged::of(a, b, limits), known) {
        // What finds the same in each process has no rounds: its values are pairs by themselves.
        (Judged::Compared(_), _) if a.metric.chance == Chance::Independent => {
            let Some(known) = known else { return Judged::NoSamples };
            let comparison = compare_paired(known, limits);
            let marked = is_called(comparison) && (a.marked || b.marked);
            let verdict = if marked { Verdict::Unclear } else { comparison.verdict };
            Judged::Compared(verdict::Comparison { verdict, ..comparison })
        }
        (judged, _) => judged,
    }
}

fn is_called(comparison: verdict::Comparison) -> bool {
    matches!(comparison.verdict, Verdict::Greater | Verdict::Less)
}

/// What a reader must know of single lines.
fn notes(lines: &[TestLine<'_>], differences: &[Option<Known>], limits: Criteria) -> Vec<String> {
    let is_held_back = |line: &TestLine<'_>, known: &Option<Known>| {
        line.sides().any(|side| side.marked)
            && known.is_some_and(|known| is_called(compare_paired(&known, limits)))
    };
    let lines = lines.iter().zip(differences);
    let held = lines.filter(|(line, known)| is_held_back(line, known)).map(|(line, _)| line.test());
    let held: Vec<_> = held.collect();
    let text = || {
        let tests = held.join(", ");
        format!("{tests}: not called, because a device was held back or the warm-up given up")
    };
    if held.is_empty() { Vec::new() } else { vec![text()] }
}

impl RunComparison<'_> {
    /// What it all comes to, in a sentence; `None` where the sides were not visited in turn, or nothing was measured.
    pub fn conclusion(&self) -> Option<String> {
        self.turns.as_ref()?;
        let verdict =
            |line: &TestLine<'_>| line.judged.comparison().map(|comparison| comparison.verdict);
        let moved =
            |line: &TestLine<'_>| format!("by {} in {}", self.effect(line), self.name(line));
        let unclear = |line: &TestLine<'_>| format!("{} ({})", self.name(line), self.range(line));
        let name = |line: &TestLine<'_>| self.name(line);
        let threshold = self.options.limits.threshold * 100.0;
        let of = |wanted| self.lines.iter().filter(move |line| verdict(line) == Some(wanted));
        let kind = |judged| self.lines.iter().filter(move |line| line.judged == judged);
        let called = self.called().into_iter().map(|(word, lines)| {
            let word = word.to_lowercase();
            (format!("B is {word} "), listed(lines.into_iter().map(moved), " and "))
        });
        let others = [
            (
                format!("no difference beyond {threshold} % in "),
                listed(of(Verdict::Same).map(name), ", "),
            ),
            ("not clear in ".to_string(), listed(of(Verdict::Unclear).map(unclear), ", ")),
            ("failed in A: ".to_string(), listed(kind(Judged::FailedInA).map(name), ", ")),
            ("failed in B: ".to_string(), listed(kind(Judged::FailedInB).map(name), ", ")),
            ("failed in both: ".to_string(), listed(kind(Judged::FailedInBoth).map(name), ", ")),
            ("not measured: ".to_string(), listed(kind(Judged::NoSamples).map(name), ", ")),
        ];
        let parts = called.chain(others).filter_map(|(what, of)| Some(what + &of?));
        let text = parts.collect::<Vec<_>>().join("; ");
        let mut letters = text.chars();
        let first = letters.next()?;
        Some(format!("{}{}.", first.to_uppercase(), letters.as_str()))
    }

    /// The lines that are called different, by the words for that: those on what became better come first.
    fn called(&self) -> Vec<(&'static str, Vec<&TestLine<'_>>)> {
        let mut words: Vec<(&str, Vec<&TestLine<'_>>)> = Vec::new();
        for wanted in [true, false] {
            for line in &self.lines {
                let Some(comparison) = line.judged.comparison() else { continue };
                if line.metric().is_better(comparison.verdict) != Some(wanted) {
                    continue;
                }
                let word = line.word();
                match words.iter_mut().find(|(known, _)| *known == word) {
                    Some((_, lines)) => lines.push(line),
                    None => words.push((word, vec![line])),
                }
            }
        }
        words
    }

    /// The test with what else tells its line from others.
    fn name(&self, line: &TestLine<'_>) -> String {
        let differ = |value: &dyn Fn(&TestLine<'_>) -> String| {
            self.lines.iter().any(|other| value(other) != value(line))
        };
        let keys = (0..KEYS.len()).filter(|&at| !is_in_test_name(at));
        let keys = keys.filter(|&at| differ(&|line| line.value(at)));
        let keys = keys.map(|at| format!("{} {}", KEYS[at].heading, line.value(at)));
        let model = differ(&|line| line.model()).then(|| line.model());
        let all: Vec<_> = model.into_iter().chain(keys).collect();
        let test = line.test();
        plain(&if all.is_empty() { test } else { format!("{test} ({})", all.join(", ")) })
    }

    /// By how much the speed differs, without a sign: `3.1 % (2.4 to 3.8 %)`.
    #[allow(clippy::unused_self)] // beside the others
    fn effect(&self, line: &TestLine<'_>) -> String {
        let comparison = line.judged.comparison();
        let effect = comparison.and_then(|comparison| comparison.effect).unwrap_or(0.0);
        let share = |value: f64| format!("{:.1}", value * effect.signum() * 100.0);
        let ends = comparison.and_then(|comparison| comparison.interval);
        let ends = ends
            .map(|ends| if effect < 0.0 { (ends.high, ends.low) } else { (ends.low, ends.high) });
        let ends = ends.map(|(low, high)| format!(" ({} to {} %)", share(low), share(high)));
        format!("{} %{}", share(effect), ends.unwrap_or_default())
    }

    /// Where the change may be: `-0.4 to +1.9 %`.
    #[allow(clippy::unused_self)] // beside the others
    fn range(&self, line: &TestLine<'_>) -> String {
        let interval = line.judged.comparison().and_then(|comparison| comparison.interval);
        interval.map_or_else(
            || "too little was measured".into(),
            |ends| format!("{} to {} %", percent(ends.low), percent(ends.high)),
        )
    }

    /// What the figures of a change are, for a note: how they come about.
    pub(super) fn how(&self) -> String {
        let confidence = self.options.limits.confidence * 100.0;
        let rounds = self.turns.iter().flat_map(|turns| &turns.rounds);
        let rounds = rounds.copied().filter(|rounds| *rounds > 0);
        let (least, most) = (rounds.clone().min().unwrap_or(0), rounds.max().unwrap_or(0));
        let rounds = if least == most { format!("{most}") } else { format!("{least} to {most}") };
        match self.turns {
            None => format!("change: of B against A, with its {confidence} % interval"),
            Some(_) => format!(
                "change: of B against A within rounds ({rounds} of them), with its {confidence} % interval"
            ),
        }
    }

    /// What a side's program is, where each has one of its own.
    pub(super) fn program(&self, run: &Run) -> Option<String> {
        self.turns.as_ref().filter(|turns| turns.programs)?;
        let facts = facts(run.entries.first()?);
        let fact = |name: &str| facts.get(name).copied().unwrap_or("unknown");
        Some(format!(", build {}, kernels {}", fact("build_commit"), fact("cpu_features")))
    }
}

/// What is true of a row and no setting.
pub(super) fn facts(entry: &ComparedRow) -> BTreeMap<&'static str, &str> {
    let facts = FACTS.iter().zip(&entry.facts);
    facts.filter_map(|((name, _), value)| Some((*name, value.as_deref()?))).collect()
}

/// Some items and how many more; `None` where there are none.
fn listed(items: impl Iterator<Item = String>, between: &str) -> Option<String> {
    let items: Vec<_> = items.collect();
    let more = items.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown = &items[..items.len().min(MOST)];
    (!items.is_empty()).then(|| shown.join(between) + &more)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stats::looks;
    use crate::stats::noise::Noise;
    use crate::stats::visits::Visit;

    /// A row of two tokens a second and so many times that, with what it says of itself.
    fn run(rate: f64, more: &serde_json::Value) -> Run {
        let mut row = json!({"n_prompt": 512, "n_gen": 0, "samples_ts": [rate, rate * 1.001]});
        for (name, value) in more.as_object().unwrap() {
            row[name] = value.clone();
        }
        Run::parse(String::new(), &row.to_string()).unwrap()
    }

    fn difference(effect: f64) -> Option<Known> {
        let visit = |rate: f64| Visit::of(&[rate, rate * 1.001]).unwrap();
        let pairs = [(visit(100.0), visit(100.0 * (1.0 + effect))); 8];
        looks::differences(Noise::unknown(), &[pairs])[0]
    }

    fn compared(sides: [&Run; 2], known: Option<Known>) -> (String, String, Vec<String>) {
        let options = CompareOptions::default();
        let found = in_turn((sides[0], sides[1]), (&[known], Vec::new()), &options, false);
        (found.lines[0].word().into(), found.conclusion().unwrap(), found.notes.clone())
    }

    #[test]
    fn the_verdict_is_that_of_the_differences() {
        let (a, b) = (run(100.0, &json!({})), run(90.0, &json!({})));
        // What the means say is not what counts.
        let (word, sentence, _) = compared([&a, &b], difference(0.0));
        assert_eq!(
            (word.as_str(), sentence.as_str()),
            ("SAME", "No difference beyond 1 % in pp512.")
        );
        let (word, sentence, notes) = compared([&a, &b], difference(-0.1));
        assert_eq!((word.as_str(), notes.len()), ("SLOWER", 0));
        assert!(sentence.starts_with("B is slower by 10.0 % ("), "{sentence}");
        let (word, sentence, _) = compared([&a, &b], None);
        assert_eq!((word.as_str(), sentence.as_str()), ("UNCLEAR", "Not measured: pp512."));
    }

    #[test]
    fn a_side_that_does_not_compare_is_never_called_different() {
        let plain = run(100.0, &json!({}));
        for marked in
            [json!({"throttled": 1}), json!({"warmup_steady": 0}), json!({"marked": true})]
        {
            let marked = run(90.0, &marked);
            for sides in [[&plain, &marked], [&marked, &plain]] {
                let (word, _, notes) = compared(sides, difference(-0.1));
                assert_eq!((word.as_str(), notes.len()), ("UNCLEAR", 1), "{notes:?}");
                assert!(notes[0].starts_with("pp512: not called"), "{notes:?}");
                assert_eq!(compared(sides, difference(0.0)).0, "SAME");
            }
        }
    }
}
