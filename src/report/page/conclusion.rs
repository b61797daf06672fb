//! Conclusion of a run in sentences: what was asked, which rows differ beyond doubt, and what is best under which
//! measure. Verdicts are those of `lbench compare`, row against row of one run.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use super::super::{Report, Row};
use crate::axis::AXES;
use crate::document::shortened;
use crate::document::text::limited;
use crate::machine::without_folders;
use crate::stats::verdict::{Criteria, Verdict};
use crate::units::counted;
use crate::work::{Metric, speed};

/// Most sentences of one sort, and most names in one.
const MOST_SENTENCES: usize = 12;
const MOST_NAMES: usize = 4;
/// Most characters of a cause.
const MOST_CHARS: usize = 100;

/// What a run was about, and what came of it.
pub(super) struct Conclusion {
    pub question: String,
    pub answers: Vec<String>,
}

/// How a figure is read from a row.
type ReadFigure<'a> = &'a dyn Fn(&Row<'_>) -> Option<f64>;

/// Rows of one test that differ in settings alone.
struct Contest<'a> {
    /// The table that they stand in, where there are several, and the test.
    name: String,
    metric: &'static Metric,
    rows: Vec<Row<'a>>,
    names: Vec<String>,
}

impl Conclusion {
    pub(super) fn of(report: &Report, shown: &[usize]) -> Self {
        let contests = contests(report, shown);
        let mut answers: Vec<_> = contests.iter().filter_map(Contest::winner).collect();
        limit(&mut answers);
        answers.extend(alone(&contests));
        let mut others: Vec<_> = contests.iter().filter_map(Contest::other_measures).collect();
        limit(&mut others);
        answers.extend(others);
        answers.extend(failures(report, shown));
        answers.extend(marked(&contests));
        Self { question: Self::question(report), answers }
    }

    /// What was asked.
    pub(super) fn question(report: &Report) -> String {
        let jobs = || report.plan().jobs.iter().map(|planned| &planned.job);
        let rows: Vec<_> = (0..report.len()).collect();
        let subjects = unique(rows.iter().map(|&row| report.description(row).to_string()));
        let tests = unique(jobs().map(|job| job.work.test_name()));
        let one = subjects.len() == 1;
        let fast = jobs().any(|job| job.work.speed().is_some());
        let good = jobs().any(|job| job.work.quality().is_some());
        let how = match (fast, good) {
            (true, true) => "How fast and how good",
            (false, true) => "How good",
            _ => "How fast",
        };
        if !report.plan().parts.is_empty() {
            let parts: Vec<_> = report.plan().parts.iter().map(|part| part.title.clone()).collect();
            let is = if one { "is" } else { "are" };
            let (subjects, parts) = (listed(&subjects, "models"), listed(&parts, "sweeps"));
            return format!("{how} {is} {subjects}? {parts}");
        }
        let over = AXES.iter().filter_map(|axis| {
            let values =
                unique(jobs().filter_map(|job| Some(shortened(&job.value(axis)?.to_string()))));
            let name = axis.column.filter(|_| values.len() > 1)?;
            Some(format!("{name} {}", listed(&values, "values")))
        });
        let over = over.collect::<Vec<_>>();
        let over =
            if over.is_empty() { String::new() } else { format!(", over {}", over.join("; ")) };
        let is = if one { "is" } else { "are" };
        let (subjects, tests) = (listed(&subjects, "models"), listed(&tests, "tests"));
        format!("{how} {is} {subjects} at {tests}{over}?")
    }
}

/// The rows that were measured, by test.
fn contests<'a>(report: &'a Report, shown: &[usize]) -> Vec<Contest<'a>> {
    let mut contests: Vec<Contest<'a>> = Vec::new();
    let mut places = HashMap::new();
    for &index in shown {
        let row = report.row(index);
        // What shows another row's measurement, or did not come to its end, is no contestant.
        if row.same.is_some() || row.headline().is_none() || row.side().is_none() {
            continue;
        }
        let (test, metric) = (row.job.work.test_name(), row.job.work.headline());
        let name = row.part_title().map_or(test.clone(), |part| format!("{part}, {test}"));
        let place = *places.entry((name.clone(), metric.name)).or_insert(contests.len());
        if place == contests.len() {
            contests.push(Contest { name, metric, rows: Vec::new(), names: Vec::new() });
        }
        contests[place].rows.push(row);
    }
    for contest in &mut contests {
        contest.names = names(&contest.rows);
    }
    contests
}

