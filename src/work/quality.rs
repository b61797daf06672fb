//! Quality: how well a model foretells a text, and how far that is from what a reference foretells.
//!
//! The method is llama-perplexity's: the text is cut into chunks of as many tokens as the context holds, and the
//! second half of each is scored. What differs is the error: tokens of a chunk share a document, so that a chunk is one
//! observation, and the error is that of the mean over chunks.

mod metrics;

use std::path::PathBuf;

use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

pub use metrics::{AGAINST, ALONE, DIVERGENCE, PERPLEXITY, RATIO, SAME_TOP};

use super::{Extent, May};
use crate::units::short_hash;

/// Chunks of a text that the model is asked to foretell.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quality {
    /// The text.
    pub passage: Passage,
    /// Tokens of a chunk.
    pub n_ctx: u32,
    /// Most chunks.
    pub n_chunks: u32,
    /// Seed of their choice and order; `None` for the first ones, in the order of the text.
    pub seed: Option<u64>,
    /// Half-width of the 95 % interval of the headline that is good enough, in thousandths of it; 0 for all chunks.
    pub per_mille: u32,
    /// What the row is in a comparison of several.
    pub role: Role,
}

/// A text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Passage {
    /// Its name: that of a file, or of a text that lbench has.
    pub name: String,
    /// First 16 hex digits of the SHA-256 of its bytes.
    pub hash: String,
    /// Where it is; `None` of one that lbench has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<PathBuf>,
}

/// What a row is among others over the same text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Nothing is compared: its perplexity is wanted.
    Alone,
    /// The one that the others are held against.
    Reference,
    /// Held against the row of this id.
    Against {
        /// [`crate::job::JobId`] of the reference, as a word.
        reference: String,
    },
}

impl Quality {
    /// Tokens of each chunk before the first one that is scored.
    pub fn first_scored(&self) -> u32 {
        self.n_ctx / 2
    }

    /// Tokens of a chunk that are foretold: the last one is not, since nothing comes after it.
    pub fn scored(&self) -> u32 {
        (self.n_ctx - self.first_scored()).saturating_sub(1)
    }

    /// What may be done with it.
    pub fn may(&self) -> May {
        May { warm_up: false, repeat: false, start_cold: false }
    }

    /// What it costs, in tokens of a prompt.
    pub fn cost(&self) -> f64 {
        f64::from(self.n_chunks) * f64::from(self.n_ctx)
    }

    /// The context that it needs.
    pub fn extent(&self) -> Extent {
        Extent::of(self.n_ctx)
    }

    /// The name of the test: `kld prose@512`, or `ppl prose@512` where there is nothing to compare with.
    pub fn test(&self) -> String {
        let what = if matches!(self.role, Role::Against { .. }) { "kld" } else { "ppl" };
        format!("{what} {}@{}", self.passage.name, self.n_ctx)
    }

    /// The chunks to measure, of so many that the text has, in order: spread over the text from a place that the seed
    /// draws, in an order that it draws.
    pub fn chosen(&self, all: u32) -> Vec<u32> {
        let n = self.n_chunks.min(all);
        let Some(seed) = self.seed else { return (0..n).collect() };
        let mut rng = rand_pcg::Pcg64Mcg::seed_from_u64(seed);
        let start = u64::from(rng.random_range(0..all.max(1)));
        let at = |k: u32| (start + u64::from(k) * u64::from(all)) / u64::from(n.max(1));
        let place = |k: u32| u32::try_from(at(k) % u64::from(all.max(1))).unwrap_or(0);
        let mut chosen: Vec<u32> = (0..n).map(place).collect();
        chosen.shuffle(&mut rng);
        chosen
    }
}

impl Passage {
    /// A text of this name, with these bytes.
    pub fn new(name: String, bytes: &[u8], path: Option<PathBuf>) -> Self {
        Self { name, hash: short_hash(bytes), path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(n_chunks: u32, seed: Option<u64>) -> Quality {
        Quality {
            passage: Passage::new("prose".into(), b"text", None),
            n_ctx: 512,
            n_chunks,
            seed,
            per_mille: 100,
            role: Role::Alone,
        }
    }

    #[test]
    fn chunks_are_spread_over_the_text_without_repeating() {
        for (n, all) in [(8, 64), (8, 9), (32, 64), (64, 64), (64, 10), (1, 1), (3, 1000)] {
            for seed in 0..20 {
                let mut chosen = quality(n, Some(seed)).chosen(all);
                assert_eq!(chosen.len(), n.min(all) as usize);
                chosen.sort_unstable();
                let gaps = chosen.windows(2).map(|pair| pair[1] - pair[0]);
                let (step, n) = (all / n.min(all), n.min(all));
                assert!(chosen.iter().all(|chunk| *chunk < all));
                assert!(
                    gaps.clone().all(|gap| gap >= step && gap <= step + 1),
                    "{n} of {all}: {chosen:?}"
                );
            }
        }
    }

    #[test]
    fn without_a_seed_they_are_the_first() {
        assert_eq!(quality(3, None).chosen(9), [0, 1, 2]);
        assert_eq!(quality(3, None).chosen(2), [0, 1]);
    }

    #[test]
    fn orders_differ_between_seeds_and_not_between_calls() {
        let order = |seed| quality(16, Some(seed)).chosen(64);
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn the_second_half_is_scored_but_for_its_last_token() {
        assert_eq!((quality(1, None).first_scored(), quality(1, None).scored()), (256, 255));
    }
}
