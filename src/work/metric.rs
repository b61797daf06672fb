//! Metric: a number that a kind of work yields, with all that tables, files and comparisons must know of it.
//!
//! Raw and cooked are different types: [`Sample`]s are what was measured, a [`Figure`] is what they come to.

use super::{KINDS, Sample, Work};
use crate::document::NOTHING;
use crate::stats::sides::{Side, compare_sides};
use crate::stats::spread::Spread;
use crate::stats::verdict::{Comparison, Criteria, Verdict};
use crate::stats::{Estimate, paired, robust};

/// Kind of work, as data: what it yields.
#[derive(Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it yields. The first is the headline: what a row is judged by.
    pub metrics: &'static [&'static Metric],
}

impl Kind {
    /// The metric that a row of this kind is judged by.
    pub fn headline(&self) -> &'static Metric {
        self.metrics[0]
    }
}

/// Every metric, once, in the order of the kinds.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let of_kinds = |kinds: &'static [&'static Kind]| kinds.iter().flat_map(|kind| kind.metrics);
    KINDS.iter().enumerate().flat_map(move |(place, kind)| {
        let is_new =
            move |metric: &&&Metric| of_kinds(&KINDS[..place]).all(|known| known != *metric);
        kind.metrics.iter().filter(is_new).copied()
    })
}

/// Number that a kind of work yields.
#[derive(Debug)]
pub struct Metric {
    /// Its name, as no other metric has it.
    pub name: &'static str,
    /// One sentence about it.
    pub doc: &'static str,
    /// Unit of its values.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// How chance comes into its values.
    pub chance: Chance,
    /// Its column in a table; `None` where it has none.
    pub face: Option<Face>,
    /// Its fields in a result file.
    pub fields: FieldNames,
    /// Its values, in the order of the samples: what stopping, ledger and verdict see.
    pub values: fn(&Work, &[Sample]) -> Vec<f64>,
    /// What its values come to; `None` without any.
    pub figure: fn(&[f64]) -> Option<Figure>,
}

impl Metric {
    /// What samples of a work come to.
    pub fn of(&self, work: &Work, samples: &[Sample]) -> Option<Figure> {
        (self.figure)(&(self.values)(work, samples))
    }

    /// Compares a row with its baseline.
    pub fn compare(&self, baseline: Side<'_>, new: Side<'_>, limits: Criteria) -> Comparison {
        match self.chance {
            Chance::Independent => compare_sides(baseline, new, limits),
            Chance::Paired => {
                let value = |values: &[f64]| Some((self.figure)(values)?.value);
                paired::compare(baseline.values, new.values, value, limits)
            }
        }
    }

    /// A verdict as people read it.
    pub fn word(&self, verdict: Verdict) -> &'static str {
        let words = match self.better {
            Better::Higher(words) | Better::Lower(words) => words,
        };
        match (verdict, self.is_better(verdict)) {
            (_, Some(true)) => words.better,
            (_, Some(false)) => words.worse,
            (Verdict::Same, None) => "SAME",
            (_, None) => "UNCLEAR",
        }
    }

    /// 1 where more is better, -1 where less is.
    pub fn sign_of_better(&self) -> f64 {
        if matches!(self.better, Better::Higher(_)) { 1.0 } else { -1.0 }
    }

    /// Whether a verdict says that it became better, or worse; `None` where it says neither.
    pub fn is_better(&self, verdict: Verdict) -> Option<bool> {
        let greater = match verdict {
            Verdict::Greater => true,
            Verdict::Less => false,
            Verdict::Same | Verdict::Unclear => return None,
        };
        Some(greater == matches!(self.better, Better::Higher(_)))
    }
}

/// Metrics are compared as what they are, the entries of static tables.
impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Direction in which a metric is better, and the words of a verdict on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More of it is better.
    Higher(Words),
    /// Less of it is better.
    Lower(Words),
}

/// Words of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Beyond doubt, and not just by a trifle, it became better.
    pub better: &'static str,
    /// The same where it became worse.
    pub worse: &'static str,
}

/// Words on what takes time.
pub const SPEED: Words = Words { better: "FASTER", worse: "SLOWER" };

/// Chance in the values of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// Each value has its own, and so has each process: positive numbers, compared by their logarithms with the
    /// error that visits show ([`crate::stats::visits`]).
    Independent,
    /// Values are the same places of one text on both sides, and a process that measures again finds the same:
    /// compared place by place ([`crate::stats::paired`]).
    Paired,
}

