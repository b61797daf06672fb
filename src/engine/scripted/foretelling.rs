//! Foretelling: what a scripted model foretells: a made-up language of a few tokens, and damage that grows with what was cut off the
//! weights. The same tokens give the same numbers in every process.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use super::script::ScriptRule;
use crate::engine::Token;
use crate::setup::{CacheType, Config};

/// The token that opens a text.
pub(super) const OPENING: Token = 0;

/// Tokens of the language, the opening one included.
const VOCABULARY: Token = 300;

/// What a key that is not kept in 16 bits adds to the damage.
const OF_CACHE: f64 = 0.05;

/// A model's view of the language.
pub(super) struct Foretelling {
    damage: f64,
    seed: u64,
    nan_every: Option<u32>,
    chunks: u32,
}

impl Foretelling {
    pub(super) fn new(config: &Config, rule: &ScriptRule) -> Self {
        #[allow(clippy::cast_precision_loss)]
        let bits =
            config.model.tensor_bytes.0 as f64 * 8.0 / (config.model.n_params.0.max(1) as f64);
        let of_cache = if config.type_k == CacheType::F16 { 0.0 } else { OF_CACHE };
        let of_weights = if bits >= 15.0 { 0.0 } else { (-bits / 3.0).exp2() };
        let damage = rule.damage.unwrap_or(of_weights + of_cache);
        Self { damage, seed: damage.to_bits(), nan_every: rule.nan_every, chunks: 0 }
    }

    /// A token for each word, by its letters.
    pub(super) fn tokens_of(text: &str) -> Vec<Token> {
        let of_word = |word: &str| {
            let letters =
                word.bytes().fold(7_i32, |sum, byte| (sum * 31 + i32::from(byte)) % 65_521);
            1 + letters % (VOCABULARY - 1)
        };
        std::iter::once(OPENING).chain(text.split_whitespace().map(of_word)).collect()
    }

    /// Logits behind each token from `first` on: what the token before it says, and the damage.
    pub(super) fn score(
        &mut self,
        tokens: &[Token],
        first: usize,
        each: &mut dyn FnMut(usize, &[f32]),
    ) {
        self.chunks += 1;
        let is_broken = self.nan_every.is_some_and(|every| self.chunks.is_multiple_of(every + 1));
        let mut logits = vec![0.0; VOCABULARY.unsigned_abs() as usize];
        for (place, token) in tokens.iter().enumerate().skip(first) {
            let key = u64::from(token.unsigned_abs()) * 1_000 + place as u64 % 1_000;
            let mut of_language = Pcg64Mcg::seed_from_u64(key);
            let mut of_damage = Pcg64Mcg::seed_from_u64(key ^ self.seed);
            for logit in &mut logits {
                let undamaged = f64::from(of_language.random::<f32>()).powi(4) * 12.0;
                let off = self.damage * (f64::from(of_damage.random::<f32>()) - 0.5) * 4.0;
                #[allow(clippy::cast_possible_truncation)]
                let sum = (undamaged + off) as f32;
                *logit = sum;
            }
            if is_broken {
                logits[3] = f32::NAN;
            }
            each(place, &logits);
        }
    }
}
