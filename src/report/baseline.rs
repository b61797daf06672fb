//! Baseline: what an earlier run measured for the rows of this one, and how the rows do against it.

use crate::stats::known::Known;
use crate::stats::sides::Side;
use crate::stats::verdict::{Comparison, Criteria};
use crate::work::Metric;

/// What a baseline has for a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// Values of the row's headline.
    Measured {
        /// One a sample; none where it has only what they came to.
        values: Vec<f64>,
        /// What they came to.
        figure: Option<f64>,
        /// By how much runs of the same thing differed there, where that was known.
        floor: Option<f64>,
        /// What its visits say, where it has some.
        known: Option<Known>,
        /// Whether it says of itself that it does not compare.
        marked: bool,
    },
    /// It failed then.
    Failed,
}

/// An earlier run, matched with the plan of this one.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Of each row of the plan, what the baseline has.
    pub rows: Vec<Option<Base>>,
    /// What it takes to call two rows different, or the same.
    pub limits: Criteria,
}

/// A row beside its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// What is compared.
    pub metric: &'static Metric,
    /// What it came to then.
    pub then: Option<f64>,
    /// `None` where one of the two failed.
    pub comparison: Option<Comparison>,
    /// It failed then.
    pub failed_then: bool,
}

impl Baseline {
    /// How the row at `index` does, `now` being `None` if it failed, on a machine with this floor; `None` where
    /// the baseline has no such row.
    pub(super) fn against(
        &self,
        index: usize,
        metric: &'static Metric,
        now: Option<Side<'_>>,
        floor: Option<f64>,
    ) -> Option<Against> {
        Some(match self.rows.get(index)?.as_ref()? {
            Base::Failed => Against { metric, then: None, comparison: None, failed_then: true },
            Base::Measured { values, figure, floor: then_floor, known, marked } => {
                let then = Side { values, known: *known, marked: *marked };
                let limits = self.limits.on([*then_floor, floor]);
                Against {
                    metric,
                    then: (metric.figure)(values).map(|figure| figure.value).or(*figure),
                    comparison: now.map(|now| metric.compare(then, now, limits)),
                    failed_then: false,
                }
            }
        })
    }
}

impl Against {
    /// The cell: `+1.2 % SAME`.
    pub(super) fn cell(&self) -> Option<String> {
        if self.failed_then {
            return Some("failed then".into());
        }
        let Comparison { verdict, effect, .. } = self.comparison?;
        let change = effect.map(|effect| percent(effect) + " % ").unwrap_or_default();
        Some(change + self.metric.word(verdict))
    }

    /// The verdict as programs read it.
    pub(super) fn verdict(&self) -> Option<String> {
        if self.failed_then {
            return Some("failed_in_baseline".into());
        }
        Some(self.metric.word(self.comparison?.verdict).to_ascii_lowercase())
    }
}

/// A share in percent with its sign and one decimal; a zero has none to speak of.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:+.1}", share * 100.0);
    if text == "-0.0" { "+0.0".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::speed;

    fn side(values: &[f64]) -> Side<'_> {
        Side { values, known: None, marked: false }
    }

    #[test]
    fn what_is_known_is_said() {
        let base = |values: &[f64], figure| Base::Measured {
            values: values.to_vec(),
            figure,
            floor: None,
            known: None,
            marked: false,
        };
        let (measured, means) = (base(&[100.0; 5], None), base(&[], Some(100.0)));
        let rows = vec![Some(measured), Some(Base::Failed), Some(means), None];
        let baseline = Baseline { rows, limits: Criteria::default() };
        let against =
            |index, now: Option<&[f64]>| baseline.against(index, &speed::RATE, now.map(side), None);
        let cell = |index, now: &[f64]| against(index, Some(now)).unwrap().cell();
        assert_eq!(cell(0, &[60.0; 5]).unwrap(), "-40.0 % SLOWER");
        assert_eq!(cell(0, &[97.0; 5]).unwrap(), "-3.0 % UNCLEAR");
        assert_eq!(cell(0, &[100.0; 5]).unwrap(), "+0.0 % SAME");
        assert_eq!(cell(0, &[]).unwrap(), "UNCLEAR");
        assert_eq!(cell(1, &[97.0; 5]).unwrap(), "failed then");
        assert_eq!(cell(2, &[97.0; 5]).unwrap(), "UNCLEAR");
        assert_eq!(against(0, None).unwrap().cell(), None);
        assert_eq!(against(2, None).unwrap().then, Some(100.0));
        assert_eq!(against(3, Some(&[1.0])), None);
        assert_eq!(against(4, None), None);
    }
}
