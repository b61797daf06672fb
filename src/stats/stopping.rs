//! When enough has been measured.
//!
//! Measuring until the interval is narrow (Chow & Robbins 1965) has a trap: whoever looks after every
//! sample stops at a look where the samples agree by chance, and the interval then misses the truth more
//! often than it says. Two things hold against that, at the cost of a few samples: the interval must be
//! narrow enough at two looks in a row, and narrower than asked while samples are few, by a factor of
//! `1 + 2/n`. How often the interval then holds the truth is in `docs/statistics.md`.

use serde::{Deserialize, Serialize};

use super::interval::{Interval, count};
use crate::units::Nanos;

/// Why a row has no more samples than it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The number of repetitions that was asked for.
    Repetitions,
    /// The interval of the mean is as narrow as was asked for.
    Precision,
    /// The cap on samples came first.
    MaxSamples,
    /// The cap on time came first.
    MaxTime,
    /// The visit has had its samples and its time.
    Visit,
}

/// When to stop: data, as it travels to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// After exactly so many samples.
    Fixed {
        /// Samples.
        n: u32,
    },
    /// When the mean is known well enough.
    Precision {
        /// Never with fewer samples than this, whatever the time.
        min_samples: u32,
        /// Half-width of the 95 % interval that is good enough, as a share of the mean (0.01 is 1 %).
        target: f64,
        /// Never with more samples than this.
        max_samples: u32,
        /// From `min_samples` on, never longer than this.
        max_time: Nanos,
    },
    /// When the row has been looked at for long enough to come back to it later: one visit of several.
    Visit {
        /// Never with fewer samples than this, however long they take; 1 at least.
        min_samples: u32,
        /// Not before this time since the first sample began.
        least_time: Nanos,
        /// Never with more samples than this.
        max_samples: u32,
    },
}

impl Rule {
    /// The usual visit: two samples and a second.
    pub const fn visit() -> Self {
        Self::Visit { min_samples: 2, least_time: Nanos(1_000_000_000), max_samples: 1000 }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Self::Precision {
            min_samples: 5,
            target: 0.01,
            max_samples: 1000,
            max_time: Nanos(20_000_000_000),
        }
    }
}

/// Looks in a row at which the interval must be narrow enough.
const LOOKS: u32 = 2;

/// How much narrower it must be, as a share, times the number of samples.
const MARGIN: f64 = 2.0;

/// Up to this number of samples there is a look after each; later ones are further apart, by the share
/// that follows, because a look costs as much as there are samples.
const EVERY: usize = 64;
const APART: usize = 32;

/// Follows the samples of a row and says when they are enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopping {
    rule: Rule,
    values: Vec<f64>,
    in_a_row: u32,
    /// Number of samples at the next look.
    next_look: usize,
}

impl Stopping {
    /// Confidence of the interval that must be narrow enough.
    pub const CONFIDENCE: f64 = 0.95;

    /// A row without samples.
    pub fn new(rule: Rule) -> Self {
        Self { rule, values: Vec::new(), in_a_row: 0, next_look: 0 }
    }

    /// Takes the newest value and the time that the row has taken since its first
    /// measured sample began; says why to stop, or `None` to go on.
    pub fn push(&mut self, value: f64, elapsed: Nanos) -> Option<StopReason> {
        self.values.push(value);
        let n = self.values.len();
        match self.rule {
            Rule::Fixed { n: wanted } => (n >= wanted as usize).then_some(StopReason::Repetitions),
            Rule::Precision { min_samples, target, max_samples, max_time } => {
                let enough = n >= (min_samples as usize).max(2);
                if enough && n >= self.next_look && self.look(target) {
                    Some(StopReason::Precision)
                } else if n >= max_samples as usize {
                    Some(StopReason::MaxSamples)
                } else if enough && elapsed >= max_time {
                    Some(StopReason::MaxTime)
                } else {
                    None
                }
            }
            Rule::Visit { min_samples, least_time, max_samples } => {
                if n >= min_samples as usize && elapsed >= least_time {
                    Some(StopReason::Visit)
                } else {
                    (n >= max_samples as usize).then_some(StopReason::MaxSamples)
                }
            }
        }
    }