/// What tells rows of one test apart, of each.
fn names(rows: &[Row<'_>]) -> Vec<String> {
    let differ = |read: &dyn Fn(&Row<'_>) -> Option<String>| {
        rows.iter().map(read).collect::<BTreeSet<_>>().len() > 1
    };
    let axes = AXES.iter().filter(|axis| axis.column.is_some());
    let axes: Vec<_> = axes
        .filter(|axis| differ(&|row| row.job.value(axis).map(|value| value.to_string())))
        .collect();
    let models = differ(&|row| Some(row.description.to_string()));
    let file = |row: &Row<'_>| {
        row.job.setup.model().map(|model| without_folders(&model.path.to_string_lossy()))
    };
    let files = differ(&|row| row.job.setup.model().map(|model| model.header_hash.clone()));
    let name = |row: &Row<'_>| {
        let model = if models { Some(row.description.to_string()) } else { None };
        let model = model.or_else(|| file(row).filter(|_| files && !models));
        let settings = axes.iter().filter_map(|axis| {
            let value = row.job.value(axis)?.to_string();
            let value = if value.is_empty() { "none".into() } else { shortened(&value) };
            Some(format!("{} {value}", axis.column.unwrap_or(axis.name)))
        });
        model.map(|model| shortened(&model)).into_iter().chain(settings).collect::<Vec<_>>()
    };
    let names = rows.iter().map(|row| name(row).join(" / "));
    let numbered = names.enumerate().map(|(at, name)| match name.as_str() {
        "" => format!("row {}", at + 1),
        _ => name,
    });
    numbered.collect()
}

impl Contest<'_> {
    /// A row's figure with its unit.
    fn said(&self, at: usize) -> String {
        let figure = self.rows[at].headline();
        self.metric
            .face
            .map_or_else(String::new, |face| format!("{} {}", face.cell(figure), face.heading))
    }

    fn value(&self, at: usize) -> f64 {
        self.rows[at].headline().map_or(f64::NAN, |figure| figure.value)
    }

    /// The best row, and how each other does against it.
    fn judged(&self) -> Option<(usize, Vec<(usize, Verdict)>)> {
        let sign = self.metric.sign_of_better();
        let order =
            |a: &usize, b: &usize| (sign * self.value(*a)).total_cmp(&(sign * self.value(*b)));
        let best = (0..self.rows.len()).rev().max_by(order)?;
        let others = (0..self.rows.len()).filter(|at| *at != best);
        let verdicts = others.filter_map(|at| {
            let (then, now) = (self.rows[at].side()?, self.rows[best].side()?);
            let floors = [at, best].map(|at| {
                let row = &self.rows[at];
                row.facts.host.floors.and_then(|floors| row.job.work.floor(floors))
            });
            let limits = Criteria::default().on(floors);
            Some((at, self.metric.compare(then, now, limits).verdict))
        });
        Some((best, verdicts.collect()))
    }

    /// Which row is best, and whether beyond doubt; `None` where there is nothing to choose from.
    fn winner(&self) -> Option<String> {
        if self.rows.len() < 2 {
            return None;
        }
        let (best, verdicts) = self.judged()?;
        let those = |wanted: &dyn Fn(Verdict) -> bool| -> Vec<usize> {
            verdicts.iter().filter(|(_, verdict)| wanted(*verdict)).map(|(at, _)| *at).collect()
        };
        let beaten = those(&|verdict| self.metric.is_better(verdict) == Some(true));
        let same = those(&|verdict| verdict == Verdict::Same);
        let unclear = those(&|verdict| {
            verdict != Verdict::Same && self.metric.is_better(verdict) != Some(true)
        });
        let (name, all) = (&self.name, self.rows.len());
        let within = Criteria::default().threshold * 100.0;
        if same.len() + 1 == all {
            let said = self.said(best);
            return Some(format!(
                "{name}: all {all} rows are the SAME within {within} %, {said} at best."
            ));
        }
        let is = if beaten.len() == verdicts.len() { "is best" } else { "has the best figure" };
        let mut text = format!("{name}: {} {is}, {}", self.names[best], self.said(best));
        let word = self.metric.word(if self.metric.sign_of_better() > 0.0 {
            Verdict::Greater
        } else {
            Verdict::Less
        });
        if !beaten.is_empty() {
            let than = match (beaten.len(), verdicts.len()) {
                (1, 1) => self.names[beaten[0]].clone(),
                (n, all) if n == all => format!("all {n} others"),
                (n, all) if n > MOST_NAMES => format!("{n} of {all} others"),
                (n, all) => format!("{n} of {all} others ({})", self.named(&beaten)),
            };
            let _ = write!(text, ", beyond doubt {word} than {than}");
        }
        if beaten.len() == verdicts.len() {
            text.push_str(&self.next(best));
        }
        if !same.is_empty() {
            let _ = write!(text, "; the SAME within {within} %: {}", self.named(&same));
        }
        if !unclear.is_empty() {
            let _ = write!(text, "; not told apart from it: {}", self.named(&unclear));
        }
        Some(text + ".")
    }

    /// The row that comes next.
    fn next(&self, best: usize) -> String {
        let sign = self.metric.sign_of_better();
        let others = (0..self.rows.len()).filter(|at| *at != best);
        let next =
            others.max_by(|a, b| (sign * self.value(*a)).total_cmp(&(sign * self.value(*b))));
        next.map_or_else(String::new, |at| {
            let change = self.value(at) / self.value(best) - 1.0;
            let change = if change.is_finite() {
                format!(" ({} %)", super::super::percent(change))
            } else {
                String::new()
            };
            let who = if self.rows.len() > 2 {
                format!("; next is {}, ", self.names[at])
            } else {
                ", ".into()
            };
            format!("{who}{}{change}", self.said(at))
        })
    }

    fn named(&self, rows: &[usize]) -> String {
        let names: Vec<_> = rows.iter().map(|&at| self.names[at].clone()).collect();
        listed(&names, "rows")
    }

    /// What is best under measures that are no headline, where rows differ in them.
    fn other_measures(&self) -> Option<String> {
        if self.rows.len() < 2 {
            return None;
        }
        #[allow(clippy::cast_precision_loss)] // 2^53 bytes are 8 PiB
        let mib = |row: &Row<'_>| Some(row.device_memory()?.0 as f64 / f64::from(1 << 20));
        let ttft = |row: &Row<'_>| Some(row.figure(&speed::FIRST_TOKEN)?.value / 1e6);
        let joules = |row: &Row<'_>| row.joules_per_token();
        let measures: [(&str, &str, ReadFigure<'_>); 3] = [
            ("least device memory", "MiB", &mib),
            ("shortest time to first token", "ms", &ttft),
            ("least energy a token", "J", &joules),
        ];
        let best = measures.iter().filter_map(|(what, unit, read)| {
            let values =
                self.rows.iter().enumerate().filter_map(|(at, row)| Some((at, read(row)?)));
            let values: Vec<_> = values.collect();
            let (at, least) = values.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
            let differ = values.iter().any(|(_, value)| value.total_cmp(least).is_ne());
            let digits = if *least >= 100.0 { 0 } else { 2 };
            differ.then(|| format!("{what} {} ({least:.digits$} {unit})", self.names[*at]))
        });
        let best: Vec<_> = best.collect();
        (!best.is_empty())
            .then(|| format!("{}, by the figures alone: {}.", self.name, best.join("; ")))
    }
}

