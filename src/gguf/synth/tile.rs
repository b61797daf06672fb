//! The weights: one stretch of normally distributed numbers, encoded once for each type and repeated.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

use super::encode::encode;
use crate::gguf::types::GgmlType;

/// Standard deviation of the weights, as real models have it before training.
pub(super) const DEVIATION: f32 = 0.02;

/// Elements of a stretch: a prime number of blocks of 256, so that no row length divides it and rows do
/// not repeat before thousands of them.
const ELEMENTS: usize = 256 * 4099;

/// `n` normally distributed values with mean 0 and standard deviation 0.02: what the weights of a
/// synthetic model of this seed are made from.
pub fn source_values(seed: u64, n: usize) -> Vec<f32> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut draw = || {
        let x: f32 = StandardNormal.sample(&mut random);
        x * DEVIATION
    };
    (0..n).map(|_| draw()).collect()
}

/// The stretches of one model.
pub(super) struct Tiles {
    source: Vec<f32>,
    encoded: BTreeMap<GgmlType, Vec<u8>>,
}

impl Tiles {
    pub fn new(seed: u64) -> Self {
        Self { source: source_values(seed, ELEMENTS), encoded: BTreeMap::new() }
    }

    /// The stretch of a type: whole blocks, several hundred kilobytes of them. Empty for a type without
    /// an encoder.
    pub fn of(&mut self, ty: GgmlType) -> &[u8] {
        let source = &self.source;
        self.encoded.entry(ty).or_insert_with(|| encode(ty, source).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_depend_on_the_seed_alone() {
        assert_eq!(source_values(1, 100), source_values(1, 100));
        assert_ne!(source_values(1, 100), source_values(2, 100));
        assert_eq!(source_values(1, 100)[..50], source_values(1, 50));
    }
}