    /// The values so far, in order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Half-width of the 95 % interval so far, as a share of the mean; `None` with fewer than two values.
    pub fn precision(&self) -> Option<f64> {
        Interval::of_mean(&self.values, Self::CONFIDENCE)?.relative_half_width()
    }

    /// Whether the interval is narrow enough, now and at the look before.
    fn look(&mut self, target: f64) -> bool {
        let n = self.values.len();
        self.next_look = if n < EVERY { n + 1 } else { n + n / APART };
        let margin = 1.0 + MARGIN / count(self.values.len());
        let narrow = self.precision().is_some_and(|reached| reached * margin <= target);
        self.in_a_row = if narrow { self.in_a_row + 1 } else { 0 };
        self.in_a_row >= LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_count_is_exact() {
        let mut stopping = Stopping::new(Rule::Fixed { n: 3 });
        let all: Vec<_> = (0..3).map(|_| stopping.push(1.0, Nanos(u64::MAX))).collect();
        assert_eq!(all, [None, None, Some(StopReason::Repetitions)]);
    }

    #[test]
    fn a_silent_machine_needs_one_look_more_than_the_minimum() {
        let mut stopping = Stopping::new(Rule::default());
        let all: Vec<_> = (0..6).map(|_| stopping.push(50.0, Nanos(0))).collect();
        assert_eq!(all[..5], [None; 5]);
        assert_eq!(all[5], Some(StopReason::Precision));
        assert_eq!(stopping.precision(), Some(0.0));
    }

    #[test]
    fn a_visit_takes_its_time_and_its_samples() {
        let end = |rule, each: u64| {
            let mut stopping = Stopping::new(rule);
            (1..).find_map(|n| Some((n, stopping.push(1.0, Nanos(n * each))?))).unwrap()
        };
        let second = 1_000_000_000;
        assert_eq!(end(Rule::visit(), 30 * second), (2, StopReason::Visit));
        assert_eq!(end(Rule::visit(), second / 10), (10, StopReason::Visit));
        assert_eq!(end(Rule::visit(), 1), (1000, StopReason::MaxSamples));
        let one = Rule::Visit { min_samples: 0, least_time: Nanos(0), max_samples: 9 };
        assert_eq!(end(one, 1), (1, StopReason::Visit));
    }

    #[test]
    fn looks_get_rarer() {
        let mut stopping = Stopping::new(Rule::Precision {
            min_samples: 5,
            target: 0.0,
            max_samples: 10_000,
            max_time: Nanos(u64::MAX),
        });
        let mut looks = 0;
        loop {
            let before = stopping.next_look;
            let rate = f64::from(u32::try_from(stopping.values.len() * 7 % 11).unwrap()) + 100.0;
            let reason = stopping.push(rate, Nanos(0));
            looks += u32::from(stopping.next_look != before);
            if let Some(reason) = reason {
                assert_eq!(reason, StopReason::MaxSamples);
                break;
            }
        }
        assert_eq!(stopping.values().len(), 10_000);
        assert!((200..300).contains(&looks), "{looks}");
    }

    #[test]
    fn reasons_and_rules_are_snake_case() {
        let text = serde_json::to_string(&StopReason::MaxSamples).unwrap();
        assert_eq!(text, "\"max_samples\"");
        let text = serde_json::to_string(&Rule::Fixed { n: 5 }).unwrap();
        assert_eq!(text, "{\"fixed\":{\"n\":5}}");
        let visit = serde_json::to_value(Rule::visit()).unwrap();
        assert_eq!(visit["visit"]["least_time"], 1_000_000_000);
        assert_eq!(serde_json::from_value::<Rule>(visit).unwrap(), Rule::visit());
    }
}