/// Tests that have nobody to be compared with.
fn alone(contests: &[Contest<'_>]) -> Option<String> {
    let alone: Vec<_> = contests
        .iter()
        .filter(|contest| contest.rows.len() == 1)
        .map(|contest| format!("{}: {}", contest.name, contest.said(0)))
        .collect();
    let more = alone.len().saturating_sub(MOST_SENTENCES);
    let told = alone.iter().take(MOST_SENTENCES).cloned().collect::<Vec<_>>().join("; ");
    let more = if more > 0 { format!("; and {more} more in the table") } else { String::new() };
    (!alone.is_empty()).then(|| format!("{told}{more}."))
}

/// Rows that have no result.
fn failures(report: &Report, shown: &[usize]) -> Option<String> {
    let tally = report.tally();
    let failed: Vec<_> = shown
        .iter()
        .map(|&index| report.row(index))
        .filter(|row| row.cause().is_some())
        .take(MOST_NAMES)
        .map(|row| {
            let cause = row.cause().unwrap_or_default();
            format!("{} ({})", row.job.work.test_name(), limited(&cause, MOST_CHARS))
        })
        .collect();
    let left = if tally.unfinished > 0 {
        format!(" {} not measured to the end.", were(tally.unfinished))
    } else {
        String::new()
    };
    if tally.failed == 0 {
        return (tally.unfinished > 0).then(|| left.trim().to_string());
    }
    let more = tally.failed.saturating_sub(failed.len());
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let all = counted(report.len(), "row");
    let failed = failed.join(", ");
    Some(format!("{} of {all} failed: {failed}{more}.{left}", tally.failed))
}

fn were(rows: usize) -> String {
    format!("{} {}", counted(rows, "row"), if rows == 1 { "was" } else { "were" })
}

/// Rows that say of themselves that they do not compare.
fn marked(contests: &[Contest<'_>]) -> Option<String> {
    let marked = contests.iter().flat_map(|contest| &contest.rows).filter(|row| row.marked);
    let marked = marked.count();
    (marked > 0).then(|| {
        format!(
            "{} marked: the machine changed or held back meanwhile, and none of them is called different.",
            were(marked)
        )
    })
}

/// Sentences of one sort, as many as somebody reads.
fn limit(sentences: &mut Vec<String>) {
    let more = sentences.len().saturating_sub(MOST_SENTENCES);
    if more > 0 {
        sentences.truncate(MOST_SENTENCES);
        sentences.push(format!("And {more} more of this sort: the table has them."));
    }
}

fn unique(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    words.filter(|word| seen.insert(word.clone())).collect()
}

/// Names in a sentence, or how many there are.
fn listed(names: &[String], what: &str) -> String {
    match names {
        [] => format!("no {what}"),
        [one] => shortened(one),
        [first, .., last] if names.len() > 2 * MOST_NAMES => {
            format!("{} {what}, {} to {}", names.len(), shortened(first), shortened(last))
        }
        [before @ .., last] => {
            let before: Vec<_> = before.iter().map(|name| shortened(name)).collect();
            format!("{} and {}", before.join(", "), shortened(last))
        }
    }
}
