//! Wanted visits: which entries want another one, and how much time all of them may take.

use std::time::Duration;

use super::Entry;
use crate::stats::stopping::Rule;

/// Repetitions that llama-bench makes of a row.
const REPETITIONS: f64 = 5.0;
/// The share of their time that rounds may take together.
const SHARE: f64 = 0.5;
/// The share that two rounds may take, where one leaves most of the time unused: two visits say how visits
/// differ, and one does not.
const SHARE_OF_TWO: f64 = 0.8;

/// The time that all rounds together may take where nobody says otherwise, given what one run of each row as
/// asked takes, what a round of visits does, and its loads.
pub fn budget(runs: Duration, visits: Duration, loads: Duration) -> Duration {
    let theirs = runs.as_secs_f64() * REPETITIONS;
    let two = 2.0 * (visits + loads).as_secs_f64();
    let loaded = theirs + loads.as_secs_f64();
    Duration::from_secs_f64((theirs * SHARE).max(two.min(loaded * SHARE_OF_TWO)))
}

impl Entry {
    /// Whether it wants another visit.
    pub fn wants(&self, stop: Rule) -> bool {
        let Rule::Precision { target, max_time, max_samples, .. } = stop else { return false };
        !self.failed
            && !self.settled
            && self.precision().is_some_and(|reached| reached > target)
            && self.running() < max_time
            && self.samples() < max_samples as usize
    }

    /// About how many more visits it wants, like those so far; `None` where nobody knows yet.
    #[allow(clippy::cast_precision_loss)] // a row has far fewer than 2^53 visits
    pub fn visits_wanted(&self, stop: Rule) -> Option<f64> {
        let Rule::Precision { target, max_time, max_samples, .. } = stop else { return Some(0.0) };
        if self.failed {
            return Some(0.0);
        }
        if !self.visits.is_empty() && self.series().is_empty() {
            // Another one would say the same.
            return Some(0.0);
        }
        let reached = self.precision()?;
        if !self.wants(stop) {
            return Some(0.0);
        }
        // Errors shrink with the root of the number of visits.
        let so_far = self.visits.len() as f64;
        let for_precision = so_far * ((reached / target).powi(2) - 1.0);
        let share = |most: f64, used: f64| so_far * (most / used.max(1e-9) - 1.0);
        let for_time = share(max_time.seconds(), self.running().seconds());
        let for_samples = share(max_samples.into(), self.samples() as f64);
        Some(for_precision.min(for_time).min(for_samples).ceil().max(1.0))
    }

    fn samples(&self) -> usize {
        self.series().iter().map(|visit| visit.n).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_take_half_of_llama_benchs_time() {
        let seconds = Duration::from_secs;
        assert_eq!(budget(seconds(100), seconds(50), seconds(5)), seconds(250));
        // Two rounds, where that is not most of its time.
        assert_eq!(budget(seconds(10), seconds(16), seconds(1)), seconds(34));
        assert_eq!(budget(seconds(10), seconds(100), seconds(0)), seconds(40));
    }
}
