//! From logits to probabilities, and what is kept of a reference's.
//!
//! Of a distribution over a vocabulary the likeliest tokens are kept exactly, and of the rest a sample that is drawn by
//! probability: a sum over the rest, which a divergence needs, is then its mass times the mean over the sample, without
//! bias. The likeliest alone would give some 80 % of the divergence.

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;

use crate::engine::Token;

/// Tokens of the top and of the rest that are kept.
pub(in crate::worker) const KEPT: usize = 64;

/// What a model thinks comes next.
pub(in crate::worker) struct Distribution<'a> {
    logits: &'a [f32],
    max: f32,
    log_sum: f64,
}

impl<'a> Distribution<'a> {
    /// What these logits say; `None` where one is no number, or none is finite. As llama-perplexity has it, the exponential is
    /// taken in 32 bits and summed in 64.
    pub(in crate::worker) fn of(logits: &'a [f32]) -> Option<Self> {
        if logits.iter().any(|logit| logit.is_nan()) {
            return None;
        }
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if !max.is_finite() {
            return None;
        }
        let sum: f64 = logits.iter().map(|logit| f64::from((logit - max).exp())).sum();
        Some(Self { logits, max, log_sum: sum.ln() })
    }

    /// ln of the probability of a token; of one that is not in the vocabulary, that of the impossible.
    pub(in crate::worker) fn log_p(&self, token: Token) -> f64 {
        let logit = usize::try_from(token).ok().and_then(|token| self.logits.get(token));
        logit.map_or(f64::NEG_INFINITY, |logit| f64::from(logit - self.max) - self.log_sum)
    }

    /// The likeliest token, the first of equals.
    #[allow(clippy::float_cmp)] // it is one of them, bit for bit
    pub(in crate::worker) fn likeliest(&self) -> u32 {
        let place = self.logits.iter().position(|logit| *logit == self.max);
        u32::try_from(place.unwrap_or(0)).unwrap_or(0)
    }
}

/// What is kept of a reference's distribution at a place.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::worker) struct Sketch {
    /// The likeliest tokens, in order, each with ln p.
    pub(in crate::worker) top: Vec<(u32, f32)>,
    /// The probability of all others together.
    pub(in crate::worker) rest: f32,
    /// A sample of these, by probability.
    pub(in crate::worker) sample: Vec<(u32, f32)>,
}

impl Sketch {
    /// What is kept of a distribution. The sample is drawn from what key, chunk and place say.
    #[allow(clippy::cast_possible_truncation)] // what is kept has 32 bits
    pub(in crate::worker) fn of(
        seen: &Distribution<'_>,
        (key, chunk, place): (u64, u32, usize),
    ) -> Self {
        let id = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let log_p = |at: u32| seen.log_p(Token::try_from(at).unwrap_or(-1));
        let mut order: Vec<u32> = (0..seen.logits.len()).map(id).collect();
        let logit = |at: u32| seen.logits[at as usize];
        let greater = |a: &u32, b: &u32| logit(*b).total_cmp(&logit(*a)).then(a.cmp(b));
        let n_top = KEPT.min(order.len());
        if n_top < order.len() {
            order.select_nth_unstable_by(n_top - 1, greater);
        }
        let (top, others) = order.split_at_mut(n_top);
        top.sort_unstable_by(greater);
        // In an order that does not go by how the top was found.
        others.sort_unstable();
        let others: Vec<_> = others.iter().map(|&at| (at, log_p(at).exp())).collect();
        let mass: f64 = others.iter().map(|(_, probability)| probability).sum();
        let key = key ^ (u64::from(chunk) << 32) ^ place as u64;
        let sample = systematic(&others, mass, &mut Pcg64Mcg::seed_from_u64(key));
        let pair = |at: &u32| (*at, log_p(*at) as f32);
        Self {
            top: top.iter().map(pair).collect(),
            rest: mass as f32,
            sample: sample.iter().map(pair).collect(),
        }
    }

    /// The divergence of another distribution from this one, in nats: Σ p (ln p − ln q). `None` where a token is kept that the
    /// other has not.
    pub(in crate::worker) fn divergence(&self, seen: &Distribution<'_>) -> Option<f64> {
        let difference = |(token, log_p): &(u32, f32)| {
            let is_known = (*token as usize) < seen.logits.len();
            let token = Token::try_from(*token).ok().filter(|_| is_known)?;
            Some(f64::from(*log_p) - seen.log_p(token))
        };
        let mut sum = 0.0;
        for kept in &self.top {
            sum += f64::from(kept.1).exp() * difference(kept)?;
        }
        let mut rest = 0.0;
        for kept in &self.sample {
            rest += difference(kept)?;
        }
        #[allow(clippy::cast_precision_loss)] // as many as are kept
        let n = self.sample.len().max(1) as f64;
        Some(sum + f64::from(self.rest) * rest / n)
    }

