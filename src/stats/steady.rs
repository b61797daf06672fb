//! When a warm-up is over.
//!
//! The first run after a load pays for page faults, kernels that compile, pools that grow and clocks
//! that rise, and the second may still pay for some of it. Warming up once does not settle this, and a
//! fixed number of runs is wasteful on slow models, so lbench watches the runs themselves.

use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// What a run said about the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmth {
    /// Not yet: run again.
    Continue,
    /// Successive runs agree: measure.
    Steady,
    /// The bound on runs or time was reached first: measure, and say so.
    GaveUp,
}

/// Watches warm-up runs until they agree; [`Steady::push`] has the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Steady {
    tolerance: f64,
    max_runs: usize,
    max_time: Nanos,
    runs: Vec<Nanos>,
    spent: Nanos,
}

impl Steady {
    /// The share by which successive runs may differ, by default.
    pub const TOLERANCE: f64 = 0.02;

    /// A detector that has seen nothing. `tolerance` is a share of a run's time (0.02 is 2 %);
    /// `max_runs` and `max_time` bound the warm-up.
    pub fn new(tolerance: f64, max_runs: usize, max_time: Nanos) -> Self {
        Self { tolerance, max_runs, max_time, runs: Vec::new(), spent: Nanos(0) }
    }

    /// Takes the time of the newest run.
    ///
    /// Steady if it agrees with the run before it within the tolerance; or, from the third run on, if
    /// it is not faster than the fastest run before it by more than the tolerance. Warming up makes
    /// runs faster, so a run that brings no gain ends the trend, however noisy the machine is.
    pub fn push(&mut self, ns: Nanos) -> Warmth {
        let agrees = self.runs.last().is_some_and(|&last| self.agree(last, ns));
        let best = self.runs.iter().min().copied();
        let ended = self.runs.len() >= 2 && best.is_some_and(|best| !self.faster(ns, best));
        self.runs.push(ns);
        self.spent = self.spent + ns;
        if agrees || ended {
            Warmth::Steady
        } else if self.runs.len() >= self.max_runs || self.spent >= self.max_time {
            Warmth::GaveUp
        } else {
            Warmth::Continue
        }
    }

    /// The runs so far, in order.
    pub fn runs(&self) -> &[Nanos] {
        &self.runs
    }

    /// The time that they took together.
    pub fn spent(&self) -> Nanos {
        self.spent
    }

    fn agree(&self, a: Nanos, b: Nanos) -> bool {
        !self.faster(a, b) && !self.faster(b, a)
    }

    /// Whether `a` is faster than `b` by more than the tolerance.
    fn faster(&self, a: Nanos, b: Nanos) -> bool {
        a.seconds() * (1.0 + self.tolerance) < b.seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(millis: &[u64], max_runs: usize, max_millis: u64) -> (usize, Warmth) {
        let limit = Nanos(max_millis * 1_000_000);
        let mut steady = Steady::new(Steady::TOLERANCE, max_runs, limit);
        millis
            .iter()
            .map(|ms| steady.push(Nanos(ms * 1_000_000)))
            .zip(1..)
            .find_map(|(warmth, runs)| (warmth != Warmth::Continue).then_some((runs, warmth)))
            .unwrap()
    }

    #[test]
    fn two_runs_that_agree_are_enough() {
        assert_eq!(ends(&[100, 101], 10, 60_000), (2, Warmth::Steady));
    }

    #[test]
    fn a_ramp_is_waited_for() {
        let ramp = [2500, 170, 100, 101, 100];
        assert_eq!(ends(&ramp, 10, 60_000), (4, Warmth::Steady));
    }

    #[test]
    fn noise_beyond_the_tolerance_does_not_hold_it_up() {
        assert_eq!(ends(&[100, 110, 95, 107], 10, 60_000), (4, Warmth::Steady));
    }

    #[test]
    fn bounds_end_it() {
        assert_eq!(ends(&[800, 400, 200, 100], 3, 60_000), (3, Warmth::GaveUp));
        assert_eq!(ends(&[90_000], 10, 60_000), (1, Warmth::GaveUp));
    }
}