/// Column of figures with their error, in no table yet.
pub const FACE: Face = Face {
    heading: "",
    width: 16,
    scale: 1.0,
    places: 2,
    with_error: true,
    says: "mean ± standard deviation",
    is_part: false,
    shows: |_, _| false,
};

/// Column of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Face {
    /// What stands above it.
    pub heading: &'static str,
    /// Characters that its cells are padded to.
    pub width: usize,
    /// What figures are multiplied by where they are shown.
    pub scale: f64,
    /// Decimal places.
    pub places: usize,
    /// Whether the error is shown too.
    pub with_error: bool,
    /// What stands in it, in words.
    pub says: &'static str,
    /// Whether it is a part of the headline, and stands beside it.
    pub is_part: bool,
    /// Whether a table has the column for a row of this work with so many cold starts.
    pub shows: fn(&Work, u32) -> bool,
}

impl Face {
    /// The text of a cell: a figure and its error, or the figure alone where none is known or shown.
    pub fn cell(&self, figure: Option<&Figure>) -> String {
        let Some(Figure { value, error, .. }) = figure else { return NOTHING.into() };
        let number = |value: f64| format!("{:.*}", self.places, value * self.scale);
        let error = error.filter(|_| self.with_error);
        let error = error.map(|error| format!(" ± {}", number(error)));
        number(*value) + &error.unwrap_or_default()
    }
}

/// Names of a metric's fields.
#[derive(Debug, Clone, Copy)]
pub struct FieldNames {
    /// The field of its figure.
    pub value: &'static str,
    /// That of the figure's error.
    pub error: Option<&'static str>,
    /// That of its values, a list.
    pub samples: Option<&'static str>,
}

/// What the values of a metric come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// What stands behind its ±: for speeds and times the standard deviation of the values, as llama-bench has
    /// it, for other numbers the error of the number. `None` where it is not known.
    pub error: Option<f64>,
    /// The values, summed up; `None` where the figure is no mean of theirs.
    pub spread: Option<Spread>,
}

impl Figure {
    /// The mean of some values, and how they are spread.
    pub fn spread(values: &[f64]) -> Option<Self> {
        let spread = Spread::of(values)?;
        Some(Self { value: spread.mean, error: spread.sd, spread: Some(spread) })
    }

    /// The middle of some values.
    pub fn median(values: &[f64]) -> Option<Self> {
        Some(Self { value: robust::median(values)?, error: None, spread: None })
    }

    /// The mean of some values and their standard deviation.
    pub fn mean(values: &[f64]) -> Option<Self> {
        let Estimate { mean, sd, .. } = Estimate::of(values)?;
        Some(Self { value: mean, error: sd, spread: None })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::{quality, speed};
    use super::*;

    #[test]
    fn no_name_field_or_heading_is_used_twice() {
        assert_eq!(
            all().filter(|metric| **metric == quality::PERPLEXITY).count(),
            1,
            "of two kinds"
        );
        let names = all().map(|metric| metric.name);
        let fields = all().flat_map(|metric| {
            let FieldNames { value, error, samples } = metric.fields;
            [Some(value), error, samples]
        });
        let headings = all().filter_map(|metric| Some(metric.face?.heading));
        // A heading may be the name of its own metric.
        for words in [names.collect::<Vec<_>>(), fields.flatten().collect(), headings.collect()] {
            assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len());
            assert!(words.iter().all(|word| !word.is_empty()));
        }
        assert!(all().all(|metric| !metric.doc.is_empty()));
    }

    /// What became of a row stands in its headline's column.
    #[test]
    fn every_headline_has_a_column() {
        for work in [Work::prompt(512), Work::generate(128), Work::prompt_generate(64, 16)] {
            let face = work.headline().face.unwrap();
            assert!((face.shows)(&work, 0) && !face.is_part);
        }
    }

    #[test]
    fn the_metric_knows_what_is_better() {
        let closer = Words { better: "CLOSER", worse: "FARTHER" };
        let distance = Metric { better: Better::Lower(closer), ..speed::RATE };
        let words = |metric: &Metric| {
            use Verdict::{Greater, Less, Same, Unclear};
            [Greater, Less, Same, Unclear].map(|verdict| metric.word(verdict))
        };
        assert_eq!(words(&speed::RATE), ["FASTER", "SLOWER", "SAME", "UNCLEAR"]);
        assert_eq!(words(&speed::TIME), ["SLOWER", "FASTER", "SAME", "UNCLEAR"]);
        assert_eq!(words(&distance), ["FARTHER", "CLOSER", "SAME", "UNCLEAR"]);
        assert_eq!(distance.is_better(Verdict::Less), Some(true));
        assert_eq!(distance.is_better(Verdict::Unclear), None);
    }
}
