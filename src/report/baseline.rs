//! What an earlier run measured for the rows of this one, and how the rows do against it.

use crate::stats::Estimate;
use crate::stats::known::Known;
use crate::stats::sides::{Side, compare_sides};
use crate::stats::verdict::{Comparison, Limits, Verdict};

/// What a baseline has for a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// Tokens per second of each sample; none where it has only means.
    Measured {
        /// The rates.
        rates: Vec<f64>,
        /// Their mean.
        mean: Option<f64>,
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
    pub limits: Limits,
}

/// A row beside its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// Mean speed then, in tokens per second.
    pub ts: Option<f64>,
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
        now: Option<Side<'_>>,
        floor: Option<f64>,
    ) -> Option<Against> {
        Some(match self.rows.get(index)?.as_ref()? {
            Base::Failed => Against { ts: None, comparison: None, failed_then: true },
            Base::Measured { rates, mean, floor: then_floor, known, marked } => {
                let then = Side { rates, known: *known, marked: *marked };
                let limits = self.limits.on([*then_floor, floor]);
                Against {
                    ts: Estimate::of(rates).map(|rate| rate.mean).or(*mean),
                    comparison: now.map(|now| compare_sides(then, now, limits)),
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
        Some(change + word(verdict))
    }

    /// The verdict as programs read it.
    pub(super) fn verdict(&self) -> Option<&'static str> {
        if self.failed_then {
            return Some("failed_in_baseline");
        }
        Some(name(self.comparison?.verdict))
    }
}

/// A verdict as people read it.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "FASTER",
        Verdict::Slower => "SLOWER",
        Verdict::Same => "SAME",
        Verdict::Unclear => "UNCLEAR",
    }
}

/// A verdict as programs read it.
pub(crate) fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Faster => "faster",
        Verdict::Slower => "slower",
        Verdict::Same => "same",
        Verdict::Unclear => "unclear",
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

    fn side(rates: &[f64]) -> Side<'_> {
        Side { rates, known: None, marked: false }
    }

    #[test]
    fn what_is_known_is_said() {
        let base = |rates: &[f64], mean| Base::Measured {
            rates: rates.to_vec(),
            mean,
            floor: None,
            known: None,
            marked: false,
        };
        let (measured, means) = (base(&[100.0; 5], None), base(&[], Some(100.0)));
        let rows = vec![Some(measured), Some(Base::Failed), Some(means), None];
        let baseline = Baseline { rows, limits: Limits::default() };
        let cell =
            |index, now: &[f64]| baseline.against(index, Some(side(now)), None).unwrap().cell();
        assert_eq!(cell(0, &[60.0; 5]).unwrap(), "-40.0 % SLOWER");
        assert_eq!(cell(0, &[97.0; 5]).unwrap(), "-3.0 % UNCLEAR");
        assert_eq!(cell(0, &[100.0; 5]).unwrap(), "+0.0 % SAME");
        assert_eq!(cell(0, &[]).unwrap(), "UNCLEAR");
        assert_eq!(cell(1, &[97.0; 5]).unwrap(), "failed then");
        assert_eq!(cell(2, &[97.0; 5]).unwrap(), "UNCLEAR");
        assert_eq!(baseline.against(0, None, None).unwrap().cell(), None);
        assert_eq!(baseline.against(2, None, None).unwrap().ts, Some(100.0));
        assert_eq!(baseline.against(3, Some(side(&[1.0])), None), None);
        assert_eq!(baseline.against(4, None, None), None);
    }
}
