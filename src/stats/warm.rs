//! Warmth of a generation, from the times of its tokens.
//!
//! A generation of 128 tokens is 128 observations, and whole runs need not be compared to see that it has
//! become steady: the medians of successive blocks of tokens are.

use super::interval::count;
use super::robust::{mad, median};
use super::steady::Warmth;
use crate::units::Nanos;

/// Tokens in a block.
const BLOCK: usize = 8;

/// Tokens in a block of slow ones, and for how long they must have taken together.
const SLOW_BLOCK: (usize, Nanos) = (4, Nanos(500_000_000));

/// The share by which the medians of successive blocks may differ, noise apart.
const TOLERANCE: f64 = 0.02;

/// How many standard errors of the difference of two medians are noise.
const ALLOWANCE: f64 = 2.0;

/// A normal standard deviation in units of the MAD.
const SD_OF_MAD: f64 = 1.482_602_218_505_602;

/// By how much longer the standard error of a median is than that of a mean, for normal noise: √(π/2).
const COST_OF_MEDIAN: f64 = 1.253_314_137_315_5;

/// Watches the tokens of a generation until they agree; [`Warm::push`] has the rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Warm {
    max_tokens: usize,
    max_time: Nanos,
    tokens: usize,
    spent: Nanos,
    /// Times of the tokens of the block before, in seconds.
    before: Vec<f64>,
    /// The same of the block under way.
    block: Vec<f64>,
    /// The smallest median of the blocks before it.
    fastest: Option<f64>,
    blocks: usize,
}

impl Warm {
    /// A detector that has seen nothing. After `max_tokens` or `max_time` it gives up.
    pub fn new(max_tokens: usize, max_time: Nanos) -> Self {
        Self {
            max_tokens,
            max_time,
            tokens: 0,
            spent: Nanos(0),
            before: Vec::new(),
            block: Vec::with_capacity(BLOCK),
            fastest: None,
            blocks: 0,
        }
    }

    /// Takes the time of the newest token, of one run or of several behind each other.
    ///
    /// Looks where a block ends: after eight tokens, or four that took half a second. Steady if the medians
    /// of this block and the one before differ by less than 2 % and two standard errors; or, from the
    /// third block on, if this one is not faster than the fastest before it by more than 2 %, since
    /// warming up makes tokens faster.
    pub fn push(&mut self, ns: Nanos) -> Warmth {
        self.tokens += 1;
        self.spent = self.spent + ns;
        self.block.push(ns.seconds());
        if self.ends() && self.look() {
            Warmth::Steady
        } else if self.tokens >= self.max_tokens || self.spent >= self.max_time {
            Warmth::GaveUp
        } else {
            Warmth::Continue
        }
    }

    /// Tokens seen.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The time that they took together.
    pub fn spent(&self) -> Nanos {
        self.spent
    }

    fn ends(&self) -> bool {
        let (few, long) = SLOW_BLOCK;
        let n = self.block.len();
        n >= BLOCK || n >= few && self.block.iter().sum::<f64>() >= long.seconds()
    }

    /// Compares the block that has just ended with those before it.
    fn look(&mut self) -> bool {
        let block = std::mem::take(&mut self.block);
        let before = std::mem::replace(&mut self.before, block);
        let (old, new) = (median(&before), median(&self.before));
        let fastest = self.fastest;
        self.fastest = fastest.into_iter().chain(new).reduce(f64::min);
        self.blocks += 1;
        let (Some(old), Some(new), Some(fastest)) = (old, new, fastest) else { return false };
        let room = TOLERANCE * old.min(new) + ALLOWANCE * error(&before, &self.before);
        let ended = self.blocks > 2 && new * (1.0 + TOLERANCE) >= fastest;
        (old - new).abs() <= room || ended
    }
}

/// Standard error of the difference of the medians of two blocks, from how neighbouring tokens differ: a
/// trend, even a steep one, is no noise.
fn error(before: &[f64], after: &[f64]) -> f64 {
    let steps =
        |block: &[f64]| -> Vec<f64> { block.windows(2).map(|pair| pair[1] - pair[0]).collect() };
    let steps = [steps(before), steps(after)].concat();
    let sd = mad(&steps).unwrap_or(0.0) * SD_OF_MAD / 2.0_f64.sqrt();
    let shares = 1.0 / count(before.len()) + 1.0 / count(after.len());
    COST_OF_MEDIAN * sd * shares.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(millis: impl IntoIterator<Item = f64>, max_tokens: usize) -> (usize, Warmth) {
        let mut warm = Warm::new(max_tokens, Nanos(60_000_000_000));
        for ms in millis {
            let warmth = warm.push(Nanos::from(std::time::Duration::from_secs_f64(ms / 1e3)));
            if warmth != Warmth::Continue {
                return (warm.tokens(), warmth);
            }
        }
        unreachable!("it ends within its bounds")
    }

    #[test]
    fn two_blocks_that_agree_are_enough() {
        assert_eq!(ends([10.0; 99], 64), (16, Warmth::Steady));
        assert_eq!(ends([300.0; 99], 64), (8, Warmth::Steady));
        let first = [250.0, 17.0].into_iter().chain([10.0; 99]);
        assert_eq!(ends(first, 64), (16, Warmth::Steady));
    }

    #[test]
    fn a_ramp_is_waited_for() {
        let ramp = (0..99).map(|k| 10.0 + 20.0 * 0.9_f64.powi(k));
        let (tokens, warmth) = ends(ramp, 99);
        assert!((32..=64).contains(&tokens) && warmth == Warmth::Steady, "{tokens}");
    }

    #[test]
    fn tokens_that_get_slower_are_warm() {
        let longer = (0..99).map(|k| 10.0 + 0.1 * f64::from(k));
        assert_eq!(ends(longer, 99), (24, Warmth::Steady));
    }

    #[test]
    fn bounds_end_it() {
        let ramp = || (0..999).map(|k| 1000.0 * 0.97_f64.powi(k));
        assert_eq!(ends(ramp(), 20), (20, Warmth::GaveUp));
        let mut warm = Warm::new(64, Nanos(2_000_000_000));
        let all: Vec<_> = (0..2).map(|_| warm.push(Nanos(1_500_000_000))).collect();
        assert_eq!(all, [Warmth::Continue, Warmth::GaveUp]);
        assert_eq!(warm.spent(), Nanos(3_000_000_000));
    }
}