    /// The likeliest token.
    pub(in crate::worker) fn likeliest(&self) -> Option<u32> {
        self.top.first().map(|(token, _)| *token)
    }
}

/// A systematic sample of tokens by their probabilities, which are `mass` together: one draw, and then equal steps through all of them.
#[allow(clippy::cast_precision_loss)] // as many as are kept
fn systematic(tokens: &[(u32, f64)], mass: f64, rng: &mut Pcg64Mcg) -> Vec<u32> {
    let mut sample = Vec::with_capacity(KEPT);
    let Some(&(last, _)) = tokens.last().filter(|_| mass > 0.0) else { return sample };
    let step = mass / KEPT as f64;
    let (mut next, mut sum) = (step * rng.random::<f64>(), 0.0);
    for &(token, probability) in tokens {
        sum += probability;
        while sample.len() < KEPT && next < sum {
            sample.push(token);
            next += step;
        }
    }
    sample.resize(KEPT, last);
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits of a vocabulary with a long tail, and of a damaged model.
    fn logits(seed: u64, damage: f32, n: usize) -> Vec<f32> {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let mut off = Pcg64Mcg::seed_from_u64(seed + 1_000_000);
        let one = |_| rng.random::<f32>().powi(6) * 14.0 + damage * (off.random::<f32>() - 0.5);
        (0..n).map(one).collect()
    }

    fn exact(p: &Distribution<'_>, q: &Distribution<'_>) -> f64 {
        let all = 0..Token::try_from(p.logits.len()).unwrap();
        all.map(|token| p.log_p(token).exp() * (p.log_p(token) - q.log_p(token))).sum()
    }

    #[test]
    fn probabilities_sum_to_one_and_what_is_no_number_is_told() {
        let all = logits(1, 0.0, 1000);
        let seen = Distribution::of(&all).unwrap();
        let sum: f64 = (0..1000).map(|token| seen.log_p(token).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        assert!((seen.log_p(1000)).is_infinite() && seen.log_p(-1).is_infinite());
        assert!(Distribution::of(&[0.0, f32::NAN]).is_none());
        assert!(Distribution::of(&[f32::NEG_INFINITY; 3]).is_none());
        assert!(Distribution::of(&[f32::INFINITY, 0.0]).is_none());
        assert!(Distribution::of(&[]).is_none());
    }

    #[test]
    fn a_small_vocabulary_is_kept_whole() {
        let (p, q) = (logits(3, 0.0, 50), logits(3, 1.0, 50));
        let (p, q) = (Distribution::of(&p).unwrap(), Distribution::of(&q).unwrap());
        let sketch = Sketch::of(&p, (1, 0, 0));
        assert_eq!((sketch.top.len(), sketch.sample.len()), (50, 0));
        assert!((sketch.divergence(&q).unwrap() - exact(&p, &q)).abs() < 1e-6);
        assert!(sketch.divergence(&p).unwrap().abs() < 1e-6);
        assert_eq!(sketch.likeliest(), Some(p.likeliest()));
    }

    #[test]
    fn the_sketch_is_without_bias_and_the_top_alone_is_not() {
        let (mut kept, mut of_top, mut truth) = (0.0, 0.0, 0.0);
        for seed in 0..400 {
            let (p, q) = (logits(seed, 0.0, 4000), logits(seed, 2.0, 4000));
            let (p, q) = (Distribution::of(&p).unwrap(), Distribution::of(&q).unwrap());
            let sketch = Sketch::of(&p, (7, u32::try_from(seed).unwrap(), 3));
            kept += sketch.divergence(&q).unwrap();
            of_top += Sketch { sample: Vec::new(), ..sketch }.divergence(&q).unwrap();
            truth += exact(&p, &q);
        }
        assert!((kept / truth - 1.0).abs() < 0.01, "{}", kept / truth);
        assert!((of_top / truth - 1.0).abs() > 0.03, "{}", of_top / truth);
    }

    #[test]
    fn another_vocabulary_is_told() {
        let (p, q) = (logits(1, 0.0, 400), logits(1, 0.0, 300));
        let sketch = Sketch::of(&Distribution::of(&p).unwrap(), (1, 1, 1));
        assert_eq!(sketch.divergence(&Distribution::of(&q).unwrap()), None);
    }
}
